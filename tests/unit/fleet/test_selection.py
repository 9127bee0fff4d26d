from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops_mcp.errors import ClusterNotFound, InputError
from aiops_mcp.fleet.selection import choose, select
from aiops_mcp.models.cluster import (
    Cluster,
    ClusterCapabilities,
    ClusterState,
    ClusterStatus,
    ClusterType,
    Environment,
    Platform,
)

calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine a slow example is no fault of the code."""


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make(name, kind=ClusterType.SPOKE, state=ClusterState.ONLINE, healthy=None, **fields):
    return Cluster(
        id=uuid4(),
        name=name,
        api_server_url="https://x",
        cluster_type=kind,
        status=ClusterStatus(state=state, prometheus_healthy=healthy),
        created_at=NOW,
        updated_at=NOW,
        **fields,
    )


FLEET = [
    make("hub-1", ClusterType.HUB, environment=Environment.PRODUCTION, region="eu-west"),
    make("spoke-1", labels={"team": "ml"}, capabilities=ClusterCapabilities(has_gpu_nodes=True)),
    make("edge-1", ClusterType.EDGE, environment=Environment.PRODUCTION, region="eu-north"),
    make("edge-2", ClusterType.EDGE, ClusterState.OFFLINE, region="eu-west"),
    make("far-1", ClusterType.FAR_EDGE, platform=Platform.MICROSHIFT, labels={"team": "ran"}),
]


def names(clusters):
    return [cluster.name for cluster in clusters]


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ([], ["hub-1", "spoke-1", "edge-1", "edge-2", "far-1"]),
        (["edge-1"], ["edge-1"]),
        (["EDGE-1"], ["edge-1"]),
        (["far-1", "hub-1"], ["hub-1", "far-1"]),
        (["far-1,hub-1"], ["hub-1", "far-1"]),
        (["far-1 hub-1"], ["hub-1", "far-1"]),
        (["edge-*"], ["edge-1", "edge-2"]),
        (["*-1"], ["hub-1", "spoke-1", "edge-1", "far-1"]),
        (["type=EDGE"], ["edge-1", "edge-2"]),
        (["cluster_type=far-edge"], ["far-1"]),
        (["type=EDGE env=PRODUCTION"], ["edge-1"]),
        (["type=EDGE environment=production", "hub-1"], ["hub-1", "edge-1"]),
        (["region=eu-west,eu-north"], ["hub-1", "edge-1", "edge-2"]),
        (["region!=eu-west"], ["spoke-1", "edge-1", "far-1"]),
        (["label.team=ml"], ["spoke-1"]),
        (["label.team=ml,ran"], ["spoke-1", "far-1"]),
        (["label.team!=ml type=SPOKE,HUB"], ["hub-1"]),
        (["has=gpu"], ["spoke-1"]),
        (["has!=gpu type=SPOKE,HUB"], ["hub-1"]),
        (["platform=microshift"], ["far-1"]),
        (["state=OFFLINE"], ["edge-2"]),
        (["name=hub-1,far-1"], ["hub-1", "far-1"]),
    ],
)
def test_terms(terms, expected):
    assert names(select(FLEET, terms)) == expected


def test_an_id_is_as_good_as_a_name():
    assert names(select(FLEET, [str(FLEET[2].id)])) == ["edge-1"]
    assert names(select(FLEET, [str(FLEET[2].id).upper()])) == ["edge-1"]


@pytest.mark.parametrize(
    ("terms", "asked", "offline"),
    [
        ([], ["hub-1", "spoke-1", "edge-1", "far-1"], ["edge-2"]),
        (["type=EDGE"], ["edge-1"], ["edge-2"]),
        (["edge-*"], ["edge-1"], ["edge-2"]),
        (["edge-2"], ["edge-2"], []),
        (["type=EDGE", "edge-2"], ["edge-1", "edge-2"], []),
        (["state=OFFLINE"], ["edge-2"], []),
        (["type=EDGE state!=ONLINE"], ["edge-2"], []),
    ],
)
def test_offline_clusters_are_asked_only_when_meant(terms, asked, offline):
    chosen = choose(FLEET, terms)
    assert (names(chosen.asked), names(chosen.offline)) == (asked, offline)


def test_an_offline_cluster_whose_prometheus_answers_is_asked():
    one = make("aaa", state=ClusterState.OFFLINE, healthy=True)
    other = make("bbb", state=ClusterState.OFFLINE, healthy=False)
    chosen = choose([one, other], [])
    assert (names(chosen.asked), names(chosen.offline)) == (["aaa"], ["bbb"])


def test_an_unknown_name_names_near_ones():
    with pytest.raises(ClusterNotFound) as caught:
        select(FLEET, ["egde-1"])
    assert "edge-1" in caught.value.hint
    assert "edge-1" in caught.value.details["near"]


def test_a_name_like_no_other_names_none():
    with pytest.raises(ClusterNotFound, match="zzzzzzzzzzzz") as caught:
        select(FLEET, ["zzzzzzzzzzzz"])
    assert caught.value.details["near"] == []
    with pytest.raises(ClusterNotFound, match=r"edge-1, edge-2, far-1, hub-1, spoke-1\."):
        select(FLEET, ["zzz*"])
    many = [make(f"cluster-{n:02}") for n in range(12)]
    with pytest.raises(ClusterNotFound, match="cluster-09 and 2 more"):
        select(many, ["zzz*"])
    with pytest.raises(ClusterNotFound, match="No cluster is registered"):
        select([], ["zzz*"])


@pytest.mark.parametrize("term", ["type=HUB region=mars", "nope-*"])
def test_what_matches_nobody_is_said(term):
    with pytest.raises(ClusterNotFound, match="No cluster"):
        select(FLEET, [term])


@pytest.mark.parametrize(
    ("term", "hint"),
    [
        ("colour=red", "label.NAME"),
        ("type=MOON", "FAR_EDGE"),
        ("has=wings", "gpu"),
        ("type=EDGE edge-1", "key=value"),
    ],
)
def test_bad_selectors_say_what_there_is(term, hint):
    with pytest.raises(InputError) as caught:
        select(FLEET, [term])
    assert hint in caught.value.hint


@calmly
@given(st.lists(st.sampled_from([c.name for c in FLEET] + ["type=EDGE", "has=gpu", "*-1"])))
def test_a_selection_is_an_ordered_part_of_the_fleet(terms):
    chosen = choose(FLEET, terms)
    everybody = [c.id for c in FLEET]
    positions = [everybody.index(c.id) for c in chosen.asked]
    assert positions == sorted(set(positions))
    assert not {c.id for c in chosen.asked} & {c.id for c in chosen.offline}
    for term in terms:
        alone = {c.id for c in select(FLEET, [term])}
        assert alone <= {c.id for c in chosen.all}
