from pathlib import Path

import pytest

from aiops_mcp.errors import InputError
from aiops_mcp.simulation.incident import parse_incident, read_incidents, start_incidents
from aiops_mcp.simulation.world import World, fixed_clock

NOW = 1_764_050_000.0
MINE = """
name: cart-slow
title: The cart is slow
where: {clusters: [prod-virginia]}
age: 20m
effects:
  - {effect: bend, metric: http_request_duration_seconds, labels: {service: cart}, factor: 300}
truth:
  root_cause: A missing index.
  component: workload
  cluster: prod-virginia
  namespace: shop
  name: cart
  alerts: [{alertname: ServiceLatencyHigh, cluster: prod-virginia, labels: {service: cart}}]
"""


def test_an_incident_from_elsewhere_bends_the_world(tmp_path: Path, fleet_with, incidents, clock):
    (tmp_path / "mine.yaml").write_text(MINE)
    known = read_incidents(tmp_path)
    assert set(known) == set(incidents) | {"cart-slow"}
    incidents_before = dict(incidents)
    incidents["cart-slow"] = known["cart-slow"]
    try:
        fleet = fleet_with("cart-slow")
    finally:
        incidents.clear()
        incidents.update(incidents_before)
    slow = [one for one in fleet.alerts("prod-virginia").active() if one.firing]
    assert {(one.name, one.labels.get("service")) for one in slow} == {
        ("Watchdog", None),
        ("ServiceLatencyHigh", "cart"),
    }
    assert "take up to" in slow[-1].annotations["description"]


def test_an_empty_directory_is_said_to_be_empty(tmp_path):
    with pytest.raises(InputError, match="holds no incident files"):
        read_incidents(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "is not YAML"),
        (MINE.replace("factor: 300", "factor: 300, ad: 1"), "ad: Extra inputs"),
        (MINE.replace("factor: 300", "factor: 300, add: 1"), "exactly one of factor"),
        (MINE.replace("effect: bend", "effect: break"), "effects.0"),
        (MINE.replace("age: 20m", "age: soon"), "age"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(text, said):
    with pytest.raises(InputError, match=said) as caught:
        parse_incident(text, "bad.yaml")
    assert "bad.yaml" in caught.value.message


@pytest.mark.parametrize(
    ("text", "onset"),
    [
        ("oom-loop", NOW - 2400.0),
        ("oom-loop@-2h", NOW - 7200.0),
        ("oom-loop@+5m", NOW + 300.0),
        ("oom-loop@2025-11-25T03:00:00Z", 1_764_039_600.0),
        ("oom-loop@2025-11-25T03:00:00", 1_764_039_600.0),
    ],
)
def test_incidents_start_when_one_says(text, onset, incidents):
    (started,) = start_incidents([text], incidents, NOW)
    assert started.onset == onset
    assert started.end == onset + 6 * 3600.0


def test_unknown_names_and_times_are_refused_naming_near_ones(incidents):
    with pytest.raises(InputError, match="oom-lop") as caught:
        start_incidents(["oom-lop"], incidents, NOW)
    assert "oom-loop" in caught.value.hint
    with pytest.raises(InputError, match="tomorrow"):
        start_incidents(["oom-loop@tomorrow"], incidents, NOW)


@pytest.mark.parametrize(
    ("old", "new", "near"),
    [
        ("[prod-virginia]}\nage", "[prod-virgina]}\nage", "prod-virginia"),
        ("where: {clusters: [prod-virginia]}", "where: {regions: [us-est]}", "us-east"),
        (
            "effect: bend, metric: http_request_duration_seconds, labels: {service: cart}, factor: 300",
            "effect: crash_loop, workload: shop/carts",
            "shop/cart",
        ),
        (
            "effect: bend, metric: http_request_duration_seconds, labels: {service: cart}, factor: 300",
            "effect: lose_gpu, node: prod-virginia-worker-9, gpu: 0",
            "prod-virginia-worker-",
        ),
    ],
)
def test_what_an_incident_names_must_exist(old, new, near):
    incident = parse_incident(MINE.replace(old, new), "mine.yaml")
    started = start_incidents(["cart-slow"], {"cart-slow": incident}, NOW)
    with pytest.raises(InputError) as caught:
        World(1, started, fixed_clock(NOW))
    assert near in caught.value.hint
