"""A command's quick look: what is old is looked at, and a slow cluster is not called dead."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from aiops_mcp.errors import ClusterUnreachable
from aiops_mcp.fleet import spot_check as module
from aiops_mcp.fleet.spot_check import discover_unknown, spot_check, stale_clusters
from aiops_mcp.models.cluster import Cluster, ClusterState, ClusterStatus, ClusterType, Connectivity
from aiops_mcp.settings import Settings

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
SETTINGS = Settings()


def cluster(name, *, kind=ClusterType.SPOKE, checked=None, version=None):
    return Cluster(
        id=uuid4(),
        name=name,
        api_server_url="https://api.example:6443",
        cluster_type=kind,
        platform_version=version,
        status=ClusterStatus(checked_at=checked),
        created_at=NOW,
        updated_at=NOW,
    )


class Kubernetes:
    def __init__(self, answer):
        self._answer = answer

    async def ready(self):
        await self._answer()

    async def list(self, path):
        return []

    async def get(self, path):
        return {"groups": []}

    async def version(self):
        return {"gitVersion": "v1.31.0"}


class Clients:
    """Clients whose Kubernetes does what the cluster's name says."""

    async def kubernetes(self, cluster):
        async def well():
            return None

        async def refused():
            raise ClusterUnreachable("connection refused")

        async def hangs():
            await asyncio.Event().wait()

        return Kubernetes({"well": well, "refused": refused, "hangs": hangs}[cluster.name])

    async def has_credentials(self, cluster):
        return True


def test_what_was_checked_within_two_periods_is_fresh():
    period = SETTINGS.check_every[ClusterType.SPOKE]
    fresh = cluster("aaa", checked=NOW - timedelta(seconds=2 * period - 1))
    old = cluster("bbb", checked=NOW - timedelta(seconds=2 * period + 1))
    never = cluster("ccc")
    assert stale_clusters((fresh, old, never), SETTINGS, NOW) == (old, never)


async def test_those_that_answer_or_refuse_get_a_status():
    well, refused = cluster("well"), cluster("refused")
    updates = await spot_check((well, refused), Clients(), SETTINGS, lambda: NOW)
    by_id = {update.cluster_id: update for update in updates}
    assert by_id[well.id].status.state is ClusterState.ONLINE
    assert by_id[well.id].seen
    assert by_id[refused.id].status.state is ClusterState.OFFLINE
    assert by_id[refused.id].status.connectivity is Connectivity.DISCONNECTED
    assert not by_id[refused.id].seen


@pytest.mark.parametrize(("full", "told"), [(30.0, 0), (0.01, 1)])
async def test_one_that_says_nothing_keeps_its_status_unless_its_whole_time_is_over(
    monkeypatch, full, told
):
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.02)
    settings = Settings(check_timeout=dict.fromkeys(ClusterType, full))
    updates = await spot_check((cluster("hangs"),), Clients(), settings, lambda: NOW)
    assert len(updates) == told


async def test_only_what_was_never_looked_at_is_discovered():
    known, unknown = cluster("well", version="1.30"), cluster("well")
    found = await discover_unknown((known, unknown), Clients())
    assert [each.id for each, _ in found] == [unknown.id]
    assert found[0][1].platform_version == "v1.31.0" or found[0][1].platform_version == "1.31.0"
