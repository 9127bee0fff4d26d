"""A real Alertmanager sends its webhook to us and takes silences of us; real rules and targets."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import real_servers

WAIT_SECONDS = 20.0


def call(method: str, url: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            content = answer.read()
            return answer.status, json.loads(content) if content.strip() else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def until(look: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    ends = time.monotonic() + WAIT_SECONDS
    while True:
        found = look()
        if wanted(found) or time.monotonic() > ends:
            assert wanted(found), found
            return found
        time.sleep(0.1)


@contextmanager
def alertmanager_with_receiver(folder: Path, receiver: str) -> Iterator[real_servers.RealServer]:
    """A real Alertmanager with the receiver that we told its administrator to copy."""
    config = "route: {receiver: aiops, group_wait: 0s, group_interval: 1s, group_by: [alertname]}\n"
    (folder / "am.yml").write_text(config + receiver)
    port = real_servers.free_port()
    command = [
        "prometheus-alertmanager",
        f"--config.file={folder / 'am.yml'}",
        f"--storage.path={folder / 'am'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    with real_servers.running(command, port, "/-/ready", folder) as server:
        yield server


def fire(alertmanager: str, name: str, *, ended: bool = False) -> None:
    now = datetime.now(UTC)
    alert = {
        "labels": {"alertname": name, "severity": "page", "namespace": "shop"},
        "annotations": {"summary": "made by hand"},
        "startsAt": (now - timedelta(seconds=30)).isoformat(),
    }
    if ended:
        alert["endsAt"] = now.isoformat()
    assert call("POST", f"{alertmanager}/api/v2/alerts", [alert])[0] == 200


@pytest.mark.real
def test_webhooks_come_in_and_silences_go_out(
    serve: Any, aiops: str, fast: dict[str, str], tmp_path: Path, require_program: Any
) -> None:
    require_program("prometheus-alertmanager")
    port = real_servers.free_port()
    settings = {**fast, "AIOPS_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    command = [aiops, "serve", "--allow-write"]
    with serve(tmp_path / "home", command, port=port, **settings) as server:
        api = f"{server.url}/api/v1"
        hooked = {"name": "hooked", "api_server_url": "https://127.0.0.1:1"}
        assert call("POST", f"{api}/clusters", hooked)[0] == 201
        status, made = call("POST", f"{api}/clusters/hooked/webhook-secret")
        assert status == 201
        assert made["secret"] in made["receiver"]
        with alertmanager_with_receiver(tmp_path, made["receiver"]) as real:
            _it_tells_of_alerts(api, real.url)
            polled = {
                "name": "polled",
                "api_server_url": "https://127.0.0.1:1",
                "endpoints": {"alertmanager_url": real.url},
            }
            assert call("POST", f"{api}/clusters", polled)[0] == 201
            _it_takes_silences(api, real.url)
        _wrong_secrets_are_refused(api, made["secret"])
        secret = made["secret"]
        assert secret not in server.log.read_text()


def _it_tells_of_alerts(api: str, real: str) -> None:
    fire(real, "MadeByHand")

    def history() -> Any:
        return call("GET", f"{api}/alerts/history?clusters=hooked&alertname=MadeByHand")[1]

    [told] = until(history, lambda page: page["total"] == 1)["items"]
    assert (told["severity"], told["state"], told["ends_at"]) == ("CRITICAL", "FIRING", None)
    status, listed = call("GET", f"{api}/alerts?clusters=hooked")
    assert status == 200
    assert [alert["alertname"] for alert in listed["alerts"]] == ["MadeByHand"]
    fire(real, "MadeByHand", ended=True)
    [ended] = until(history, lambda page: page["items"][0]["ends_at"] is not None)["items"]
    assert ended["state"] == "RESOLVED"
    one = call("GET", f"{api}/alerts/{ended['fingerprint']}")[1]
    assert one["statistics"]["fired"] == 1
    assert one["summary"].startswith("fired once in 7 days, usually for ")


def _it_takes_silences(api: str, real: str) -> None:
    fire(real, "Noisy")
    wanted = {
        "clusters": ["polled"],
        "matchers": ["alertname=Noisy", 'severity=~"page|critical"'],
        "duration": "1h",
        "comment": "we know",
    }
    status, plan = call("POST", f"{api}/silences", {**wanted, "dry_run": True})
    assert (status, plan["applied"]) == (201, False)
    assert [alert["alertname"] for alert in plan["alerts"]] == ["Noisy"]
    assert call("GET", f"{real}/api/v2/silences")[1] == []

    status, made = call("POST", f"{api}/silences", wanted)
    assert status == 201
    [outcome] = made["outcomes"]
    [silence] = call("GET", f"{real}/api/v2/silences")[1]
    assert silence["id"] == outcome["silence_id"]
    assert silence["status"]["state"] == "active"
    assert (silence["comment"], silence["createdBy"]) == ("we know", "local (aiops)")
    assert call("GET", f"{api}/silences?clusters=polled")[1]["total"] == 1
    until(
        lambda: call("GET", f"{api}/alerts?clusters=polled&suppressed=true")[1]["alerts"],
        lambda alerts: any(a["silenced_by"] == [silence["id"]] for a in alerts),
    )

    status, done = call("POST", f"{api}/silences/expire", {"silences": [silence["id"]]})
    assert (status, done["outcomes"][0]["done"]) == (200, "EXPIRED")
    assert call("GET", f"{real}/api/v2/silences")[1][0]["status"]["state"] == "expired"


def _wrong_secrets_are_refused(api: str, secret: str) -> None:
    empty = {"version": "4", "alerts": []}
    assert call("POST", f"{api}/alerts/webhook", empty, secret) == (202, {"accepted": 0})
    assert call("POST", f"{api}/alerts/webhook", {"alerts": 1}, secret)[0] == 400
    answers = {
        call("POST", f"{api}/alerts/webhook{path}", empty, wrong)[0:1]
        for path, wrong in (("", None), ("", "guess"), ("/hooked", "guess"), ("/nowhere", secret))
    }
    assert answers == {(401,)}
    assert call("GET", f"{api}/alerts/webhook")[0] == 405
    statuses = [call("POST", f"{api}/alerts/webhook", empty, "guess")[0] for _ in range(12)]
    assert statuses[-1] == 429
    assert call("POST", f"{api}/alerts/webhook", empty, secret)[0] == 202


@pytest.mark.real
def test_rules_and_targets_of_a_real_prometheus(
    serve: Any, aiops: str, fast: dict[str, str], tmp_path: Path, real_prometheus: Any
) -> None:
    # Targets are found seconds after a Prometheus starts: do not keep the first answer.
    settings = {**fast, "AIOPS_TTL_INSTANT_QUERY": "0"}
    with serve(tmp_path / "home", [aiops, "serve", "--allow-write"], **settings) as server:
        api = f"{server.url}/api/v1"
        cluster = {
            "name": "real-one",
            "api_server_url": "https://127.0.0.1:1",
            "endpoints": {"prometheus_url": real_prometheus.url},
        }
        assert call("POST", f"{api}/clusters", cluster)[0] == 201
        rules = call("GET", f"{api}/alerts/rules?clusters=real-one&kind=alerting")[1]
        [rule] = [rule for rule in rules["items"] if rule["name"] == "ContractAlwaysFires"]
        assert (rule["health"], rule["labels"]["severity"]) == ("ok", "critical")
        targets = until(
            lambda: call("GET", f"{api}/metrics/targets?clusters=real-one&job=node")[1],
            lambda page: bool(page["items"]) and page["items"][0]["health"] == "up",
        )
        assert targets["by_health"]["up"] >= 1
        status, report = call("GET", f"{api}/alerts/rules/check?clusters=real-one")
        assert status == 200
        assert report["rules"] >= rules["total"]
