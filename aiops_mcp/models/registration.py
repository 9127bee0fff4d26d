"""What is said when a cluster is registered or changed. The registry gives it id and dates."""

import re
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, WithJsonSchema

from aiops_mcp.errors import InvalidClusterName
from aiops_mcp.models.cluster import (
    CLUSTER_NAME_PATTERN,
    ApiServerUrl,
    ClusterEndpoints,
    ClusterType,
    Environment,
    Platform,
)
from aiops_mcp.models.entity import Entity

_NAME = re.compile(CLUSTER_NAME_PATTERN)
_NAME_RULE = (
    "A name has 3 to 63 lower-case letters, digits and dashes, starts and ends with a letter or "
    "digit (such as prod-east-1), and is not written like an id."
)
_SHOWN = 80  # characters of a bad name that are repeated


def checked_cluster_name(name: str) -> str:
    """The name itself, when it may name a cluster.

    Raises:
        InvalidClusterName: it breaks the contract's pattern, or could be mistaken for an id.
    """
    if _NAME.fullmatch(name) is None or "\n" in name or _is_id(name):
        shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
        raise InvalidClusterName(
            f"{shown!r} cannot be the name of a cluster.", _NAME_RULE, details={"field": "name"}
        )
    return name


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


NewName = Annotated[
    str,
    AfterValidator(checked_cluster_name),
    WithJsonSchema({"type": "string", "pattern": CLUSTER_NAME_PATTERN}),
]


def _printable(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("control characters are not allowed")
    return text


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
DisplayName = Annotated[str, Field(max_length=128), AfterValidator(_printable)]
Region = Annotated[str, Field(max_length=128), AfterValidator(_printable)]
LabelKey = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_printable)]
LabelValue = Annotated[str, Field(max_length=253), AfterValidator(_printable)]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=64)]


class NewCluster(Entity):
    """A cluster to register. A malformed name raises ``InvalidClusterName`` from the model."""

    name: NewName
    display_name: DisplayName = ""
    api_server_url: ApiServerUrl
    cluster_type: ClusterType = ClusterType.SPOKE
    platform: Platform = Platform.OPENSHIFT
    region: Region | None = None
    environment: Environment = Environment.DEVELOPMENT
    labels: Labels = Field(default_factory=dict)
    endpoints: ClusterEndpoints = ClusterEndpoints()


class ClusterChanges(Entity):
    """What to change; what is left out stays. ``labels`` and ``endpoints`` replace the old ones.

    An explicit null clears ``region``; for every other field it means no change.
    """

    name: NewName | None = None
    display_name: DisplayName | None = None
    api_server_url: ApiServerUrl | None = None
    cluster_type: ClusterType | None = None
    platform: Platform | None = None
    region: Region | None = None
    environment: Environment | None = None
    labels: Labels | None = None
    endpoints: ClusterEndpoints | None = None

    def values(self) -> dict[str, Any]:
        """The fields to change with their new values."""
        return {
            field: getattr(self, field)
            for field in self.model_fields_set
            if field == "region" or getattr(self, field) is not None
        }
