"""Who made what made an object: ReplicaSet to Deployment, Job to CronJob, up to the top.

Only the owners of what is shown are asked for, as metadata; a chain that cannot be read further
ends where it is.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiops_mcp.backends.kubernetes_lists import get_metadata
from aiops_mcp.fleet.object_kinds import list_path
from aiops_mcp.fleet.object_reading import ObjectReader
from aiops_mcp.fleet.object_rows import owner_of

MOST_ASKED = 60
_GO_BETWEEN = {"ReplicaSet": "replicasets.apps", "Job": "jobs.batch"}
"""Kinds that somebody else makes; what is owned by another is shown with that one."""


@dataclass(frozen=True, slots=True)
class Owner:
    namespace: str | None
    kind: str
    name: str

    @property
    def text(self) -> str:
        return f"{self.kind}/{self.name}"


Chains = Mapping[Owner, Owner | None]


async def read_chains(reader: ObjectReader, owners: Iterable[Owner]) -> Chains:
    """The owner of each of these that is a go-between; those that cannot be read are left out."""
    asked = sorted(
        {owner for owner in owners if owner.kind in _GO_BETWEEN},
        key=lambda owner: (owner.namespace or "", owner.name),
    )
    found: dict[Owner, Owner | None] = {}

    async def read(owner: Owner) -> None:
        kind = reader.has(_GO_BETWEEN[owner.kind])
        if kind is None:
            return
        metadata = await get_metadata(reader.http, list_path(kind, owner.namespace, owner.name))
        above = owner_of(metadata)
        found[owner] = Owner(owner.namespace, *above) if above else None

    works = [reader.attempt(owner.text, read(owner)) for owner in asked[:MOST_ASKED]]
    await asyncio.gather(*works)
    return found


def chain_of(owner: Owner | None, chains: Chains) -> tuple[str, ...]:
    """``("ReplicaSet/web-7d9f", "Deployment/web")``, nearest first."""
    chain: list[str] = []
    while owner is not None and owner.text not in chain:
        chain.append(owner.text)
        owner = chains.get(owner)
    return tuple(chain)
