"""What belongs together in a fleet at a time: observations, their links, what moved, who is odd."""

from enum import StrEnum

from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Entity, Timestamp


class ObservedKind(StrEnum):
    METRIC = "metric"
    ALERT = "alert"
    LOG = "log"
    EVENT = "event"
    CHANGE = "change"


class Observed(Entity):
    """One thing that began. ``strength`` orders those of one group; ``group`` counts from 0."""

    kind: ObservedKind
    cluster_name: str
    component: str
    what: str
    detail: str = ""
    began: Timestamp
    strength: float = 1.0
    trace_id: str | None = None
    group: int = 0
    is_asked: bool = False


class ObservedLink(Entity):
    """``source`` and ``target`` are places in the observations; the source came first.

    ``weight`` 0..1; ``lag_seconds`` is negative where two clocks disagree with a dependency.
    """

    source: int
    target: int
    relation: str
    lag_seconds: float
    weight: float
    reasons: tuple[str, ...]


class MovedWith(Entity):
    """A series that moved with the one asked about, ``lag_seconds`` later (or sooner)."""

    cluster_name: str
    component: str
    what: str
    score: float
    correlation: float
    lag_seconds: float


class OddPeer(Entity):
    """One that stands off its peers: ``of`` says what they are (cluster, node, pod, gpu)."""

    of: str
    cluster_name: str
    component: str
    what: str
    unit: str = ""
    value: float
    peers: float
    peer_count: int
    deviation: float


class Neighbour(Entity):
    """What korrel8r found near to what was asked about: a class of its, in our words where known.

    ``query`` gives the objects, in korrel8r's form; ``from_class`` is what led there.
    """

    cluster_name: str
    domain: str
    kind: str
    class_name: str
    count: int
    query: str = ""
    from_class: str = ""


class Correlation(Entity):
    """Groups, the strongest first (those of what was asked about before others).

    ``about`` says what was asked about, ``moved_with`` the series that the moved ones are compared
    with. ``looked_at`` names the sources, ``notes`` what could not be had.
    """

    about: str = ""
    since: Timestamp
    until: Timestamp
    observations: tuple[Observed, ...] = ()
    links: tuple[ObservedLink, ...] = ()
    groups: int = 0
    moved_with: str = ""
    moved: tuple[MovedWith, ...] = ()
    odd: tuple[OddPeer, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    series: int = 0
    looked_at: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp
