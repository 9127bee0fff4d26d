"""Functions of histograms and info metrics, by name.

Functions of native histograms answer what Prometheus answers over floats: nothing.
"""

from collections.abc import Mapping

import numpy as np

from aiops_mcp.promql import tree
from aiops_mcp.simulation.promql import histogram, infometric
from aiops_mcp.simulation.promql.frames import Value, Vector, empty, joined, relabel
from aiops_mcp.simulation.promql.invocation import Function, Invocation
from aiops_mcp.simulation.promql.matching import labels_from
from aiops_mcp.simulation.promql.numerals import plain
from aiops_mcp.simulation.promql.store import Floats


def _histogram_quantile(call: Invocation) -> Value:
    q = call.scalar(0)
    call.evaluator.warn_quantile(q)
    return histogram.quantiles(call.vector(1), q, call.evaluator.notes)


def _histogram_quantiles(call: Invocation) -> Value:
    vector, label = call.vector(), call.text(1)
    parts: list[Vector] = []
    for position in range(2, call.count):
        q = call.scalar(position)
        call.evaluator.warn_quantile(q)
        one = histogram.quantiles(vector, q, call.evaluator.notes)
        text = plain(float(q[0])) if q.size else ""
        text = text if "." in text or not text[-1:].isdigit() else f"{text}.0"
        parts.append(relabel(one, lambda known, t=text: labels_from({**dict(known), label: t})))
    return joined(
        [labels for part in parts for labels in part.labels],
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.present for part in parts]),
    )


def _histogram_fraction(call: Invocation) -> Value:
    share = histogram.fraction(call.scalar(0), call.scalar(1))
    return histogram.per_histogram(call.vector(2), share, call.evaluator.notes)


def _of_native_histograms(call: Invocation) -> Value:
    call.vector(call.count - 1)
    return empty(call.grid)


def _info(call: Invocation) -> Value:
    asked = tree.without_parens(call.node.args[1]) if call.count > 1 else None
    matchers = asked.all_matchers if isinstance(asked, tree.Selector) else ()

    def read(selector: tree.Selector) -> tuple[Vector, Floats]:
        return call.evaluator.sampled(selector, call.grid)

    return infometric.enriched(call.vector(), matchers, read)


HISTOGRAM_FUNCTIONS: Mapping[str, Function] = {
    "info": _info,
    "histogram_quantile": _histogram_quantile,
    "histogram_quantiles": _histogram_quantiles,
    "histogram_fraction": _histogram_fraction,
    "histogram_avg": _of_native_histograms,
    "histogram_count": _of_native_histograms,
    "histogram_sum": _of_native_histograms,
    "histogram_stddev": _of_native_histograms,
    "histogram_stdvar": _of_native_histograms,
}
