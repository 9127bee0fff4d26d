"""Logging: where it goes, what a line looks like, and that no secret is in it.

Also carries the trace id of the request in progress, so that a line of any module says which
request it belongs to. Knows no surface and no setting by itself.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterable, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO
from uuid import uuid4

import orjson

current_trace_id: ContextVar[str] = ContextVar("current_trace_id", default="")
"""Trace id (32 hex digits) of the request in progress; empty outside of one."""

_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?$")
_ZERO_TRACE = "0" * 32
_ZERO_SPAN = "0" * 16


def trace_id_of(traceparent: str | None) -> str:
    """The trace id of a W3C ``traceparent`` header, or a new one where there is no valid one."""
    matched = _TRACEPARENT.match(traceparent.strip()) if traceparent else None
    if matched is None or traceparent is None or traceparent.strip().startswith("ff-"):
        return uuid4().hex
    trace_id, span_id = matched.groups()
    return uuid4().hex if trace_id == _ZERO_TRACE or span_id == _ZERO_SPAN else trace_id


_REDACTED = "[redacted]"
_SECRETS = (
    re.compile(
        r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s+)[^\s\"',]+"),
    re.compile(r"(?i)(\bbearer\s+)(?=[^\s\"']*[0-9=._-])[\w.~+/=-]{8,}"),
    re.compile(r"()\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
    re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/@:\"']*:)[^\s/@\"']+(?=@)"),
    re.compile(
        r"(?i)(\b[\w.-]*(?:password|passwd|secret|api[_-]?key|private[_-]?key|token|kubeconfig)"
        r"[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]+"
    ),
)


class Redaction(logging.Filter):
    """Takes secrets out of a record: those given word by word, and what looks like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        # The longest first, so that a secret which contains another goes as a whole.
        self._secrets = tuple(sorted({secret for secret in secrets if secret}, key=len)[::-1])

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _REDACTED)
        for pattern in _SECRETS:
            text = pattern.sub(rf"\1{_REDACTED}", text)
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit the text are no reason to fail
            message = str(record.msg)
        record.msg, record.args = self.clean(message), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self.clean(record.exc_text)
        for name, value in _extras(record).items():
            if isinstance(value, str):
                setattr(record, name, self.clean(value))
        return True


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_formatter() -> logging.Formatter:
    """One JSON object a line: timestamp, level, logger, message, trace_id, extras, exception."""
    # Only a server that logs JSON needs it.
    import structlog

    form = structlog.stdlib.ProcessorFormatter
    return form(
        foreign_pre_chain=[_facts],
        processors=[
            form.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
    )


def _facts(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What a line says, out of the record it was made from."""
    record: logging.LogRecord = event["_record"]
    line: dict[str, Any] = {
        "timestamp": _moment(record),
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage(),
    }
    if trace_id := current_trace_id.get():
        line["trace_id"] = trace_id
    line.update(_extras(record))
    if record.exc_info and not record.exc_text:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
    if record.exc_text:
        line["exception"] = record.exc_text
    meta = {name: event[name] for name in ("_record", "_from_structlog") if name in event}
    return {**line, **meta}


def _dumps(line: Any, **_: Any) -> str:
    return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class TextFormatter(logging.Formatter):
    """One line for people; control characters are escaped, so no text can forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        message = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", record.getMessage())
        parts = [f"{_moment(record)} {record.levelname:<7} {record.name}: {message}"]
        parts.extend(f"{name}={value!r}" for name, value in _extras(record).items())
        if trace_id := current_trace_id.get():
            parts.append(f"trace_id={trace_id}")
        line = " ".join(parts)
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        return f"{line}\n{record.exc_text}" if record.exc_text else line


def configure_logging(
    level: str,
    log_format: str,
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> Callable[[], None]:
    """Send every log line to stderr (stdout belongs to MCP over stdio), redacted.

    ``level`` is a name such as ``INFO``, ``log_format`` is ``text`` or ``json``, ``secrets`` are
    values that must never stand in a line. Takes the place of handlers set before; what is
    returned puts them back.

    Raises:
        ValueError: there is no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"{level!r} is no log level; use DEBUG, INFO, WARNING or ERROR")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(Redaction(secrets))
    handler.setFormatter(json_formatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    before, level_before = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(number)

    def restore() -> None:
        root.handlers[:] = before
        root.setLevel(level_before)

    return restore
