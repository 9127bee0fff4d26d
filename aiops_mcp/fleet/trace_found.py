"""What questions about traces give: hits, and one trace over all its clusters. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aiops_mcp.analysis.traces_assembly import AssembledTrace
from aiops_mcp.analysis.traces_groups import UnitedHit
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import Coverage


@dataclass(frozen=True, slots=True)
class FoundTraces:
    """Hits of the whole fleet, newest first; ``clusters`` are those that answered, by name.

    ``cut`` are clusters that may have more.
    """

    hits: tuple[UnitedHit, ...]
    clusters: Mapping[str, Cluster]
    coverage: Coverage
    asked_at: datetime
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetTrace:
    """A whole trace; ``stores`` are the clusters whose stores have a part of it, by name.

    ``places`` are those and the registered ones where its spans ran. ``partial`` says of stores
    that know they lack something, ``broken`` counts unreadable spans. ``is_whole`` is false where
    a part of it ran where the caller may not look.
    """

    trace: AssembledTrace
    stores: Mapping[str, Cluster]
    places: Mapping[str, Cluster]
    coverage: Coverage
    asked_at: datetime
    partial: tuple[str, ...] = ()
    broken: int = 0
    is_whole: bool = True

    @property
    def home(self) -> Cluster:
        """The cluster where the root ran, as far as that is known; else one that has a part."""
        name = self.trace.clusters[self.trace.root]
        return self.places.get(name) or next(iter(self.stores.values()))
