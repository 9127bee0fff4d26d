"""What clues of a ranking mean in words, and what to do about a cause. Pure; templates alone.

Words of a cluster (texts of events, names of alerts) are passed on as they are: whoever tells them
fences them.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from aiops_mcp.analysis.rootcause_problem import Cause, Clue, ClueItem
from aiops_mcp.analysis.rootcause_rules import KnownPattern
from aiops_mcp.fleet.triage_next import call
from aiops_mcp.models.ages import short_age

MOST_CLUES: Final = 6
MOST_WORDS: Final = 160
MOST_REMEDIES: Final = 2

_PLAIN: Final = {
    Clue.GONE: "its series ended",
    Clue.UNRELATED: "what was asked about does not depend on it, as far as is known",
    Clue.UNEXPLAINED: "what it depends on is well",
    Clue.NO_METRICS: "no series tell of it",
    Clue.NO_LOGS: "logs were not looked at",
    Clue.NO_CALLS: "calls and traces were not looked at",
    Clue.NO_CHANGES: "changes were not looked at",
    Clue.NO_EDGES: "who depends on it is not known",
    Clue.SHORT_BASELINE: "too little before to know what is normal",
}
_SAID: Final = {
    Clue.LOG: "log",
    Clue.CALL: "calls",
    Clue.TRACE: "traces",
    Clue.CHANGE: "change",
    Clue.ALERT: "alert",
    Clue.EVENT: "seen",
}
_FIRST: Final = (Clue.CHANGE, Clue.EVENT, Clue.ALERT, Clue.DEVIATES, Clue.GONE)
"""What is told first: what was done or broke, before what moved."""
_NODE: Final = re.compile(r"[a-z0-9][a-z0-9.-]*")


def sentences(items: Iterable[ClueItem], *, most: int = MOST_CLUES) -> tuple[str, ...]:
    """One sentence for each clue, the most telling first."""
    ordered = sorted(items, key=_place)
    return tuple(dict.fromkeys(_sentence(one) for one in ordered))[:most]


def _place(item: ClueItem) -> tuple[int, float]:
    place = _FIRST.index(item.clue) if item.clue in _FIRST else len(_FIRST)
    return place, -abs(item.amount)


def _sentence(item: ClueItem) -> str:
    if item.clue in _PLAIN:
        return _PLAIN[item.clue]
    if item.clue in _SAID:
        return _short(f"{_SAID[item.clue]}: {item.text or item.about}")
    amount = abs(item.amount)
    told = {
        Clue.DEVIATES: f"{item.about} {_moved(item)}",
        Clue.EARLY: "it began first",
        Clue.LATE: f"it began {short_age(amount)} later than others",
        Clue.OLD: f"{item.about} was so before",
        Clue.TOO_LATE: _short(f"{item.text or item.about}, {short_age(amount)} after it began"),
        Clue.UPSTREAM: f"what was asked about depends on it, over {amount:.0f} steps",
        Clue.EXPLAINED: f"{item.about}, on which it depends, explains it",
        Clue.KEPT_WAITING: f"those that call it wait for it ({item.about})",
        Clue.ASKED_LESS: f"it asks less of {item.about}",
        Clue.MOVES_WITH_TARGET: f"{item.about} moves with it (correlation {item.amount:.2f})",
    }
    return told[item.clue]


def _moved(item: ClueItem) -> str:
    way = "rose" if item.amount > 0 else "fell"
    far = abs(item.amount)
    return f"{way} {'more than 100' if far > 100 else f'{far:.0f}'} robust deviations"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MOST_WORDS else f"{text[: MOST_WORDS - 1]}…"


def remedies(cause: Cause, patterns: Sequence[KnownPattern]) -> tuple[str, ...]:
    """What to do: of the known patterns that fit, and undoing what was changed."""
    told = [one.rule.remedy for one in patterns[:MOST_REMEDIES]]
    change = next((one for one in cause.evidence_for if one.clue is Clue.CHANGE), None)
    if change is not None:
        told.append(_short(f"Look at, and if it fits undo: {change.text}"))
    return tuple(dict.fromkeys(told))


def what_it_is(cause: Cause, patterns: Sequence[KnownPattern]) -> str:
    """The known pattern's name for it, or its most telling movement."""
    if patterns:
        return patterns[0].rule.cause
    moved = next((one for one in cause.evidence_for if one.clue is Clue.DEVIATES), None)
    if moved is not None:
        return f"{moved.about} {'rose' if moved.amount > 0 else 'fell'}"
    seen = next((one for one in cause.evidence_for if one.clue in _SAID), None)
    return _short(seen.about) if seen is not None else ""


def next_call(cluster: str, component: str, kind: str) -> str:
    """The call that tells more of a cause."""
    space, slash, name = component.partition("/")
    if kind == "gpu":
        return call("get_gpu_health", clusters=[cluster])
    if kind == "clock":
        return call("get_ptp_status", clusters=[cluster])
    if kind == "node" and _NODE.fullmatch(component):
        return call("get_resource", cluster=cluster, kind="node", name=component)
    if kind == "volume" and slash:
        return call(
            "get_resource",
            cluster=cluster,
            kind="persistentvolumeclaim",
            name=name,
            namespace=space,
        )
    if slash:
        return call("get_changes", clusters=[cluster], namespace=space)
    return call("list_unhealthy", clusters=[cluster])
