"""Recordings of answers: what a model said turn by turn, what the tools gave, cleaned of secrets.

One compressed JSON file a scenario, and one for the tools that were offered. It must not know how
answers are judged.
"""

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from agents.conversation import (
    Finish,
    ModelPiece,
    ReasoningPiece,
    TextPiece,
    ToolCall,
    ToolOutcome,
    ToolSpec,
    TurnDone,
)
from aiops_mcp.errors import InputError
from aiops_mcp.models.chat import ToolStatus
from aiops_mcp.redaction import clean_json

VERSION: Final = 1
SUFFIX: Final = ".json.gz"
TOOLS_FILE: Final = "tools.json.gz"
_PLACEHOLDER = re.compile(r"\[redacted:([a-z-]+):[0-9a-f]+\]")


@dataclass(slots=True)
class Recording:
    """One answer as it was made: enough to make it again without a model and clusters."""

    scenario: str
    now: datetime
    model: str = ""
    context_tokens: int = 32_768
    turns: list[list[ModelPiece]] = field(default_factory=list[list[ModelPiece]])
    calls: list[tuple[str, Mapping[str, Any], ToolOutcome]] = field(
        default_factory=list[tuple[str, Mapping[str, Any], ToolOutcome]]
    )
    specs: tuple[ToolSpec, ...] = ()


def call_key(name: str, arguments: Mapping[str, Any]) -> str:
    """What makes two calls the same: the name, and the arguments in a canonical order.

    Secrets stand in a recording as placeholders that change with each process; so here they are
    without what changes.
    """
    clean = orjson.dumps(clean_json(arguments), option=orjson.OPT_SORT_KEYS).decode()
    stable = _PLACEHOLDER.sub(r"[redacted:\1]", clean)
    return f"{name} {stable}"


def write_recordings(directory: Path, recordings: Sequence[Recording]) -> list[Path]:
    """Write each into ``directory``, beside those that lie there; the files written."""
    directory.mkdir(parents=True, exist_ok=True)
    offered = _read(directory / TOOLS_FILE) if (directory / TOOLS_FILE).exists() else {}
    paths: list[Path] = []
    for one in recordings:
        path = directory / f"{one.scenario}{SUFFIX}"
        _write(path, _document(one))
        for spec in one.specs:
            offered[spec.name] = _spec_document(spec)
        paths.append(path)
    _write(directory / TOOLS_FILE, {name: offered[name] for name in sorted(offered)})
    return paths


def read_recordings(directory: Path) -> dict[str, Recording]:
    """The recordings of a folder by the names of their scenarios.

    Raises:
        InputError: it holds none, or a file is no recording.
    """
    paths = [path for path in sorted(directory.glob(f"*{SUFFIX}")) if path.name != TOOLS_FILE]
    if not paths:
        raise InputError(
            f"{directory} holds no recordings.", "Make some with `aiops eval --record DIR`."
        )
    tools = directory / TOOLS_FILE
    offered = {name: _spec(one) for name, one in _read(tools).items()} if tools.exists() else {}
    found = [_recording(_read(path), offered, path) for path in paths]
    return {one.scenario: one for one in found}


def _write(path: Path, document: Mapping[str, Any]) -> None:
    # Without a time in the header the same recording is the same file.
    path.write_bytes(gzip.compress(orjson.dumps(document), compresslevel=9, mtime=0))


def _read(path: Path) -> dict[str, Any]:
    try:
        return orjson.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            f"{path} is no recording: {error}", "Record it again with `aiops eval --record DIR`."
        ) from error


def _document(one: Recording) -> dict[str, Any]:
    return clean_json(
        {
            "version": VERSION,
            "scenario": one.scenario,
            "now": one.now.isoformat(),
            "model": one.model,
            "context_tokens": one.context_tokens,
            "turns": [[_piece_document(piece) for piece in turn] for turn in one.turns],
            "calls": [
                {
                    "tool": name,
                    "arguments": dict(arguments),
                    "status": outcome.status.value,
                    "text": outcome.text,
                    "payload": dict(outcome.payload),
                }
                for name, arguments, outcome in one.calls
            ],
            "offered": [spec.name for spec in one.specs],
        }
    )


def _piece_document(piece: ModelPiece) -> dict[str, Any]:
    if isinstance(piece, TextPiece):
        return {"text": piece.text}
    if isinstance(piece, ReasoningPiece):
        return {"reasoning": piece.text}
    return {
        "finish": piece.finish.value,
        "calls": [
            {"id": call.id, "tool": call.name, "arguments": call.arguments, "raw": call.raw}
            for call in piece.tool_calls
        ],
        # Not named "…_tokens" as a whole: what is called a token is taken for a secret.
        "prompt": piece.prompt_tokens,
        "completion": piece.completion_tokens,
        "model": piece.model,
    }


def _spec_document(spec: ToolSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "parameters": dict(spec.parameters),
        "writes": spec.writes,
    }


def _spec(document: Mapping[str, Any]) -> ToolSpec:
    return ToolSpec(
        document["name"], document["description"], document["parameters"], document["writes"]
    )


def _recording(
    document: Mapping[str, Any], offered: Mapping[str, ToolSpec], path: Path
) -> Recording:
    try:
        return Recording(
            scenario=document["scenario"],
            now=datetime.fromisoformat(document["now"]),
            model=document["model"],
            context_tokens=int(document["context_tokens"]),
            turns=[[_piece(piece) for piece in turn] for turn in document["turns"]],
            calls=[
                (
                    call["tool"],
                    call["arguments"],
                    ToolOutcome(ToolStatus(call["status"]), call["text"], call["payload"]),
                )
                for call in document["calls"]
            ],
            specs=tuple(offered[name] for name in document["offered"] if name in offered),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is no recording of this version: {error!r}",
            "Record it again with `aiops eval --record DIR`.",
        ) from error


def _piece(document: Mapping[str, Any]) -> ModelPiece:
    if "text" in document:
        return TextPiece(document["text"])
    if "reasoning" in document:
        return ReasoningPiece(document["reasoning"])
    return TurnDone(
        Finish(document["finish"]),
        tuple(
            ToolCall(call["id"], call["tool"], call["arguments"], call["raw"])
            for call in document["calls"]
        ),
        document["prompt"],
        document["completion"],
        document["model"],
    )
