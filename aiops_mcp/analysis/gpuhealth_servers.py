"""Model servers judged by what their users feel, and linked to the cards they run on. Pure.

A vLLM server holds its cards' memory by design; its KV cache, its queue and its times say how it
is. A queue and a full cache count when they last, five and ten minutes; a burst is no fault.
Thresholds are ours: they depend on what a service promises.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from aiops_mcp.errors import InputError
from aiops_mcp.models.gpu_health import CardHealth, GpuReason, ModelServer, Verdict, worst

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ServerThresholds:
    """Seconds, shares 0 to 1, a second."""

    ttft: float = 2.0
    inter_token: float = 0.1
    kv_cache: float = 0.9
    waiting: float = 0.0
    queue: float = 1.0
    preemptions: float = 0.02
    aborted: float = 0.05

    def overridden(self, values: Mapping[str, float]) -> "ServerThresholds":
        """With some of them replaced.

        Raises:
            InputError: there is no threshold of that name.
        """
        known = {field.name for field in fields(self)}
        wrong = sorted(values.keys() - known)
        if wrong:
            raise InputError(
                f"There is no model server threshold {wrong[0]!r}.",
                f"There are: {', '.join(sorted(known))}",
            )
        return replace(self, **values)


DEFAULT_LIMITS = ServerThresholds()


@dataclass(frozen=True, slots=True)
class _Rule:
    """``limit`` names the threshold; ``bound`` is one that is no setting."""

    name: str
    verdict: Verdict
    what: str
    evidence: Callable[[Values, ServerThresholds], str | None]
    action: str
    limit: str = ""
    unit: str = ""
    bound: str = ""

    def threshold(self, limits: ServerThresholds) -> str:
        if not self.limit:
            return self.bound
        value = float(getattr(limits, self.limit))
        return f"{value:.0%}" if self.unit == "%" else f"{value:g} {self.unit}".strip()


def _over(
    name: str, limit: str, unit: str, scale: float = 1.0
) -> Callable[[Values, ServerThresholds], str | None]:
    def evidence(values: Values, limits: ServerThresholds) -> str | None:
        value = values.get(name)
        over = value is not None and value > getattr(limits, limit)
        return f"{value * scale:.3g} {unit}" if value is not None and over else None

    return evidence


def _held(
    name: str, lasting: str, limit: str, unit: str, minutes: int, scale: float = 1.0
) -> Callable[[Values, ServerThresholds], str | None]:
    """As ``_over``, of what was never less for some minutes."""

    def evidence(values: Values, limits: ServerThresholds) -> str | None:
        least = values.get(lasting)
        if least is None or least <= getattr(limits, limit):
            return None
        now = values.get(name, least)
        share = " %" if unit == "%" else ""
        return f"{now * scale:.3g} {unit}, {least * scale:.3g}{share} or more for {minutes} min"

    return evidence


def _aborted(values: Values, limits: ServerThresholds) -> str | None:
    share = aborted_share(values)
    return f"{share:.0%} of requests" if share is not None and share > limits.aborted else None


def _stalled(values: Values, limits: ServerThresholds) -> str | None:
    """Requests wait and nothing comes out."""
    del limits
    waits = values.get("waiting", 0.0) > 0 and values.get("running", 0.0) > 0
    silent = values.get("generation_tokens", 1.0) == 0
    return f"{values['waiting']:.0f} wait, no token in 5 min" if waits and silent else None


_RULES = (
    _Rule("stalled", Verdict.FAILING, "it produces nothing", _stalled,
          "look at its GPUs (XID, clocks) and NCCL; restart it", bound="0 tokens/s"),
    _Rule("kv-cache", Verdict.DEGRADED, "its KV cache is full",
          _held("kv_cache_used", "kv_cache_held", "kv_cache", "%", 10, 100),
          "more replicas; shorter max-model-len; fp8 KV cache", "kv_cache", "%"),
    _Rule("preemptions", Verdict.DEGRADED, "it preempts requests and computes them again",
          _over("preemptions", "preemptions", "a second"),
          "KV cache too small: more replicas or memory", "preemptions", "a second"),
    _Rule("queue", Verdict.DEGRADED, "requests wait for it",
          _held("waiting", "waiting_held", "waiting", "waiting", 5), "scale out", "waiting"),
    _Rule("queue-time", Verdict.DEGRADED, "requests wait long",
          _over("queue_p95", "queue", "s p95"), "scale out", "queue", "s"),
    _Rule("ttft", Verdict.DEGRADED, "the first token comes late",
          _over("ttft_p95", "ttft", "s p95"),
          "scale out if requests wait; else chunked prefill, prefix cache", "ttft", "s"),
    _Rule("inter-token", Verdict.DEGRADED, "tokens come slowly",
          _over("inter_token_p95", "inter_token", "s p95"),
          "smaller batches; look at its GPUs' clocks and NVLinks", "inter_token", "s"),
    _Rule("aborted", Verdict.DEGRADED, "clients give up", _aborted,
          "clients time out: look at queue and first token", "aborted", "%"),
)  # fmt: skip


def aborted_share(values: Values) -> float | None:
    """Aborted of finished requests; ``None`` without any."""
    requests = values.get("requests", 0.0)
    return values.get("aborted", 0.0) / requests if requests > 0 else None


def prefix_share(values: Values) -> float | None:
    """Tokens found in the prefix cache, of those looked up."""
    queries = values.get("prefix_queries", 0.0)
    return values.get("prefix_hits", 0.0) / queries if queries > 0 else None


def judge_server(
    server: ModelServer,
    values: Values,
    cards: Sequence[tuple[str, CardHealth]],
    limits: ServerThresholds = DEFAULT_LIMITS,
) -> ModelServer:
    """The server with its verdict; ``cards`` are those it runs on, with their node's name."""
    reasons: list[GpuReason] = []
    for rule in _RULES:
        evidence = rule.evidence(values, limits)
        if evidence is not None:
            reasons.append(_reason(rule, evidence, rule.threshold(limits)))
    slow = [_card_reason(node, card) for node, card in cards if card.verdict is not Verdict.HEALTHY]
    if not values:
        unknown = Verdict.UNKNOWN
        return server.model_copy(update={"verdict": unknown, "reasons": tuple(slow)})
    # a card that limps explains what its server's users feel
    reasons = [*slow, *reasons]
    return server.model_copy(
        update={
            "verdict": worst([reason.verdict for reason in reasons]),
            "reasons": tuple(reasons),
            "gpus": tuple(f"{node}/{card.index}" for node, card in cards),
        }
    )


def _reason(rule: _Rule, evidence: str, threshold: str) -> GpuReason:
    return GpuReason(
        rule=rule.name,
        verdict=rule.verdict,
        what=rule.what,
        evidence=evidence,
        threshold=threshold,
        action=rule.action,
        source="vLLM metrics; threshold ours",
    )


def _card_reason(node: str, card: CardHealth) -> GpuReason:
    gravest = card.reasons[0] if card.reasons else None
    what = gravest.what if gravest else card.verdict.value.lower()
    return GpuReason(
        rule="gpu",
        verdict=card.verdict,
        what=f"its GPU {node}/{card.index}: {what}",
        evidence=gravest.evidence if gravest else "",
        action=gravest.action if gravest else "get_gpu_health",
        source=gravest.source if gravest else "",
    )
