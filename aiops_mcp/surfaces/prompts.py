"""Prompts are data: a Markdown file each, with front matter for its name and arguments.

    ---
    name: look_into_cluster
    title: Look into one cluster
    description: What is wrong in one cluster, with evidence
    arguments:
      - {name: cluster, description: Cluster name, required: true, complete: cluster}
      - {name: window, description: How far back, default: 1h}
    ---
    Find out how {{cluster}} has been over the last {{window}}.

``complete`` names the kind of names offered while an argument is typed: cluster, metric, label.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable

import yaml
from pydantic import Field, ValidationError

from aiops_mcp.errors import InputError
from aiops_mcp.models.entity import Entity

_PLACEHOLDER = re.compile(r"\{\{ *([a-z_]+) *\}\}")
_VALUE_LENGTH = 200


class PromptArgument(Entity):
    """One argument; without ``default`` an optional one is empty text."""

    name: str = Field(pattern=r"^[a-z][a-z_]*$")
    description: str
    required: bool = False
    default: str = ""
    complete: str | None = Field(default=None, pattern="^(cluster|metric|label)$")


class Prompt(Entity):
    """A question worth asking, written out for a model; ``body`` holds ``{{argument}}`` places."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    title: str
    description: str
    arguments: tuple[PromptArgument, ...] = ()
    body: str

    def render(self, given: Mapping[str, str]) -> str:
        """The text with its arguments filled in.

        Raises:
            InputError: an argument is unknown, missing or longer than 200 characters.
        """
        known = {argument.name: argument for argument in self.arguments}
        if unknown := [name for name in given if name not in known]:
            raise InputError(
                f"{self.name} takes no argument {unknown[0]!r}.",
                f"It takes: {', '.join(known) or 'none'}.",
            )
        values: dict[str, str] = {}
        for argument in self.arguments:
            value = " ".join(given.get(argument.name, "").split()) or argument.default
            if argument.required and not value:
                raise InputError(f"{self.name} needs {argument.name}.", argument.description)
            if len(value) > _VALUE_LENGTH:
                raise InputError(f"{self.name}: {argument.name} is too long.", "Name it shorter.")
            values[argument.name] = value
        return _PLACEHOLDER.sub(lambda place: values[place.group(1)], self.body)


def parse_prompt(text: str, source: str) -> Prompt:
    """Read one file's text.

    Raises:
        InputError: no front matter, a malformed one, or a place that names no argument.
    """
    start, front, body = (*text.split("---\n", 2), "", "")[:3]
    if start.strip() or not body:
        raise InputError(f"{source} has no front matter.", "Begin it with --- and YAML.")
    try:
        fields = yaml.safe_load(front)
        prompt = Prompt(**fields, body=body.strip())
    except (yaml.YAMLError, TypeError, ValidationError) as error:
        raise InputError(f"{source}: malformed front matter.", "See the module text.") from error
    places = set(_PLACEHOLDER.findall(prompt.body))
    if places != {argument.name for argument in prompt.arguments}:
        raise InputError(
            f"{source}: places and arguments differ.", "Use each argument once at least."
        )
    return prompt


def load_prompts(folder: Traversable | None = None) -> Sequence[Prompt]:
    """Every ``*.md`` of a folder (ours by default), by name."""
    where = folder or files("aiops_mcp") / "prompts"
    entries = sorted(where.iterdir(), key=lambda entry: entry.name)
    return [
        parse_prompt(entry.read_text(encoding="utf-8"), entry.name)
        for entry in entries
        if entry.name.endswith(".md")
    ]
