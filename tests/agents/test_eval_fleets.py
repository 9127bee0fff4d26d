"""What simulated fleets share: which clusters an incident touches, and answers that are remembered."""

import httpx2
import pytest

from agents.evaluate.remembered import SharedFleets, WireMemory, touched_by
from agents.evaluate.simulated import NOW, SEED
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.topology import default_fleet
from aiops_mcp.simulation.world import World

KNOWN = read_incidents(None)


async def _streamed(text: str):
    yield text.encode()


class _Backend(httpx2.AsyncBaseTransport):
    """Answers with what it was asked, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closed = False

    async def handle_async_request(self, request):
        body = (await request.aread()).decode()
        self.asked.append(f"{request.method} {request.url.path} {body}")
        return httpx2.Response(418, headers={"x-kept": "yes"}, content=_streamed(f"{body}!"))

    async def aclose(self) -> None:
        self.closed = True


async def _ask(transport, host: str, body: str = "query=up") -> httpx2.Response:
    request = httpx2.Request("POST", f"https://{host}.sim.invalid/api/v1/query", content=body)
    answer = await transport(f"https://{host}.sim.invalid").handle_async_request(request)
    await answer.aread()
    return answer


def _over(memory: WireMemory, backend: _Backend, fleet="f", moment="noon"):
    return memory.over(lambda _: backend, moment=moment, fleet=fleet, touched=frozenset({"struck"}))


async def test_an_answer_is_remembered_whole():
    backend, memory = _Backend(), WireMemory()
    transport = _over(memory, backend)
    for _ in range(2):
        answer = await _ask(transport, "prometheus.calm")
        assert (answer.status_code, answer.text) == (418, "query=up!")
        assert answer.headers["x-kept"] == "yes"
    await _ask(transport, "prometheus.calm", "query=down")
    assert backend.asked == ["POST /api/v1/query query=up", "POST /api/v1/query query=down"]
    assert memory.hits == 1


async def test_what_is_struck_belongs_to_its_fleet_and_all_to_its_moment():
    backend, memory = _Backend(), WireMemory()
    for fleet in ("f", "g"):
        await _ask(_over(memory, backend, fleet), "prometheus.struck")
        await _ask(_over(memory, backend, fleet), "alertmanager.calm")
    assert len(backend.asked) == 3
    await _ask(_over(memory, backend, moment="night"), "alertmanager.calm")
    assert len(backend.asked) == 4


async def test_other_backends_are_always_asked():
    backend = _Backend()
    transport = _over(WireMemory(), backend)
    assert transport("https://api.calm.sim.invalid:6443") is backend
    assert _over(WireMemory(), backend)("https://loki.calm.sim.invalid") is backend
    wrapped = transport("https://prometheus.calm.sim.invalid")
    await wrapped.aclose()
    assert backend.closed


async def test_the_memory_is_bounded():
    backend, memory = _Backend(), WireMemory(most_bytes=80)
    transport = _over(memory, backend)
    for number in range(10):
        await _ask(transport, "prometheus.calm", f"n={number}")
    await _ask(transport, "prometheus.calm", "n=9")
    assert len(backend.asked) == 10
    for number in range(10):
        await _ask(transport, "prometheus.calm", f"n={number}" + "x" * 9)
    await _ask(transport, "prometheus.calm", "n=0" + "x" * 9)
    assert len(backend.asked) == 21  # longer than an eighth of the whole: not kept
    small = WireMemory(most_bytes=40)
    for number in range(12):
        await _ask(_over(small, backend), "prometheus.calm", f"n={number}")
    before = len(backend.asked)
    await _ask(_over(small, backend), "prometheus.calm", "n=0")
    assert len(backend.asked) == before + 1


@pytest.mark.parametrize(
    ("names", "away", "touched", "not_touched"),
    [
        (["gpu-xid-79"], [], {"ml-oregon", "fleet-hub"}, {"prod-virginia", "ml-zurich"}),
        (["region-partition"], [], {"edge-dallas", "tower-42", "fleet-hub"}, {"edge-munich"}),
        (["cross-cluster-payment"], [], {"prod-frankfurt", "prod-virginia"}, {"ml-oregon"}),
        (["bad-rollout"], [], {"prod-virginia", "prod-frankfurt"}, {"dev-dublin"}),
        ([], ["tower-17"], {"tower-17", "fleet-hub"}, {"prod-virginia"}),
    ],
)
def test_which_clusters_are_touched(names, away, touched, not_touched):
    found = touched_by([KNOWN[name] for name in names], away, default_fleet())
    assert found >= touched
    assert not found & not_touched


def test_a_whole_fleet_is_touched_by_what_happens_everywhere():
    assert len(touched_by([KNOWN["healthy"]], (), default_fleet())) == 15


async def test_fleets_of_one_moment_share_what_is_not_touched():
    shared = SharedFleets()
    started = start_incidents(["gpu-xid-79"], KNOWN, now=NOW.timestamp())
    own = SimulatedFleet(World(SEED, started, NOW.timestamp))
    transport = shared.transport_for(own, started, ())
    url = "https://api.{}.sim.invalid:6443"
    request = httpx2.Request("GET", url.format("ml-oregon") + "/version")
    answer = await transport(url.format("ml-oregon")).handle_async_request(request)
    assert answer.status_code in (200, 401)
    await answer.aread()
    transport(url.format("dev-dublin"))
    assert set(own._apps) == {("ml-oregon", "api")}
    quiet = shared._quiet
    assert quiet is not None
    assert set(quiet._apps) == {("dev-dublin", "api")}
    shared.transport_for(own, started, ())
    assert shared._quiet is quiet
    later = SimulatedFleet(World(SEED, (), lambda: NOW.timestamp() + 60))
    shared.transport_for(later, (), ())
    assert shared._quiet is not quiet
