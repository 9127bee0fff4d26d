"""Markdown with front matter: YAML between two lines of ``---``, then text. Pure.

Knows neither personas nor runbooks. A file may be anybody's, so sizes are bounded, YAML's aliases
are refused (a few lines of them make gigabytes), and every error says the line.
"""

from dataclasses import dataclass
from typing import Any, Final, cast

import yaml
from pydantic import ValidationError

from aiops_mcp.errors import InputError

MOST_CHARACTERS: Final = 65_536

_FENCE = "---"
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORM = "Begin it with a line ---, YAML fields and another line ---; docs/personas.md shows one."


@dataclass(frozen=True, slots=True)
class Document:
    """A file's fields and text; ``body_line`` is the line (from 1) on which the text begins."""

    fields: dict[str, Any]
    body: str
    body_line: int


def read_document(text: str, source: str) -> Document:
    """Take a file apart; ``source`` names it in errors.

    Raises:
        InputError: too long, no front matter, or front matter that is no YAML of named fields.
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"{source} has {len(text)} characters.", f"Keep it under {MOST_CHARACTERS}."
        )
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != _FENCE:
        raise InputError(f"{source} line 1: no front matter.", _FORM)
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise InputError(f"{source} line 1: the front matter has no end.", _FORM)
    found = read_yaml("\n".join(lines[1:end]), source, first_line=2)
    if not isinstance(found, dict):
        raise InputError(f"{source} line 2: the front matter has no fields.", _FORM)
    fields = {str(key): value for key, value in cast("dict[object, Any]", found).items()}
    return Document(fields, "\n".join(lines[end + 1 :]), end + 2)


def read_yaml(text: str, source: str, *, first_line: int) -> Any:
    """A value written in YAML (or JSON, which is YAML too).

    Raises:
        InputError: it is none; with its line, counted from ``first_line``.
    """
    hint = "Quote texts that hold : # { [ or begin with *, & or !."
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_LOADER)):
            raise InputError(f"{source} line {first_line}: YAML aliases are not taken.", hint)
        return yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = first_line + (mark.line if mark else 0)
        said = getattr(error, "problem", None) or "no YAML"
        raise InputError(f"{source} line {line}: {said}.", hint) from error
    except (ValueError, RecursionError) as error:  # such as a date there is not
        raise InputError(
            f"{source} line {first_line}: no value can be made of it.", hint
        ) from error


def refused(error: ValidationError, source: str) -> InputError:
    """What pydantic found in the fields of a file, as one line."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    said = [
        f"{'.'.join(str(step) for step in fault['loc']) or 'fields'}: "
        f"{fault['msg'].removeprefix('Value error, ')}"
        for fault in faults
    ]
    rest = f"; and {len(said) - 4} more" if len(said) > 4 else ""
    return InputError(f"{source}: {'; '.join(said[:4])}{rest}.", "Correct its front matter.")
