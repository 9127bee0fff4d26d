"""Answers of simulated backends, remembered from fleet to fleet.

At one moment a cluster that no incident touches answers the same in every fleet, and most of the
time of an evaluation is the simulation's own. It must not know what is asked.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import httpx2

from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import Incident, StartedIncident
from aiops_mcp.simulation.topology import FleetSpec
from aiops_mcp.simulation.world import World

BACKENDS: Final = ("prometheus.", "alertmanager.")
"""Beginnings of the hosts whose answers follow from their own cluster alone."""
MOST_BYTES: Final = 96 * 1024 * 1024

Transport = httpx2.AsyncBaseTransport


@dataclass(frozen=True, slots=True)
class _Kept:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class WireMemory:
    """Whole answers by what was asked, of the latest use; bounded in bytes."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
        self._bytes = 0
        self._most = most_bytes
        self.hits = 0

    def get(self, key: tuple[str, ...]) -> _Kept | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            self.hits += 1
        return found

    def put(self, key: tuple[str, ...], kept: _Kept) -> None:
        if len(kept.body) > self._most // 8 or key in self._kept:
            return
        self._kept[key] = kept
        self._bytes += len(kept.body)
        while self._bytes > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.body)

    def over(
        self,
        transport_for: Callable[[str], Transport | None],
        *,
        moment: str,
        fleet: str,
        touched: frozenset[str],
    ) -> Callable[[str], Transport | None]:
        """``transport_for`` with this memory before it.

        ``touched`` are the clusters whose answers belong to this ``fleet`` alone.
        """

        def remembering(url: str) -> Transport | None:
            inner = transport_for(url)
            host = httpx2.URL(url).host
            if inner is None or not host.startswith(BACKENDS):
                return inner
            cluster = _cluster_of(host)
            return _Remembering(inner, self, (moment, fleet if cluster in touched else ""))

        return remembering


class _Remembering(Transport):
    def __init__(self, inner: Transport, memory: WireMemory, prefix: tuple[str, ...]) -> None:
        self._inner = inner
        self._memory = memory
        self._prefix = prefix

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        key = (*self._prefix, request.method, str(request.url), body.decode("utf-8", "replace"))
        kept = self._memory.get(key)
        if kept is None:
            answer = await self._inner.handle_async_request(request)
            content = b"".join([chunk async for chunk in answer.aiter_raw()])
            await answer.aclose()
            kept = _Kept(answer.status_code, answer.headers.raw, content)
            self._memory.put(key, kept)
        return httpx2.Response(
            kept.status, headers=kept.headers, content=kept.body, request=request
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class SharedFleets:
    """What fleets of one process share: at a moment, the clusters that no incident touches.

    Their servers are those of one fleet in which nothing happens, warm since they were first
    asked, and their answers are remembered. The fleet of the latest moment is kept.
    """

    def __init__(self, memory: WireMemory | None = None) -> None:
        self._memory = memory or WireMemory()
        self._moment = 0.0
        self._quiet: SimulatedFleet | None = None

    def transport_for(
        self,
        own: SimulatedFleet,
        incidents: Sequence[StartedIncident],
        away: Sequence[str],
    ) -> Callable[[str], Transport | None]:
        """What carries requests to the clusters of ``own``, or to what answers alike."""
        world = own.world
        touched = touched_by([one.incident for one in incidents], away, world.fleet)
        quiet = self._of(world)

        def alike(url: str) -> Transport | None:
            host = httpx2.URL(url).host
            return (own if _cluster_of(host) in touched else quiet).transport(url)

        fleet = " ".join([f"{one.incident.name}@{one.onset}" for one in incidents] + [*away])
        moment = str(world.now())
        return self._memory.over(alike, moment=moment, fleet=fleet, touched=touched)

    def _of(self, world: World) -> SimulatedFleet:
        now = world.now()
        if self._quiet is None or now != self._moment:
            self._moment = now
            self._quiet = SimulatedFleet(World(world.seed, (), lambda: now))
        return self._quiet


def _cluster_of(host: str) -> str:
    return host.removesuffix(".sim.invalid").partition(".")[2]


def touched_by(
    incidents: Iterable[Incident], away: Iterable[str], fleet: FleetSpec
) -> frozenset[str]:
    """The clusters that answer otherwise than on a quiet day.

    They are those that incidents bend, those that are away, hubs, which tell of them all, and
    clusters that call one of these or are called by it: traces lie on both sides.
    """
    found = set(away)
    for incident in incidents:
        for place in (incident.where, *(effect.where for effect in incident.effects)):
            if place is None:
                continue
            found |= {
                one.name
                for one in fleet.clusters
                if place.everywhere or one.name in place.clusters or one.region in place.regions
            }
    calls = [(one.name, call.cluster) for one in fleet.clusters for call in one.remote_calls]
    beside = {name for pair in calls if found & set(pair) for name in pair}
    hubs = {one.name for one in fleet.clusters if "hub" in one.stacks}
    return frozenset(found | beside | hubs)
