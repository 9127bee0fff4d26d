"""A card's DCGM fields over time, as numbers. What they mean is not known here."""

from dataclasses import dataclass, field

Points = tuple[tuple[float, float], ...]
"""``(unix seconds, value)``, oldest first, one a moment."""


@dataclass(frozen=True, slots=True)
class CardTimeline:
    """Fields by their short names (``GPU_UTIL``); a MIG card's are of the whole card.

    ``xid_counts`` are the exporter's counts by code; ``slices`` the engine of each MIG slice by
    its id; ``pods`` the pods that held it with the first and last moment that this was seen.
    """

    uuid: str
    node_name: str
    gpu_index: int | None = None
    fields: dict[str, Points] = field(default_factory=dict[str, Points])
    xid_counts: dict[int, Points] = field(default_factory=dict[int, Points])
    slices: dict[str, Points] = field(default_factory=dict[str, Points])
    pods: tuple[tuple[str, float, float], ...] = ()

    def pod_at(self, moment: float) -> str | None:
        """The pod that held the card then, or last before."""
        held = [pod for pod, first, _ in self.pods if first <= moment]
        return held[-1] if held else None
