"""The series, alerts and silences that every backend of the contract tests holds."""

import json
import math
import time
import urllib.parse
import urllib.request

import numpy as np

from aiops_mcp.simulation.prometheus import prometheus_app
from aiops_mcp.simulation.promql.store import ArrayStore, MetricMetadata, Samples

START = 1_760_000_000  # a multiple of 15 s away from nothing in particular
STEP = 15
COUNT = 41  # ten minutes
END = START + (COUNT - 1) * STEP


def _series(name, values, **labels):
    stamps = [(START + i * STEP) * 1000 for i in range(COUNT)]
    return {"__name__": name, **labels}, list(zip(stamps, values, strict=True))


SERIES = [
    _series("contract_requests_total", [5.0 * i for i in range(COUNT)], job="api", instance="a"),
    _series("contract_requests_total", [10.0 * i for i in range(COUNT)], job="api", instance="b"),
    _series(
        "contract_temperature_celsius",
        [40.0 + 5 * math.sin(i / 4) for i in range(COUNT)],
        room='größe, "north"\\n',
    ),
    _series("contract_up", [1.0] * COUNT, job="api", instance="a"),
    _series("contract_up", [0.0] * COUNT, job="api", instance="b"),
]


def simulated_app():
    store = ArrayStore(
        [
            Samples(
                tuple(sorted(labels.items())),
                np.array([stamp for stamp, _ in points], dtype=np.int64),
                np.array([value for _, value in points], dtype=np.float64),
            )
            for labels, points in SERIES
        ],
        {"contract_up": MetricMetadata("gauge", "Whether it is up.", "")},
    )
    return prometheus_app(store, now=lambda: float(END))


def wait_searchable(url: str) -> None:
    """VictoriaMetrics makes new series searchable within a second or so."""
    query = urllib.parse.urlencode({"query": "count({__name__=~'contract_.*'})", "time": END})
    ends = time.monotonic() + 15
    while time.monotonic() < ends:
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=5) as answer:
            result = json.load(answer)["data"]["result"]
        if result and result[0]["value"][1] == str(len(SERIES)):
            return
        time.sleep(0.05)
    raise AssertionError("VictoriaMetrics does not find what was written")


ALERTS = [
    {
        "labels": {
            "alertname": "DiskFull",
            "severity": "critical",
            "rack": "r1",
            "team": "platform",
        },
        "annotations": {"summary": "no space left"},
        "startsAt": "2025-10-09T08:00:00Z",
        "endsAt": "2125-10-09T08:00:00Z",
        "generatorURL": "http://prometheus.example/graph?g0.expr=x",
    },
    {
        # inhibited: a critical alert of the same rack fires
        "labels": {"alertname": "DiskSlow", "severity": "warning", "rack": "r1"},
        "annotations": {},
        "startsAt": "2025-10-09T08:00:00Z",
        "endsAt": "2125-10-09T08:00:00Z",
    },
    {
        "labels": {"alertname": "Noisy", "severity": "info", "rack": "r2"},
        "annotations": {},
        "startsAt": "2025-10-09T08:30:00Z",
        "endsAt": "2125-10-09T08:00:00Z",
    },
]
SILENCE = {
    "matchers": [
        {"name": "alertname", "value": "No.*", "isRegex": True, "isEqual": True},
        {"name": "rack", "value": "r1", "isRegex": False, "isEqual": False},
    ],
    "startsAt": "2025-10-09T08:00:00Z",
    "endsAt": "2125-10-09T08:00:00Z",
    "createdBy": "contract",
    "comment": "known to be noisy",
}


def fill_alertmanager(url: str) -> None:
    _post(f"{url}/api/v2/silences", SILENCE)
    _post(f"{url}/api/v2/alerts", ALERTS)
    ends = time.monotonic() + 15
    while time.monotonic() < ends:
        with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=5) as answer:
            states = {
                one["labels"]["alertname"]: one["status"]["state"] for one in json.load(answer)
            }
        if [states.get(name) for name in ("DiskFull", "DiskSlow", "Noisy")] == [
            "active",
            "suppressed",
            "suppressed",
        ]:
            return
        time.sleep(0.05)
    raise AssertionError(f"Alertmanager did not take the alerts in: {states}")


def _post(url: str, body: object) -> None:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=5).read()
