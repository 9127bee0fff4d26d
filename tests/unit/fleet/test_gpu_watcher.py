"""GPU_UPDATE only for what matters: the first look, silence and noise tell nothing."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from aiops_mcp.analysis.gpuhealth_facts import Thresholds
from aiops_mcp.errors import ClusterUnreachable
from aiops_mcp.fleet.gpu_changes import GONE_AFTER, Moves, Seen, compare, only_of
from aiops_mcp.fleet.gpu_watcher import WATCHED, GpuWatcher, look_through_dcgm
from aiops_mcp.fleet.shards import Shards
from aiops_mcp.models.cluster import ClusterCapabilities, ClusterEndpoints
from aiops_mcp.models.events import EventType
from aiops_mcp.models.gpu import GPU, GPUNode, GpuSource, RowRemapping
from aiops_mcp.models.metrics import Series

CLUSTER = UUID(int=7)


def card(index=0, **facts):
    facts = {"utilization_gpu_percent": 50.0, "temperature_celsius": 60.0, **facts}
    return GPU(index=index, uuid=f"GPU-{index}", name="NVIDIA H100", **facts)


class World:
    """Cards that change between looks; the clock is moved by hand."""

    def __init__(self, fakes):
        self.now = fakes.NOW
        self.seen = Seen()
        self.source = GpuSource.DCGM

    def look(self, *cards, answered=(CLUSTER,)):
        node = GPUNode(
            cluster_id=CLUSTER,
            cluster_name="ml-1",
            node_name="gpu-1",
            gpus=cards,
            source=self.source,
            last_updated=self.now,
        )
        self.now += timedelta(seconds=30)
        nodes = [node] if cards else []
        self.seen, changes = compare(self.seen, nodes, answered, self.now, Thresholds(), Moves())
        return [(one.payload["changes"], one.payload) for one in changes]


@pytest.fixture
def world(fakes):
    return World(fakes)


def test_the_first_look_tells_nothing_not_even_of_an_old_xid(world):
    assert world.look(card(xid_errors=(79,))) == []
    assert world.look(card(xid_errors=(79,))) == []


def test_a_new_xid_is_told_once_decoded_and_makes_the_card_failing_for_an_hour(world):
    world.look(card())
    [(changes, payload)] = world.look(card(xid_errors=(79,)))
    assert changes == ["XID", "VERDICT"]
    assert (payload["verdict"], payload["previous_verdict"]) == ("FAILING", "HEALTHY")
    assert payload["xids"] == [
        {
            "code": 79,
            "meaning": "GPU has fallen off the bus",
            "class": "HARDWARE",
            "action": "drain and reboot; power, riser, heat; then RMA",
        }
    ]
    assert world.look(card(xid_errors=(79,))) == []
    world.now += timedelta(hours=1)
    [(changes, payload)] = world.look(card(xid_errors=(79,)))
    assert (changes, payload["verdict"]) == (["VERDICT"], "HEALTHY")


def test_a_driver_loaded_anew_clears_the_gauge_and_the_same_code_is_then_new(world):
    world.look(card(xid_errors=(31,)))
    assert world.look(card()) == []
    [(changes, payload)] = world.look(card(xid_errors=(31,)))
    assert changes == ["XID"]
    assert payload["verdict"] == "HEALTHY"


def test_readings_are_told_when_they_moved_far_from_what_was_told(world):
    world.look(card())
    for busy in (80, 90, 99):
        assert world.look(card(utilization_gpu_percent=busy)) == []
    [(changes, payload)] = world.look(card(utilization_gpu_percent=100, temperature_celsius=74))
    assert (changes, payload["utilization_gpu_percent"]) == (["UTILIZATION"], 100)
    assert world.look(card(utilization_gpu_percent=100, temperature_celsius=60)) == []
    [(changes, _)] = world.look(card(utilization_gpu_percent=100, temperature_celsius=89))
    assert changes == ["VERDICT", "TEMPERATURE"]


def test_a_card_is_gone_after_two_looks_told_once_and_told_when_back(world):
    world.look(card(0), card(1))
    assert world.look(card(0)) == []
    [(changes, payload)] = world.look(card(0))
    assert (changes, payload["gpu_index"], payload["verdict"]) == (["CARD_GONE"], 1, "UNKNOWN")
    for _ in range(GONE_AFTER):
        assert world.look(card(0)) == []
    [(changes, payload)] = world.look(card(0), card(1))
    assert (changes, payload["gpu_index"]) == (["CARD_BACK"], 1)
    [(changes, _)] = world.look(card(0), card(1), card(2))
    assert changes == ["CARD_FOUND"]


def test_a_cluster_that_does_not_answer_says_nothing(world):
    world.look(card())
    for _ in range(5):
        assert world.look(answered=()) == []
    assert world.look(card()) == []


def test_a_cluster_of_another_replica_is_begun_anew_when_it_comes_back(world):
    world.look(card())
    world.seen = only_of(world.seen, lambda cluster: cluster != CLUSTER)
    assert world.look(card(xid_errors=(79,))) == []
    world.seen = only_of(world.seen, lambda cluster: cluster == CLUSTER)
    [(changes, _)] = world.look(card(xid_errors=(48,)))
    assert changes == ["XID", "VERDICT"]


def test_a_failed_remapping_is_told_with_what_to_do(world):
    world.look(card())
    [(changes, payload)] = world.look(card(row_remapping=RowRemapping(failure=True)))
    assert changes == ["VERDICT"]
    assert payload["reasons"] == ["row remapping failed: remapping failure: yes"]
    assert payload["action"] == "drain the node; RMA"


class Bus:
    def __init__(self):
        self.events = []

    async def publish(self, event):
        self.events.append(event)


def gpu_series(value, name="DCGM_FI_DEV_XID_ERRORS"):
    labels = {"__name__": name, "Hostname": "gpu-1", "gpu": "0", "UUID": "GPU-a"}
    return Series(metric=labels, values=((1.0, str(value)),))


async def test_only_clusters_of_ours_with_gpus_are_asked_and_events_are_published(fakes, clock):
    values = iter([0, 0, 79])
    asked = []

    def reply(query):
        asked.append(query)
        value = next(values)
        # DCGM's blank is no reading
        blank = gpu_series(9223372036854775794, "DCGM_FI_DEV_GPU_TEMP")
        return fakes.FakeAnswer((gpu_series(value), blank))

    def cluster(name, **has):
        ends = ClusterEndpoints(prometheus_url=f"https://{name}")
        return fakes.cluster(name, endpoints=ends, capabilities=ClusterCapabilities(**has))

    clusters = [cluster("aaa", has_gpu_nodes=True), cluster("bbb")]
    connect = fakes.FakeConnect({("prometheus", "aaa"): fakes.FakePrometheus(reply)})
    fleet = fakes.make_fleet(clusters, clock, connect)
    ours = Shards(None, purpose="gpu", holder="me", clock=clock.wall)
    bus = Bus()
    look = look_through_dcgm(fleet, ours, clock.wall)
    watcher = GpuWatcher(look, bus, clock.wall, every=30, ours=ours)
    for _ in range(3):
        await watcher.look_once()
    assert asked == [WATCHED] * 3
    [event] = bus.events
    assert event.event_type is EventType.GPU_UPDATE
    assert (event.cluster_name, event.source) == ("aaa", "fleet.gpu_watcher")
    assert event.payload["xids"][0]["code"] == 79
    assert event.payload["temperature_celsius"] is None


async def test_a_replica_without_shards_asks_nobody(fakes, clock):
    class Nothing:
        def is_ours(self, cluster_id):
            return False

        async def renew(self):
            return False

        async def release(self):
            pass

    fleet = fakes.make_fleet(
        [fakes.cluster("aaa", capabilities=ClusterCapabilities(has_gpu_nodes=True))], clock
    )
    nodes, answered = await look_through_dcgm(fleet, Nothing(), clock.wall)()
    assert (list(nodes), list(answered)) == ([], [])


def test_two_clusters_do_not_mix(fakes):
    other = uuid4()
    seen, _ = compare(Seen(), [], [CLUSTER, other], fakes.NOW, Thresholds(), Moves())
    assert set(seen.cards) == {CLUSTER, other}


class Renewing:
    """Two renewals take shards, later ones keep them."""

    def __init__(self):
        self.renewed, self.released = 0, 0

    def is_ours(self, cluster_id):
        return self.renewed > 2

    async def renew(self):
        self.renewed += 1
        return self.renewed <= 2

    async def release(self):
        self.released += 1


async def test_it_looks_on_time_keeps_its_shards_and_outlives_failures(clock):
    loop = asyncio.get_running_loop()
    ours, looked = Renewing(), []

    async def look():
        looked.append((loop.time(), ours.renewed))
        if len(looked) == 2:
            raise ClusterUnreachable("down")
        return (), ()

    watcher = GpuWatcher(look, Bus(), clock.wall, every=30, ours=ours)
    began = loop.time()
    task = asyncio.create_task(watcher.run())
    await asyncio.sleep(95)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [round(moment - began) for moment, _ in looked] == [0, 30, 60, 90]
    assert looked[0][1] == 3
    assert ours.renewed >= 3 + 9
    assert ours.released == 1
