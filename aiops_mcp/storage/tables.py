"""The tables, as SQLAlchemy Core metadata. No queries here; migrations never import this.

A test compares this metadata with what the migrations build, on both databases.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A moment in UTC; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without zone must not be stored")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


metadata = MetaData()


def _cluster_id(*, primary_key: bool = True) -> "Column[Any]":
    return Column(
        "cluster_id",
        Uuid(),
        ForeignKey("clusters.id", ondelete="CASCADE"),
        primary_key=primary_key,
    )


revisions = Table(
    "revisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("removed", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
"""One row: counts the registry's writes; ``removed`` is the last write that removed a cluster."""

clusters = Table(
    "clusters",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("display_name", String(128), nullable=False),
    Column("api_server_url", String(2048), nullable=False),
    Column("cluster_type", String(16), nullable=False),
    Column("platform", String(16), nullable=False),
    Column("platform_version", String(128)),
    Column("region", String(128)),
    Column("environment", String(16), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("endpoints", JSON, nullable=False),
    Column("discovered_endpoints", JSON, nullable=False),
    Column("capabilities", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("revision", BigInteger, nullable=False, index=True),
    Column("access_revision", BigInteger, nullable=False),
)
"""``revision`` is the write that last changed the row, its status or its credentials;
``access_revision`` the one that last changed how the cluster is reached."""

cluster_status = Table(
    "cluster_status",
    metadata,
    _cluster_id(),
    Column("state", String(16), nullable=False),
    Column("health_score", Integer, nullable=False),
    Column("connectivity", String(16), nullable=False),
    Column("api_server_healthy", Boolean),
    Column("prometheus_healthy", Boolean),
    Column("tempo_healthy", Boolean),
    Column("loki_healthy", Boolean),
    Column("last_error", Text),
    Column("checked_at", Moment),
    Column("last_seen_at", Moment),
    Column("recorded_at", Moment),
    Column("revision", BigInteger, nullable=False, index=True),
)
"""Apart from ``clusters``, so that a health check rewrites a small row; ``recorded_at`` is the
time of the newest row in ``health_checks``."""

health_checks = Table(
    "health_checks",
    metadata,
    _cluster_id(),
    Column("checked_at", Moment, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("health_score", Integer, nullable=False),
    Column("latency_ms", Float),
    Column("reason", Text),
    sqlite_with_rowid=False,
)

credentials = Table(
    "credentials",
    metadata,
    _cluster_id(),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("auth_type", String(32), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
)

last_seen = Table(
    "last_seen",
    metadata,
    _cluster_id(),
    Column("key", String(255), primary_key=True),
    Column("answer", LargeBinary, nullable=False),
    Column("seen_at", Moment, nullable=False),
)

handles = Table(
    "handles",
    metadata,
    Column("hash", String(128), primary_key=True),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

alert_history = Table(
    "alert_history",
    metadata,
    _cluster_id(),
    Column("fingerprint", String(64), primary_key=True),
    Column("starts_at", Moment, primary_key=True),
    Column("ends_at", Moment),
    Column("last_seen_at", Moment, nullable=False),
    Column("alertname", String(512), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("generator_url", Text),
    Index("alert_history_by_start", "starts_at"),
    Index("alert_history_by_name", "alertname", "starts_at"),
    Index("alert_history_by_end", "ends_at"),
)
"""One row an occurrence: the same alert firing again is another row. Open while ``ends_at`` is
null; ``last_seen_at`` is when it was last known to fire."""

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    _cluster_id(),
    Column("hash", String(128), nullable=False),
    Column("created_at", Moment, nullable=False),
)
"""Only the hash of each cluster's webhook secret: the secret is told once and kept nowhere."""

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("subject", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    Column("surface", String(16), nullable=False),
    Column("operation", String(64), nullable=False),
    Column("effect", String(16), nullable=False),
    Column("clusters", JSON, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("arguments_digest", String(64), nullable=False),
    Column("result_digest", String(64)),
    Column("outcome", String(64), nullable=False),
    Column("duration_ms", Float, nullable=False),
    Column("trace_id", String(32), nullable=False),
    Index("audit_by_time", "at"),
)
"""One row a call: who asked what of which clusters, and how it went (``OK`` or an error's code).
Arguments are kept without secrets; of results only a digest is."""

reports = Table(
    "reports",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("title", String(200), nullable=False),
    Column("report_type", String(32), nullable=False),
    Column("format", String(16), nullable=False),
    Column("headline", Text, nullable=False),
    Column("clusters", JSON, nullable=False),
    Column("period_start", Moment, nullable=False),
    Column("period_end", Moment, nullable=False),
    Column("generated_by", String(255), nullable=False),
    Column("storage_path", String(1024), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("not_available", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("slot", String(255)),
    UniqueConstraint("slot", name="reports_slot"),
    Index("reports_by_time", "created_at"),
    Index("reports_by_expiry", "expires_at"),
)
"""``slot`` names the turn of a schedule that a report was made for: one turn makes one report."""

personas = Table(
    "personas",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("persona", JSON, nullable=False),
    Column("created_by", String(255), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)
"""Custom personas; the built-in ones are files."""

chat_sessions = Table(
    "chat_sessions",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("user_id", String(255), nullable=False),
    Column("title", String(200), nullable=False),
    Column("is_titled", Boolean, nullable=False),
    Column("persona_id", String(32), nullable=False),
    Column("cluster_context", JSON, nullable=False),
    Column("time_scope", JSON, nullable=False),
    Column("model", String(255)),
    Column("message_count", Integer, nullable=False),
    Column("tokens_used", BigInteger, nullable=False),
    Column("parent_session_id", Uuid()),
    Column("parent_message_id", Uuid()),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index("chat_sessions_by_user", "user_id", "updated_at"),
    Index("chat_sessions_by_expiry", "expires_at"),
)
"""``is_titled``: the title was set by a person, and stays."""

chat_messages = Table(
    "chat_messages",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column(
        "session_id", Uuid(), ForeignKey("chat_sessions.id", ondelete="CASCADE"), nullable=False
    ),
    Column("position", Integer, nullable=False),
    Column("role", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("persona_id", String(32)),
    Column("tool_calls", JSON, nullable=False),
    Column("tool_results", JSON, nullable=False),
    Column("answer", JSON),
    Column("error_code", String(64)),
    Column("model", String(255)),
    Column("tokens_used", BigInteger, nullable=False),
    Column("latency_ms", Float),
    Column("created_at", Moment, nullable=False),
    Column("holder", String(255)),
    Column("held_until", Moment),
    UniqueConstraint("session_id", "position", name="chat_messages_position"),
    Index("chat_messages_running", "state", "held_until"),
)
"""``holder`` is the process that makes a running answer; once ``held_until`` is past it is gone."""

chat_usage = Table(
    "chat_usage",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("model", String(255), primary_key=True),
    Column("answers", Integer, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
)
"""Tokens by user, day and model; stays when sessions are deleted."""

incidents = Table(
    "incidents",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("key", String(255), nullable=False),
    Column("title", String(300), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("clusters", JSON, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("resolved_at", Moment),
    Column("investigation", String(16), nullable=False),
    Column("incident", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("revision", Integer, nullable=False),
    Index("incidents_by_time", "started_at"),
    Index("incidents_by_key", "key", "state"),
)
"""``incident`` is the whole; the columns beside it are what is searched and sorted by. ``key``
says which trouble it is of: alerts of one key join one open incident."""

leases = Table(
    "leases",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("holder", String(255), nullable=False),
    Column("expires_at", Moment, nullable=False),
)
