"""The Prometheus HTTP API about the server itself: rules, targets, metadata, status."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from starlette.requests import Request

from aiops_mcp.promql import parse_selector
from aiops_mcp.promql.tokens import format_duration
from aiops_mcp.promql.tree import METRIC_NAME
from aiops_mcp.simulation import prometheus_json as wire
from aiops_mcp.simulation.prometheus_params import (
    MAX_TIME_MS,
    MIN_TIME_MS,
    BadParameter,
    Params,
)
from aiops_mcp.simulation.promql import Engine, SeriesStore, labels_from
from aiops_mcp.simulation.promql.matching import matches_all

_RULE_TYPES = {"alert": "alerting", "record": "recording"}
_TARGET_STATES = ("active", "dropped", "any", "")


class KnowsServer(Protocol):
    """What is told about rules, alerts and targets."""

    @property
    def rules(self) -> Callable[[], Sequence[Mapping[str, Any]]]: ...
    @property
    def alerts(self) -> Callable[[], Sequence[Mapping[str, Any]]]: ...
    @property
    def targets(self) -> Callable[[], Mapping[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Status:
    """Answers by path below ``/api/v1/``."""

    store: SeriesStore
    engine: Engine
    now: Callable[[], float]
    version: str
    server: KnowsServer

    def routes(self) -> dict[str, Callable[[Params, Request], bytes]]:
        return {
            "rules": self.rules,
            "alerts": self.alerts,
            "alertmanagers": self.alertmanagers,
            "targets": self.targets,
            "metadata": self.metadata,
            "status/buildinfo": self.buildinfo,
            "status/config": self.config,
            "status/flags": self.flags,
            "status/runtimeinfo": self.runtimeinfo,
            "status/tsdb": self.tsdb,
        }

    def rules(self, params: Params, _: Request) -> bytes:
        kind = params.get("type").lower()
        if kind not in ("", *_RULE_TYPES):
            raise BadParameter(f'not supported value "{kind}"')
        groups = [
            {**group, "rules": rules}
            for group in self.server.rules()
            if _asked(params.all("rule_group[]"), group.get("name"))
            and _asked(params.all("file[]"), group.get("file"))
            for rules in [_rules_of(group, params, _RULE_TYPES.get(kind))]
            if rules
        ]
        return wire.success(_page(groups, params))

    def alerts(self, _: Params, __: Request) -> bytes:
        return wire.success({"alerts": [dict(alert) for alert in self.server.alerts()]})

    def alertmanagers(self, _: Params, __: Request) -> bytes:
        return wire.success({"activeAlertmanagers": [], "droppedAlertmanagers": []})

    def targets(self, params: Params, _: Request) -> bytes:
        state, pool = params.get("state").lower(), params.get("scrapePool")
        known = self.server.targets()
        show_active = state in ("active", "any") or state not in _TARGET_STATES or not state
        show_dropped = state in ("dropped", "any") or state not in _TARGET_STATES or not state
        active = [t for t in known.get("activeTargets", ()) if pool in ("", t.get("scrapePool"))]
        data: dict[str, Any] = {
            "activeTargets": active if show_active else [],
            "droppedTargets": list(known.get("droppedTargets", ())) if show_dropped else [],
        }
        if show_dropped:
            data["droppedTargetCounts"] = known.get("droppedTargetCounts", {})
        return wire.success(data)

    def metadata(self, params: Params, _: Request) -> bytes:
        limit, wanted = params.limit(), params.get("metric")
        known = self.store.metadata()
        names = [name for name in sorted(known) if wanted in ("", name)]
        data = {
            name: [{"type": known[name].type, "help": known[name].help, "unit": known[name].unit}]
            for name in names[:limit]
        }
        return wire.success(data)

    def buildinfo(self, _: Params, __: Request) -> bytes:
        return wire.success(
            {
                "version": self.version,
                "revision": "simulated",
                "branch": "HEAD",
                "buildUser": "aiops-mcp",
                "buildDate": "",
                "goVersion": "",
            }
        )

    def config(self, _: Params, __: Request) -> bytes:
        interval = format_duration(self.engine.evaluation_interval_ms)
        return wire.success({"yaml": f"global:\n  evaluation_interval: {interval}\n"})

    def runtimeinfo(self, _: Params, __: Request) -> bytes:
        now = datetime.fromtimestamp(self.now(), UTC).isoformat().replace("+00:00", "Z")
        return wire.success(
            {
                "startTime": now,
                "CWD": "/",
                "hostname": "",
                "serverTime": now,
                "reloadConfigSuccess": True,
                "lastConfigTime": now,
                "corruptionCount": 0,
                "goroutineCount": 1,
                "GOMAXPROCS": 1,
                "GOMEMLIMIT": 0,
                "GOGC": "",
                "GODEBUG": "",
                "storageRetention": "",
            }
        )

    def flags(self, _: Params, __: Request) -> bytes:
        engine = self.engine
        return wire.success(
            {
                "enable-feature": "promql-experimental-functions",
                "query.lookback-delta": format_duration(engine.lookback_ms),
                "query.max-samples": str(engine.max_samples),
                "query.timeout": "2m",
            }
        )

    def tsdb(self, params: Params, _: Request) -> bytes:
        limit = params.limit() or 10
        series = list(self.store.series((), MIN_TIME_MS, MAX_TIME_MS))
        pairs = Counter(pair for labels in series for pair in labels)
        values = Counter(name for name, _ in pairs)
        sizes: Counter[str] = Counter()
        for name, value in pairs:
            sizes[name] += len(value.encode())
        by_name = Counter({v: n for (name, v), n in pairs.items() if name == METRIC_NAME})
        by_pair = Counter({f"{name}={v}": n for (name, v), n in pairs.items()})
        now_ms = round(self.now() * 1000)
        return wire.success(
            {
                "headStats": {
                    "numSeries": len(series),
                    "numLabelPairs": len(pairs),
                    "chunkCount": len(series),
                    "minTime": now_ms - 7_200_000,
                    "maxTime": now_ms,
                },
                "seriesCountByMetricName": _top(by_name, limit),
                "labelValueCountByLabelName": _top(values, limit),
                "memoryInBytesByLabelName": _top(sizes, limit),
                "seriesCountByLabelValuePair": _top(by_pair, limit),
            }
        )


def _top(counts: "Counter[str]", limit: int) -> list[dict[str, Any]]:
    return [{"name": name, "value": count} for name, count in counts.most_common(limit)]


def _asked(wanted: Sequence[str], value: object) -> bool:
    return not wanted or value in wanted


def _rules_of(group: Mapping[str, Any], params: Params, kind: str | None) -> list[dict[str, Any]]:
    selectors = [parse_selector(text).matchers for text in params.all("match[]")]
    without_alerts = params.get("exclude_alerts").lower() == "true"
    rules: list[dict[str, Any]] = []
    for rule in _objects(group.get("rules")):
        labels = labels_from(rule.get("labels") or {})
        fits = not selectors or any(matches_all(matchers, labels) for matchers in selectors)
        of_kind = kind is None or rule.get("type") == kind
        if fits and of_kind and _asked(params.all("rule_name[]"), rule.get("name")):
            hidden = ("alerts",) if without_alerts else ()
            rules.append({key: value for key, value in rule.items() if key not in hidden})
    return rules


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return value or ()


def _page(groups: list[dict[str, Any]], params: Params) -> dict[str, Any]:
    """Some rule groups and the token for the next ones: the name of the next group."""
    size, token = params.limit("group_limit"), params.get("group_next_token")
    if size is None:
        if token:
            raise BadParameter(
                'invalid parameter "group_limit": group_limit needs to be paginated on'
            )
        return {"groups": groups}
    keys = [f"{group.get('file', '')};{group.get('name', '')}" for group in groups]
    if token and token not in keys:
        raise BadParameter(
            'invalid parameter "group_next_token": invalid group_next_token, rule groups may '
            "have changed"
        )
    start = keys.index(token) if token else 0
    page: dict[str, Any] = {"groups": groups[start : start + size]}
    if start + size < len(groups):
        page["groupNextToken"] = keys[start + size]
    return page
