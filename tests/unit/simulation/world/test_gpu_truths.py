"""What nvidia-smi says of the simulated cards is possible, and is what DCGM says."""

from aiops_mcp.simulation.gpus import node_driver
from aiops_mcp.simulation.world import World

NOW = 1_764_050_000.0


def cards():
    world = World(1, (), lambda: NOW)
    for name, cluster in world.clusters.items():
        for node in cluster.inventory.nodes:
            if node.gpus:
                yield from node_driver(cluster, world.store(name), node, NOW).gpus


def test_no_card_runs_faster_than_it_can():
    assert {card.clock_sm > card.clock_sm_max for card in cards()} == {False}


def test_nothing_holds_more_memory_than_there_is():
    for card in cards():
        held = sum(process.used_memory_mb for process in card.processes)
        assert held <= card.memory_used_mb <= card.memory_total_mb


def test_a_process_on_a_slice_holds_what_the_slice_has_in_use():
    sliced = [card for card in cards() if any(p.gpu_instance_id for p in card.processes)]
    assert sliced
    for card in sliced:
        slices = {each.gpu_instance_id: each for each in card.mig_devices}
        for process in card.processes:
            own = slices[process.gpu_instance_id]
            assert 0 < process.used_memory_mb == own.memory_used_mb < own.memory_total_mb
