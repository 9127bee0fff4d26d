"""A PromQL evaluator over arrays, with Prometheus 3.x semantics.

No network and no wall clock (but for deadlines): samples come from a ``SeriesStore``.
"""

from aiops_mcp.simulation.promql.engine import Answer, Engine
from aiops_mcp.simulation.promql.frames import QueryFailed, RawMatrix, Scalar, Text, Vector
from aiops_mcp.simulation.promql.matching import Labels, labels_from
from aiops_mcp.simulation.promql.store import (
    ArrayStore,
    Block,
    MetricMetadata,
    Samples,
    SeriesStore,
)

__all__ = [
    "Answer",
    "ArrayStore",
    "Block",
    "Engine",
    "Labels",
    "MetricMetadata",
    "QueryFailed",
    "RawMatrix",
    "Samples",
    "Scalar",
    "SeriesStore",
    "Text",
    "Vector",
    "labels_from",
]
