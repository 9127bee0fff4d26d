"""vLLM servers as their metrics in Prometheus tell: which there are, and what to ask of them.

Pure. Names change: OpenShift AI and llm-d put ``kserve_`` before them, and older servers have
older names, so what a cluster has is looked up first and only that is asked for. Source:
vllm-project/vllm docs/usage/metrics.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from aiops_mcp.models.metrics import Series

_NAMES: dict[str, tuple[str, ...]] = {
    "running": ("num_requests_running",),
    "waiting": ("num_requests_waiting",),
    "kv_cache_used": ("kv_cache_usage_perc", "gpu_cache_usage_perc"),
    "preemptions": ("num_preemptions_total",),
    "prompt_tokens": ("prompt_tokens_total",),
    "generation_tokens": ("generation_tokens_total",),
    "prefix_queries": ("prefix_cache_queries_total", "gpu_prefix_cache_queries_total"),
    "prefix_hits": ("prefix_cache_hits_total", "gpu_prefix_cache_hits_total"),
    "requests": ("request_success_total",),
    "ttft": ("time_to_first_token_seconds_bucket",),
    "inter_token": (
        "inter_token_latency_seconds_bucket",
        "request_time_per_output_token_seconds_bucket",
        "time_per_output_token_seconds_bucket",
    ),
    "queue": ("request_queue_time_seconds_bucket",),
}
"""What is read, and its names from new to old, without their prefix."""

_PREFIXES = ("vllm:", "kserve_vllm:")
_GAUGES = ("running", "waiting", "kv_cache_used")
_HELD = {"waiting": ("waiting_held", "5m"), "kv_cache_used": ("kv_cache_held", "10m")}
"""The least of a gauge over a while, of servers that are as old: what has lasted, not a moment."""
_QUANTILES = {"ttft": "ttft_p95", "inter_token": "inter_token_p95", "queue": "queue_p95"}
_BY = "model_name, namespace, pod, exported_namespace, exported_pod, instance"

DISCOVERY = (
    'count by (__name__) ({__name__=~"(kserve_)?vllm:('
    + "|".join(dict.fromkeys(name for names in _NAMES.values() for name in names))
    + ')"})'
)
"""An instant query: which of these metrics there are."""

HOLDERS = "count by (" + _BY + ') ({__name__=~"(kserve_)?vllm:num_requests_running"})'
"""An instant query: which pods serve which model."""


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """One server: its labels, and what was read of it by our names."""

    model: str
    namespace: str | None
    pod: str | None
    instance: str | None
    values: Mapping[str, float]


def known_names(series: Iterable[Series]) -> frozenset[str]:
    """Metric names in the answer to ``DISCOVERY``."""
    return frozenset(name for one in series if (name := one.metric.get("__name__")))


def figures_query(names: frozenset[str], window: str = "5m") -> str | None:
    """One instant query for everything that the servers have; ``None`` where there is nothing.

    Each part carries what it is in the label ``figure``.
    """
    parts = [
        part
        for prefix in _PREFIXES
        for figure, spellings in _NAMES.items()
        if (name := next((prefix + one for one in spellings if prefix + one in names), None))
        for part in _parts(figure, name, window)
    ]
    return " or ".join(parts) or None


def _parts(figure: str, name: str, window: str) -> Sequence[str]:
    # a name with a colon and a prefix is still a plain metric name
    if figure in _GAUGES:
        now = _labelled(f"sum by ({_BY}) ({name})", figure)
        if figure not in _HELD:
            return (now,)
        held, while_ = _HELD[figure]
        least = f"min_over_time({name}[{while_}]) and {name} offset {while_}"
        return now, _labelled(f"sum by ({_BY}) ({least})", held)
    if figure in _QUANTILES:
        rate = f"sum by (le, {_BY}) (rate({name}[{window}]))"
        return (_labelled(f"histogram_quantile(0.95, {rate})", _QUANTILES[figure]),)
    found = [_labelled(f"sum by ({_BY}) (rate({name}[{window}]))", figure)]
    if figure == "requests":
        aborted = f'sum by ({_BY}) (rate({name}{{finished_reason="abort"}}[{window}]))'
        found.append(_labelled(aborted, "aborted"))
    return found


def _labelled(expression: str, figure: str) -> str:
    return f'label_replace({expression}, "figure", "{figure}", "", "")'


def servers(series: Iterable[Series]) -> tuple[ServerFigures, ...]:
    """The servers in the answer to ``figures_query`` (or ``HOLDERS``), by model and pod."""
    found: dict[tuple[str | None, ...], dict[str, float]] = {}
    for one in series:
        labels = one.metric
        key = (
            labels.get("model_name", "unknown"),
            labels.get("exported_namespace") or labels.get("namespace"),
            labels.get("exported_pod") or labels.get("pod"),
            labels.get("instance"),
        )
        values = found.setdefault(key, {})
        value = _number(one)
        if value is not None and "figure" in labels:
            values[labels["figure"]] = values.get(labels["figure"], 0.0) + value
    return tuple(
        ServerFigures(model or "unknown", namespace, pod, instance, values)
        for (model, namespace, pod, instance), values in sorted(
            found.items(), key=lambda item: tuple(str(part) for part in item[0])
        )
    )


def _number(series: Series) -> float | None:
    try:
        value = float(series.values[-1][1]) if series.values else None
    except ValueError:
        return None
    # a quantile of no observation is NaN: nobody asked
    return value if value is not None and isfinite(value) else None
