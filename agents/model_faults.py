"""What a model server did wrong, as one of our errors with its cause and what to do about it.

Pure: reads messages, statuses and exceptions, sends nothing. No message holds the API key, the
userinfo or the query of a URL.
"""

import math
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from aiops_mcp.errors import ContextTooLarge, ModelNotAvailable
from aiops_mcp.redaction import clean_text

_LONGEST_REASON: Final = 300
_LONGEST_WAIT: Final = 3_600.0
_TRANSIENT: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

_TOO_LONG: Final = re.compile(
    r"maximum context length|context_length_exceeded|max_tokens must be at least 1"
    r"|max_(?:completion_)?tokens' is too large|exceed(?:s|ed)? the (?:available |model's )?"
    r"(?:maximum )?context|exceed_context_size|longer than the model's context length"
    r"|prompt is too long|max_new_tokens` must be <=|input is too long",
    re.IGNORECASE,
)
_CONTEXT: Final = (
    re.compile(r"maximum context length (?:is|of) (\d+) tokens", re.IGNORECASE),
    re.compile(r"context size \((\d+) tokens\)", re.IGNORECASE),
    re.compile(r"context length \((\d+) tokens\)", re.IGNORECASE),
    re.compile(r"must be <= (\d+)", re.IGNORECASE),
    re.compile(r"prompt is too long: \d+ tokens > (\d+)", re.IGNORECASE),
)
_PROMPT: Final = (
    re.compile(r"\((\d+) in the messages", re.IGNORECASE),
    re.compile(r"prompt contains (\d+) input tokens", re.IGNORECASE),  # "at least" says little
    re.compile(r"request has (\d+) input tokens", re.IGNORECASE),
    re.compile(r"request \((\d+) tokens\)", re.IGNORECASE),
    re.compile(r"input \((\d+) tokens\)", re.IGNORECASE),
    re.compile(r"prompt is too long: (\d+) tokens", re.IGNORECASE),
)

NO_MODEL_SET: Final = (
    "Set AIOPS_MODEL_URLS to an OpenAI-compatible server such as http://127.0.0.1:8000/v1."
)


class ModelFault(ModelNotAvailable):
    """One server did not answer.

    ``transient``: the same may succeed later. ``wait``: seconds not to ask before, where it is
    known. ``slow``: it was waited for in vain. ``refused``: it understood and said no to the
    request itself. ``unknown_model``: it knows no such model.
    """

    def __init__(
        self,
        place: str,
        cause: str,
        hint: str,
        *,
        transient: bool = False,
        wait: float | None = None,
        refused: bool = False,
        slow: bool = False,
        unknown_model: bool = False,
    ) -> None:
        cause = cause if cause.endswith((".", "…")) else f"{cause}."
        details = {} if wait is None else {"retry_after_seconds": wait}
        super().__init__(f"The model server {place} {cause}", hint, details=details)
        self.place = place
        self.cause = cause
        self.transient = transient
        self.wait = wait
        self.refused = refused
        self.slow = slow
        self.unknown_model = unknown_model

    def anew(self) -> "ModelFault":
        """The same for another who waited for it."""
        return ModelFault(
            self.place,
            self.cause,
            self.hint,
            transient=self.transient,
            wait=self.wait,
            refused=self.refused,
            slow=self.slow,
            unknown_model=self.unknown_model,
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer: HTTP status (0: in the stream), what was said, ``Retry-After`` seconds."""

    status: int
    reason: str
    body: Mapping[str, Any]
    is_html: bool = False
    wait: float | None = None


def refusal_in(
    status: int, body: object, *, text: str, headers: Mapping[str, str], secret: str | None
) -> Refusal:
    """Read an error answer, nested (``{"error": {…}}``) or flat (older vLLM)."""
    is_html = "html" in headers.get("content-type", "") or text.lstrip()[:1] == "<"
    told = _mapping(body)
    if isinstance(body, str) and not is_html:
        text = body
    inner = _mapping(told.get("error")) or told
    found = inner.get("message") or inner.get("detail") or told.get("error")
    reason = found if isinstance(found, str) else ("" if is_html else text)
    kind = f"{inner.get('code') or ''} {inner.get('type') or ''}"
    if "context" in kind and not _TOO_LONG.search(reason):
        reason = f"{reason} ({kind.strip()})"
    return Refusal(status, _clean(reason, secret), inner, is_html, _wait(headers))


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds of ``Retry-After``; a date is read as nothing said."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        return None
    return min(seconds, _LONGEST_WAIT) if math.isfinite(seconds) and seconds >= 0 else None


def _clean(text: str, secret: str | None) -> str:
    if secret:
        text = text.replace(secret, "[key]")
    text = " ".join(clean_text(text[: 8 * _LONGEST_REASON]).split())
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"


# --- the conversation is too long -------------------------------------------------------------


def overflow_in(refusal: Refusal) -> ContextTooLarge | None:
    """The error for a conversation that does not fit; details hold what the server told.

    ``context_tokens`` is what the model holds, ``prompt_tokens`` what it was sent.
    """
    if not _TOO_LONG.search(refusal.reason):
        return None
    details = {
        "context_tokens": _number(_CONTEXT, refusal.reason) or _int(refusal.body.get("n_ctx")),
        "prompt_tokens": _number(_PROMPT, refusal.reason)
        or _int(refusal.body.get("n_prompt_tokens")),
    }
    known = {name: value for name, value in details.items() if value}
    held = f" of {known['context_tokens']} tokens" if "context_tokens" in known else ""
    return ContextTooLarge(
        f"The conversation does not fit the context{held} of the model.",
        "Ask a shorter question, begin a new session, or serve the model with a longer context.",
        details=known,
    )


def _number(patterns: tuple[re.Pattern[str], ...], text: str) -> int | None:
    found = next((match for each in patterns if (match := each.search(text))), None)
    return int(found[1]) if found else None


# --- it said no -------------------------------------------------------------------------------


def refused(place: str, refusal: Refusal, *, model: str) -> ModelFault:
    """The error for a status of 300 and above, or for an error told in the stream."""
    status, said = refusal.status, f": {refusal.reason}" if refusal.reason else "."
    if refusal.is_html:
        return not_the_api(place, f"answered {status} with a web page")
    if 300 <= status < 400:
        cause = f"answered {status}, which sends us elsewhere; redirects are not followed."
        return ModelFault(place, cause, "Set the URL that it redirects to in AIOPS_MODEL_URLS.")
    if status in {401, 403}:
        hint = "Set AIOPS_MODEL_API_KEY to a key that this server takes."
        return ModelFault(place, f"refused our API key ({status}){said}", hint)
    if status == 404:
        return _not_found(place, said, model)
    return _failed(place, refusal, said)


def _failed(place: str, refusal: Refusal, said: str) -> ModelFault:
    status = refusal.status
    if status == 429:
        hint = "Ask later, or name a second server in AIOPS_MODEL_URLS."
        cause = f"has too many requests (429){said}"
        return ModelFault(place, cause, hint, transient=True, wait=refusal.wait)
    if status == 0:
        cause = f"broke off with an error{said}"
        return ModelFault(place, cause, "Look into its log.", transient=True)
    transient = status in _TRANSIENT
    return ModelFault(
        place,
        f"answered {status}{said}",
        _hint(refusal),
        transient=transient,
        wait=refusal.wait,
        refused=not transient,
    )


def _hint(refusal: Refusal) -> str:
    said = refusal.reason.lower()
    if "enable-auto-tool-choice" in said or "tool-call-parser" in said:
        return "Start vLLM with --enable-auto-tool-choice and --tool-call-parser for this model."
    if "does not support tools" in said:
        return "Serve a model that was trained to call tools."
    if refusal.status in _TRANSIENT:
        return "Look into its log; ask again when it is ready."
    return "Look into its log for what it does not understand of the request."


def is_about_tools(refusal: Refusal) -> bool:
    """Whether the server was not started, or the model not trained, to call tools at all."""
    said = refusal.reason.lower()
    return any(
        each in said
        for each in ("enable-auto-tool-choice", "tool-call-parser", "does not support tools")
    )


def _not_found(place: str, said: str, model: str) -> ModelFault:
    if not model or "model" not in said.lower():
        return not_the_api(place, f"does not know this path (404){said}")
    cause = f"does not know the model {model!r} (404){said}"
    hint = "Ask `aiops models` what it offers; choose one with URL#MODEL."
    return ModelFault(place, cause, hint, refused=True, unknown_model=True)


def not_the_api(place: str, what: str) -> ModelFault:
    """Something answers there, but it speaks no OpenAI API."""
    hint = "Check the URL in AIOPS_MODEL_URLS: mostly it ends in /v1."
    return ModelFault(place, f"{what.rstrip('.')}.", hint)


# --- it did not answer at all -----------------------------------------------------------------


def unreachable(place: str, error: BaseException) -> ModelFault:
    """No connection, or one that ended early; the cause is taken from the chain of exceptions."""
    chain = list(_chain(error))
    if any(isinstance(each, ssl.SSLError) or "CERTIFICATE" in str(each) for each in chain):
        said = _clean(str(chain[-1]), None)
        hint = "Set AIOPS_MODEL_CA_FILE to the certificates that signed it."
        return ModelFault(place, f"is not trusted: {said}", hint)
    names = {type(each).__name__ for each in chain}
    if "DecodingError" in names:
        return misbehaved(place, f"what cannot be read: {_clean(str(chain[-1]), None)}")
    if names & {"RemoteProtocolError", "ReadError", "WriteError", "CloseError"}:
        return ModelFault(place, "closed the connection.", "Look into its log.", transient=True)
    said = _clean(str(chain[-1]), None) or type(error).__name__
    hint = "Check that it runs and that the URL in AIOPS_MODEL_URLS is right."
    return ModelFault(place, f"cannot be reached: {said}", hint, transient=True)


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


def too_slow(place: str, seconds: float, *, began: bool) -> ModelFault:
    """It was silent for longer than is waited."""
    if began:
        cause = f"fell silent for {seconds:g} s in the middle of its answer."
        setting = "AIOPS_MODEL_STALL_TIMEOUT"
    else:
        cause = f"did not begin to answer in {seconds:g} s."
        setting = "AIOPS_MODEL_FIRST_TOKEN_TIMEOUT"
    hint = f"See whether it is overloaded, or raise {setting}."
    return ModelFault(place, cause, hint, transient=True, slow=True)


def barred(place: str, seconds: float, because: ModelFault | None) -> ModelFault:
    """It is not asked at all for now, because of what became of the last call."""
    cause = because.cause if because is not None else "did not answer lately."
    is_worth_waiting = because is None or not because.slow
    hint = "Look into its log, or name a second server in AIOPS_MODEL_URLS."
    cause = f"{cause} It is asked again in {math.ceil(seconds)} s."
    return ModelFault(place, cause, hint, transient=is_worth_waiting, wait=seconds)


def said_nothing(place: str) -> ModelFault:
    """A stream that ended, whole by HTTP, without anything of an answer."""
    return ModelFault(
        place, "ended its answer before it began.", "Look into its log.", transient=True
    )


def misbehaved(place: str, what: str) -> ModelFault:
    """What came is not the protocol."""
    return ModelFault(place, f"sent {what}.", "Look into its log.", transient=True)


def not_offered(place: str, model: str | None, offered: tuple[str, ...]) -> ModelFault:
    """Its list does not hold the model that is set for it, or nothing at all."""
    if model is None:
        return not_the_api(place, "offers no model")
    hint = f"It offers {', '.join(offered[:8]) or 'nothing'}; choose one with URL#MODEL."
    return ModelFault(place, f"does not offer the model {model!r}.", hint)


def offered_nowhere(model: str, offered: tuple[str, ...]) -> ModelNotAvailable:
    """Nobody has the model that was asked for by name."""
    return ModelNotAvailable(
        f"No server that is set offers the model {model!r}.",
        f"There are {', '.join(offered[:8]) or 'none'}.",
    )


def joined(faults: tuple[ModelFault, ...]) -> ModelNotAvailable:
    """The error of all servers that were asked, or would have been."""
    if not faults:
        return ModelNotAvailable("No language model is set.", NO_MODEL_SET)
    if len(faults) == 1:
        return faults[0]
    said = " ".join(fault.message for fault in faults)
    waits = [fault.wait for fault in faults if fault.wait is not None]
    details = {"retry_after_seconds": min(waits)} if waits else {}
    return ModelNotAvailable(f"No language model answers. {said}", faults[0].hint, details=details)


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
