"""Unknown names and what is offered instead."""

import pytest

from aiops_mcp.fleet.naming import near_names, no_such_cluster

NAMES = ("hub-main", "prod-east-1", "prod-east-2", "prod-west-1", "edge-paris", "far-edge-9")


@pytest.mark.parametrize(
    ("wanted", "first"),
    [
        ("prod-eas-1", "prod-east-1"),
        ("PROD-EAST-2", "prod-east-2"),
        (" edge-pariss ", "edge-paris"),
        ("west", "prod-west-1"),
        ("hub", "hub-main"),
    ],
)
def test_the_nearest_name_comes_first(wanted, first):
    assert near_names(wanted, NAMES)[0] == first


def test_at_most_five_and_each_once():
    names = [f"node-{i}" for i in range(20)]
    near = near_names("node", names)
    assert len(near) == 5
    assert len(set(near)) == 5


def test_nothing_near_is_nothing():
    assert near_names("zzzzzz", NAMES) == ()
    assert near_names("e", NAMES) == ()
    assert near_names("prod", ()) == ()


def test_the_error_says_what_to_do_in_each_case():
    assert no_such_cluster("west", NAMES).hint == "Near names: prod-west-1."
    assert no_such_cluster("zzzzzz", NAMES).hint == "List the clusters to see all 6 names."
    assert no_such_cluster("x", ()).hint == "List the clusters to see what is registered."
    assert no_such_cluster("west", NAMES).details == {"near": ["prod-west-1"]}
    assert len(no_such_cluster("x" * 10_000, NAMES).message) < 130
