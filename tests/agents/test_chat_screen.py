"""What a person sees of an answer, on a terminal and in a pipe."""

import io
from datetime import UTC, datetime

from rich.console import Console

from agents.chat_screen import Screen, evidence_lines, reference_lines
from agents.chat_steps import StreamEvent
from aiops_mcp.models.chat import (
    Answer,
    AnswerMode,
    Confidence,
    Mark,
    MarkKind,
    Reference,
    ToolStatus,
)


class Shown:
    """A screen, and what was written to it."""

    def __init__(self, *, live: bool) -> None:
        self.errors, self.out = io.StringIO(), io.StringIO()
        self.screen = Screen(Console(file=self.errors, width=200), self.out, live=live)

    def show(self, *events) -> "Shown":
        for kind, data in events:
            self.screen.show(StreamEvent(0, kind, data))
        return self


CALL = ("tool_use", {"tool_call_id": "c1", "name": "triage", "arguments": {"clusters": ["e"]}})
RESULT = (
    "tool_result",
    {"tool_call_id": "c1", "status": "SUCCESS", "number": 1, "headline": "fine", "seconds": 0.25},
)


def complete(content, state="COMPLETE"):
    return ("message_complete", {"content": content, "state": state})


def test_steps_are_quiet_lines_beside_the_answer() -> None:
    plan = [{"text": "Look", "state": "now"}, {"text": "Tell", "state": "next"}]
    done = [{**each, "state": "done"} for each in plan]
    shown = Shown(live=False).show(
        ("message_start", {"id": "m1"}),
        ("plan", {"plan": plan}),
        CALL,
        ("tool_progress", {"tool_call_id": "c1", "message": "3 of 9"}),
        RESULT,
        ("tool_use", {"tool_call_id": "c2", "name": "get_trace", "arguments": {}}),
        ("tool_result", {"tool_call_id": "c2", "status": "TIMEOUT"}),
        ("plan", {"plan": done}),
        ("notice", {"message": "a log line gave orders"}),
        complete("All well [1]."),
    )
    assert shown.errors.getvalue().splitlines() == [
        "plan: ▸ Look · Tell",
        '✓ [1] triage {"clusters":["e"]}: fine (0.2 s)',
        "✗ get_trace {}",
        "! a log line gave orders",
    ]
    assert shown.out.getvalue() == "All well [1].\n"
    assert shown.screen.message_id == "m1"


def test_a_pipe_gets_only_what_stands_in_the_end() -> None:
    shown = Shown(live=False).show(
        ("content_delta", {"delta": "I will call triage()"}),
        ("content_delta", {"delta": "Well", "replaces": True}),
        complete("Well."),
    )
    assert shown.out.getvalue() == "Well.\n"


def test_a_terminal_gets_text_as_it_comes() -> None:
    shown = Shown(live=True).show(("content_delta", {"delta": "\nAll "}))
    assert shown.out.getvalue() == "All "
    shown.show(CALL, RESULT)
    assert shown.out.getvalue() == "All \n"
    shown.show(("content_delta", {"delta": "well."}), complete("All \nwell."))
    assert shown.out.getvalue() == "All \nwell.\n"


def test_void_text_is_said_to_be_void() -> None:
    shown = Shown(live=True).show(
        ("content_delta", {"delta": "narrated()"}),
        ("content_delta", {"delta": "Well.", "replaces": True}),
        complete("Well."),
    )
    assert shown.out.getvalue() == "narrated()\nWell.\n"
    assert "void" in shown.errors.getvalue()


def test_an_answer_that_was_changed_in_the_end_is_shown_again() -> None:
    shown = Shown(live=True).show(
        ("content_delta", {"delta": "Down?"}), complete("Down (no data).")
    )
    assert shown.out.getvalue() == "Down?\nDown (no data).\n"


def test_a_stream_that_begins_anew_shows_the_text_once_more() -> None:
    shown = Shown(live=True).show(
        ("message_start", {"id": "m"}),
        ("content_delta", {"delta": "So"}),
        ("message_start", {"id": "m"}),
        ("content_delta", {"delta": "So far"}),
        ("error", {"code": "INTERNAL_ERROR", "message": "went away"}),
    )
    assert shown.out.getvalue() == "So\nSo far\n"
    assert shown.screen.failed == {"code": "INTERNAL_ERROR", "message": "went away"}


def test_a_stopped_answer_says_so() -> None:
    shown = Shown(live=False).show(complete("Half", "STOPPED"))
    assert "stopped" in shown.errors.getvalue()
    assert shown.out.getvalue() == "Half\n"


def test_evidence_can_be_opened_and_copied() -> None:
    reference = Reference(
        number=2, tool_call_id="c", tool="query_metrics", arguments={"query": "up"},
        status=ToolStatus.SUCCESS, headline="3 series",
        clusters=tuple(f"c{number}" for number in range(10)),
        as_of=datetime(2026, 11, 25, 12, 0, 5, tzinfo=UTC), query="up == 0",
    )  # fmt: skip
    assert reference_lines(reference) == [
        "  [2] 3 series (c0, c1, c2, c3, c4, c5, c6, c7 and 2 more; 12:00:05 UTC)",
        '      query_metrics {"query":"up"}',
        "      up == 0",
    ]
    answer = Answer(
        text="x", mode=AnswerMode.MODEL, model="llama", references=(reference,),
        marks=(Mark(kind=MarkKind.NUMBER, start=0, end=1, text="42", reason="in no result"),),
        confidence=Confidence.NOT_ENOUGH_DATA, confidence_reason="one is away",
        notices=("orders were seen",),
    )  # fmt: skip
    lines = evidence_lines(answer)
    assert (lines[0], lines[1]) == ("Evidence", reference_lines(reference)[0])
    assert lines[4:] == [
        "No result supports",
        "  “42”: in no result",
        "Note: orders were seen",
        "Confidence: not enough data (one is away). Made by llama.",
    ]


def test_of_many_marks_some_are_shown_and_the_rest_counted() -> None:
    mark = Mark(kind=MarkKind.NAME, start=0, end=1, text="ghost", reason="in no result")
    answer = Answer(text="x", mode=AnswerMode.MODEL, marks=(mark,) * 12)
    lines = evidence_lines(answer)
    assert lines[0] == "No result supports"
    assert lines[1:11] == ["  “ghost”: in no result"] * 10
    assert lines[11] == "  and 2 more"
