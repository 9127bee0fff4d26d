"""An answer on a terminal: steps as quiet lines on stderr, text on stdout, evidence below it.

Text is shown as it comes where a person watches; in a pipe only the answer as it is in the end, so
that nothing void is passed on. Knows the events of a chat and asks nobody.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from agents.chat_steps import StreamEvent
from agents.chat_text import call_line, made_by, mark_line, shortened
from aiops_mcp.models.chat import Answer, Reference

_STATUS = {"SUCCESS": "✓", "ERROR": "✗", "TIMEOUT": "✗"}
_PLAN = {"done": "✓", "now": "▸", "next": "·", "dropped": "-"}
_LINE = 160
_MOST_MARKS = 10


class Screen:
    """Shows one answer. ``live``: text is shown as it comes, and not again in the end."""

    def __init__(self, errors: Console, out: TextIO, *, live: bool, steps: bool = True) -> None:
        self._errors = errors
        self._out = out
        self._live = live
        self._shows_steps = steps
        self._names: dict[str, str] = {}
        self._planned: list[str] = []
        self._shown = ""
        self.message_id = ""
        self.failed: Mapping[str, Any] | None = None
        self.ended: Mapping[str, Any] | None = None

    def show(self, event: StreamEvent) -> None:
        """Show one event."""
        data = event.data
        match event.type:
            case "message_start":
                self.message_id = str(data.get("id") or self.message_id)
                self._begin_anew()
            case "content_delta":
                if data.get("replaces"):
                    self._begin_anew()
                self._write(str(data.get("delta", "")))
            case "message_complete":
                self._complete(data)
            case "error":
                self.failed = data
                self._end_line()
            case _:
                self._step(event.type, data)

    def _step(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "tool_use":
            call_id = str(data.get("tool_call_id"))
            self._names[call_id] = call_line(str(data.get("name")), data.get("arguments") or {})
        elif kind == "tool_result":
            self._result(data)
        elif kind == "plan":
            self._plan(data["plan"])
        elif kind == "notice":
            self._quiet(f"! {data.get('message')}", style="yellow", always=True)

    def _plan(self, plan: Sequence[Mapping[str, str]]) -> None:
        """A plan that is new; how far it is, is seen by what is called."""
        texts = [each["text"] for each in plan]
        if texts != self._planned:
            self._planned = texts
            parts = [f"{_PLAN.get(each['state'], '·')} {each['text']}" for each in plan]
            self._quiet(f"plan: {'  '.join(parts)}")

    def _result(self, data: Mapping[str, Any]) -> None:
        call = self._names.get(str(data.get("tool_call_id")), str(data.get("tool") or "a tool"))
        sign = _STATUS.get(str(data.get("status")), "·")
        seconds = f" ({data['seconds']:.1f} s)" if "seconds" in data else ""
        number = f"[{data['number']}] " if data.get("number") else ""
        headline = f": {data['headline']}" if data.get("headline") else ""
        self._quiet(f"{sign} {number}{shortened(call, 100)}{headline}{seconds}")

    def _complete(self, data: Mapping[str, Any]) -> None:
        self.ended = data
        content = str(data.get("content", ""))
        if not self._live:
            self._out.write(content)
            self._shown = content
        elif self._shown.strip() != content.strip():
            self._begin_anew()
            self._write(content)
        self._end_line()
        if data.get("state") == "STOPPED":
            self._quiet("stopped; what there is of the answer stays", style="yellow", always=True)

    # --- writing ------------------------------------------------------------------------------

    def _begin_anew(self) -> None:
        if self._shown.strip():
            self._end_line()
            self._quiet("(the text above is void; it begins anew)", style="yellow", always=True)
        self._shown = ""

    def _write(self, text: str) -> None:
        if not self._live:
            return
        if not self._shown:
            text = text.lstrip()
        self._shown += text
        self._out.write(text)
        self._out.flush()

    def _end_line(self) -> None:
        if self._shown and not self._shown.endswith("\n"):
            self._out.write("\n")
            self._shown += "\n"
        self._out.flush()

    def _quiet(self, text: str, *, style: str = "dim", always: bool = False) -> None:
        if not self._shows_steps and not always:
            return
        if self._live:
            self._end_line()
        self._errors.print(Text(shortened(text, _LINE), style=style), soft_wrap=True)


def evidence_lines(answer: Answer) -> list[str]:
    """What stands below an answer: what it refers to, what nothing supports, how sure it is."""
    lines: list[str] = []
    if answer.references:
        lines.append("Evidence")
        for reference in answer.references:
            lines += reference_lines(reference)
    if answer.marks:
        lines.append("No result supports")
        lines += [f"  {mark_line(mark)}" for mark in answer.marks[:_MOST_MARKS]]
        if len(answer.marks) > _MOST_MARKS:
            lines.append(f"  and {len(answer.marks) - _MOST_MARKS} more")
    lines += [f"Note: {each}" for each in answer.notices]
    confidence = answer.confidence.value.lower().replace("_", " ")
    reason = f" ({why})" if (why := answer.confidence_reason.rstrip(".")) else ""
    lines.append(f"Confidence: {confidence}{reason}. Made by {made_by(answer)}.")
    return lines


def reference_lines(reference: Reference) -> list[str]:
    """One result in a few lines: what was asked, of whom, when, and the query to copy."""
    whose = ", ".join(reference.clusters[:8])
    more = f" and {len(reference.clusters) - 8} more" if len(reference.clusters) > 8 else ""
    when = f"{reference.as_of:%H:%M:%S} UTC" if reference.as_of else ""
    where = "; ".join(part for part in (f"{whose}{more}", when) if part)
    lines = [f"  [{reference.number}] {reference.headline}" + (f" ({where})" if where else "")]
    lines.append(f"      {call_line(reference.tool, reference.arguments)}")
    if reference.query:
        lines.append(f"      {reference.query}")
    return lines


def print_lines(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
