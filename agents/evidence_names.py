"""Names of an answer beside those of the results: clusters, objects, nodes, alerts, ids. Pure.

Compared as whole tokens, or as a part of one that ends at a dash or slash (``worker-2`` of
``prod-virginia-worker-2``). Words that only look like names are left alone: precision first.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

_TOKEN: Final = re.compile(r"(?<![\w/.@$%-])[A-Za-z0-9][\w./:-]*[A-Za-z0-9](?![\w/@-])")
_WORDS: Final = re.compile(r"[A-Za-z0-9][\w.:/-]*")
_OBJECT: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/[a-z0-9](?:[a-z0-9./-]*[a-z0-9])?")
_DASHED: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")
_CAMEL: Final = re.compile(r"[A-Za-z]+[a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+|[A-Z]{2,}[a-z]+[A-Za-z]*")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX: Final = re.compile(r"(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{12,64}", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?")
_KIND: Final = re.compile(
    r"\b(?:clusters?|nodes?|pods?|services?|deployments?|namespaces?|statefulsets?|daemonsets?|jobs?|"
    r"hosts?|containers?|workloads?|certificates?|volumes?|pvcs?|components?|servers?|operators?|"
    r"sites?|towers?|machines?|alerts?)\s+[*_\"'(]{0,3}$",
    re.IGNORECASE,
)
_KIND_AFTER: Final = re.compile(
    r"^[*_\"')]{0,3}\s+(?:cluster|node|pod|service|deployment|namespace|statefulset|daemonset|container|"
    r"workload|certificate|operator|alert)\b",
    re.IGNORECASE,
)
_SUBJECT: Final = re.compile(
    r"^[*_\"')]{0,3}\s+(?:is|are|was|has|had|cannot|can|could|lacks?|answers?|shows?|reports?|lost|went|runs?|fails?|does|did)\b"
)
_PLACE: Final = re.compile(r"\b(?:on|in|at|of|for|from|and|,)\s+[*_\"'(]{0,3}$", re.IGNORECASE)
_ALERT_END: Final = re.compile(
    r"(?:Down|High|Low|Full|Slow|Stuck|Firing|Failed|Failing|Failure|Missing|Mismatch|Looping|NotReady|"
    r"Unreachable|Degraded|Exhausted|Pressure|Expir(?:y|ing|ation|es\w*)|Errors?|Latency|Loss|Lost|"
    r"Unavailable|Overload(?:ed)?|Exceeded|Silent|Skew\w*|Flapping|Throttl\w*|Waiting|Killed|Changes|"
    r"Durations?|Burn|Absent|Switch|Drops?|Gone|Soon)$"
)
_COMMON: Final = frozenset(
    {
        *("ConfigMap", "StatefulSet", "DaemonSet", "ReplicaSet", "CronJob", "NetworkPolicy"),
        *("PersistentVolume", "PersistentVolumeClaim", "StorageClass", "VolumeAttachment"),
        *("ServiceAccount", "EndpointSlice", "ClusterOperator", "ClusterVersion", "MachineConfig"),
        *("MachineConfigPool", "ManagedCluster", "LimitRange", "ResourceQuota", "ServiceMonitor"),
        *("PodMonitor", "PrometheusRule", "PodDisruptionBudget", "HorizontalPodAutoscaler"),
        *("ClusterServiceVersion", "InstallPlan", "CatalogSource", "PtpConfig", "SriovNetwork"),
        *("CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "OOMKilled", "NotReady"),
        *("DiskPressure", "MemoryPressure", "PIDPressure", "ContainerCreating", "NodeLost"),
        *("CreateContainerConfigError", "ProgressDeadlineExceeded", "FailedScheduling"),
        *("FailedMount", "BackOff", "Unschedulable", "RunContainerError", "WaitForFirstConsumer"),
        *("OpenShift", "PostgreSQL", "MySQL", "MongoDB", "RabbitMQ", "GitHub", "GitLab", "VMware"),
        *("PromQL", "LogQL", "TraceQL", "OpenTelemetry", "Alertmanager", "VictoriaMetrics"),
        *("NVLink", "NVSwitch", "PCIe", "CoreDNS", "ArgoCD", "JavaScript", "GraphQL", "gRPC"),
        *("IPv4", "IPv6", "OAuth", "DevOps", "macOS", "iOS", "eBPF", "SRIOV", "OVNKubernetes"),
        *(
            "CPUs",
            "GPUs",
            "PVCs",
            "VMs",
            "APIs",
            "IDs",
            "URLs",
            "SLOs",
            "CNFs",
            "XIDs",
            "DUs",
            "IPs",
        ),
        *(
            "vDU",
            "vCU",
            "UPFs",
            "LLMs",
            "NICs",
            "VFs",
            "PFs",
            "KPIs",
            "HPAs",
            "SREs",
            "vLLM",
            "vCPU",
        ),
        *(
            "MicroShift",
            "HyperShift",
            "KubeVirt",
            "MetalLB",
            "CertManager",
            "AlertManager",
            "LLaMA",
        ),
        *(
            "PagerDuty",
            "ServiceNow",
            "StackOverflow",
            "YouTube",
            "LinkedIn",
            "JSON",
            "YAML",
            "NoSQL",
        ),
    }
)
_COMMON_SLASHED: Final = frozenset({"and/or", "read/write", "input/output", "client/server", "n/a"})
_NO_NAME: Final = re.compile(
    r"(?:utf|sha|md|gpt|layer|tier|level|phase|top|type|step|option|stage|part|part-time|sev|case|"
    r"llama|qwen|mistral|base|arm|x86|amd|i|covid|class|plan|day|week|month|year|q|h|p|t|v|k|g|non|"
    r"http|tcp|udp|tls|ssl|ipv|rfc|iso|cve|pre|post|sub|multi|mid|co|re|un|by|to)-[\w.-]*|"
    r"(?:\w+-)*(?:to|and|or|by|of|in|on|the|a|per|for|up|out|off)(?:-\w+)*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Name:
    """A name as an answer has it, and where."""

    start: int
    end: int
    text: str


class Known:
    """The names in the texts of results; a part of one that ends at a dash or slash stands for it.

    ``clusters`` are those that were asked.
    """

    def __init__(self, texts: Sequence[str], clusters: frozenset[str]) -> None:
        self._texts = texts
        self._text = "\n".join(texts).lower()
        self._clusters = clusters

    def has(self, name: str) -> bool:
        """Whether it stands in the results between characters that no name goes on with."""
        low = name.lower().strip(".:")
        at = self._text.find(low)
        while at >= 0:
            end = at + len(low)
            before, after = self._text[at - 1 : at], self._text[end : end + 1]
            if not (before.isalnum() or after.isalnum()):
                return True
            at = self._text.find(low, at + 1)
        return False

    def has_object(self, name: str) -> bool:
        """As ``has``; ``space/name`` may be told as ``space/Kind/name``."""
        if self.has(name):
            return True
        space, slash, rest = name.lower().partition("/")
        pattern = rf"(?<![\w-]){re.escape(space)}/[a-z]+/{re.escape(rest)}(?![a-z0-9])"
        return bool(slash) and re.search(pattern, self._text) is not None

    def is_first_part(self, word: str) -> bool:
        """Whether some ``word/name`` is in the results, as of a namespace."""
        at = self._text.find(f"{word}/")
        return at >= 0 and not self._text[at - 1 : at].isalnum()

    @cached_property
    def cluster_parts(self) -> frozenset[str]:
        """What the names of clusters begin with, such as ``prod``."""
        names = self._clusters | clusters_of(self._texts)
        return frozenset(name.partition("-")[0].lower() for name in names if "-" in name)


def names_in(text: str, known: Known) -> Iterator[Name]:
    """What in a sentence can only be a name."""
    for match in _TOKEN.finditer(text):
        token = match[0]
        before, after = text[max(match.start() - 24, 0) : match.start()], text[match.end() :][:24]
        if _is_name(token, before, after, known):
            yield Name(match.start(), match.end(), token)


def is_name_in_code(token: str, known: Known) -> bool:
    """Whether one word of inline code is a name; keys, flags and words of YAML are not."""
    if _is_name(token, "", "", known):
        return True
    return bool(_DASHED.fullmatch(token)) and any(letter.isdigit() for letter in token)


def _is_name(token: str, before: str, after: str, known: Known) -> bool:
    if (
        _UUID.fullmatch(token.removeprefix("GPU-").removeprefix("MIG-"))
        or _HEX.fullmatch(token)
        or _ADDRESS.fullmatch(token)
    ):
        return True
    if "/" in token:
        return _is_object(token, known)
    if _DASHED.fullmatch(token):
        return _is_dashed_name(token, before, after, known)
    if _CAMEL.fullmatch(token):
        return _is_alert(token, before, after)
    return False


def _is_object(token: str, known: Known) -> bool:
    if not _OBJECT.fullmatch(token) or token in _COMMON_SLASHED:
        return False
    first, _, rest = token.partition("/")
    if first.isdigit() or (rest[:1].isdigit() and rest.replace(".", "").isdigit()):
        return False
    if "." in first and "-" not in first:
        return False  # an image or an API group
    told = "-" in token and any(letter.isdigit() for letter in token)
    return told or known.is_first_part(first)


def _is_dashed_name(token: str, before: str, after: str, known: Known) -> bool:
    if token[0].isdigit() or _NO_NAME.fullmatch(token):
        return False
    parts = token.split("-")
    if re.fullmatch(r"\d+[a-z]?", parts[-1]) and len(parts[0]) > 1:
        return not (len(parts) == 2 and parts[0] in _ORDINARY)
    has_digit = any(letter.isdigit() for letter in token)
    if has_digit and len(parts) > 2:
        return True
    named = bool(_KIND.search(before)) or bool(_KIND_AFTER.match(after))
    placed = bool(_PLACE.search(before)) or bool(_SUBJECT.match(after))
    if parts[0] in known.cluster_parts and (placed or named):
        return parts[-1] not in _ORDINARY_ENDS
    return bool(_KIND.search(before)) and parts[-1] not in _ORDINARY_ENDS


_ORDINARY: Final = frozenset(
    [
        "apollo",
        "card",
        "code",
        "core",
        "cpu",
        "disk",
        "error",
        "exit",
        "gpu",
        "grade",
        "line",
        "node",
        "numa",
        "page",
        "port",
        "priority",
        "rack",
        "replica",
        "row",
        "worker",
        "xid",
        "zone",
    ]
)
_ORDINARY_ENDS: Final = frozenset(
    [
        "aware",
        "back",
        "backs",
        "based",
        "bound",
        "case",
        "cases",
        "check",
        "checks",
        "cluster",
        "clusters",
        "created",
        "critical",
        "down",
        "edge",
        "end",
        "facing",
        "failure",
        "heavy",
        "in",
        "killed",
        "level",
        "like",
        "limit",
        "limits",
        "line",
        "load",
        "local",
        "loop",
        "looped",
        "looping",
        "loops",
        "managed",
        "memory",
        "node",
        "nodes",
        "not",
        "off",
        "on",
        "only",
        "out",
        "owned",
        "plane",
        "pod",
        "pods",
        "pressure",
        "ready",
        "related",
        "running",
        "scheduled",
        "scoped",
        "service",
        "services",
        "side",
        "specific",
        "state",
        "term",
        "time",
        "to",
        "triggered",
        "up",
        "wide",
        "wise",
    ]
)


def _is_alert(token: str, before: str, after: str) -> bool:
    if token in _COMMON or token.removesuffix("s") in _COMMON:
        return False
    humps = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+", token)
    told = re.search(r"\balerts?\b", before + " " + after, re.IGNORECASE) is not None
    return (
        (len(humps) >= 3 and token[0].isupper() and _ALERT_END.search(token) is not None)
        or (len(humps) >= 2 and told and (token[0].isupper() or len(humps) > 3))
        or (len(humps) >= 3 and humps[0] == "Kube")
        or (len(humps) >= 4 and token[0].isupper())
    )


def clusters_of(texts: Sequence[str]) -> frozenset[str]:
    """Names that stand in the cells of columns called cluster, name or clusters."""
    found: set[str] = set()
    for text in texts:
        lines = text.split("\n")
        for at, line in enumerate(lines[1:3], 1):
            columns = line.split(" | ")
            places = [n for n, one in enumerate(columns) if one in ("cluster", "clusters")]
            for row in lines[at + 1 :] if places else ():
                cells = row.split(" | ")
                if len(cells) >= len(columns):
                    found.update(_WORDS.findall(" ".join(cells[n] for n in places)))
    return frozenset(found)
