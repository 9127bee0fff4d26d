"""A verdict for each card and node, with its reasons and what to do. Pure: models in, models out.

Nothing is read here. What is not told is no sign of health: a node of which nothing is known is
UNKNOWN.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from aiops_mcp.analysis.gpuhealth_facts import CardFacts, Thresholds, fresh
from aiops_mcp.analysis.gpuhealth_holders import held_by
from aiops_mcp.analysis.gpuhealth_rules import CARD_RULES
from aiops_mcp.analysis.gpuhealth_xids import cause_lies, over_the_node
from aiops_mcp.models.gpu import GPU, GPUNode
from aiops_mcp.models.gpu_health import (
    WORST_LAST,
    CardHealth,
    CardHistory,
    GpuReason,
    NodeHealth,
    Verdict,
    XidFinding,
    worst,
)
from aiops_mcp.models.xid import XidClass

SILENT = timedelta(minutes=5)
"""DCGM's exporter collects every 30 s; a series is stale for Prometheus after 5 minutes."""

FAILING_XIDS = frozenset(
    {46, 48, 54, 62, 64, 74, 79, 95, 110, 119, 120, 136, 140, 143, 157, 158, 167, 171, 172}
    | {*range(144, 151), 155, 156}
)
_IGNORED = frozenset({121, 154})
"""The first is corrected; the second names a recovery action, which the card itself tells."""


@dataclass(frozen=True)
class ClusterEvidence:
    """Besides the nodes: histories by UUID, XIDs, and which nodes DCGM told of lately.

    ``dcgm_nodes`` is ``None`` where DCGM was not asked or did not answer.
    """

    histories: Mapping[str, CardHistory] = field(default_factory=dict[str, CardHistory])
    xids: tuple[XidFinding, ...] = ()
    dcgm_nodes: frozenset[str] | None = None

    @cached_property
    def by_node(self) -> Mapping[str, list[CardHistory]]:
        """Histories by the node's short name."""
        found: dict[str, list[CardHistory]] = defaultdict(list)
        for one in self.histories.values():
            found[short_name(one.node_name)].append(one)
        return found


def judge_node(
    node: GPUNode, evidence: ClusterEvidence, limits: Thresholds, now: datetime
) -> NodeHealth:
    """One node with all its cards, the gravest first."""
    mine = [one for one in evidence.xids if same_node(one.node_name, node.node_name)]
    owners = {
        f"{one.namespace}/{one.pod}": one.owner
        for one in (node.facts.holders if node.facts else ())
    }
    cards = [
        _judge_card(
            node, gpu, evidence, [x for x in mine if x.uuid == gpu.uuid], owners, limits, now
        )
        for gpu in node.gpus
    ]
    cards.sort(key=lambda card: (-WORST_LAST.index(card.verdict), card.index))
    present = {gpu.uuid for gpu in node.gpus}
    left = tuple(one for one in mine if one.uuid not in present)
    reasons = [
        *_node_reasons(node, evidence, now),
        *(xid_reason(one, limits, now, "") for one in left),
        *_over_the_node(mine, node, limits, now),
    ]
    verdicts = [reason.verdict for reason in reasons] + [card.verdict for card in cards]
    return NodeHealth(
        cluster_id=node.cluster_id,
        cluster_name=node.cluster_name,
        node_name=node.node_name,
        verdict=worst(verdicts),
        reasons=_ordered(reasons),
        cards=tuple(cards),
        rack=node.facts.rack if node.facts else None,
        driver_version=next((g.driver_version for g in node.gpus if g.driver_version), None),
        xids=left,
        cards_gone=_gone(node, evidence, now)[0],
    )


def same_node(one: str, other: str) -> bool:
    """DCGM's host name may be a full domain name."""
    return one == other or short_name(one) == short_name(other)


def short_name(node: str) -> str:
    """A node's name without its domain."""
    return node.split(".", 1)[0]


def _judge_card(
    node: GPUNode,
    gpu: GPU,
    evidence: ClusterEvidence,
    xids: Sequence[XidFinding],
    owners: Mapping[str, str],
    limits: Thresholds,
    now: datetime,
) -> CardHealth:
    history = evidence.histories.get(gpu.uuid or "")
    facts = CardFacts(gpu, history, limits, now)
    found = [reason for rule in CARD_RULES if (reason := rule.reason(facts)) is not None]
    found += [
        xid_reason(one, limits, now, cause_lies(one, evidence.xids, dict(owners))) for one in xids
    ]
    held = history.held_xid if history else None
    if held and not xids:
        found.append(_held_reason(held))
    return CardHealth(
        index=gpu.index,
        uuid=gpu.uuid,
        name=gpu.name,
        verdict=worst([reason.verdict for reason in found]),
        reasons=_ordered(found),
        xids=tuple(xids),
        held_by=held_by(node, gpu),
        throttled=history.throttled if history else {},
    )


def _ordered(reasons: Iterable[GpuReason]) -> tuple[GpuReason, ...]:
    return tuple(sorted(reasons, key=lambda one: -WORST_LAST.index(one.verdict)))


def xid_reason(finding: XidFinding, limits: Thresholds, now: datetime, cause: str) -> GpuReason:
    """What an XID makes of its card: by its code, its class, and how long ago it was."""
    verdict = Verdict.DEGRADED
    if finding.code in _IGNORED or finding.xid_class is XidClass.SECONDARY:
        verdict = Verdict.HEALTHY
    elif finding.xid_class is XidClass.APPLICATION:
        # the device plugin holds no card to be unhealthy for these
        verdict = Verdict.DEGRADED if cause.endswith("the card") else Verdict.HEALTHY
    elif finding.code in FAILING_XIDS and finding.last_at >= fresh(limits, now):
        verdict = Verdict.FAILING
    kind = finding.xid_class.value.lower() if finding.xid_class else "unknown class"
    gone = f"GPU {finding.gpu_index}: " if finding.gpu_index is not None else ""
    parts = [
        f"{gone}{_ago(now - finding.last_at)} ago",
        f"{finding.times} times" if finding.times > 1 else "",
        f"followed by {', '.join(map(str, finding.with_codes))}" if finding.with_codes else "",
        f"held by {', '.join(finding.pods[:2])}" if finding.pods else "",
        cause,
    ]
    return GpuReason(
        rule="xid",
        verdict=verdict,
        what=f"XID {finding.code}, {finding.meaning} ({kind})",
        evidence="; ".join(part for part in parts if part),
        threshold="any, by its edge",
        action=finding.action,
        source=f"NVIDIA's XID catalog; seen by {', '.join(s.value for s in finding.sources)}",
    )


def _ago(age: timedelta) -> str:
    seconds = max(0.0, age.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _held_reason(code: int) -> GpuReason:
    return GpuReason(
        rule="xid-before",
        verdict=Verdict.HEALTHY,
        what=f"XID {code} at some time before the window",
        evidence="DCGM's gauge keeps its last value, and it has not changed",
        action="nothing by itself; the kernel log tells when it was",
        source="DCGM",
    )


def _node_reasons(node: GPUNode, evidence: ClusterEvidence, now: datetime) -> Iterable[GpuReason]:
    yield from _kubernetes_reasons(node)
    yield from _gone_cards(node, evidence, now)
    silent = _exporter_silent(node, evidence)
    if silent is not None:
        yield silent
    if not node.gpus and silent is None:
        yield GpuReason(
            rule="nothing-told",
            verdict=Verdict.UNKNOWN,
            what="neither nvidia-smi nor DCGM tells of its cards",
            evidence="; ".join(node.warnings[:2]) or "no answer",
            action="look at the driver's and the exporter's pods on the node",
            source="nvidia-smi, DCGM",
        )
    yield from _ecc_mixed(node)
    for warning in node.warnings:
        if "inforom" in warning.lower():
            yield GpuReason(
                rule="inforom",
                verdict=Verdict.DEGRADED,
                what="a card's infoROM is corrupted",
                evidence=warning,
                action="note the serial number; support, RMA",
                source="nvidia-smi",
            )


def _ecc_mixed(node: GPUNode) -> Iterable[GpuReason]:
    """Error correction off on some cards only; off on all of them is somebody's choice."""
    off = [gpu.index for gpu in node.gpus if gpu.ecc_enabled is False]
    if off and any(gpu.ecc_enabled for gpu in node.gpus):
        yield GpuReason(
            rule="ecc-off",
            verdict=Verdict.DEGRADED,
            what="ECC is off on some of its cards",
            evidence=f"GPU {', '.join(map(str, off))}",
            action="switch it on (nvidia-smi -e 1) and reset at the next window",
            source="nvidia-smi",
        )


def _kubernetes_reasons(node: GPUNode) -> Iterable[GpuReason]:
    facts = node.facts
    if facts is None:
        return
    source = "Kubernetes node"
    if not facts.ready:
        yield GpuReason(
            rule="node-not-ready", verdict=Verdict.FAILING, what="the node is not Ready",
            evidence="condition Ready is not True", action="look at the node first", source=source,
        )  # fmt: skip
    elif not any(facts.capacity.values()):
        yield GpuReason(
            rule="no-gpu-resource", verdict=Verdict.FAILING,
            what="the node advertises no GPU", evidence="capacity 0",
            action="look at the device plugin's pod and the driver", source=source,
        )  # fmt: skip
    for resource, count in facts.capacity.items():
        usable = facts.allocatable.get(resource, 0)
        if usable < count:
            yield GpuReason(
                rule="allocatable", verdict=Verdict.DEGRADED,
                what=f"the device plugin holds {count - usable} of {resource} to be unhealthy",
                evidence=f"allocatable {usable} of {count}", threshold="capacity",
                action="look for XIDs; reset or reboot, then restart the device plugin",
                source=source,
            )  # fmt: skip


def _gone(node: GPUNode, evidence: ClusterEvidence, now: datetime) -> tuple[int, list[CardHistory]]:
    """How many cards are missing, and those of them that DCGM told of in the window."""
    present = {gpu.uuid for gpu in node.gpus}
    known = [
        one
        for one in evidence.by_node.get(short_name(node.node_name), ())
        if one.uuid not in present and now - one.last_sample > SILENT
    ]
    expected = (node.facts.card_count if node.facts else None) or 0
    return (max(expected - len(node.gpus), len(known), 0) if node.gpus else 0), known


def _gone_cards(node: GPUNode, evidence: ClusterEvidence, now: datetime) -> Iterable[GpuReason]:
    """Cards that DCGM told of and no longer does, or fewer than there should be."""
    missing, gone = _gone(node, evidence, now)
    if not missing:
        return
    names = [f"GPU {one.gpu_index} ({one.uuid}) since {one.last_sample:%H:%M}Z" for one in gone[:4]]
    total = len(node.gpus) + missing
    yield GpuReason(
        rule="card-gone",
        verdict=Verdict.FAILING,
        what=f"{missing} of {total} cards no longer answer",
        evidence=", ".join(names) or f"{len(node.gpus)} answer",
        threshold=f"{total} cards",
        action="drain and reboot; power, riser, heat; RMA if it comes again",
        source="node label, DCGM, nvidia-smi",
    )


def _exporter_silent(node: GPUNode, evidence: ClusterEvidence) -> GpuReason | None:
    """DCGM tells of other nodes and not of this one."""
    told = evidence.dcgm_nodes
    if not told or any(same_node(node.node_name, name) for name in told):
        return None
    return GpuReason(
        rule="exporter-silent",
        verdict=Verdict.DEGRADED if node.gpus else Verdict.UNKNOWN,
        what="DCGM's exporter is silent on this node",
        evidence=f"it tells of {len(told)} other nodes",
        action="look at the exporter's pod and its scrape",
        source="DCGM",
    )


def _over_the_node(
    xids: Sequence[XidFinding], node: GPUNode, limits: Thresholds, now: datetime
) -> Iterable[GpuReason]:
    for code, cards in over_the_node(xids, fresh(limits, now)).values():
        yield GpuReason(
            rule="xid-over-node",
            verdict=Verdict.FAILING,
            what=f"XID {code} on {cards} cards of {node.node_name} at once",
            evidence=f"within {limits.xid_fresh_hours:g} h",
            threshold="2 cards",
            action="power, PCIe switch or driver of the node, rather than the cards",
            source="NVIDIA",
        )


def driver_skew(nodes: Sequence[GPUNode]) -> tuple[GpuReason, ...]:
    """Clusters whose nodes run different drivers, and clusters that differ from one another.

    Within a cluster those of the minority are named; between clusters it is worth knowing only.
    """
    found: list[GpuReason] = []
    usual: dict[str, str] = {}
    for cluster in dict.fromkeys(node.cluster_name for node in nodes):
        versions = {
            node.node_name: version
            for node in nodes
            if node.cluster_name == cluster
            and (version := next((g.driver_version for g in node.gpus if g.driver_version), None))
        }
        counted = Counter(versions.values()).most_common()
        if counted:
            usual[cluster] = counted[0][0]
        if len(counted) < 2:
            continue
        most = counted[0][0]
        odd = [f"{name} {version}" for name, version in versions.items() if version != most]
        found.append(
            GpuReason(
                rule="driver-skew",
                verdict=Verdict.DEGRADED,
                what=f"{cluster}: its nodes run {len(counted)} driver versions",
                evidence=f"{counted[0][1]} nodes {most}; {', '.join(odd[:5])}",
                threshold="one version",
                action="finish the driver's upgrade, or find why it stopped",
                source="nvidia-smi, DCGM",
            )
        )
    return (*found, *_fleet_skew(usual))


def _fleet_skew(usual: Mapping[str, str]) -> Iterable[GpuReason]:
    """``usual`` is the version that most nodes of a cluster run, by the cluster's name."""
    clusters: dict[str, list[str]] = defaultdict(list)
    for cluster, version in usual.items():
        clusters[version].append(cluster)
    if len(clusters) < 2:
        return
    told = sorted(clusters.items(), key=lambda one: -len(one[1]))
    yield GpuReason(
        rule="driver-skew-fleet",
        verdict=Verdict.HEALTHY,
        what=f"clusters run {len(clusters)} driver versions",
        evidence="; ".join(f"{version}: {', '.join(names[:3])}" for version, names in told[:4]),
        threshold="one version",
        action="upgrade the older ones at the next window",
        source="nvidia-smi, DCGM",
    )
