import httpx2
import pytest

from aiops_mcp.simulation.alertmanager import fingerprint
from aiops_mcp.simulation.rules import exponent, humanize, humanize_duration, rendered
from aiops_mcp.simulation.silences import BadSilence, matcher_from_text


def client(fleet, cluster, backend="alertmanager"):
    url = f"https://{backend}.{cluster}.sim.invalid"
    return httpx2.AsyncClient(transport=fleet.transport(url), base_url=url)


def test_fingerprints_are_fnv_1a_over_sorted_labels():
    assert fingerprint({}) == "cbf29ce484222325"
    first = fingerprint({"alertname": "X", "severity": "warning"})
    assert first == fingerprint({"severity": "warning", "alertname": "X"})
    assert first != fingerprint({"alertname": "X", "severity": "critical"})
    # By hand: 'a' 0xff 'b' 0xff over the offset basis.
    total = 0xCBF29CE484222325
    for byte in (0x61, 0xFF, 0x62, 0xFF):
        total = ((total ^ byte) * 0x100000001B3) % 2**64
    assert fingerprint({"a": "b"}) == f"{total:016x}"


async def test_alerts_filters_groups_and_status(fleet_with):
    api = client(fleet_with("oom-loop"), "prod-frankfurt")
    alerts = (await api.get("/api/v2/alerts")).json()
    names = {one["labels"]["alertname"] for one in alerts}
    assert {"Watchdog", "KubePodCrashLooping", "ServiceErrorRateHigh"} <= names
    assert all(len(one["fingerprint"]) == 16 and one["startsAt"].endswith("Z") for one in alerts)
    assert {one["status"]["state"] for one in alerts} == {"active"}
    only = await api.get(
        "/api/v2/alerts", params={"filter": ['alertname=~"Kube.*"', "severity!=critical"]}
    )
    assert {one["labels"]["alertname"] for one in only.json()} == {
        "KubePodCrashLooping",
        "KubeDeploymentReplicasMismatch",
    }
    assert (await api.get("/api/v2/alerts", params={"active": "false"})).json() == []
    by_receiver = await api.get("/api/v2/alerts", params={"receiver": "watch.*"})
    assert [one["labels"]["alertname"] for one in by_receiver.json()] == ["Watchdog"]
    assert (await api.get("/api/v2/alerts", params={"filter": "???"})).status_code == 400
    groups = (await api.get("/api/v2/alerts/groups")).json()
    assert sum(len(group["alerts"]) for group in groups) == len(alerts)
    crash = next(g for g in groups if g["labels"].get("alertname") == "KubePodCrashLooping")
    assert crash["labels"]["namespace"] == "shop"
    assert len(crash["alerts"]) == 2
    status = (await api.get("/api/v2/status")).json()
    assert status["versionInfo"]["version"] == "0.28.1"
    assert "receivers" in status["config"]["original"]
    assert (await api.get("/-/ready")).text == "OK"
    assert {one["name"] for one in (await api.get("/api/v2/receivers")).json()} == {
        "default",
        "watchdog",
    }


async def test_a_silence_mutes_until_it_is_expired(fleet_with, clock):
    api = client(fleet_with("oom-loop"), "prod-frankfurt")
    silence = {
        "matchers": [{"name": "alertname", "value": "Kube.*", "isRegex": True, "isEqual": True}],
        "startsAt": "2025-11-25T05:00:00Z",
        "endsAt": "2025-11-25T08:00:00Z",
        "createdBy": "me",
        "comment": "known",
    }
    made = await api.post("/api/v2/silences", json=silence)
    key = made.json()["silenceID"]
    alerts = (await api.get("/api/v2/alerts")).json()
    muted = [one for one in alerts if one["status"]["silencedBy"] == [key]]
    assert {one["labels"]["alertname"] for one in muted} == {
        "KubePodCrashLooping",
        "KubeDeploymentReplicasMismatch",
    }
    assert {one["status"]["state"] for one in muted} == {"suppressed"}
    shown = (await api.get("/api/v2/alerts", params={"silenced": "false"})).json()
    assert len(shown) == len(alerts) - len(muted)
    (listed,) = (await api.get("/api/v2/silences")).json()
    assert (listed["id"], listed["status"]["state"]) == (key, "active")
    assert (await api.get("/api/v2/silences", params={"filter": "alertname=Other"})).json() == []
    changed = await api.post("/api/v2/silences", json={**silence, "id": key, "comment": "again"})
    assert changed.json()["silenceID"] == key
    assert (await api.get(f"/api/v2/silence/{key}")).json()["comment"] == "again"
    assert (await api.delete(f"/api/v2/silence/{key}")).status_code == 200
    assert (await api.get(f"/api/v2/silence/{key}")).json()["status"]["state"] == "expired"
    assert not [
        one for one in (await api.get("/api/v2/alerts")).json() if one["status"]["silencedBy"]
    ]
    assert (await api.delete("/api/v2/silence/none")).status_code == 404
    assert (await api.get("/api/v2/silence/none")).status_code == 404
    clock.moment += 60.0


@pytest.mark.parametrize(
    "change",
    [
        {"matchers": []},
        {"matchers": [{"name": "a", "value": ".*", "isRegex": True}]},
        {"matchers": [{"name": "a", "value": "(", "isRegex": True}]},
        {"matchers": [{"name": "a"}]},
        {"endsAt": "2025-11-25T05:10:00Z"},
        {"startsAt": "soon"},
    ],
)
async def test_silences_that_make_no_sense_are_refused(change, fleet_with):
    api = client(fleet_with(), "tower-17")
    silence = {
        "matchers": [{"name": "a", "value": "b", "isRegex": False}],
        "startsAt": "2025-11-25T05:00:00Z",
        "endsAt": "2025-11-25T08:00:00Z",
        "createdBy": "me",
        "comment": "x",
    }
    assert (await api.post("/api/v2/silences", json={**silence, **change})).status_code == 400
    assert (await api.post("/api/v2/silences", json=[])).status_code == 400
    assert (await api.post("/api/v2/silences", content=b"{")).status_code == 400
    gone = await api.post("/api/v2/silences", json={**silence, "id": "none"})
    assert gone.status_code == 404


def test_matchers_read_all_four_operators():
    for text, fits in (("a=b", True), ('a!="b"', False), ("a=~b|c", True), ("a!~b", False)):
        assert matcher_from_text(text).matches({"a": "b"}) is fits
    with pytest.raises(BadSilence):
        matcher_from_text("a=~(")


async def test_prometheus_shows_rules_alerts_and_targets(fleet_with):
    api = client(fleet_with("oom-loop"), "prod-frankfurt", "prometheus")
    groups = (await api.get("/api/v1/rules")).json()["data"]["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert rules["KubePodCrashLooping"]["state"] == "firing"
    assert rules["KubePodCrashLooping"]["duration"] == 900
    assert len(rules["KubePodCrashLooping"]["alerts"]) == 2
    assert rules["KubeNodeNotReady"]["state"] == "inactive"
    assert rules["cluster:node_cpu:ratio_rate5m"]["type"] == "recording"
    alerts = (await api.get("/api/v1/alerts")).json()["data"]["alerts"]
    crash = next(one for one in alerts if one["labels"]["alertname"] == "KubePodCrashLooping")
    assert crash["state"] == "firing"
    assert crash["value"] == "1e+00"
    assert "recommendation" in crash["annotations"]["description"]
    targets = (await api.get("/api/v1/targets")).json()["data"]["activeTargets"]
    assert {one["health"] for one in targets} <= {"up", "down"}
    assert any(one["labels"]["job"] == "kube-state-metrics" for one in targets)


def test_templates_and_numbers_read_as_prometheus_writes_them():
    text = "{{ $labels.pod }}: {{ $value | humanizePercentage }} {{ $value | humanizeDuration }} {{$value}}"
    assert rendered(text, {"pod": "p"}, 0.5) == "p: 50% 500ms 0.5"
    assert [humanize(one) for one in (0, 1234567, 0.0012, 12)] == ["0", "1.235M", "1.2m", "12"]
    assert [humanize_duration(one) for one in (59, 61, 3700, 90061, -61, 1.5)] == [
        "59s",
        "1m 1s",
        "1h 1m 40s",
        "1d 1h 1m 1s",
        "-1m 1s",
        "1.5s",
    ]
    assert [exponent(one) for one in (1, 0.25, 1234, float("inf"))] == [
        "1e+00",
        "2.5e-01",
        "1.234e+03",
        "+Inf",
    ]
