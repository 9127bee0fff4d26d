"""What the truth of a simulated incident means for an answer: names, scenarios drawn from it.

Pure. It must not know how a fleet is simulated or asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from agents.evaluate.scenario import Scenario, WantedCause
from aiops_mcp.simulation.incident import Incident, Truth

FLEET_QUESTION = "What is wrong in the fleet right now, and what caused it?"
CLUSTER_QUESTION = "What is wrong in {cluster} right now, and what caused it?"
CONTROL = "control-healthy"


def names_of(truth: Truth) -> frozenset[str]:
    """What an answer may call the component that the truth names.

    A card may be told as its node, and what is between clusters as the cluster that it cuts off.
    """
    if truth.component == "none" or truth.name is None:
        return frozenset()
    names = {truth.name}
    if truth.namespace:
        names.add(f"{truth.namespace}/{truth.name}")
    if truth.component == "gpu":
        names.add(truth.name.partition("/")[0])
    if truth.component == "network" and not truth.namespace and truth.cluster:
        names.add(truth.cluster)
    return frozenset(names)


def place_of(names: frozenset[str], told: Iterable[str]) -> int:
    """Where the first of the names stands, from 1; 0 for nowhere."""
    return next((place for place, one in enumerate(told, 1) if one in names), 0)


def cause_of(truth: Truth) -> WantedCause | None:
    """The cause that an answer is to name; ``None``: nothing is wrong, or it has no name."""
    names = names_of(truth)
    if not names:
        return None
    between = truth.component == "network" and not truth.namespace
    label = f"{truth.namespace}/{truth.name}" if truth.namespace else truth.name or ""
    cluster = None if between else truth.cluster
    return WantedCause(names, cluster, f"{cluster}: {label}" if cluster else label)


def incident_name(started: str) -> str:
    """The name within ``NAME@-35m``."""
    return started.strip().partition("@")[0]


def drawn_scenarios(incident: Incident) -> list[Scenario]:
    """The questions of an incident for which nobody wrote any: of the fleet, and of its cluster."""
    truth = incident.truth
    wanted = cause_of(truth)
    common = Scenario(
        name=f"{incident.name}-fleet",
        question=FLEET_QUESTION,
        title=incident.title,
        incidents=(incident.name,),
        causes=(wanted,) if wanted else (),
        affected=truth.affected,
        is_healthy=truth.component == "none",
    )
    cluster = truth.cluster or next(iter(incident.where.clusters), None)
    if cluster is None:
        return [common]
    return [common, _of_cluster(common, incident.name, cluster)]


def _of_cluster(common: Scenario, incident: str, cluster: str) -> Scenario:
    question = CLUSTER_QUESTION.format(cluster=cluster)
    return replace(common, name=f"{incident}-cluster", question=question, clusters=(cluster,))


def drawn_for(
    incidents: Mapping[str, Incident], scenarios: Sequence[Scenario], own: Sequence[str]
) -> list[Scenario]:
    """Scenarios for those of ``own`` that no scenario is about; a healthy one beside them.

    Without the healthy one a run over incidents alone could not tell who cries wolf.
    """
    covered = {incident_name(one) for scenario in scenarios for one in scenario.incidents}
    drawn = [
        scenario
        for name in own
        if name not in covered
        for scenario in drawn_scenarios(incidents[name])
    ]
    if drawn and not any(one.is_healthy for one in (*scenarios, *drawn)):
        drawn.append(
            Scenario(
                name=CONTROL,
                question=FLEET_QUESTION,
                title="Nothing happens: the control of those drawn from incidents",
                is_healthy=True,
            )
        )
    return drawn
