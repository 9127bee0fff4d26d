"""Which rules, targets and silences of the fleet want a look. Pure: values in, findings out."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from aiops_mcp.models.alerts import Alert, span_text
from aiops_mcp.models.rules import FleetRule, FleetTarget, RuleFault, RuleFinding
from aiops_mcp.models.silences import ENDS_SOON, FleetSilence, SilenceState

FLAPS_FROM = 20
"""Occurrences of one rule in one cluster within a week."""

MOST_NAMED = 3
Variant = tuple[str, float, frozenset[tuple[str, str]]]
"""What two clusters' rules of one name must share: expression, ``for`` and labels."""


def broken(rules: Iterable[FleetRule]) -> list[RuleFinding]:
    """Rules whose evaluation fails."""
    by_name: dict[str, list[FleetRule]] = defaultdict(list)
    for rule in rules:
        if rule.health == "err" or (rule.last_error and rule.health != "ok"):
            by_name[rule.name].append(rule)
    return [
        _finding(RuleFault.BROKEN, name, same, same[0].last_error or "its evaluation fails")
        for name, same in by_name.items()
    ]


def always_firing(
    alerts: Iterable[Alert], now: datetime, *, days: int, expected: Collection[str]
) -> list[RuleFinding]:
    """Alerts that have fired without end for so long that nobody can be looking."""
    by_name: dict[str, list[Alert]] = defaultdict(list)
    for alert in alerts:
        if alert.alertname not in expected and now - alert.starts_at >= timedelta(days=days):
            by_name[alert.alertname].append(alert)
    return [
        RuleFinding(
            fault=RuleFault.ALWAYS_FIRING,
            subject=name,
            clusters=_names(same),
            detail=f"{len(same)} fire for {span_text(now - min(a.starts_at for a in same))}",
            since=min(alert.starts_at for alert in same),
        )
        for name, same in by_name.items()
    ]


def never_fired(
    rules: Iterable[FleetRule], fired: Collection[str], *, days: int
) -> list[RuleFinding]:
    """Alerting rules of which nothing has fired anywhere; ``fired`` are names that have."""
    by_name: dict[str, list[FleetRule]] = defaultdict(list)
    for rule in rules:
        if rule.kind == "alerting" and rule.name not in fired and rule.state != "firing":
            by_name[rule.name].append(rule)
    return [
        _finding(RuleFault.NEVER_FIRED, name, same, f"not once in {days} days")
        for name, same in by_name.items()
    ]


def flapping(counts: Iterable[tuple[str, str, int]]) -> list[RuleFinding]:
    """Rules that fire again and again: from (cluster, alertname, occurrences of a week)."""
    by_name: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for cluster, name, count in counts:
        if count >= FLAPS_FROM:
            by_name[name].append((cluster, count))
    return [
        RuleFinding(
            fault=RuleFault.FLAPPING,
            subject=name,
            clusters=tuple(sorted(cluster for cluster, _ in places)),
            detail=f"up to {max(count for _, count in places)} times in 7 days",
        )
        for name, places in by_name.items()
    ]


def differing(rules: Iterable[FleetRule]) -> list[RuleFinding]:
    """Alerting rules that most clusters write one way, and some another or not at all.

    A name may stand for several rules of a cluster, such as one a severity: all of them together
    are compared.
    """
    clusters: set[str] = set()
    by_name: dict[str, dict[str, set[Variant]]] = defaultdict(lambda: defaultdict(set))
    for rule in rules:
        clusters.add(rule.cluster_name)
        if rule.kind == "alerting":
            variant = (_squeezed(rule.query), rule.duration_seconds, _labels(rule))
            by_name[rule.name][rule.cluster_name].add(variant)
    findings: list[RuleFinding] = []
    for name, places in by_name.items():
        written = {cluster: frozenset(variants) for cluster, variants in places.items()}
        (usual, held), *_ = Counter(written.values()).most_common(1)
        other = sorted(cluster for cluster, variants in written.items() if variants != usual)
        if other:
            findings.append(
                RuleFinding(
                    fault=RuleFault.DIFFERS,
                    subject=name,
                    clusters=tuple(other),
                    detail=f"{_difference(usual, written[other[0]])} than in {held} others",
                )
            )
        absent = sorted(clusters - places.keys())
        # What a minority has is that minority's own business.
        if absent and len(absent) * 4 <= len(clusters):
            detail = f"{len(places)} of {len(clusters)} clusters have it"
            findings.append(
                RuleFinding(
                    fault=RuleFault.MISSING, subject=name, clusters=tuple(absent), detail=detail
                )
            )
    return findings


def _labels(rule: FleetRule) -> frozenset[tuple[str, str]]:
    return frozenset(rule.labels.items())


def _squeezed(query: str) -> str:
    """The expression without its layout."""
    return " ".join(query.split())


def _difference(usual: frozenset[Variant], other: frozenset[Variant]) -> str:
    if len(usual) != len(other):
        return f"{len(other)} rules instead of {len(usual)}: another set"
    parts: list[str] = []
    pair = zip(sorted(usual - other, key=repr), sorted(other - usual, key=repr), strict=False)
    for left, right in list(pair)[:1]:
        if left[0] != right[0]:
            parts.append("another expression")
        if left[1] != right[1]:
            parts.append(f"for {right[1]:g} s instead of {left[1]:g} s")
        if left[2] != right[2]:
            changed = sorted({name for name, _ in left[2] ^ right[2]})
            parts.append(f"other labels ({', '.join(changed)})")
    return ", ".join(parts)


def targets_down(targets: Iterable[FleetTarget]) -> list[RuleFinding]:
    """Jobs with targets that cannot be scraped."""
    by_job: dict[str, list[FleetTarget]] = defaultdict(list)
    for target in targets:
        by_job[target.job].append(target)
    findings: list[RuleFinding] = []
    for job, all_of_job in by_job.items():
        down = [target for target in all_of_job if target.health == "down"]
        if down:
            findings.append(
                RuleFinding(
                    fault=RuleFault.TARGETS_DOWN,
                    subject=f"job {job}",
                    clusters=tuple(sorted({target.cluster_name for target in down})),
                    detail=f"{len(down)} of {len(all_of_job)} down: {down[0].last_error}"[:160],
                )
            )
    return findings


def silences_at_fault(silences: Iterable[FleetSilence], now: datetime) -> list[RuleFinding]:
    """Silences that end soon, and such as were meant to stay."""
    findings: list[RuleFinding] = []
    for silence in silences:
        if silence.state is not SilenceState.ACTIVE:
            continue
        left = silence.ends_at - now
        fault = RuleFault.SILENCE_ENDING if left <= ENDS_SOON else None
        if silence.is_for_ever:
            fault = RuleFault.SILENCED_FOR_EVER
        if fault is not None:
            findings.append(
                RuleFinding(
                    fault=fault,
                    subject=" ".join(matcher.text for matcher in silence.matchers),
                    clusters=(silence.cluster_name,),
                    detail=f"ends in {span_text(left)}, by {silence.created_by}: {silence.comment}"[
                        :160
                    ],
                    since=silence.starts_at,
                )
            )
    return findings


def ordered(findings: Iterable[RuleFinding]) -> tuple[RuleFinding, ...]:
    """What matters most first; within a fault, what most clusters have."""
    rank: Mapping[RuleFault, int] = {fault: at for at, fault in enumerate(RuleFault)}
    return tuple(
        sorted(findings, key=lambda each: (rank[each.fault], -len(each.clusters), each.subject))
    )


def _finding(
    fault: RuleFault, subject: str, rules: Sequence[FleetRule], detail: str
) -> RuleFinding:
    names = tuple(sorted({rule.cluster_name for rule in rules}))
    return RuleFinding(fault=fault, subject=subject, clusters=names, detail=detail[:160])


def _names(alerts: Iterable[Alert]) -> tuple[str, ...]:
    return tuple(sorted({alert.cluster_name for alert in alerts}))
