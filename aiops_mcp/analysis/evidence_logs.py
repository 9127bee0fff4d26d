"""How the logs of an incident differ from normal ones, as evidence for a root cause. Pure.

Lines of one trace are a walk over statements of many components. What a fault changes is the step
that follows: after a statement comes one that never followed it, and what always followed is
missing. Steps hold for each trace apart, so more or other traffic changes them little; a component
is blamed for the statement that it owes, or for the error that stands in its place (after Yu et
al., "Nezha: Interpretable Fine-Grained Root Causes Analysis for Microservices on Multi-modal
Observability Data", ESEC/FSE 2023, whose event graphs are made of such steps). Beside it, and for
lines without traces: errors that are new or more frequent among a component's lines, and statements
that it no longer makes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aiops_mcp.analysis.evidence_counts import among, departure
from aiops_mcp.analysis.evidence_statements import LogLine, Statements, Written
from aiops_mcp.analysis.rootcause_problem import Evidence, EvidenceKind

__all__ = ["LogLine", "evidence_of_logs"]

END: Final = -1
"""The statement after a trace's last."""
LEAST: Final = 2.0
"""Findings weaker than this are not told: among hundreds of steps many are as far off by chance."""
TOLD: Final = 3
"""Findings of one component that its evidence tells."""

Step = tuple[int, int]


@dataclass(slots=True)
class _Walks:
    """What was written in one stretch, counted once a trace, or by the line where there is none.

    For the lines of one request are no independent witnesses.
    ``lines`` are those without a trace, and the first error of each trace (what comes after it is
    its consequence); ``began`` has every statement and step.
    """

    steps: dict[Step, set[str]] = field(default_factory=lambda: defaultdict[Step, set[str]](set))
    left: Counter[int] = field(default_factory=Counter[int])
    lines: Counter[int] = field(default_factory=Counter[int])
    of_component: Counter[str] = field(default_factory=Counter[str])
    began: dict[Step | int, float] = field(default_factory=dict["Step | int", float])

    def made(self, source: int, targets: Iterable[int]) -> int:
        """Traces that made any of these steps."""
        return len(set[str]().union(*(self.steps.get((source, each), ()) for each in targets)))

    def share(self, step: Step) -> float:
        return len(self.steps.get(step, ())) / self.left[step[0]]


class _Finding(NamedTuple):
    component: str
    strength: float
    name: str
    began: float | None
    text: str


def evidence_of_logs(
    lines: Iterable[LogLine], when: float, *, normal: Iterable[LogLine] = ()
) -> list[Evidence]:
    """One item for each component whose logs are not as ever, the strongest first.

    ``lines`` reach from before ``when`` (Unix seconds) to the end of what is looked at; ``normal``
    are lines of a time that is known to be good, however long ago. Without them what was before
    ``when`` is normal; with them it is so too, but a change that had come by then is not lost.
    """
    statements = Statements()
    good = statements.read(normal)
    seen = statements.read(lines)
    earlier, later = _split(seen, when)
    normal_walks, now = _walks(good, statements), _walks(later, statements)
    before = _walks([*good, *earlier], statements)
    references = [before, normal_walks] if good else [before]
    found = [*_steps(statements, references, now), *_statements(statements, references, now)]
    comparisons = len(now.left) + len(now.of_component) + len(before.lines)
    by_component: dict[str, list[_Finding]] = defaultdict(list)
    for each in sorted(found, key=lambda each: -each.strength):
        strength = among(each.strength, comparisons)
        if strength >= LEAST:
            by_component[each.component].append(each._replace(strength=strength))
    return [_evidence(findings) for findings in by_component.values()]


def _split(written: list[Written], when: float) -> tuple[list[Written], list[Written]]:
    """A trace is of the stretch in which it began, else it would seem to end at ``when``."""
    begun: dict[str, float] = {}
    for line in written:
        if line.trace:
            begun.setdefault(line.trace, line.time)
    early = [begun.get(line.trace, line.time) < when for line in written]
    return (
        [line for line, is_early in zip(written, early, strict=True) if is_early],
        [line for line, is_early in zip(written, early, strict=True) if not is_early],
    )


def _walks(written: list[Written], statements: Statements) -> _Walks:
    walks = _Walks()
    traces: dict[str, list[Written]] = defaultdict(list)
    there: set[tuple[str, str]] = set()
    failed: set[str] = set()
    for line in written:
        component = statements.components[line.statement]
        walks.began.setdefault(line.statement, line.time)
        if line.trace:
            traces[line.trace].append(line)
        if not line.trace or (line.trace, component) not in there:
            there.add((line.trace, component))
            walks.of_component[component] += 1
        if not line.trace:
            walks.lines[line.statement] += 1
        elif statements.grave[line.statement] and line.trace not in failed:
            failed.add(line.trace)
            walks.lines[line.statement] += 1
    for name, trace in traces.items():
        for line, following in zip(trace, [*trace[1:], None], strict=True):
            step = (line.statement, following.statement if following else END)
            walks.steps[step].add(name)
            walks.began.setdefault(step, (following or line).time)
        walks.left.update({line.statement for line in trace})
    return walks


# ---- steps within traces -------------------------------------------------------------------------


def _steps(statements: Statements, references: list[_Walks], now: _Walks) -> Iterator[_Finding]:
    before = references[0]
    following: dict[int, set[int]] = defaultdict(set)
    for source, target in (*before.steps, *now.steps):
        following[source].add(target)
    for source, targets in following.items():
        if before.left[source] and now.left[source]:
            yield from _turned(statements, references, now, source, sorted(targets))


def _turned(
    statements: Statements, references: list[_Walks], now: _Walks, source: int, targets: list[int]
) -> Iterator[_Finding]:
    """Who is to blame for steps out of ``source`` that were never made in good times."""
    known = next(walks for walks in reversed(references) if walks.left[source])
    new = [
        target
        for target in targets
        if (source, target) in now.steps
        and (source, target) not in known.steps
        # An error that was there in good times may come at any place: it is no news.
        and not (target != END and statements.grave[target] and target in known.began)
    ]
    turned = now.made(source, new)
    if not turned:
        return
    strength, reference = max(
        (
            (departure(walks.made(source, new), walks.left[source], turned, now.left[source]), i)
            for i, walks in enumerate(references)
            if walks.left[source]
        ),
    )
    if strength < LEAST:
        return
    before = references[reference]
    began = min(now.began[source, target] for target in new)
    after = statements.words(source)
    for target in new:
        if target != END and statements.grave[target]:
            count = now.made(source, (target,))
            yield _Finding(
                statements.components[target],
                strength * (count / turned) ** 0.5,
                "new error",
                began,
                f"“{statements.words(target)}” after “{after}” in {count} traces, as never before",
            )
    owed = {
        target: before.share((source, target)) - now.share((source, target))
        for target in targets
        if target != END and not statements.grave[target]
    }
    lost = sum(share for share in owed.values() if share > 0)
    for target, share in owed.items():
        if share > 0:
            yield _Finding(
                statements.components[target],
                strength * (share / lost) ** 0.5,
                "broken sequence",
                began,
                f"“{statements.words(target)}” after “{after}” in {now.made(source, (target,))} of "
                f"{now.left[source]} traces; before {before.made(source, (target,))} of "
                f"{before.left[source]}",
            )


# ---- statements among a component's lines --------------------------------------------------------


def _statements(
    statements: Statements, references: list[_Walks], now: _Walks
) -> Iterator[_Finding]:
    for statement in references[0].lines.keys() | now.lines.keys():
        component, count = statements.components[statement], now.lines[statement]
        grave = statements.grave[statement]
        if not grave and statement in now.began:
            continue  # what is no error and still comes says little: traffic differs
        total = now.of_component[component]
        changes = [
            departure(walks.lines[statement], walks.of_component[component], count, total)
            for walks in references
        ]
        strength = max(changes) if grave else -min(changes)
        if strength < LEAST:
            continue
        before = references[0].lines[statement]
        words = statements.words(statement)
        name = "missing lines" if not grave else "frequent error" if before else "new error"
        yield _Finding(
            component,
            strength,
            name,
            now.began.get(statement),
            f"“{words}” in {count} of its {total} traces or lines; before {before} of "
            f"{references[0].of_component[component]}",
        )


def _evidence(findings: list[_Finding]) -> Evidence:
    strongest = findings[0]
    begins = [each.began for each in findings if each.began is not None]
    texts = list(dict.fromkeys(each.text for each in findings))[:TOLD]
    return Evidence(
        component=strongest.component,
        kind=EvidenceKind.LOG,
        strength=strongest.strength,
        began=min(begins, default=None),
        text="; ".join(texts),
        name=strongest.name,
    )
