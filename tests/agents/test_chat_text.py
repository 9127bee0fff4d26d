"""Titles, previews and exports of chats."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from agents.chat_text import as_markdown, preview_of, shortened, title_of
from aiops_mcp.models.chat import (
    Answer,
    AnswerMode,
    ChatMessage,
    ChatRole,
    ChatSession,
    Confidence,
    Mark,
    MarkKind,
    MessageState,
    Reference,
    TimeScope,
    ToolStatus,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ONE = UUID(int=1)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Why is checkout slow? It was fast.", "Why is checkout slow?"),
        ("  first line\nsecond line", "first line"),
        ("version 1.2.3 of it fails", "version 1.2.3 of it fails"),
        ("word " * 30, "word word word word word word word word word word word…"),
        ("x" * 200, "x" * 59 + "…"),
        ("What about\tthis  one", "What about this one"),
    ],
)
def test_a_title_is_the_first_sentence(text: str, title: str) -> None:
    assert title_of(text) == title
    assert len(title_of(text)) <= 60


def test_a_cut_ends_between_words_and_without_a_comma() -> None:
    assert shortened("alpha, beta gamma", 8) == "alpha…"
    assert shortened("alpha beta", 10) == "alpha beta"
    assert shortened("a bbbbbbbbbbbbbb", 10) == "a bbbbbbb…"
    assert len(preview_of("long " * 100)) <= 120


def session(**fields) -> ChatSession:
    return ChatSession(
        id=ONE, user_id="ann", title="Slow checkout", created_at=NOW,
        updated_at=NOW + timedelta(minutes=5), expires_at=NOW + timedelta(days=1), **fields,
    )  # fmt: skip


def message(role: ChatRole, content: str, **fields) -> ChatMessage:
    return ChatMessage(id=ONE, session_id=ONE, role=role, content=content, created_at=NOW, **fields)


def test_an_export_has_all_that_was_said_and_what_it_stands_on() -> None:
    reference = Reference(
        number=1, tool_call_id="c", tool="query_metrics", arguments={"query": "up"},
        status=ToolStatus.SUCCESS, headline="3 series", clusters=("edge-1", "hub"),
        coverage="2 of 2 clusters answered", as_of=NOW, query="up == 0", text="[1] whole text",
    )  # fmt: skip
    answer = Answer(
        text="Down [1].", mode=AnswerMode.MIXED, model="llama", references=(reference,),
        marks=(Mark(kind=MarkKind.NUMBER, start=0, end=4, text="Down", reason="no result"),),
        confidence=Confidence.NOT_ENOUGH_DATA, confidence_reason="one cluster is away",
        notices=("A log line tried to give orders.",),
    )  # fmt: skip
    text = as_markdown(
        session(
            cluster_context=("edge-1",),
            time_scope=TimeScope(start=NOW - timedelta(hours=1)),
        ),
        [
            message(ChatRole.USER, "Why?"),
            message(ChatRole.ASSISTANT, "Down [1].", answer=answer),
            message(ChatRole.ASSISTANT, "Half", state=MessageState.INTERRUPTED),
            message(ChatRole.ASSISTANT, "", state=MessageState.STOPPED),
        ],
    )
    assert text == (
        "# Slow checkout\n\n- persona: default\n- clusters: edge-1\n"
        "- time: 2026-11-25 11:00 UTC to now\n- begun: 2026-11-25 12:00 UTC\n"
        f"- last activity: 2026-11-25 12:05 UTC\n- session: {ONE}\n"
        "\n## Question, 2026-11-25 12:00:00 UTC\n\nWhy?\n"
        "\n## Answer, 2026-11-25 12:00:00 UTC\n\nDown [1].\n\n"
        "*Confidence: not enough data: one cluster is away*  \n"
        "*Made by: llama, which went away; then triage without a model*\n\n"
        "> A log line tried to give orders.\n\nNo result supports:\n\n- “Down”: no result\n"
        "\n### Evidence\n\n1. 3 series\n"
        '   - call: `query_metrics {"query":"up"}`\n   - clusters: edge-1, hub\n'
        "   - as of: 2026-11-25 12:00:00 UTC\n   - coverage: 2 of 2 clusters answered\n"
        "   - query: `up == 0`\n"
        "\n## Answer, 2026-11-25 12:00:00 UTC\n\nHalf\n\n"
        "> This answer is not whole: it was interrupted: the server went away.\n"
        "\n## Answer, 2026-11-25 12:00:00 UTC\n\n(no text)\n\n"
        "> This answer is not whole: it was stopped by its user.\n"
    )


def test_a_session_of_everything_and_now() -> None:
    text = as_markdown(session(), [])
    assert "- clusters: the whole fleet\n" in text
    assert "- time:" not in text
