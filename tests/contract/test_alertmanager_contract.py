"""What an AlertmanagerClient answers, for recorded and real servers alike."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from aiops_mcp.backends.alertmanager_alerts import to_alerts
from aiops_mcp.backends.alertmanager_answers import label_fingerprint
from aiops_mcp.errors import BackendRefused
from aiops_mcp.models.alerts import AlertSeverity, AlertState
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.silences import Matcher

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLUSTER = Cluster(
    id=UUID(int=7), name="edge-1", api_server_url="https://k", created_at=NOW, updated_at=NOW
)


async def _ours(client, **flags):
    alerts = await client.alerts(filter=['rack=~"r."'], **flags)
    return {one.labels["alertname"]: one for one in alerts}


async def test_alerts_with_what_suppresses_them(alertmanager):
    found = await _ours(alertmanager)
    assert found.keys() == {"DiskFull", "DiskSlow", "Noisy"}
    full, slow, noisy = found["DiskFull"], found["DiskSlow"], found["Noisy"]
    assert (full.state, full.silenced_by, full.inhibited_by) == ("active", (), ())
    assert slow.inhibited_by == (full.fingerprint,)
    assert noisy.state == "suppressed"
    assert len(noisy.silenced_by) == 1
    assert full.annotations == {"summary": "no space left"}
    assert full.starts_at == datetime(2025, 10, 9, 8, tzinfo=UTC)
    assert full.receivers == ("nobody",)
    assert full.generator_url == "http://prometheus.example/graph?g0.expr=x"
    assert slow.generator_url is None


async def test_flags_leave_alerts_out(alertmanager):
    assert (await _ours(alertmanager, silenced=False)).keys() == {"DiskFull", "DiskSlow"}
    assert (await _ours(alertmanager, inhibited=False)).keys() == {"DiskFull", "Noisy"}
    assert (await _ours(alertmanager, active=False)).keys() == {"DiskSlow", "Noisy"}


async def test_fingerprint_is_the_hash_of_the_labels(alertmanager):
    for alert in (await _ours(alertmanager)).values():
        assert label_fingerprint(alert.labels) == alert.fingerprint


async def test_silences(alertmanager):
    [silence] = await alertmanager.silences()
    assert (silence.state, silence.created_by, silence.comment) == (
        "active",
        "contract",
        "known to be noisy",
    )
    assert set(silence.matchers) == {
        Matcher(name="alertname", value="No.*", is_regex=True, is_equal=True),
        Matcher(name="rack", value="r1", is_regex=False, is_equal=False),
    }
    assert silence.ends_at.year == 2125
    [noisy] = [a for a in (await _ours(alertmanager)).values() if a.silenced_by]
    assert noisy.silenced_by == (silence.id,)


async def test_status(alertmanager):
    status = await alertmanager.status()
    assert status.version.startswith("0.25")
    assert (status.cluster, status.peers) == ("disabled", ())


async def test_healthy(alertmanager):
    await alertmanager.healthy()


async def test_a_bad_matcher_is_refused_with_its_reason(alertmanager):
    with pytest.raises(BackendRefused, match="bad matcher") as caught:
        await alertmanager.alerts(filter=["{{"])
    assert caught.value.http_status == 400


async def test_as_our_alerts(alertmanager):
    found = {one.alertname: one for one in to_alerts(CLUSTER, (await _ours(alertmanager)).values())}
    full = found["DiskFull"]
    assert (full.severity, full.state) == (AlertSeverity.CRITICAL, AlertState.FIRING)
    assert (full.cluster_name, full.ends_at, full.is_suppressed) == ("edge-1", None, False)
    assert found["DiskSlow"].severity is AlertSeverity.WARNING
    assert found["Noisy"].severity is AlertSeverity.INFO
    assert found["DiskSlow"].is_suppressed
    assert found["Noisy"].is_suppressed
