"""Runbooks as files: Markdown whose front matter says what for, with a step below each ``## ``.

A step may hold fenced blocks named ``call``: what to ask, as YAML or JSON.

    ---
    title: Pods keep restarting
    alerts: [KubePodCrashLooping, "*CrashLoop*"]
    keywords: [restart, crash, backoff]
    ---
    ## Why the container ended
    The log of the run before tells most.
    ```call
    tool: get_pod_logs
    arguments: {cluster: "{{cluster}}", pod: "{{pod}}", previous: true}
    ```

Pure: text in, a runbook or an error with its line out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final, cast

from pydantic import ValidationError

from aiops_mcp.errors import InputError
from aiops_mcp.fleet.front_matter import Document, read_document, read_yaml, refused
from aiops_mcp.fleet.markdown_folder import packaged
from aiops_mcp.fleet.naming import near_names
from aiops_mcp.fleet.runbook_calls import EXAMPLES, PLACES, filled, places_in
from aiops_mcp.fleet.tool_names import KnownTools, no_such_tool, unknown_tools
from aiops_mcp.models.runbook import Runbook, RunbookCall, RunbookStep

FIELDS: Final = ("name", "title", "description", "alerts", "keywords")
MOST_STEPS: Final = 30
MOST_CALLS: Final = 60

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})\s*(\S*)")
_CALL_FORM = "Write {tool: NAME, arguments: {…}}, or a list of such; places in quotes."


def read_runbook(
    text: str, source: str, *, known: KnownTools | None = None, is_builtin: bool = False
) -> Runbook:
    """Read one file's text; ``source`` is its name. With ``known`` its calls are tried as well.

    Raises:
        InputError: says the file, the line and what is wrong there.
    """
    document = read_document(text, source)
    fields = dict(document.fields)
    for name in fields:
        if name not in FIELDS:
            near = near_names(name, FIELDS)
            meant = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(FIELDS)}."
            raise InputError(f"{source}: there is no field {name!r}.", meant)
    fields.setdefault("name", PurePath(source).stem)
    steps = _Steps(source, known).read(document)
    try:
        return Runbook(**fields, steps=steps, text=document.body.strip(), is_builtin=is_builtin)
    except ValidationError as error:
        raise refused(error, source) from error


def builtin_runbooks() -> tuple[Runbook, ...]:
    """Those that come with the toolkit."""
    return packaged(
        "aiops_mcp", "runbooks", lambda text, name: read_runbook(text, name, is_builtin=True)
    )


@dataclass(slots=True)
class _Step:
    title: str
    lines: list[str] = field(default_factory=list[str])
    calls: list[RunbookCall] = field(default_factory=list[RunbookCall])

    def done(self) -> RunbookStep:
        text = "\n".join(self.lines).strip()
        return RunbookStep(title=self.title, text=text, calls=tuple(self.calls))


class _Steps:
    """Takes the text of one file apart, line by line."""

    def __init__(self, source: str, known: KnownTools | None) -> None:
        self._source = source
        self._known = known
        self._steps: list[_Step] = []

    def read(self, document: Document) -> tuple[RunbookStep, ...]:
        lines = document.body.splitlines()
        at = 0
        while at < len(lines):
            at = self._line(lines, at, document.body_line)
        if not self._steps:
            raise self._wrong(document.body_line, "no steps", "Begin each step with '## '.")
        if len(self._steps) > MOST_STEPS or self._calls > MOST_CALLS:
            raise InputError(
                f"{self._source}: {len(self._steps)} steps with {self._calls} calls.",
                f"Keep to {MOST_STEPS} steps and {MOST_CALLS} calls.",
            )
        return tuple(step.done() for step in self._steps)

    @property
    def _calls(self) -> int:
        return sum(len(step.calls) for step in self._steps)

    def _line(self, lines: list[str], at: int, first: int) -> int:
        """Take the line at ``at``, with the block that begins there; the next one to take."""
        line = lines[at]
        fence = _FENCE.match(line)
        if fence is not None:
            end = self._end_of(fence.group(1), lines, at, first)
            if fence.group(2).lower() == "call":
                self._add_calls("\n".join(lines[at + 1 : end]), first + at)
            elif self._steps:
                self._steps[-1].lines += lines[at : end + 1]
            return end + 1
        if line.startswith("## "):
            title = line[3:].strip().rstrip("#").strip()
            if not title:
                raise self._wrong(first + at, "a step without a title", "Write '## What to do'.")
            self._steps.append(_Step(title))
        elif self._steps:
            self._steps[-1].lines.append(line)
        return at + 1

    def _end_of(self, opening: str, lines: list[str], at: int, first: int) -> int:
        for place in range(at + 1, len(lines)):
            closing = lines[place].strip()
            if closing and not closing.strip(opening[0]) and len(closing) >= len(opening):
                return place
        raise self._wrong(first + at, "a block that never ends", f"Close it with {opening}.")

    def _add_calls(self, text: str, line: int) -> None:
        if not self._steps:
            raise self._wrong(line, "a call before the first step", "Put it below a '## ' line.")
        found = read_yaml(text, self._source, first_line=line + 1)
        for each in cast("list[Any]", found) if isinstance(found, list) else [found]:
            self._steps[-1].calls.append(self._call(each, line))

    def _call(self, given: Any, line: int) -> RunbookCall:
        if not isinstance(given, dict):
            raise self._wrong(line, "a call that names no tool", _CALL_FORM)
        fields = cast("dict[Any, Any]", given)
        if unknown := [str(name) for name in fields if name not in ("tool", "arguments")]:
            raise self._wrong(line, f"a call has no {unknown[0]!r}", _CALL_FORM)
        try:
            call = RunbookCall(tool=fields.get("tool", ""), arguments=fields.get("arguments") or {})
        except ValidationError as error:
            raise self._wrong(line, "a call that is malformed", _CALL_FORM) from error
        if not call.tool:
            raise self._wrong(line, "a call that names no tool", _CALL_FORM)
        for place in places_in(call.arguments):
            if place not in PLACES:
                hint = f"There are {', '.join('{{' + name + '}}' for name in PLACES)}."
                raise self._wrong(line, f"nothing is known as {{{{{place}}}}}", hint)
        if self._known is not None:
            self._try(call, self._known, line)
        return call

    def _try(self, call: RunbookCall, known: KnownTools, line: int) -> None:
        """Whether the tool takes these arguments, once something is filled in for the places."""
        if unknown := unknown_tools([call.tool], known):
            raise no_such_tool(unknown, known, f"{self._source} line {line}")
        if call.tool not in known:
            return  # of a further server, which is not asked here
        arguments: Mapping[str, Any] = filled(call.arguments, EXAMPLES)[0]
        try:
            known[call.tool].request_type.model_validate(dict(arguments))
        except ValidationError as error:
            raise refused(error, f"{self._source} line {line}: {call.tool}") from error

    def _wrong(self, line: int, said: str, hint: str) -> InputError:
        return InputError(f"{self._source} line {line}: {said}.", hint)
