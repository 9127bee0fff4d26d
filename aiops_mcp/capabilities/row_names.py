"""How the series of an answer are told apart: by cluster, and by as few labels as will do.

Pure; knows labels and clusters, no values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiops_mcp.capabilities.digesting import common_labels, selector_text, telling_labels
from aiops_mcp.models.digest import Cell, fenced
from aiops_mcp.models.metrics import Series

MOST_LABEL_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Row:
    cluster: str
    series: Series


class RowNames:
    """How the rows are told apart: cluster, and the labels that differ, as columns if few.

    Where many differ, the fewest and shortest that tell the rows apart; all in ``detailed``.
    """

    def __init__(self, rows: Sequence[Row], *, detailed: bool) -> None:
        self._rows = rows
        labels = [row.series.metric for row in rows]
        self._common = common_labels(labels) if len(rows) > 1 else dict(labels[0])
        varying = sorted({key for each in labels for key in each} - set(self._common))
        clusters = {row.cluster for row in rows}
        self._with_cluster = len(clusters) > 1 or not varying
        self._varying: tuple[str, ...] | None = (
            tuple(varying)
            if len(varying) <= MOST_LABEL_COLUMNS
            else None
            if detailed
            else telling_labels(labels, varying, [row.cluster for row in rows])
        )
        self._hidden = 0 if self._varying is None else len(varying) - len(self._varying)
        label_columns = self._varying if self._varying is not None else ("series",)
        self.columns = (("cluster",) if self._with_cluster else ()) + label_columns
        self.notes = self._all_have(clusters)

    def _all_have(self, clusters: set[str]) -> tuple[str, ...]:
        shared: Mapping[str, str] = {
            key: value for key, value in self._common.items() if key != "__name__"
        }
        parts = [] if self._with_cluster else [f"cluster={next(iter(clusters))}"]
        if shared:
            parts.append(selector_text({key: fenced(text) for key, text in shared.items()}))
        hidden = (f"{self._hidden} more labels differ (response_format=detailed)",)
        return (
            *((f"all have {', '.join(parts)}",) if parts else ()),
            *(hidden if self._hidden else ()),
        )

    def cells(self, index: int) -> tuple[Cell, ...]:
        row = self._rows[index]
        metric = row.series.metric
        own: tuple[Cell, ...]
        if self._varying is not None:
            own = tuple(metric.get(key) for key in self._varying)
        else:
            own = (selector_text(metric, leave_out=self._common),)
        return ((row.cluster,) if self._with_cluster else ()) + own

    def text(self, index: int) -> str:
        cells = [fenced(str(cell)) for cell in self.cells(index) if cell]
        if len(cells) > 1 and self._with_cluster and cells[1].startswith(cells[0]):
            cells = cells[1:]  # edge-7-worker-0 says its cluster
        return "/".join(cells)
