"""Filters and pages."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from aiops_mcp.errors import InputError
from aiops_mcp.fleet.listing import ClusterFilter, filter_clusters, page_of
from aiops_mcp.models.cluster import (
    Cluster,
    ClusterCapabilities,
    ClusterState,
    ClusterStatus,
    ClusterType,
    Environment,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def cluster(name, **fields):
    return Cluster(
        id=uuid4(), name=name, api_server_url="https://x", created_at=NOW, updated_at=NOW, **fields
    )


FLEET = (
    cluster("edge-1", cluster_type=ClusterType.EDGE, region="eu", labels={"team": "ran", "a": ""}),
    cluster(
        "gpu-1",
        display_name="Training Köln",
        environment=Environment.PRODUCTION,
        capabilities=ClusterCapabilities(has_gpu_nodes=True),
        labels={"team": "ml", "q": "a=b"},
    ),
    cluster(
        "hub-1",
        region="us",
        status=ClusterStatus(state=ClusterState.ONLINE),
        capabilities=ClusterCapabilities(has_cnf_workloads=True),
    ),
)


@pytest.mark.parametrize(
    ("criteria", "names"),
    [
        ({}, ["edge-1", "gpu-1", "hub-1"]),
        ({"name": "DGE"}, ["edge-1"]),
        ({"name": "köln"}, ["gpu-1"]),
        ({"name": ""}, ["edge-1", "gpu-1", "hub-1"]),
        ({"cluster_type": "EDGE"}, ["edge-1"]),
        ({"cluster_type": "SPOKE"}, ["gpu-1", "hub-1"]),
        ({"environment": "PRODUCTION"}, ["gpu-1"]),
        ({"region": "us"}, ["hub-1"]),
        ({"state": "ONLINE"}, ["hub-1"]),
        ({"state": "UNKNOWN"}, ["edge-1", "gpu-1"]),
        ({"has_gpu": True}, ["gpu-1"]),
        ({"has_gpu": False}, ["edge-1", "hub-1"]),
        ({"has_cnf": True}, ["hub-1"]),
        ({"has_cnf": False}, ["edge-1", "gpu-1"]),
        ({"labels": ("team=ml",)}, ["gpu-1"]),
        ({"labels": ("team=ml", "q=a=b")}, ["gpu-1"]),
        ({"labels": ("team=ml", "team=ran")}, []),
        ({"labels": ("a=",)}, ["edge-1"]),
        ({"region": "eu", "has_gpu": True}, []),
    ],
)
def test_filters(criteria, names):
    found = filter_clusters(FLEET, ClusterFilter(**criteria))
    assert [one.name for one in found] == names


@pytest.mark.parametrize("term", ["team", "=ml", ""])
def test_a_label_that_is_no_term_is_refused(term):
    with pytest.raises(InputError, match="not a label filter") as caught:
        filter_clusters(FLEET, ClusterFilter(labels=(term,)))
    assert caught.value.details == {"field": "label"}


@pytest.mark.parametrize(
    ("total", "page", "size", "items", "pages"),
    [
        (45, 1, 20, range(20), 3),
        (45, 3, 20, range(40, 45), 3),
        (40, 2, 20, range(20, 40), 2),
        (40, 3, 20, (), 2),
        (0, 1, 20, (), 0),
        (3, 1, 100, range(3), 1),
        (3, 2, 1, [1], 3),
    ],
)
def test_pages(total, page, size, items, pages):
    got = page_of(range(total), page, size)
    assert got.items == tuple(items)
    assert (got.total, got.page, got.page_size, got.total_pages) == (total, page, size, pages)


@pytest.mark.parametrize(
    ("page", "size", "field"), [(0, 20, "page"), (1, 0, "page_size"), (1, 101, "page_size")]
)
def test_pages_that_do_not_exist(page, size, field):
    with pytest.raises(InputError) as caught:
        page_of([1], page, size)
    assert caught.value.details == {"field": field}
