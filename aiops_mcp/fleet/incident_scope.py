"""An incident as somebody sees it who may see only some clusters. Pure.

What is of other clusters is cut out, and every text that names one: for such a caller they do not
exist.
"""

import re
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from aiops_mcp.models.entity import Entity
from aiops_mcp.models.incident import Incident
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.rootcause import CorrelationMap, RCAResult

Tells = Callable[[str], bool]
EntityT = TypeVar("EntityT", bound=Entity)


def seen_by(principal: Principal, incident: Incident, known: Collection[str]) -> Incident | None:
    """What the caller may know of it, None where that is nothing; ``known`` are all clusters."""
    if principal.clusters is None:
        return incident
    clusters = tuple(name for name in incident.clusters if principal.sees(name))
    if not clusters:
        return None
    tells = _telling({*known, *incident.clusters}, principal)
    alerts = tuple(
        one
        for one in incident.alerts
        if principal.sees(one.cluster_name) and not tells(one.component or "")
    )
    timeline = tuple(
        one
        for one in _silent(incident.timeline, tells)
        if one.cluster_name is None or principal.sees(one.cluster_name)
    )
    title = incident.title
    if tells(title):
        title = f"{alerts[0].alertname if alerts else 'Trouble'} on {clusters[0]}"
    answer = incident.answer
    return incident.model_copy(
        update={
            "title": title,
            "clusters": clusters,
            "alerts": alerts,
            "timeline": timeline,
            "rca": _cut(incident.rca, principal, tells),
            "explanation": "" if tells(incident.explanation) else incident.explanation,
            "answer": None if answer and tells(answer.model_dump_json()) else answer,
            "notes": tuple(_silent(incident.notes, tells)),
        }
    )


def _cut(found: RCAResult | None, principal: Principal, tells: Tells) -> RCAResult | None:
    if found is None or not principal.sees(found.cluster_name):
        return None
    if not tells(found.model_dump_json()):
        return found
    graph = found.correlation_graph
    cut = found.model_copy(
        update={
            "causes": tuple(_silent(found.causes, tells)),
            "signals": tuple(_silent(found.signals, tells)),
            "correlation_graph": CorrelationMap(
                nodes=tuple(_silent(graph.nodes, tells)), edges=tuple(_silent(graph.edges, tells))
            ),
            "explanation": "" if tells(found.explanation) else found.explanation,
            "remediation_steps": tuple(one for one in found.remediation_steps if not tells(one)),
            "missing": tuple(one for one in found.missing if not tells(one)),
        }
    )
    return None if tells(cut.model_dump_json()) else cut


def _silent(items: Iterable[EntityT], tells: Tells) -> Iterable[EntityT]:
    return (one for one in items if not tells(one.model_dump_json()))


def _telling(known: Collection[str], principal: Principal) -> Tells:
    """Whether a text names a cluster that the caller may not see; the longest name that fits."""
    if all(principal.sees(name) for name in known):
        return lambda _: False
    longest_first = sorted(known, key=len, reverse=True)
    names = "|".join(re.escape(name) for name in longest_first)
    # a node is called prod-1-worker-0: what follows a name may be a dash
    pattern = re.compile(rf"(?<![a-z0-9])(?:{names})(?![a-z0-9])")
    return lambda text: any(
        not principal.sees(match.group()) for match in pattern.finditer(text.lower())
    )
