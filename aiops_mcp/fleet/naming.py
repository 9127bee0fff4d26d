"""From what a caller wrote to a cluster it may see, or to an error that names near ones. Pure."""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from aiops_mcp.errors import ClusterNotFound
from aiops_mcp.models.principal import Principal

if TYPE_CHECKING:  # a server that only lists tools can spare the database's libraries
    from aiops_mcp.fleet.roster import Snapshot
    from aiops_mcp.storage.clusters import ClusterRecord

_NEAR = 5  # names an error offers
_SHOWN = 80  # characters of a wrong name that are repeated


def find_visible(
    snapshot: "Snapshot", name_or_id: str | UUID, principal: Principal
) -> "ClusterRecord":
    """The cluster of this name or id.

    Raises:
        ClusterNotFound: none, or none the principal may see, which is the same to it.
    """
    record = (
        snapshot.by_id.get(name_or_id)
        if isinstance(name_or_id, UUID)
        else snapshot.by_name.get(name_or_id) or snapshot.by_id.get(_id(name_or_id) or _NO_ID)
    )
    if record is not None and principal.sees(record.cluster.name):
        return record
    visible = [name for name in snapshot.by_name if principal.sees(name)]
    raise no_such_cluster(str(name_or_id), visible)


_NO_ID = UUID(int=0)


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def near_names(wanted: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names most like the wanted one, best first: spelt alike, then those it is a part of."""
    lowered = wanted.strip().lower()[:_SHOWN]
    near = difflib.get_close_matches(lowered, names, n=_NEAR, cutoff=0.6)
    parts = [name for name in names if len(lowered) > 1 and lowered in name and name not in near]
    return tuple([*near, *parts][:_NEAR])


def no_such_cluster(wanted: str, names: Sequence[str]) -> ClusterNotFound:
    """The error for an unknown cluster; ``names`` are those the caller may see."""
    shown = wanted if len(wanted) <= _SHOWN else f"{wanted[:_SHOWN]}…"
    near = near_names(wanted, names)
    if near:
        hint = f"Near names: {', '.join(near)}."
    elif names:
        hint = f"List the clusters to see all {len(names)} names."
    else:
        hint = "List the clusters to see what is registered."
    return ClusterNotFound(f"No cluster is called {shown!r}.", hint, details={"near": list(near)})
