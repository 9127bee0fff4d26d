"""A record of a call: who asked what of which clusters, and how it went."""

from typing import Any

from pydantic import Field

from aiops_mcp.models.entity import Entity, Timestamp


class AuditRecord(Entity):
    """One call. Arguments are kept without secrets; of the result only a digest is.

    ``arguments_digest`` and ``result_digest`` are BLAKE2b of 16 bytes in hex: the same call, or
    the same answer, has the same one. ``result_digest`` is of the bytes the caller got, where a
    surface told them. ``outcome`` is ``OK`` or the error's code.
    """

    at: Timestamp
    subject: str
    role: str
    surface: str
    operation: str
    effect: str
    clusters: tuple[str, ...] = ()
    arguments: dict[str, Any] = Field(default_factory=dict)
    arguments_digest: str
    result_digest: str | None = None
    outcome: str
    duration_ms: float
    trace_id: str


class AuditFilter(Entity):
    """Which records; what is ``None`` does not matter. ``until`` is exclusive."""

    subject: str | None = None
    operation: str | None = None
    surface: str | None = None
    effect: str | None = None
    outcome: str | None = None
    trace_id: str | None = None
    since: Timestamp | None = None
    until: Timestamp | None = None
