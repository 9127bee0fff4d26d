"""Alerts of Alertmanager as ours; newer answers after api/v2/openapi.yaml of 0.34."""

from datetime import UTC, datetime
from uuid import UUID

import httpx2
import pytest

from aiops_mcp.backends.alertmanager import AlertmanagerClient
from aiops_mcp.backends.alertmanager_alerts import occurrence_id, severity_of, to_alerts
from aiops_mcp.backends.alertmanager_answers import (
    label_fingerprint,
    parse_alerts,
    parse_silences,
    parse_status,
)
from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.errors import BackendMisbehaved, BackendRefused
from aiops_mcp.models.alerts import AlertSeverity, AlertState
from aiops_mcp.models.cluster import Cluster

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CLUSTER = Cluster(
    id=UUID(int=7), name="edge-1", api_server_url="https://k", created_at=NOW, updated_at=NOW
)


def alert(**more):
    return {
        "labels": {"alertname": "A", "severity": "page"},
        "annotations": {"summary": "s"},
        "startsAt": "2026-01-01T10:00:00.123456789Z",
        "endsAt": "2026-01-01T12:05:00Z",
        "updatedAt": "2026-01-01T12:00:00Z",
        "fingerprint": "0123456789abcdef",
        "receivers": [{"name": "r"}],
        "status": {
            "state": "suppressed",
            "silencedBy": ["s1"],
            "inhibitedBy": ["i1"],
            "mutedBy": ["m1"],
        },
        "generatorURL": "http://p/graph",
        **more,
    }


def test_everything_of_0_34():
    [read] = parse_alerts([alert()])
    [ours] = to_alerts(CLUSTER, [read], now=NOW)
    assert read.starts_at == datetime(2026, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)
    assert (read.muted_by, read.receivers) == (("m1",), ("r",))
    assert (ours.severity, ours.state, ours.ends_at) == (
        AlertSeverity.CRITICAL,
        AlertState.FIRING,
        None,
    )
    assert (ours.silenced_by, ours.inhibited_by) == (("s1", "m1"), ("i1",))
    assert (ours.alertname, ours.cluster_id, ours.generator_url) == (
        "A",
        CLUSTER.id,
        "http://p/graph",
    )


def test_an_alert_whose_end_has_come_is_resolved():
    ended = parse_alerts([alert(endsAt="2026-01-01T12:00:00Z")])
    [ours] = to_alerts(CLUSTER, ended, now=NOW)
    assert (ours.state, ours.ends_at) == (AlertState.RESOLVED, NOW)
    assert to_alerts(CLUSTER, ended)[0].state is AlertState.FIRING


def test_gaps_are_filled():
    [read] = parse_alerts(
        [
            {
                "labels": {"alertname": "A"},
                "startsAt": "2026-01-01T10:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
            }
        ]
    )
    assert (read.state, read.ends_at, read.generator_url) == ("active", None, None)
    assert read.fingerprint == label_fingerprint({"alertname": "A"})


def test_an_occurrence_has_one_id():
    first = occurrence_id(CLUSTER, "f", NOW)
    assert first == occurrence_id(CLUSTER, "f", NOW)
    assert first != occurrence_id(CLUSTER, "f", NOW.replace(hour=13))
    assert first != occurrence_id(CLUSTER, "g", NOW)
    assert first != occurrence_id(CLUSTER.model_copy(update={"id": UUID(int=8)}), "f", NOW)


def test_fingerprints_of_prometheus_common():
    # model/signature_test.go: an empty set, and the order of labels makes no difference
    assert label_fingerprint({}) == f"{14695981039346656037:016x}"
    assert label_fingerprint({"a": "1", "b": "2"}) == label_fingerprint({"b": "2", "a": "1"})
    assert label_fingerprint({"ab": "c"}) != label_fingerprint({"a": "bc"})


@pytest.mark.parametrize(
    ("labels", "severity"),
    [
        ({"severity": "critical"}, AlertSeverity.CRITICAL),
        ({"severity": " Page "}, AlertSeverity.CRITICAL),
        ({"severity": "major"}, AlertSeverity.WARNING),
        ({"severity": "none"}, AlertSeverity.INFO),
        ({"severity": "purple"}, AlertSeverity.WARNING),
        ({"priority": "P1"}, AlertSeverity.CRITICAL),
        ({}, AlertSeverity.WARNING),
    ],
)
def test_severities(labels, severity):
    assert severity_of(labels) is severity


def test_silences_of_before_0_22_match_equal():
    matcher = {"name": "a", "value": "b", "isRegex": False}
    times = {"startsAt": "2026-01-01T10:00:00Z", "endsAt": "2026-01-01T11:00:00Z"}
    [silence] = parse_silences(
        [{"id": "x", "status": {"state": "expired"}, "matchers": [matcher], **times}]
    )
    assert (silence.state, silence.matchers[0].is_equal) == ("expired", True)
    assert (silence.created_by, silence.comment) == ("", "")


def test_status_of_a_cluster():
    status = parse_status(
        {
            "cluster": {"status": "ready", "peers": [{"name": "n", "address": "10.0.0.1:9094"}]},
            "versionInfo": {"version": "0.34.0"},
        }
    )
    assert (status.version, status.cluster, status.peers) == ("0.34.0", "ready", ("10.0.0.1:9094",))


def client(*answers):
    waiting, sent = list(answers), []

    def handle(request):
        sent.append(request)
        return waiting.pop(0)

    http = HttpClient(
        Target("https://am", "alertmanager", "edge-1"), transport=httpx2.MockTransport(handle)
    )
    return AlertmanagerClient(http), sent


async def test_what_is_sent():
    alertmanager, sent = client(httpx2.Response(200, json=[]))
    assert await alertmanager.alerts(silenced=False, filter=["a=b", 'c=~"d"'], receiver="x") == []
    assert sent[0].url.params.multi_items() == [
        ("active", "true"),
        ("silenced", "false"),
        ("inhibited", "true"),
        ("unprocessed", "true"),
        ("filter", "a=b"),
        ("filter", 'c=~"d"'),
        ("receiver", "x"),
    ]


@pytest.mark.parametrize(
    "body", [{}, [1], [{"labels": {}}], [{"labels": {}, "startsAt": "x"}], "a"]
)
async def test_json_of_something_else(body):
    alertmanager, _ = client(httpx2.Response(200, json=body))
    with pytest.raises(BackendMisbehaved, match="not Alertmanager's API v2"):
        await alertmanager.alerts()


async def test_errors_are_bare_json_strings():
    alertmanager, _ = client(httpx2.Response(400, json="bad matcher format: {{"))
    with pytest.raises(BackendRefused, match=r"\(HTTP 400\): bad matcher format: \{\{"):
        await alertmanager.alerts()


async def test_healthy_where_only_the_api_is_exposed():
    status = {"cluster": {}, "versionInfo": {"version": "0.34.0"}}
    alertmanager, sent = client(httpx2.Response(404), httpx2.Response(200, json=status))
    await alertmanager.healthy()
    assert [request.url.path for request in sent] == ["/-/ready", "/api/v2/status"]


def test_what_is_no_text_becomes_one():
    [read] = parse_alerts([alert(labels={"alertname": "A", "port": 80}, annotations={"n": None})])
    assert read.labels == {"alertname": "A", "port": "80"}
    assert read.annotations == {"n": "None"}


@pytest.mark.parametrize("wrong", ["2026-01-01T10:00:00", "yesterday"])
def test_a_time_without_its_zone_is_none(wrong):
    with pytest.raises(ValueError):
        parse_alerts([alert(startsAt=wrong)])


async def test_a_silence_of_an_unknown_state_is_not_alertmanagers():
    silence = {
        "id": "s", "matchers": [], "startsAt": "2026-01-01T10:00:00Z",
        "endsAt": "2026-01-01T12:00:00Z", "status": {"state": "sleeping"},
    }  # fmt: skip
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=[silence]))
    target = Target("https://alerts.example", "alertmanager", "edge-1")
    with pytest.raises(BackendMisbehaved):
        await AlertmanagerClient(HttpClient(target, transport=transport)).silences()
