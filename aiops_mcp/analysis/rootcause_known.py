"""Known patterns of workloads and nodes; with the others, all that ship. Data only.

Words are those of the sources: reasons of Kubernetes events and container states, names of alerts,
texts that programs log, parts of metric names.
"""

from typing import Final

from aiops_mcp.analysis.rootcause_known_clauses import ERRORS, alert, change, event, log, up
from aiops_mcp.analysis.rootcause_known_platform import PLATFORM
from aiops_mcp.analysis.rootcause_problem import Clue
from aiops_mcp.analysis.rootcause_rules import Clause, Rule

_DEBUG = "Kubernetes documentation, debug pods"
_PRESSURE = "Kubernetes documentation, node pressure eviction"
_MIXIN = "kubernetes-monitoring/kubernetes-mixin"
_NODE_MIXIN = "prometheus/node_exporter docs/node-mixin"

_WORKLOADS: Final = (
    Rule(
        "oom_killed",
        "A container reached its memory limit and was killed",
        "Compare the memory with its limit: a slow ramp is a leak (fix or roll back), a burst "
        "wants a higher limit; check heap settings against the limit.",
        _DEBUG,
        any=(event("OOMKilled", "OOMKilling"), log("out of memory", "OutOfMemory")),
    ),
    Rule(
        "memory_leak",
        "Memory grows until nothing is left",
        "Find the change since which it grows and roll back, or restart before the limit; take a "
        "heap profile.",
        _DEBUG,
        all=(up("memory"),),
        any=(event("OOMKilled", "OOMKilling", "Evicted"), change("rollout", "image"), up("gc")),
    ),
    Rule(
        "cpu_throttled",
        "A container is throttled at its processor limit",
        "Raise or drop the limit, or find what makes it work more.",
        _MIXIN,
        any=(alert("CPUThrottlingHigh"), up("throttl")),
    ),
    Rule(
        "crash_loop",
        "A container dies again and again after its start",
        "Read the log of the container before: configuration, secret, dependency; roll back a "
        "recent rollout. Exit 126/127 is the command, 139 a memory fault.",
        _DEBUG,
        any=(event("CrashLoopBackOff", "Back-off restarting"), alert("KubePodCrashLooping")),
    ),
    Rule(
        "liveness_kill",
        "Liveness probes fail and the kubelet kills the container",
        "Give it a startup probe, look at throttling, keep dependencies out of the probe.",
        _DEBUG,
        all=(event("Unhealthy"),),
        any=(event("Killing"), up("restart")),
    ),
    Rule(
        "image_pull",
        "An image cannot be pulled",
        "By the event's text: fix the tag, the pull secret, the registry's CA or mirror, or wait "
        "for its rate limit.",
        _DEBUG,
        any=(event("ImagePullBackOff", "ErrImagePull"), log("toomanyrequests")),
    ),
    Rule(
        "missing_configuration",
        "A ConfigMap, a Secret or a key that a container needs is not there",
        "Create the object or the key, or correct the reference.",
        _DEBUG,
        any=(event("CreateContainerConfigError"), log("configmap not found", "secret not found")),
    ),
    Rule(
        "unschedulable",
        "No node takes the pod",
        "Read the event's text: scale nodes, or correct requests, selectors, tolerations, zones.",
        _DEBUG,
        any=(event("FailedScheduling", "Unschedulable"),),
    ),
    Rule(
        "network_sandbox",
        "The pod's network cannot be set up",
        "Look at the CNI pods of the node; addresses or virtual functions may be used up.",
        _DEBUG,
        any=(event("FailedCreatePodSandBox"),),
    ),
    Rule(
        "volume_mount",
        "A volume cannot be attached or mounted",
        "Look at the VolumeAttachment of the node before, at the CSI pods and their secret.",
        _DEBUG,
        any=(event("FailedMount", "FailedAttachVolume", "Multi-Attach"),),
    ),
    Rule(
        "volume_full",
        "A volume is full",
        "Expand the claim where its class allows, prune, shorten retention.",
        _MIXIN,
        any=(
            alert("KubePersistentVolumeFillingUp", "KubePersistentVolumeInodesFillingUp"),
            log("no space left on device"),
        ),
    ),
    Rule(
        "bad_rollout",
        "A new revision is worse than the one before",
        "Compare the revisions by their pod-template hash and undo the rollout.",
        _MIXIN,
        all=(change("rollout", "image", "revision", "deploy"),),
        any=(
            ERRORS,
            alert("KubeDeploymentRolloutStuck"),
            event("ProgressDeadlineExceeded", "CrashLoopBackOff", "Unhealthy"),
        ),
    ),
    Rule(
        "configuration_change",
        "It began with a change of its configuration",
        "Undo the change of the ConfigMap or Secret and restart what reads it.",
        _DEBUG,
        all=(change("configmap", "secret", "config"), ERRORS),
    ),
    Rule(
        "autoscaler_at_its_maximum",
        "The autoscaler may not add replicas any more",
        "Raise the maximum, or find what makes the load.",
        _MIXIN,
        any=(alert("KubeHpaMaxedOut"), event("ScalingLimited", "TooManyReplicas")),
    ),
    Rule(
        "quota",
        "A quota refuses new objects",
        "Raise the quota or lower requests.",
        _MIXIN,
        any=(alert("KubeQuotaExceeded", "KubeQuotaFullyUsed"), event("exceeded quota")),
    ),
    Rule(
        "no_endpoints",
        "A service has no ready endpoint",
        "Compare readiness, selector and target port with its pods.",
        _DEBUG,
        any=(event("no endpoints"), log("no endpoints available", "no healthy upstream")),
    ),
    Rule(
        "network_policy",
        "A network policy keeps two components apart",
        "Compare the policies of both namespaces, test the port; allow DNS.",
        "Kubernetes documentation, network policies",
        all=(change("networkpolicy", "network policy"),),
        any=(log("i/o timeout", "timed out", "deadline exceeded"), ERRORS),
    ),
    Rule(
        "slow_dependency_network",
        "The way to a component is slow, and not the component",
        "Look at the node's network (errors, drops, conntrack), at policies and mesh settings "
        "between the callers and it.",
        "Yu et al., Nezha, ESEC/FSE 2023",
        any=(Clause(Clue.KEPT_WAITING),),
    ),
    Rule(
        "stopped_asking",
        "A component fails before it asks those it depends on",
        "Read its own errors: an exception or a wrong answer of its own code; compare revisions.",
        "Yu et al., Nezha, ESEC/FSE 2023",
        any=(Clause(Clue.ASKED_LESS),),
    ),
)

_NODES: Final = (
    Rule(
        "node_not_ready",
        "A node is not ready",
        "Unknown: power, network or kubelet; false: runtime, CNI, PLEG. Drain it and restart the "
        "kubelet.",
        _MIXIN,
        any=(event("NodeNotReady"), alert("KubeNodeNotReady", "KubeNodeUnreachable")),
    ),
    Rule(
        "node_pressure",
        "A node runs out of disk, memory or processes and evicts pods",
        "Find the writer (logs, images, ephemeral storage) or the eater; set limits.",
        _PRESSURE,
        any=(
            event("EvictionThresholdMet", "Evicted", "FreeDiskSpaceFailed", "ImageGCFailed"),
            alert("KubeNodePressure", "KubeNodeEviction"),
        ),
    ),
    Rule(
        "node_disk_full",
        "A file system of a node fills up",
        "Remove images and logs, find the writer; extend it.",
        _NODE_MIXIN,
        any=(
            alert("NodeFilesystemAlmostOutOfSpace", "NodeFilesystemSpaceFillingUp"),
            alert("NodeFilesystemAlmostOutOfFiles", "NodeFilesystemFilesFillingUp"),
        ),
    ),
    Rule(
        "node_network_errors",
        "A node's network card loses packets",
        "Cable, port, bond and driver of the card; move pods away.",
        _NODE_MIXIN,
        any=(alert("NodeNetworkReceiveErrs", "NodeNetworkTransmitErrs"), up("_errs", "_drop")),
    ),
    Rule(
        "conntrack_full",
        "The connection table of a node is full",
        "Raise the limit, find who opens so many connections.",
        _NODE_MIXIN,
        any=(alert("NodeHighNumberConntrackEntriesUsed"), log("nf_conntrack: table full")),
    ),
    Rule(
        "clock_skew",
        "A node's clock is wrong",
        "Look at chrony on the node; never run it beside phc2sys.",
        _NODE_MIXIN,
        any=(alert("NodeClockSkewDetected", "NodeClockNotSynchronising"),),
    ),
    Rule(
        "noisy_neighbour",
        "Something on the same node takes the processor or the disk",
        "Find the pod whose use rose on that node; set limits or move one of them.",
        _NODE_MIXIN,
        any=(
            alert("NodeSystemSaturation", "NodeDiskIOSaturation"),
            up("node_pressure", "iowait"),
        ),
    ),
)

KNOWN: Final[tuple[Rule, ...]] = (*_WORKLOADS, *_NODES, *PLATFORM)
