"""Known patterns of the control plane, of GPUs and model servers, and of radio nodes. Data only."""

from typing import Final

from aiops_mcp.analysis.rootcause_known_clauses import alert, change, down, event, log, up
from aiops_mcp.analysis.rootcause_rules import Rule

_DEBUG = "Kubernetes documentation, debug pods"
_MIXIN = "kubernetes-monitoring/kubernetes-mixin"
_ETCD = "etcd-io/etcd contrib/mixin and documentation"
_OPENSHIFT = "openshift/runbooks"
_XID = "NVIDIA XID catalogue"
_PTP = "openshift/linuxptp-daemon"
_VLLM = "vllm-project/vllm docs/usage/metrics.md"

_CONTROL_PLANE: Final = (
    Rule(
        "etcd_slow_disk",
        "The disk of an etcd member is slow",
        "Noisy neighbour, storage class (SSD), backup jobs; watch leader changes.",
        _ETCD,
        any=(
            alert("etcdHighFsyncDurations", "etcdHighCommitDurations"),
            log("apply request took too long", "slow fdatasync"),
            up("fsync", "backend_commit"),
        ),
    ),
    Rule(
        "etcd_full",
        "etcd has no space left and refuses writes",
        "Delete what is not needed, compact, defragment one member at a time (leader last), disarm "
        "the alarm.",
        _ETCD,
        any=(alert("etcdDatabaseQuotaLowSpace"), log("database space exceeded")),
    ),
    Rule(
        "etcd_no_quorum",
        "etcd lost members or its leader",
        "Bring the members back before anything else; check the network between them.",
        _ETCD,
        any=(alert("etcdInsufficientMembers", "etcdNoLeader", "etcdMembersDown"),),
    ),
    Rule(
        "api_throttled",
        "The API server refuses or delays requests",
        "Find the flow schema and user agent in the audit log; replace list loops by watches.",
        _MIXIN,
        any=(
            log("client-side throttling", "too many requests"),
            up("flowcontrol_rejected"),
            alert("KubeAPITerminatedRequests"),
        ),
    ),
    Rule(
        "admission_webhook",
        "An admission webhook does not answer",
        "Its pods, service and CA; its failurePolicy.",
        _DEBUG,
        any=(log("failed calling webhook"), event("failed calling webhook")),
    ),
    Rule(
        "dns",
        "Names are not resolved",
        "The DNS pods and their upstream; ndots storms; conntrack.",
        "coredns/coredns plugin/metrics",
        any=(
            log("no such host", "server misbehaving", "temporary failure in name resolution"),
            up("coredns_panics", "forward_healthcheck_broken"),
        ),
    ),
    Rule(
        "certificate_expired",
        "A certificate has expired or will",
        "Approve pending signing requests, renew; look at the clock and at cert-manager.",
        _MIXIN,
        any=(
            alert("CertificateExpiration"),
            log("certificate has expired", "x509: certificate"),
        ),
    ),
    Rule(
        "drain_blocked",
        "A node cannot be drained because of a disruption budget",
        "Mend the unhealthy pods or the budget.",
        _MIXIN,
        any=(alert("KubePdbNotEnoughHealthyPods", "MCCDrainError"), event("disruption budget")),
    ),
    Rule(
        "operator_degraded",
        "A cluster operator is degraded",
        "Its reason and message, related objects and its pods' log.",
        _OPENSHIFT,
        any=(alert("ClusterOperatorDegraded", "ClusterOperatorDown"),),
    ),
    Rule(
        "node_maintenance",
        "A node was drained or rebooted for an update of its configuration",
        "Wait for the pool to finish, or pause it; do not look for a fault in the workload.",
        _OPENSHIFT,
        any=(event("Rebooted", "OSUpdateStarted"), change("machineconfig", "drain", "cordon")),
    ),
)

_ACCELERATORS: Final = (
    Rule(
        "gpu_lost",
        "A GPU has fallen off the bus",
        "Drain and reboot the node; power, riser, heat; replace it if it comes again.",
        _XID,
        any=(log("fallen off the bus", "Xid 79", "): 79,"), event("Xid 79")),
    ),
    Rule(
        "gpu_memory_fault",
        "A GPU has memory that cannot be corrected",
        "Stop what runs on it (95: all of it), reset; replace it if remapping failed.",
        _XID,
        any=(log("): 48,", "): 64,", "): 94,", "): 95,"), event("Xid 48", "Xid 64", "Xid 95")),
    ),
    Rule(
        "gpu_link",
        "A link between GPUs fails",
        "Link counters, reset; bridge or switch; support.",
        _XID,
        any=(log("): 74,"), event("Xid 74"), up("nvlink")),
    ),
    Rule(
        "gpu_hot",
        "A GPU slows itself down because it is hot",
        "Cooling of the server; drain it if the hardware asks for it.",
        "NVIDIA DCGM field documentation",
        all=(up("temp"),),
        any=(down("sm_clock"), up("thermal_violation", "throttle"), event("thermal")),
    ),
    Rule(
        "model_server_cache_full",
        "A model server has no room for more requests in its cache",
        "Shorter contexts, a smaller cache type, more memory or replicas.",
        _VLLM,
        all=(up("kv_cache_usage", "gpu_cache_usage"),),
        any=(up("requests_waiting"), up("preemptions"), up("time_to_first_token")),
    ),
)

_RADIO: Final = (
    Rule(
        "ptp_lost",
        "A node lost its time",
        "Grandmaster, link, VLAN and multicast; GNSS. Where ptp4l is well and phc2sys is not, the "
        "host's processor.",
        _PTP,
        any=(alert("NodeOutOfPtpSync", "HighPtpSyncOffset"), log("FREERUN", "HOLDOVER")),
    ),
    Rule(
        "packets_missed",
        "A packet-processing core cannot keep up",
        "Isolation and throttling of its cores; more queues or cores.",
        "DPDK ethdev documentation",
        any=(up("imissed", "rx_missed"), up("rx_nombuf")),
    ),
)

PLATFORM: Final[tuple[Rule, ...]] = (*_CONTROL_PLANE, *_ACCELERATORS, *_RADIO)
