"""What a cluster's rules say: alerts with their history, and recorded series.

Whether an alert fires is a function of the series, so nothing runs in the background: the
rules are evaluated when somebody asks, over just the time that is not known yet, and each run
of an alert is remembered. It must not know HTTP.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import RLock
from typing import Any

import numpy as np

from aiops_mcp.promql import metric_names, selectors
from aiops_mcp.promql.tree import METRIC_NAME, Matcher
from aiops_mcp.simulation.promql import Block, Engine, Labels, Vector, labels_from
from aiops_mcp.simulation.promql.matching import matches_all
from aiops_mcp.simulation.rules import Rule, RuleGroup, default_rules, exponent, parsed, rendered
from aiops_mcp.simulation.store import WorldStore

TICK_MS = 30_000
"""Rules are evaluated every 30 s, on whole multiples."""

_FIRST_LOOK_MS = 300_000
_LONGEST_MS = 30 * 3_600_000
"""How far back the start of an alert is looked for."""

_EXTERNAL = {"prometheus": "monitoring/k8s"}


@dataclass(slots=True)
class Run:
    """A stretch of ticks (ms, both included) at which a rule's expression held."""

    labels: Labels
    first: int
    last: int
    value: float


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An alert at a moment; times in unix seconds, ``fired_at`` None while it is pending."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    active_at: float
    fired_at: float | None
    value: float

    @property
    def firing(self) -> bool:
        return self.fired_at is not None


class _Track:
    """One alerting rule's runs over the ticks that are known; ``idle``: it can never fire."""

    def __init__(self, rule: Rule, engine: Engine, *, idle: bool) -> None:
        self.rule = rule
        self._engine = engine
        self._idle = idle
        self._known: tuple[int, int] | None = None
        self._runs: list[Run] = []

    def cover(self, first: int, last: int) -> list[Run]:
        """All runs, once the ticks from ``first`` to ``last`` are known."""
        if self._known is None:
            self._runs = self._evaluate(first, last)
            self._known = (first, last)
        known_first, known_last = self._known
        if first < known_first:
            earlier = self._evaluate(first, known_first - TICK_MS)
            self._runs = _joined(earlier, self._runs)
            self._known = (first, known_last)
        if last > known_last:
            self._runs = _joined(self._runs, self._evaluate(known_last + TICK_MS, last))
            self._known = (self._known[0], last)
        return self._runs

    def active(self, tick: int) -> list[Run]:
        """The runs that hold at a tick, each with its true beginning."""
        look = int(self.rule.wait * 1000) + _FIRST_LOOK_MS
        while True:
            first = (tick - look) // TICK_MS * TICK_MS
            runs = [run for run in self.cover(first, tick) if run.first <= tick <= run.last]
            known_first = self._known[0] if self._known else first
            if look >= _LONGEST_MS or all(run.first > known_first for run in runs):
                return runs
            look = min(look * 6, _LONGEST_MS)

    def _evaluate(self, first: int, last: int) -> list[Run]:
        if last < first or self._idle:
            return []
        answer = self._engine.range(parsed(self.rule.expr), first, last, TICK_MS)
        vector = answer.value
        if not isinstance(vector, Vector):
            return []
        runs: list[Run] = []
        for labels, values, present in zip(
            vector.labels, vector.values, vector.present, strict=True
        ):
            edges = np.diff(np.concatenate([[False], present, [False]]).astype(int))
            starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
            runs.extend(
                Run(labels, first + int(s) * TICK_MS, first + int(e) * TICK_MS, float(values[e]))
                for s, e in zip(starts, ends, strict=True)
            )
        return runs


def _joined(earlier: list[Run], later: list[Run]) -> list[Run]:
    """Runs of two adjoining spans; one that goes on over the seam is one run."""
    open_runs = {(run.labels, run.last + TICK_MS): run for run in earlier}
    result = list(earlier)
    for run in later:
        before = open_runs.get((run.labels, run.first))
        if before is None:
            result.append(run)
        else:
            before.last, before.value = run.last, run.value
    return result


class AlertBook:
    """A cluster's alerts and recorded series; ``now`` in unix seconds. Safe from threads."""

    def __init__(
        self,
        store: WorldStore,
        now: Callable[[], float],
        groups: Sequence[RuleGroup] | None = None,
    ) -> None:
        self._now = now
        self._groups = default_rules() if groups is None else groups
        self._lock = RLock()
        # Every series is scraped four times a minute and ends with a marker: one minute shows all.
        self._engine = Engine(store, lookback_ms=60_000)
        known = frozenset(store.names())
        self._tracks = {
            (group.name, rule.alert, rule.expr): _Track(
                rule, self._engine, idle=_measures_nothing(rule, known)
            )
            for group in self._groups
            for rule in group.rules
            if rule.alert
        }
        self._records = {
            rule.record: rule for group in self._groups for rule in group.rules if rule.record
        }

    # --- alerts -----------------------------------------------------------------------------

    def active(self) -> list[ActiveAlert]:
        """Every alert that is pending or firing now."""
        return [
            alert
            for group in self._groups
            for rule in group.rules
            for alert in self._of(group, rule)
        ]

    def _of(self, group: RuleGroup, rule: Rule) -> list[ActiveAlert]:
        if not rule.alert:
            return []
        tick = int(self._now() * 1000) // TICK_MS * TICK_MS
        with self._lock:
            runs = self._tracks[group.name, rule.alert, rule.expr].active(tick)
            return [_alert(rule, run, tick) for run in runs]

    def rule_groups(self) -> list[dict[str, Any]]:
        """The groups as ``/api/v1/rules`` shows them."""
        when = _iso(int(self._now() * 1000) // TICK_MS * TICK_MS / 1000)
        return [
            {
                "name": group.name,
                "file": f"/etc/prometheus/rules/{group.name}.yaml",
                "interval": TICK_MS // 1000,
                "limit": 0,
                "rules": [self._rule(group, rule, when) for rule in group.rules],
                "evaluationTime": 0.002,
                "lastEvaluation": when,
            }
            for group in self._groups
        ]

    def _rule(self, group: RuleGroup, rule: Rule, when: str) -> dict[str, Any]:
        told: dict[str, Any] = {
            "name": rule.alert or rule.record,
            "query": rule.expr,
            "labels": rule.labels,
            "health": "ok",
            "evaluationTime": 0.0005,
            "lastEvaluation": when,
            "type": "alerting" if rule.alert else "recording",
        }
        if not rule.alert:
            return told
        alerts = self._of(group, rule)
        state = (
            "firing" if any(one.firing for one in alerts) else "pending" if alerts else "inactive"
        )
        return told | {
            "duration": rule.wait,
            "keepFiringFor": 0,
            "annotations": rule.annotations,
            "alerts": [_wire(one) for one in alerts],
            "state": state,
        }

    def prometheus_alerts(self) -> list[dict[str, Any]]:
        """The alerts as ``/api/v1/alerts`` shows them."""
        return [_wire(alert) for alert in self.active()]

    # --- series -----------------------------------------------------------------------------

    @property
    def names(self) -> Sequence[str]:
        """The names of the series that follow from the rules."""
        return ("ALERTS", "ALERTS_FOR_STATE", *self._records)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Block]:
        """Samples of alerts and recorded series, at the ticks of a time."""
        first = -(-start_ms // TICK_MS) * TICK_MS
        last = end_ms // TICK_MS * TICK_MS
        if last < first:
            return []
        wanted = [one for one in matchers if one.name == METRIC_NAME]
        named = [name for name in self.names if matches_all(wanted, ((METRIC_NAME, name),))]
        blocks: list[Block] = []
        for name in named:
            if name in self._records:
                blocks.extend(self._recorded(self._records[name], matchers, first, last))
            else:
                blocks.extend(self._alert_series(name, matchers, first, last))
        return blocks

    def _recorded(
        self, rule: Rule, matchers: Sequence[Matcher], first: int, last: int
    ) -> list[Block]:
        vector = self._engine.range(parsed(rule.expr), first, last, TICK_MS).value
        if not isinstance(vector, Vector):
            return []
        named = [
            labels_from({**dict(labels), **rule.labels, METRIC_NAME: rule.record})
            for labels in vector.labels
        ]
        rows = [row for row, labels in enumerate(named) if matches_all(matchers, labels)]
        times = np.arange(first, last + 1, TICK_MS, dtype=np.int64)
        chosen = [named[row] for row in rows]
        return [_block(times, vector.values[rows], vector.present[rows], chosen)] if rows else []

    def _alert_series(
        self, name: str, matchers: Sequence[Matcher], first: int, last: int
    ) -> list[Block]:
        times = np.arange(first, last + 1, TICK_MS, dtype=np.int64)
        rows: dict[Labels, tuple[Any, Any]] = {}
        with self._lock:
            for track in self._tracks.values():
                wait = int(track.rule.wait * 1000)
                track.active(first)  # finds the true beginning of what already held at the start
                for run in track.cover(first, last):
                    for labels, begin, end in _stretches(name, track.rule, run, wait):
                        held = (times >= begin) & (times <= end)
                        if not held.any() or not matches_all(matchers, labels):
                            continue
                        value = 1.0 if name == "ALERTS" else run.first / 1000
                        values, present = rows.get(
                            labels, (np.zeros(len(times)), np.zeros(len(times), dtype=bool))
                        )
                        rows[labels] = (np.where(held, value, values), present | held)
        if not rows:
            return []
        values = np.stack([one for one, _ in rows.values()])
        present = np.stack([one for _, one in rows.values()])
        return [_block(times, values, present, list(rows))]


def _measures_nothing(rule: Rule, known: frozenset[str]) -> bool:
    """Whether a cluster has none of the metrics that a rule is about."""
    node = parsed(rule.expr)
    if "absent" in rule.expr or any(not use.selector.name for use in selectors(node)):
        return False
    names = set(metric_names(node))
    return bool(names) and not names & known


def _stretches(name: str, rule: Rule, run: Run, wait: int) -> list[tuple[Labels, int, int]]:
    base = {**dict(run.labels), **rule.labels, "alertname": rule.alert}
    base[METRIC_NAME] = name
    if name == "ALERTS_FOR_STATE":
        return [(labels_from(base), run.first, run.last)]
    fires = run.first + wait
    pending = labels_from(base | {"alertstate": "pending"})
    firing = labels_from(base | {"alertstate": "firing"})
    return [(pending, run.first, min(run.last, fires - TICK_MS)), (firing, fires, run.last)]


def _block(times: Any, values: Any, present: Any, labels: Sequence[Labels]) -> Block:
    """A block in which a series that ends is marked stale at once."""
    missing = ~present
    stale = missing.copy()
    stale[:, 0] = False
    stale[:, 1:] &= present[:, :-1]
    return Block(times, values, labels, missing & ~stale, stale)


def _alert(rule: Rule, run: Run, tick: int) -> ActiveAlert:
    own = {name: value for name, value in run.labels if name != METRIC_NAME}
    labels = {**own, **rule.labels, "alertname": rule.alert}
    fires = run.first + int(rule.wait * 1000)
    annotations = {name: rendered(text, own, run.value) for name, text in rule.annotations.items()}
    fired_at = fires / 1000 if fires <= tick else None
    return ActiveAlert(rule.alert, labels, annotations, run.first / 1000, fired_at, run.value)


def _wire(alert: ActiveAlert) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": "firing" if alert.firing else "pending",
        "activeAt": _iso(alert.active_at),
        "value": exponent(alert.value),
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def sent_labels(alert: ActiveAlert) -> dict[str, str]:
    """An alert's labels as Alertmanager gets them: with Prometheus's external ones."""
    return {**_EXTERNAL, **alert.labels}
