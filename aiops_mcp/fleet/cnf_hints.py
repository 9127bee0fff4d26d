"""Which pods are network functions (5G RAN and core), by several weak hints together. Pure.

No single sign is proof: a name may be chance, hugepages may serve a database. Each hint adds to a
score, and `THRESHOLD` asks for two that agree. Signs: k8snetworkplumbingwg and CRI-O annotations,
OKD's telco reference designs, the ports of GTP-U, PFCP and NGAP (3GPP TS 29.281, 29.244, 38.412).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aiops_mcp.models.cluster import CnfType

Object = Mapping[str, Any]

THRESHOLD = 3
NAME, NAMESPACE, PORT, HINT = 2, 2, 2, 1

_NAMES = re.compile(
    r"(?:^|[-_.])(?P<name>v?du|v?cu(?:-?[cu]p)?|upf|amf|smf|nrf|ausf|udm|pcf)(?:[-_.0-9]|$)"
)
_NAMESPACES = re.compile(r"(?:^|-)(?:open5gs|free5gc|oai)(?:-|$)")
_NETWORKS = "k8s.v1.cni.cncf.io/networks"
_CRIO = ("cpu-load-balancing.crio.io", "irq-load-balancing.crio.io", "cpu-quota.crio.io")
_PORTS = {(2152, "UDP"): CnfType.UPF, (8805, "UDP"): None, (38412, "SCTP"): CnfType.AMF}
_TYPES = {"upf": CnfType.UPF, "amf": CnfType.AMF, "smf": CnfType.SMF}


def cnf_types(pods: Iterable[Object]) -> tuple[CnfType, ...]:
    """The kinds of network functions among the pods, in the order of the contract."""
    found = {kind for pod in pods if (kind := cnf_type(pod)) is not None}
    return tuple(kind for kind in CnfType if kind in found)


def cnf_type(pod: Object) -> CnfType | None:
    """What network function a pod is; None for every other pod."""
    if score(pod) < THRESHOLD:
        return None
    name = _function_name(pod)
    if name is None:
        return next((kind for kind in _port_kinds(pod) if kind is not None), CnfType.OTHER)
    if name in _TYPES:
        return _TYPES[name]
    bare = name.removeprefix("v")
    if bare == "du":
        return CnfType.VDU
    return CnfType.VCU if bare.startswith("cu") else CnfType.OTHER


def score(pod: Object) -> int:
    """How much speaks for a network function."""
    return sum(_signs(pod).values())


def hints_of(pod: Object) -> tuple[str, ...]:
    """The signs that speak for a network function, in words."""
    return tuple(_signs(pod))


def _signs(pod: Object) -> dict[str, int]:
    """Each sign that is there with its weight."""
    metadata: Object = pod.get("metadata") or {}
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    spec: Object = pod.get("spec") or {}
    status: Object = pod.get("status") or {}
    resources = set(_resources(spec))
    signs = {
        "name": (NAME, _function_name(pod) is not None),
        "namespace": (NAMESPACE, bool(_NAMESPACES.search(str(metadata.get("namespace", ""))))),
        "ports": (PORT, bool(list(_port_kinds(pod)))),
        "extra networks": (HINT, _NETWORKS in annotations),
        "isolated CPUs": (HINT, any(annotations.get(name) == "disable" for name in _CRIO)),
        "performance runtime": (
            HINT,
            str(spec.get("runtimeClassName") or "").startswith("performance-"),
        ),
        "hugepages": (HINT, any(name.startswith("hugepages-") for name in resources)),
        "virtual functions": (HINT, any(name.startswith("openshift.io/") for name in resources)),
        "guaranteed": (HINT, status.get("qosClass") == "Guaranteed"),
    }
    return {sign: weight for sign, (weight, is_there) in signs.items() if is_there}


def _function_name(pod: Object) -> str | None:
    metadata: Object = pod.get("metadata") or {}
    labels: Mapping[str, str] = metadata.get("labels") or {}
    texts = (
        str(metadata.get("name", "")),
        labels.get("app.kubernetes.io/name", ""),
        labels.get("app.kubernetes.io/component", ""),
        labels.get("app", ""),
        str(metadata.get("namespace", "")),
    )
    for text in texts:
        found = _NAMES.search(text.lower())
        if found is not None:
            return found["name"]
    return None


def _containers(spec: Object) -> Iterator[Object]:
    yield from spec.get("containers") or ()


def _resources(spec: Object) -> Iterator[str]:
    for container in _containers(spec):
        resources: Object = container.get("resources") or {}
        yield from resources.get("requests") or ()
        yield from resources.get("limits") or ()


def _port_kinds(pod: Object) -> Iterator[CnfType | None]:
    for container in _containers(pod.get("spec") or {}):
        for port in container.get("ports") or ():
            key = (port.get("containerPort"), port.get("protocol", "TCP"))
            if key in _PORTS:
                yield _PORTS[key]
