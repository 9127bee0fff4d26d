"""What a server says that it offers: models, and how many tokens each of them holds. Pure.

Sources: vLLM ``/v1/models`` (``max_model_len``), llama.cpp ``/v1/models`` and ``/props``
(``n_ctx``), LM Studio, OpenRouter and Groq for the other names of the same number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

_CONTEXT_NAMES: Final = (
    "max_model_len",
    "n_ctx",
    "loaded_context_length",
    "max_context_length",
    "context_length",
    "context_window",
)
_MOST_MODELS: Final = 500


@dataclass(frozen=True, slots=True)
class Offered:
    """Names in the server's order, and the context (tokens) of those that tell it."""

    models: tuple[str, ...] = ()
    contexts: Mapping[str, int] = field(default_factory=dict[str, int])

    def context_of(self, model: str | None) -> int | None:
        """Of the model, or of the first one."""
        name = model if model is not None else next(iter(self.models), "")
        return self.contexts.get(name)


def offered_in(answer: object) -> Offered | None:
    """Read the answer of ``/models``; ``None`` when it is no such list."""
    data = answer.get("data") if isinstance(answer, dict) else None  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]  # JSON
    if not isinstance(data, list):
        return None
    names: list[str] = []
    contexts: dict[str, int] = {}
    for entry in cast("list[object]", data)[:_MOST_MODELS]:
        told = _mapping(entry)
        name = told.get("id")
        if not isinstance(name, str) or not name or name in contexts:
            continue
        names.append(name)
        if context := _context(told) or _context(_mapping(told.get("meta"))):
            contexts[name] = context
    return Offered(tuple(dict.fromkeys(names)), contexts)


def context_in_props(answer: object) -> int | None:
    """What llama.cpp's ``/props`` tells of one slot's context, in tokens."""
    told = _mapping(answer)
    return _context(_mapping(told.get("default_generation_settings"))) or _context(told)


def _context(told: Mapping[str, Any]) -> int | None:
    for name in _CONTEXT_NAMES:
        value = told.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
