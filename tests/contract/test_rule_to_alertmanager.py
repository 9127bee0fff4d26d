"""A rule fires in a real Prometheus, and the alert is seen at a real Alertmanager."""

import time

import pytest

from aiops_mcp.backends.alertmanager import AlertmanagerClient
from aiops_mcp.backends.http import HttpClient, Target


@pytest.mark.real
async def test_an_alert_of_a_rule_arrives(real_prometheus, real_alertmanager):
    http = HttpClient(Target(real_alertmanager.url, "alertmanager", "here"), timeout=5)
    client = AlertmanagerClient(http)
    try:
        ends = time.monotonic() + 25
        alerts = []
        while not alerts and time.monotonic() < ends:
            alerts = await client.alerts(filter=['alertname="ContractAlwaysFires"'])
        assert [dict(one.labels) for one in alerts] == [
            {"alertname": "ContractAlwaysFires", "severity": "critical", "team": "platform"}
        ]
        assert alerts[0].annotations == {"summary": "fires from the first second on"}
        assert real_prometheus.url.rpartition(":")[2] in (alerts[0].generator_url or "")
    finally:
        await client.aclose()
