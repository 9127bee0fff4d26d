"""The Alertmanager v2 API at wire level, over the alerts that fire in a simulated cluster.

Source: prometheus/alertmanager ``api/v2/openapi.yaml``; fingerprints are FNV-1a over the sorted
labels as in prometheus/common ``model/fnv.go``. Silences are kept in memory.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from aiops_mcp.simulation.alerting import AlertBook, sent_labels
from aiops_mcp.simulation.silences import BadSilence, Matcher, Silences, matcher_from_text

Json = dict[str, Any]

_OFFSET, _PRIME = 14695981039346656037, 1099511628211
_GROUP_BY = ("namespace", "alertname")
_CONFIG = """route:
  receiver: default
  group_by: [namespace, alertname]
  routes:
  - matchers: [alertname = Watchdog]
    receiver: watchdog
inhibit_rules:
- source_matchers: [severity = critical]
  target_matchers: [severity =~ warning|info]
  equal: [namespace, alertname]
receivers:
- name: default
- name: watchdog
"""


def fingerprint(labels: Mapping[str, str]) -> str:
    """Alertmanager's hash of a label set, 16 hexadecimal digits."""
    total = _OFFSET
    for name in sorted(labels):
        for byte in (*name.encode(), 0xFF, *labels[name].encode(), 0xFF):
            total = ((total ^ byte) * _PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{total:016x}"


def alertmanager_app(alerts: "SentAlerts", now: Callable[[], float]) -> Starlette:
    """An ASGI application that answers as Alertmanager 0.28 does."""
    api = _Api(alerts, now)
    routes = [
        Route("/api/v2/status", api.status),
        Route("/api/v2/receivers", api.receivers),
        Route("/api/v2/alerts", api.alerts, methods=["GET"]),
        Route("/api/v2/alerts/groups", api.groups),
        Route("/api/v2/silences", api.list_silences, methods=["GET"]),
        Route("/api/v2/silences", api.create_silence, methods=["POST"]),
        Route("/api/v2/silence/{id}", api.get_silence, methods=["GET"]),
        Route("/api/v2/silence/{id}", api.expire_silence, methods=["DELETE"]),
    ]
    routes += [Route(f"/-/{path}", _ok) for path in ("ready", "healthy")]
    return Starlette(routes=routes)


async def _ok(_: Request) -> Response:
    return PlainTextResponse("OK")


class SentAlerts:
    """The alerts that an Alertmanager was sent, with the silences it keeps."""

    def __init__(self, book: AlertBook, now: Callable[[], float]) -> None:
        self._book = book
        self._now = now
        self.silences = Silences(now)

    def current(self) -> list[Json]:
        """Every alert that fires, as the API shows it."""
        now = self._now()
        found: list[Json] = []
        for alert in self._book.active():
            if alert.fired_at is None:
                continue
            labels = sent_labels(alert)
            silenced = self.silences.silencing(labels)
            receiver = "watchdog" if alert.name == "Watchdog" else "default"
            found.append(
                {
                    "labels": labels,
                    "annotations": dict(alert.annotations),
                    "startsAt": _iso(alert.fired_at),
                    "endsAt": _iso(now - now % 30 + 240),
                    "updatedAt": _iso(now - now % 30),
                    "fingerprint": fingerprint(labels),
                    "receivers": [{"name": receiver}],
                    "status": {
                        "state": "suppressed" if silenced else "active",
                        "silencedBy": silenced,
                        "inhibitedBy": [],
                        "mutedBy": [],
                    },
                    "generatorURL": f"/graph?g0.expr={alert.name}&g0.tab=1",
                }
            )
        _inhibit(found)
        return sorted(found, key=lambda one: one["fingerprint"])


class _Api:
    def __init__(self, alerts: SentAlerts, now: Callable[[], float]) -> None:
        self._started = now()
        self._silences = alerts.silences
        self._current = alerts.current

    async def status(self, _: Request) -> Response:
        return JSONResponse(
            {
                "cluster": {"name": "01SIMULATED", "status": "ready", "peers": []},
                "versionInfo": {
                    "version": "0.28.1",
                    "revision": "simulated",
                    "branch": "HEAD",
                    "buildUser": "",
                    "buildDate": "",
                    "goVersion": "go1.23.7",
                },
                "config": {"original": _CONFIG},
                "uptime": _iso(self._started),
            }
        )

    async def receivers(self, _: Request) -> Response:
        return JSONResponse([{"name": "default"}, {"name": "watchdog"}])

    async def alerts(self, request: Request) -> Response:
        query = request.query_params
        try:
            matchers = [matcher_from_text(text) for text in query.getlist("filter")]
            receiver = re.compile(query.get("receiver", ".*"))
        except (BadSilence, re.error) as error:
            return JSONResponse(f"bad matcher format: {error}", 400)
        found = await run_in_threadpool(self._current)
        return JSONResponse([one for one in found if _asked(one, query, matchers, receiver)])

    async def groups(self, request: Request) -> Response:
        query = request.query_params
        try:
            matchers = [matcher_from_text(text) for text in query.getlist("filter")]
            receiver = re.compile(query.get("receiver", ".*"))
        except (BadSilence, re.error) as error:
            return JSONResponse(f"bad matcher format: {error}", 400)
        groups: dict[tuple[str, ...], Json] = {}
        for one in await run_in_threadpool(self._current):
            if not _asked(one, query, matchers, receiver):
                continue
            labels = {name: one["labels"][name] for name in _GROUP_BY if name in one["labels"]}
            name = one["receivers"][0]["name"]
            group = groups.setdefault(
                (name, *labels.values()),
                {"labels": labels, "receiver": {"name": name}, "alerts": []},
            )
            group["alerts"].append(one)
        return JSONResponse(list(groups.values()))

    async def list_silences(self, request: Request) -> Response:
        try:
            matchers = [matcher_from_text(text) for text in request.query_params.getlist("filter")]
        except BadSilence as error:
            return JSONResponse(f"bad matcher format: {error}", 400)
        return JSONResponse(self._silences.all(matchers))

    async def create_silence(self, request: Request) -> Response:
        try:
            content: Any = orjson.loads(await request.body())
            return JSONResponse({"silenceID": self._silences.put(content)})
        except (orjson.JSONDecodeError, BadSilence) as error:
            return JSONResponse(str(error), 400)
        except KeyError as error:
            return JSONResponse(f"silence {error} not found", 404)

    async def get_silence(self, request: Request) -> Response:
        found = self._silences.get(request.path_params["id"])
        return Response(status_code=404) if found is None else JSONResponse(found)

    async def expire_silence(self, request: Request) -> Response:
        known = self._silences.expire(request.path_params["id"])
        return Response(status_code=200 if known else 404)


def _inhibit(alerts: Sequence[Json]) -> None:
    """A critical alert mutes lesser ones of the same name and namespace."""
    sources: dict[tuple[str, str], list[str]] = {}
    for one in alerts:
        labels = one["labels"]
        if labels.get("severity") == "critical":
            key = (labels["alertname"], labels.get("namespace", ""))
            sources.setdefault(key, []).append(one["fingerprint"])
    for one in alerts:
        labels = one["labels"]
        by = sources.get((labels["alertname"], labels.get("namespace", "")), [])
        if by and labels.get("severity") in ("warning", "info"):
            one["status"]["inhibitedBy"] = by
            one["status"]["state"] = "suppressed"


def _asked(
    alert: Json, query: Mapping[str, str], matchers: Sequence[Matcher], receiver: re.Pattern[str]
) -> bool:
    status = alert["status"]
    shown = {
        "active": status["state"] == "active",
        "silenced": bool(status["silencedBy"]),
        "inhibited": bool(status["inhibitedBy"]),
        "unprocessed": status["state"] == "unprocessed",
    }
    hidden = any(holds and query.get(name) == "false" for name, holds in shown.items())
    named = receiver.fullmatch(alert["receivers"][0]["name"]) is not None
    return named and not hidden and all(one.matches(alert["labels"]) for one in matchers)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
