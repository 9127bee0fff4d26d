"""Custom personas, chat sessions with their messages and token use, incidents.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "personas",
        sa.Column("id", sa.String(32), primary_key=True, nullable=False),
        sa.Column("persona", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
    )
    op.create_table(
        "chat_sessions",
        sa.Column("id", sa.Uuid(), primary_key=True, nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("is_titled", sa.Boolean(), nullable=False),
        sa.Column("persona_id", sa.String(32), nullable=False),
        sa.Column("cluster_context", sa.JSON(), nullable=False),
        sa.Column("time_scope", sa.JSON(), nullable=False),
        sa.Column("model", sa.String(255), nullable=True),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("tokens_used", sa.BigInteger(), nullable=False),
        sa.Column("parent_session_id", sa.Uuid(), nullable=True),
        sa.Column("parent_message_id", sa.Uuid(), nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        _moment("expires_at"),
    )
    op.create_index("chat_sessions_by_user", "chat_sessions", ["user_id", "updated_at"])
    op.create_index("chat_sessions_by_expiry", "chat_sessions", ["expires_at"])
    op.create_table(
        "chat_messages",
        sa.Column("id", sa.Uuid(), primary_key=True, nullable=False),
        sa.Column(
            "session_id",
            sa.Uuid(),
            sa.ForeignKey("chat_sessions.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("persona_id", sa.String(32), nullable=True),
        sa.Column("tool_calls", sa.JSON(), nullable=False),
        sa.Column("tool_results", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("error_code", sa.String(64), nullable=True),
        sa.Column("model", sa.String(255), nullable=True),
        sa.Column("tokens_used", sa.BigInteger(), nullable=False),
        sa.Column("latency_ms", sa.Float(), nullable=True),
        _moment("created_at"),
        sa.Column("holder", sa.String(255), nullable=True),
        _moment("held_until", nullable=True),
        sa.UniqueConstraint("session_id", "position", name="chat_messages_position"),
    )
    op.create_index("chat_messages_running", "chat_messages", ["state", "held_until"])
    op.create_table(
        "chat_usage",
        sa.Column("user_id", sa.String(255), primary_key=True, nullable=False),
        sa.Column("day", sa.String(10), primary_key=True, nullable=False),
        sa.Column("model", sa.String(255), primary_key=True, nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.Uuid(), primary_key=True, nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("title", sa.String(300), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("clusters", sa.JSON(), nullable=False),
        _moment("started_at"),
        _moment("resolved_at", nullable=True),
        sa.Column("investigation", sa.String(16), nullable=False),
        sa.Column("incident", sa.JSON(), nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        sa.Column("revision", sa.Integer(), nullable=False),
    )
    op.create_index("incidents_by_time", "incidents", ["started_at"])
    op.create_index("incidents_by_key", "incidents", ["key", "state"])


def downgrade() -> None:
    for table in ("incidents", "chat_usage", "chat_messages", "chat_sessions", "personas"):
        op.drop_table(table)
