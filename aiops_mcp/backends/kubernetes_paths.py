"""Where a kind of object is found in the Kubernetes API. Pure."""

from urllib.parse import quote

from aiops_mcp.errors import InputError

_GROUPS = {
    "v1": (
        "pods nodes services namespaces events configmaps secrets endpoints serviceaccounts "
        "persistentvolumeclaims persistentvolumes replicationcontrollers resourcequotas limitranges"
    ),
    "apps/v1": "deployments replicasets statefulsets daemonsets",
    "batch/v1": "jobs cronjobs",
    "networking.k8s.io/v1": "ingresses networkpolicies",
    "storage.k8s.io/v1": "storageclasses",
    "policy/v1": "poddisruptionbudgets",
    "autoscaling/v2": "horizontalpodautoscalers",
    "discovery.k8s.io/v1": "endpointslices",
    "apiextensions.k8s.io/v1": "customresourcedefinitions",
    "coordination.k8s.io/v1": "leases",
    "config.openshift.io/v1": "clusterversions clusteroperators infrastructures",
    "machineconfiguration.openshift.io/v1": "machineconfigpools",
    "route.openshift.io/v1": "routes",
    "cluster.open-cluster-management.io/v1": "managedclusters",
}
_KNOWN = {
    plural: api_version for api_version, plurals in _GROUPS.items() for plural in plurals.split()
}


def resource_path(resource: str, namespace: str | None = None, name: str | None = None) -> str:
    """The path of a kind's list, or of one object.

    ``resource`` is a well-known plural (``pods``, ``deployments``), ``plural.group/version``
    (``clusterpolicies.nvidia.com/v1``), or a path of its own, beginning with a slash.

    Raises:
        InputError: the kind is not known by its plural alone.
    """
    if resource.startswith("/"):
        return _with_name(resource.rstrip("/"), name)
    plural, _, group_version = resource.partition(".")
    api_version = group_version or _KNOWN.get(plural)
    if api_version is None:
        raise InputError(
            f"{resource!r} is not a kind of object that is known by its plural alone.",
            "Write plural.group/version, such as clusterpolicies.nvidia.com/v1.",
        )
    if "/" not in api_version and api_version != "v1":
        raise InputError(
            f"{resource!r} has no version.", "Write plural.group/version, such as routes.x.io/v1."
        )
    root = f"/api/{api_version}" if api_version == "v1" else f"/apis/{api_version}"
    place = f"/namespaces/{segment(namespace)}" if namespace else ""
    return _with_name(f"{root}{place}/{plural}", name)


def _with_name(path: str, name: str | None) -> str:
    return path if name is None else f"{path}/{segment(name)}"


def segment(name: str) -> str:
    """A name as one path segment; a slash or dots in it lead nowhere else.

    Raises:
        InputError: it is empty, or would be read as a path.
    """
    if name in {"", ".", ".."} or "/" in name:
        raise InputError(f"{name!r} is not the name of an object.", "Use its plain name.")
    return quote(name, safe="")
