"""The registry: clusters, status, history, credentials, last-seen answers, handles, leases.

Revision ID: 0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _moment(name: str, *, nullable: bool = False) -> "sa.Column[Any]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _cluster() -> "sa.Column[Any]":
    return sa.Column(
        "cluster_id",
        sa.Uuid(),
        sa.ForeignKey("clusters.id", ondelete="CASCADE"),
        primary_key=True,
        nullable=False,
    )


def _text(name: str, length: int, *, nullable: bool = False) -> "sa.Column[Any]":
    return sa.Column(name, sa.String(length), nullable=nullable)


def upgrade() -> None:
    revisions = op.create_table(
        "revisions",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    op.bulk_insert(revisions, [{"id": 1, "revision": 0, "removed": 0}])
    _create_clusters()
    op.create_table(
        "health_checks",
        _cluster(),
        sa.Column("checked_at", sa.DateTime(timezone=True), primary_key=True),
        _text("state", 16),
        sa.Column("health_score", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.Float()),
        sa.Column("reason", sa.Text()),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "credentials",
        _cluster(),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        _text("auth_type", 32),
        _moment("created_at"),
        _moment("expires_at", nullable=True),
    )
    op.create_table(
        "last_seen",
        _cluster(),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        _moment("seen_at"),
    )
    op.create_table(
        "handles",
        sa.Column("hash", sa.String(128), primary_key=True),
        _moment("expires_at"),
        _moment("used_at", nullable=True),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(255), primary_key=True),
        _text("holder", 255),
        _moment("expires_at"),
    )


def _create_clusters() -> None:
    op.create_table(
        "clusters",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.String(63), nullable=False, unique=True),
        _text("display_name", 128),
        _text("api_server_url", 2048),
        _text("cluster_type", 16),
        _text("platform", 16),
        _text("platform_version", 128, nullable=True),
        _text("region", 128, nullable=True),
        _text("environment", 16),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("endpoints", sa.JSON(), nullable=False),
        sa.Column("discovered_endpoints", sa.JSON(), nullable=False),
        sa.Column("capabilities", sa.JSON(), nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("access_revision", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_clusters_revision", "clusters", ["revision"])
    op.create_table(
        "cluster_status",
        _cluster(),
        _text("state", 16),
        sa.Column("health_score", sa.Integer(), nullable=False),
        _text("connectivity", 16),
        sa.Column("api_server_healthy", sa.Boolean()),
        sa.Column("prometheus_healthy", sa.Boolean()),
        sa.Column("tempo_healthy", sa.Boolean()),
        sa.Column("loki_healthy", sa.Boolean()),
        sa.Column("last_error", sa.Text()),
        _moment("checked_at", nullable=True),
        _moment("last_seen_at", nullable=True),
        _moment("recorded_at", nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_cluster_status_revision", "cluster_status", ["revision"])


def downgrade() -> None:
    for table in (
        "leases",
        "handles",
        "last_seen",
        "credentials",
        "health_checks",
        "cluster_status",
        "clusters",
        "revisions",
    ):
        op.drop_table(table)
