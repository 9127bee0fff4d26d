"""What is written about chats: titles, previews, a session as Markdown with its evidence. Pure."""

import re
from collections.abc import Sequence

import orjson

from aiops_mcp.models.chat import (
    Answer,
    AnswerMode,
    ChatMessage,
    ChatRole,
    ChatSession,
    Mark,
    MessageState,
    Reference,
)

LONGEST_TITLE = 60
LONGEST_PREVIEW = 120

_SENTENCE_END = re.compile(r"(?<=[.?!])\s|\n")
_STATES = {
    MessageState.RUNNING: "still being made",
    MessageState.STOPPED: "stopped by its user",
    MessageState.FAILED: "failed",
    MessageState.INTERRUPTED: "interrupted: the server went away",
}


def title_of(text: str) -> str:
    """The first sentence, at most 60 characters, cut between words."""
    sentence = _SENTENCE_END.split(text.strip(), maxsplit=1)[0]
    return shortened(sentence, LONGEST_TITLE)


def preview_of(text: str) -> str:
    return shortened(text, LONGEST_PREVIEW)


def shortened(text: str, most: int) -> str:
    """One line of at most ``most`` characters, cut between words where there are any."""
    line = " ".join(text[: most * 8].split())
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    words = cut.rpartition(" ")[0]
    return f"{(words if len(words) >= most // 2 else cut).rstrip(' ,;:')}…"


def as_markdown(session: ChatSession, messages: Sequence[ChatMessage]) -> str:
    """The conversation, each answer with what it stands on."""
    clusters = ", ".join(session.cluster_context) or "the whole fleet"
    lines = [
        f"# {session.title or 'Chat'}",
        "",
        f"- persona: {session.persona_id}",
        f"- clusters: {clusters}",
        *_period(session),
        f"- begun: {session.created_at:%Y-%m-%d %H:%M} UTC",
        f"- last activity: {session.updated_at:%Y-%m-%d %H:%M} UTC",
        f"- session: {session.id}",
    ]
    for message in messages:
        who = "Question" if message.role is ChatRole.USER else "Answer"
        lines += ["", f"## {who}, {message.created_at:%Y-%m-%d %H:%M:%S} UTC", ""]
        lines += [message.content.strip() or "(no text)"]
        if (state := _STATES.get(message.state)) is not None:
            lines += ["", f"> This answer is not whole: it was {state}."]
        if message.answer is not None:
            lines += answer_markdown(message.answer)
    return "\n".join(lines) + "\n"


def _period(session: ChatSession) -> list[str]:
    scope = session.time_scope
    if scope.start is None and scope.end is None:
        return []
    start = f"{scope.start:%Y-%m-%d %H:%M} UTC" if scope.start else "(open)"
    end = f"{scope.end:%Y-%m-%d %H:%M} UTC" if scope.end else "now"
    return [f"- time: {start} to {end}"]


def answer_markdown(answer: Answer) -> list[str]:
    """What stands below an answer: how sure it is, what nothing supports, what it refers to."""
    lines = [""]
    confidence = answer.confidence.value.lower().replace("_", " ")
    reason = f": {answer.confidence_reason}" if answer.confidence_reason else ""
    lines.append(f"*Confidence: {confidence}{reason}*  ")
    lines.append(f"*Made by: {made_by(answer)}*")
    for notice in answer.notices:
        lines += ["", f"> {notice}"]
    if answer.marks:
        lines += ["", "No result supports:", ""]
        lines += [f"- {mark_line(mark)}" for mark in answer.marks]
    if answer.references:
        lines += ["", "### Evidence", ""]
        for reference in answer.references:
            lines += _reference_markdown(reference)
    return lines


def made_by(answer: Answer) -> str:
    if answer.mode is AnswerMode.TRIAGE:
        return "triage and root-cause ranking, without a model"
    if answer.mode is AnswerMode.MIXED:
        return f"{answer.model or 'a model'}, which went away; then triage without a model"
    return answer.model or "a model"


def mark_line(mark: Mark) -> str:
    return f"“{shortened(mark.text, 80)}”: {mark.reason}"


def call_line(tool: str, arguments: object) -> str:
    """A call as one would write it: ``list_alerts {"clusters":["edge-1"]}``."""
    return f"{tool} {orjson.dumps(arguments, default=str).decode()}"


def _reference_markdown(reference: Reference) -> list[str]:
    lines = [f"{reference.number}. {reference.headline}"]
    lines.append(f"   - call: `{call_line(reference.tool, reference.arguments)}`")
    if reference.clusters:
        lines.append(f"   - clusters: {', '.join(reference.clusters)}")
    if reference.as_of is not None:
        lines.append(f"   - as of: {reference.as_of:%Y-%m-%d %H:%M:%S} UTC")
    if reference.coverage:
        lines.append(f"   - coverage: {reference.coverage}")
    if reference.query:
        lines.append(f"   - query: `{reference.query}`")
    return lines
