"""vLLM servers of the fleet: found by their metrics, read, judged, and linked to their cards."""

from collections.abc import Awaitable, Callable, Sequence

from aiops_mcp.analysis.gpuhealth_servers import (
    ServerThresholds,
    aborted_share,
    judge_server,
    prefix_share,
)
from aiops_mcp.backends.prometheus import PrometheusClient
from aiops_mcp.backends.vllm_metrics import (
    DISCOVERY,
    ServerFigures,
    figures_query,
    known_names,
    servers,
)
from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.models.gpu_health import (
    WORST_LAST,
    CardHealth,
    GpuHealth,
    ModelServer,
    ModelServers,
    Verdict,
)
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress

HealthOf = Callable[[tuple[str, ...]], Awaitable[GpuHealth]]
_CARDS = tuple[tuple[str, CardHealth], ...]


async def read_figures(prometheus: PrometheusClient) -> tuple[ServerFigures, ...]:
    """The servers that one Prometheus knows, with what it knows of each."""
    names = known_names((await prometheus.query(DISCOVERY)).series)
    query = figures_query(names)
    return servers((await prometheus.query(query)).series) if query else ()


async def read_model_servers(
    fleet: Fleet,
    health_of: HealthOf,
    limits: ServerThresholds,
    *,
    selection: Sequence[str],
    principal: Principal,
    progress: Progress,
) -> ModelServers:
    """All servers, the gravest first. Raises when no cluster answered."""

    async def ask(access: Access) -> tuple[ServerFigures, ...]:
        return await read_figures(await access.prometheus())

    answer = await fleet.ask(
        selection, ask, principal=principal, backend="prometheus", progress=progress
    )
    answer.raise_if_nobody_answered()
    found = {one.cluster.name: one.value for one in answer.succeeded() if one.value}
    cards, notes = await _cards(health_of, tuple(found))
    judged = [
        _judged(cluster, figures, cards, limits)
        for cluster, all_figures in found.items()
        for figures in all_figures
    ]
    judged.sort(key=lambda one: (-WORST_LAST.index(one.verdict), one.cluster_name, one.pod or ""))
    return ModelServers(
        servers=tuple(judged), notes=notes, coverage=answer.coverage(), as_of=answer.asked_at
    )


async def _cards(
    health_of: HealthOf, clusters: tuple[str, ...]
) -> tuple[dict[tuple[str, str], _CARDS], tuple[str, ...]]:
    """The cards by cluster and pod; a server may run where nobody tells of cards."""
    if not clusters:
        return {}, ()
    try:
        health = await health_of(clusters)
    except AiopsError as error:
        return {}, (f"which GPUs they run on is unknown: {error.message}",)
    found: dict[tuple[str, str], list[tuple[str, CardHealth]]] = {}
    for node in health.nodes:
        for card in node.cards:
            for pod in card.held_by.pods:
                place = found.setdefault((node.cluster_name, pod), [])
                place.append((node.node_name, card))
    return {key: tuple(value) for key, value in found.items()}, ()


def _judged(
    cluster: str,
    figures: ServerFigures,
    cards: dict[tuple[str, str], _CARDS],
    limits: ServerThresholds,
) -> ModelServer:
    values = figures.values
    server = ModelServer(
        cluster_name=cluster,
        namespace=figures.namespace,
        pod=figures.pod,
        instance=figures.instance,
        model=figures.model,
        verdict=Verdict.UNKNOWN,
        running=values.get("running"),
        waiting=values.get("waiting"),
        kv_cache_used=values.get("kv_cache_used"),
        ttft_p95=values.get("ttft_p95"),
        inter_token_p95=values.get("inter_token_p95"),
        queue_p95=values.get("queue_p95"),
        preemptions_per_second=values.get("preemptions"),
        prompt_tokens_per_second=values.get("prompt_tokens"),
        generation_tokens_per_second=values.get("generation_tokens"),
        prefix_hit_share=prefix_share(values),
        aborted_share=aborted_share(values),
        requests_per_second=values.get("requests"),
    )
    on = cards.get((cluster, f"{figures.namespace}/{figures.pod}"), ())
    return judge_server(server, values, on, limits)
