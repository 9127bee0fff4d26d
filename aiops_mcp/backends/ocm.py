"""Managed clusters of an Open Cluster Management hub, read from its objects. Pure.

Source: open-cluster-management-io/api ``cluster/v1``.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiops_mcp.models.cluster import Platform

MANAGED_CLUSTERS = "managedclusters.cluster.open-cluster-management.io/v1"
_AVAILABLE = "ManagedClusterConditionAvailable"
_VERSION_CLAIM = "version.openshift.io"
_REGION_CLAIM = "region.open-cluster-management.io"


@dataclass(frozen=True, slots=True)
class ManagedClusterInfo:
    """A cluster as its hub knows it.

    ``available`` is None when the hub has lost sight of it (its lease ran out) or never saw it.
    ``version`` is OpenShift's where it is one, else Kubernetes's.
    """

    name: str
    api_url: str | None
    ca_bundle: str | None
    labels: Mapping[str, str]
    version: str | None
    available: bool | None
    platform: Platform
    region: str | None
    is_hub: bool
    is_accepted: bool


def managed_clusters(objects: Iterable[Mapping[str, Any]]) -> list[ManagedClusterInfo]:
    """One entry for each ``ManagedCluster``, by name; an object without a name is left out."""
    found = [_managed_cluster(one) for one in objects if _part(one, "metadata").get("name")]
    return sorted(found, key=lambda cluster: cluster.name)


def _managed_cluster(item: Mapping[str, Any]) -> ManagedClusterInfo:
    metadata, spec, status = (_part(item, key) for key in ("metadata", "spec", "status"))
    labels: dict[str, str] = metadata.get("labels") or {}
    claims = {claim["name"]: claim.get("value") for claim in status.get("clusterClaims") or ()}
    configs: list[dict[str, Any]] = spec.get("managedClusterClientConfigs") or []
    config: dict[str, Any] = next((one for one in configs if one.get("url")), dict[str, Any]())
    return ManagedClusterInfo(
        name=str(metadata["name"]),
        api_url=config.get("url"),
        ca_bundle=_pem(config.get("caBundle")),
        labels=labels,
        version=claims.get(_VERSION_CLAIM) or _part(status, "version").get("kubernetes"),
        available=_condition(status, _AVAILABLE),
        platform=_platform(labels, claims),
        region=claims.get(_REGION_CLAIM) or labels.get("region"),
        is_hub=labels.get("local-cluster") == "true",
        is_accepted=spec.get("hubAcceptsClient") is True,
    )


def _part(item: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return item.get(key) or {}


def _platform(labels: Mapping[str, str], claims: Mapping[str, Any]) -> Platform:
    product = str(claims.get("product.open-cluster-management.io") or labels.get("vendor") or "")
    if "microshift" in product.lower():
        return Platform.MICROSHIFT
    is_openshift = _VERSION_CLAIM in claims or product.lower() in {
        "openshift",
        "rosa",
        "aro",
        "roks",
        "osd",
        "openshiftdedicated",
    }
    return Platform.OPENSHIFT if is_openshift else Platform.KUBERNETES


def _condition(status: Mapping[str, Any], kind: str) -> bool | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == kind:
            return {"True": True, "False": False}.get(condition.get("status"))
    return None


def _pem(encoded: Any) -> str | None:
    """``caBundle`` is base64 of PEM; one that is neither is as good as none."""
    if not isinstance(encoded, str) or not encoded:
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return None
