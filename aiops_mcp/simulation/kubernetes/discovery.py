"""What an API server says it has: legacy discovery, and the aggregated form kubectl asks for."""

from collections.abc import Sequence

from aiops_mcp.simulation.kubernetes.resources import Resource, groups_of
from aiops_mcp.simulation.kubernetes.view import Json

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
IN_ALL = frozenset(
    {
        "pods",
        "services",
        "deployments",
        "replicasets",
        "statefulsets",
        "daemonsets",
        "jobs",
        "cronjobs",
    }
)
"""What ``kubectl get all`` shows."""

_REVIEWS = {
    "authorization.k8s.io": ("SelfSubjectAccessReview", "SelfSubjectRulesReview"),
    "authentication.k8s.io": ("TokenReview", "SelfSubjectReview"),
}


def api_versions() -> Json:
    """``/api`` in its legacy form."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def _group(name: str) -> Json:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def api_group_list(resources: Sequence[Resource]) -> Json:
    """``/apis`` in its legacy form."""
    groups = [_group(name) for name in groups_of(resources) if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(name: str) -> Json:
    """``/apis/GROUP``."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}


def api_resource_list(group: str, resources: Sequence[Resource]) -> Json:
    """``/api/v1`` or ``/apis/GROUP/VERSION``."""
    entries: list[Json] = []
    for one in resources:
        entries.append(
            {
                "name": one.plural,
                "singularName": one.singular,
                "namespaced": one.namespaced,
                "kind": one.kind,
                "verbs": list(one.verbs),
                "shortNames": list(one.short),
                **({"categories": ["all"]} if one.plural in IN_ALL else {}),
            }
        )
        entries.extend(
            {
                "name": f"{one.plural}/{sub}",
                "singularName": "",
                "namespaced": one.namespaced,
                "kind": one.kind,
                "verbs": ["get", "create"],
            }
            for sub in one.subresources
        )
    entries.extend(
        {
            "name": f"{kind.lower()}s",
            "singularName": kind.lower(),
            "namespaced": False,
            "kind": kind,
            "verbs": ["create"],
        }
        for kind in _REVIEWS.get(group, ())
    )
    version = f"{group}/v1" if group else "v1"
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": entries,
    }


def aggregated(groups: dict[str, list[Resource]]) -> Json:
    """``/api`` or ``/apis`` as one ``APIGroupDiscoveryList``."""
    items: list[Json] = []
    for name, members in groups.items():
        listed = [_aggregated_resource(one) for one in members]
        listed.extend(
            {
                "resource": f"{kind.lower()}s",
                "responseKind": {"group": name, "version": "v1", "kind": kind},
                "scope": "Cluster",
                "singularResource": kind.lower(),
                "verbs": ["create"],
            }
            for kind in _REVIEWS.get(name, ())
        )
        version = {"version": "v1", "resources": listed, "freshness": "Current"}
        about = {"name": name} if name else {}
        items.append({"metadata": about, "versions": [version]})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated_resource(one: Resource) -> Json:
    kind = {"group": one.group, "version": one.version, "kind": one.kind}
    entry: Json = {
        "resource": one.plural,
        "responseKind": kind,
        "scope": "Namespaced" if one.namespaced else "Cluster",
        "singularResource": one.singular,
        "verbs": list(one.verbs),
    }
    if one.short:
        entry["shortNames"] = list(one.short)
    if one.plural in IN_ALL:
        entry["categories"] = ["all"]
    if one.subresources:
        entry["subresources"] = [
            {"subresource": sub, "responseKind": kind, "verbs": ["get", "create"]}
            for sub in one.subresources
        ]
    return entry
