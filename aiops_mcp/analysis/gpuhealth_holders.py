"""Who holds a card, as far as it can be told. Pure.

Kubernetes gives a container a number of GPUs, not which. What tells more (a process's control
group, DCGM's pod label, a container that was given all there is) already stands in the cards; where
cards are shared, cut into slices or given by DRA it may not be enough, and then that is said.
"""

from collections.abc import Sequence

from aiops_mcp.models.gpu import GPU, GpuHolder, GPUNode
from aiops_mcp.models.gpu_health import Attribution

_WHOLE = ("nvidia.com/gpu", "nvidia.com/gpu.shared")
_SLICE = "nvidia.com/mig-"


def held_by(node: GPUNode, gpu: GPU) -> Attribution:
    """The pods that hold a card and what owns them, or why they cannot be told."""
    known = _known_pods(gpu)
    holders = node.facts.holders if node.facts else ()
    owners = {f"{one.namespace}/{one.pod}": one.owner for one in holders}
    reason = _why_not(node, gpu, known, holders)
    return Attribution(
        pods=known,
        owners=tuple(dict.fromkeys(owners.get(pod, pod) for pod in known)),
        not_attributable=reason,
    )


def _known_pods(gpu: GPU) -> tuple[str, ...]:
    refs = [gpu.pod, *(mig.pod for mig in gpu.mig_instances)]
    refs += [process.pod for process in gpu.processes]
    return tuple(dict.fromkeys(f"{ref.namespace}/{ref.pod}" for ref in refs if ref is not None))


def _why_not(
    node: GPUNode, gpu: GPU, known: Sequence[str], holders: Sequence[GpuHolder]
) -> str | None:
    facts = node.facts
    if facts is not None and facts.sharing and not gpu.mig_enabled:
        sharing = [one for one in holders if any(name in one.resources for name in _WHOLE)]
        if len(sharing) > 1:
            return f"{facts.sharing}: any of {len(sharing)} pods on the node may use it"
    if known and not gpu.mig_enabled:
        return None
    claiming = [one for one in holders if one.claims]
    if claiming and not known:
        return (
            f"DRA: {len(claiming)} pods of the node hold devices by resource claims; "
            "the claims' status says which"
        )
    if gpu.mig_enabled:
        return _slices_left(node, gpu, holders)
    return _cards_left(node, holders)


def _slices_left(node: GPUNode, gpu: GPU, holders: Sequence[GpuHolder]) -> str | None:
    """Pods with slices that no slice of the node is known to be held by."""
    free = [mig for mig in gpu.mig_instances if mig.pod is None]
    asking = _unplaced(node, [one for one in holders if any(_SLICE in r for r in one.resources)])
    if free and asking:
        return f"MIG: {len(free)} slices may be held by {_some(asking)}"
    return None


def _cards_left(node: GPUNode, holders: Sequence[GpuHolder]) -> str | None:
    asking = _unplaced(node, [one for one in holders if any(r in one.resources for r in _WHOLE)])
    if asking:
        return f"Kubernetes says how many, not which: it may be held by {_some(asking)}"
    return None


def _unplaced(node: GPUNode, holders: Sequence[GpuHolder]) -> list[str]:
    placed = {pod for gpu in node.gpus for pod in _known_pods(gpu)}
    names = [f"{one.namespace}/{one.pod}" for one in holders]
    return [name for name in names if name not in placed]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
