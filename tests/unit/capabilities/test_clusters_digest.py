"""Clusters made small: those in trouble first, with why and since when."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from aiops_mcp.capabilities.clusters_digest import (
    digest_cluster_status,
    digest_clusters,
    digest_fleet,
    troubled,
)
from aiops_mcp.models.cluster import (
    SIMULATED_LABEL,
    AuthType,
    Cluster,
    ClusterCapabilities,
    ClusterState,
    ClusterStatus,
    ClusterType,
    CnfType,
    CredentialsInfo,
    HealthCheck,
)

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


def cluster(name, state=ClusterState.ONLINE, *, score=100, error=None, seen=NOW, **facts):
    return Cluster(
        id=uuid4(),
        name=name,
        api_server_url="https://api.example:6443",
        status=ClusterStatus(state=state, health_score=score, last_error=error, checked_at=NOW),
        created_at=NOW,
        updated_at=NOW,
        last_seen_at=seen,
        **facts,
    )


def test_trouble_first_then_by_name():
    made = digest_clusters(
        [
            cluster("bbb"),
            cluster("aaa"),
            cluster(
                "zzz",
                ClusterState.OFFLINE,
                score=0,
                error="connection refused",
                seen=NOW - timedelta(minutes=12),
            ),
            cluster("yyy", ClusterState.DEGRADED, score=80),
        ],
        NOW,
        total=4,
        next_call=None,
    )
    assert [row[0] for row in made.rows] == ["zzz", "yyy", "aaa", "bbb"]
    assert made.rows[0][-1] == "last seen 12 min ago; connection refused"
    assert made.headline == "4 clusters: 1 offline, 1 degraded, 2 online."


def test_what_a_cluster_has_is_named():
    capabilities = ClusterCapabilities(
        has_gpu_nodes=True,
        gpu_count=16,
        has_thanos=True,
        has_prometheus=True,
        has_loki=True,
        cnf_types=(CnfType.VDU,),
    )
    made = digest_clusters(
        [cluster("aaa", capabilities=capabilities)], NOW, total=1, next_call=None
    )
    assert made.rows[0][7] == "16 GPU, thanos, loki, VDU"


def test_the_next_page_is_a_call_away():
    made = digest_clusters([cluster("aaa")], NOW, total=30, next_call="list_clusters(page=2)")
    assert made.more == "30 match; the next page: list_clusters(page=2)"


def test_a_page_tells_of_the_trouble_on_the_others():
    away = [cluster(f"far-{number:02}", ClusterState.OFFLINE) for number in range(12)]
    dim = cluster("aaa", ClusterState.DEGRADED)
    fleet = [cluster("bbb"), dim, *away]
    assert troubled(fleet) == (*(each.name for each in away), "aaa")
    made = digest_clusters(
        [cluster("bbb"), dim],
        NOW,
        total=14,
        next_call="list_clusters(page=2)",
        by_state={ClusterState.ONLINE: 1, ClusterState.DEGRADED: 1, ClusterState.OFFLINE: 12},
        in_trouble=troubled(fleet),
    )
    assert made.headline == "14 clusters: 12 offline, 1 degraded, 1 online."
    [note] = made.notes
    assert note.startswith("in trouble, on other pages: far-00, far-01, ")
    assert note.endswith("far-09 and 2 more")


def test_an_empty_fleet_says_how_to_begin():
    assert "aiops clusters import" in digest_clusters([], NOW, total=0, next_call=None).headline


def test_simulated_clusters_are_labelled():
    made = digest_clusters(
        [cluster("aaa", labels={SIMULATED_LABEL: "true"})], NOW, total=1, next_call=None
    )
    assert made.notes == ("simulated fleet",)


def test_one_cluster_tells_its_parts_credentials_and_transitions():
    one = cluster("aaa", ClusterState.DEGRADED, score=80).model_copy(
        update={
            "status": ClusterStatus(
                state=ClusterState.DEGRADED,
                health_score=80,
                api_server_healthy=True,
                prometheus_healthy=False,
            )
        }
    )
    history = [
        HealthCheck(
            cluster_id=one.id,
            checked_at=NOW - timedelta(minutes=m),
            state=state,
            health_score=1,
            reason=why,
        )
        for m, state, why in (
            (30, ClusterState.ONLINE, None),
            (20, ClusterState.OFFLINE, "refused"),
            (10, ClusterState.OFFLINE, "refused"),
            (0, ClusterState.DEGRADED, "prometheus"),
        )
    ]
    info = CredentialsInfo(
        auth_type=AuthType.SERVICE_ACCOUNT,
        created_at=NOW,
        expires_at=NOW + timedelta(days=2),
        expires_soon=True,
    )
    made = digest_cluster_status(one, history, info, NOW)
    facts = dict(made.rows)
    assert made.headline == "aaa is DEGRADED, health score 80."
    assert facts["api server"] == "healthy"
    assert facts["prometheus"] == "FAILING"
    assert "loki" not in facts
    assert facts["credentials"] == "SERVICE_ACCOUNT, expires 2026-11-27T03:00:00Z (soon)"
    assert facts["was OFFLINE"] == "2026-11-25T02:50:00Z refused"
    assert facts["was ONLINE"].startswith("2026-11-25T02:30:00Z")


def test_the_fleet_by_type_and_who_wants_a_look():
    clusters = [
        cluster("hub-1", cluster_type=ClusterType.HUB),
        cluster("edge-1", ClusterState.OFFLINE, error="timeout", cluster_type=ClusterType.EDGE),
    ]
    made = digest_fleet(clusters, [("hub-1", 2, 1)], NOW)
    rows = {row[0]: row[1:] for row in made.rows}
    assert rows["HUB"] == (1, 1, 0, 0, 0, 2, 1)
    assert rows["EDGE"] == (1, 0, 0, 1, 0, 0, 0)
    assert made.notes == (
        "edge-1 OFFLINE: last seen 0 min ago; timeout",
        "hub-1: 2 critical, 1 warning alerts",
    )
