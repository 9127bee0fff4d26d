"""DCGM metrics over time: which to ask for, and from a range's series to a timeline a card.

Pure. A card has several series of one metric one after another, as the pod that holds it changes
(and with XIDs the error's text): they are joined by the card's UUID, so that a value which merely
goes on under other labels is no change.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aiops_mcp.backends.dcgm import holder_of, node_name_of
from aiops_mcp.backends.dcgm_fields import ALL_NAMES, PER_INSTANCE, is_blank, selector
from aiops_mcp.models.gpu_timeline import CardTimeline, Points
from aiops_mcp.models.metrics import Series

COUNTERS = (
    "ECC_SBE_VOL_TOTAL",
    "ECC_DBE_VOL_TOTAL",
    "ECC_SBE_AGG_TOTAL",
    "ECC_DBE_AGG_TOTAL",
    "CORRECTABLE_REMAPPED_ROWS",
    "UNCORRECTABLE_REMAPPED_ROWS",
    "PCIE_REPLAY_COUNTER",
    "NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
    "NVLINK_CRC_DATA_ERROR_COUNT_TOTAL",
    "NVLINK_REPLAY_ERROR_COUNT_TOTAL",
    "NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
    "THERMAL_VIOLATION",
    "POWER_VIOLATION",
    "RELIABILITY_VIOLATION",
    "BOARD_LIMIT_VIOLATION",
)
LEVELS = (
    "CLOCKS_EVENT_REASONS",
    "GR_ENGINE_ACTIVE",
    "GPU_UTIL",
    "SM_CLOCK",
    "POWER_USAGE",
    "GPU_TEMP",
)


_BUSY = "BUSY"
"""What `busy_query` answers: percent."""


def history_query() -> str:
    """For a range: counters, and the levels that cards are compared by."""
    return selector((*COUNTERS, *LEVELS))


def xid_query() -> str:
    """For a range of hours: the gauge of the last XID, and the exporter's counts by code."""
    return selector(("XID_ERRORS", "XID_COUNT"))


def busy_query(window: str) -> str:
    """For a range: the most that each card or slice did in each ``window``.

    ``max_over_time`` drops names, so each metric is a selector of its own.
    """
    names = [name for name, field in ALL_NAMES.items() if field in ("GR_ENGINE_ACTIVE", "GPU_UTIL")]
    engine, util = (
        " or ".join(
            f"max_over_time({name}[{window}]){scale}" for name in names if ALL_NAMES[name] == short
        )
        for short, scale in (("GR_ENGINE_ACTIVE", " * 100"), ("GPU_UTIL", ""))
    )
    return f"({engine}) or ({util})"


@dataclass
class _Gathered:
    labels: Mapping[str, str]
    fields: dict[str, dict[float, float]] = field(
        default_factory=lambda: defaultdict[str, dict[float, float]](dict)
    )
    counts: dict[int, dict[float, float]] = field(
        default_factory=lambda: defaultdict[int, dict[float, float]](dict)
    )
    slices: dict[str, dict[float, float]] = field(
        default_factory=lambda: defaultdict[str, dict[float, float]](dict)
    )
    pods: dict[str, list[float]] = field(default_factory=dict[str, list[float]])


def timelines(series: Iterable[Series], *, unnamed: str | None = None) -> tuple[CardTimeline, ...]:
    """A timeline a card, by node and index, from the answer to one of the queries above.

    ``unnamed`` is the field that series without a name belong to. Blanks and samples that are no
    number are left out; so are series without a UUID, which cannot be told apart.
    """
    cards: dict[str, _Gathered] = {}
    for one in series:
        labels = one.metric
        uuid = labels.get("UUID")
        name = ALL_NAMES.get(labels.get("__name__", ""), unnamed)
        points = _numbers(one.values)
        if not uuid or name is None or not points:
            continue
        card = cards.setdefault(uuid, _Gathered(labels))
        _note_pod(card, labels, points)
        _put(_places(card, name, labels), points)
    found = [_timeline(uuid, card) for uuid, card in cards.items()]
    return tuple(sorted(found, key=lambda one: (one.node_name, one.gpu_index or 0)))


def _numbers(values: Iterable[tuple[float, str]]) -> list[tuple[float, float]]:
    read: list[tuple[float, float]] = []
    for moment, text in values:
        try:
            value = float(text)
        except ValueError:
            continue
        if not is_blank(value):
            read.append((moment, value))
    return read


def _places(
    card: _Gathered, name: str, labels: Mapping[str, str]
) -> tuple[dict[float, float], ...]:
    if name == "XID_COUNT":
        code = labels.get("xid", "")
        return (card.counts[int(code)],) if code.isdecimal() else ()
    instance = labels.get("GPU_I_ID")
    if instance and (name in PER_INSTANCE or name == _BUSY):
        # the busiest slice stands for the card
        return card.slices[instance], card.fields[name]
    return (card.fields[name],)


def _put(places: Iterable[dict[float, float]], points: Iterable[tuple[float, float]]) -> None:
    for place in places:
        for moment, value in points:
            known = place.get(moment)
            place[moment] = value if known is None else max(known, value)


def _note_pod(
    card: _Gathered, labels: Mapping[str, str], points: list[tuple[float, float]]
) -> None:
    pod = holder_of(labels)
    if pod is None or labels.get("GPU_I_ID"):
        return
    path = f"{pod.namespace}/{pod.pod}"
    span = card.pods.setdefault(path, [points[0][0], points[-1][0]])
    span[0], span[1] = min(span[0], points[0][0]), max(span[1], points[-1][0])


def _timeline(uuid: str, card: _Gathered) -> CardTimeline:
    index = card.labels.get("gpu", "")
    spans = sorted(card.pods.items(), key=lambda item: item[1][0])
    return CardTimeline(
        uuid=uuid,
        node_name=node_name_of(card.labels),
        gpu_index=int(index) if index.isdecimal() else None,
        fields={name: _ordered(points) for name, points in card.fields.items()},
        xid_counts={code: _ordered(points) for code, points in card.counts.items()},
        slices={instance: _ordered(points) for instance, points in card.slices.items()},
        pods=tuple((pod, first, last) for pod, (first, last) in spans),
    )


def _ordered(points: Mapping[float, float]) -> Points:
    return tuple(sorted(points.items()))
