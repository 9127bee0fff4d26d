"""The GPU incidents asked naively, in full: what a model reads is right, and small."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from aiops_mcp.app import App, open_app
from aiops_mcp.models.cluster import ClusterType
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.gpu_health import Verdict, WasteKind
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.operation import Call
from aiops_mcp.operations import OPERATIONS
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.guard import BYTES_PER_TOKEN, digest_payload, guard

MOMENT = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
OF = {operation.name: operation for operation in OPERATIONS}
MOST_TOKENS = 500


@asynccontextmanager
async def demo(home: Path, *incidents: str) -> AsyncIterator[App]:
    settings = Settings(
        home=home,
        demo=True,
        demo_incidents=incidents,
        check_timeout=dict.fromkeys(ClusterType, 60.0),
    )
    async with open_app(settings, watch=False, clock=lambda: MOMENT) as app:
        await app.check_stale_clusters()
        yield app


async def ask(app: App, name: str, **arguments: Any) -> tuple[Any, Digest]:
    operation = OF[name]
    request = operation.request_type.model_validate(arguments)
    answer = await app.invoke(operation, request, Call(LOCAL_ADMIN, "test"))
    assert operation.digest is not None
    digest = operation.digest(request, answer)
    told = orjson.dumps(digest_payload(guard(digest)))
    assert len(told) / BYTES_PER_TOKEN <= MOST_TOKENS, (len(told) / BYTES_PER_TOKEN, told)
    return answer, digest


async def test_a_card_off_the_bus_is_told_once_by_three_sources(tmp_path: Path) -> None:
    async with demo(tmp_path, "gpu-xid-79") as app:
        answer, digest = await ask(app, "get_gpu_health")
    assert digest.headline.startswith(
        "FAILING: 1 of 8 GPU nodes want attention, first ml-oregon/ml-oregon-gpu-1."
    )
    node = answer.nodes[0]
    [xid] = node.xids
    assert (xid.code, xid.gpu_index, xid.times) == (79, 3, 1)
    assert {source.value for source in xid.sources} >= {"DCGM", "EVENT"}
    assert {reason.rule for reason in node.reasons} >= {"card-gone", "xid"}
    gone = next(reason for reason in node.reasons if reason.rule == "card-gone")
    assert gone.what == "1 of 8 cards no longer answer"
    assert gone.action.startswith("drain and reboot")
    assert {node.verdict for node in answer.nodes[1:]} == {Verdict.HEALTHY}


async def test_a_rack_is_hot_and_its_model_servers_are_slow_for_it(tmp_path: Path) -> None:
    async with demo(tmp_path, "gpu-rack-thermal") as app:
        answer, digest = await ask(app, "get_gpu_health")
        servers, told = await ask(app, "get_model_servers")
    assert [node.node_name for node in answer.nodes[:2]] == [
        "ml-frankfurt-gpu-0",
        "ml-frankfurt-gpu-1",
    ]
    assert answer.fleet_reasons[0].rule == "rack-heat"
    assert "rack B07" in answer.fleet_reasons[0].what
    assert any("rack B07 is hot" in str(cell) for row in digest.rows for cell in row)
    [hot] = [card for card in answer.nodes[0].cards if card.index == 0]
    assert hot.held_by.owners == ("inference/Deployment/vllm-llama-3-70b",)
    assert hot.held_by.model_servers == ("meta-llama/Llama-3.3-70B-Instruct",)
    assert hot.throttled["thermal"] == pytest.approx(0.45 * 37 / 60, abs=0.03)
    assert told.headline.startswith("FAILING: 3 of 3 model servers want attention")
    assert servers.servers[0].reasons[0].what.startswith("its GPU ml-frankfurt-gpu-")
    assert len(servers.servers[0].gpus) == 2
    assert servers.servers[2].verdict is Verdict.DEGRADED


async def test_the_straggler_is_the_one_card_of_its_job(tmp_path: Path) -> None:
    async with demo(tmp_path, "gpu-straggler") as app:
        answer, digest = await ask(app, "get_gpu_health")
    assert answer.counts[Verdict.DEGRADED] == 1
    [row] = digest.rows
    found = dict(zip(digest.columns, row, strict=True))
    assert (found["node"], found["gpus"]) == ("ml-oregon/ml-oregon-gpu-0", "1")
    assert found["what"] == "slower than its 7 peers of job training/StatefulSet/finetune-worker"
    assert found["held_by"] == "training/StatefulSet/finetune-worker"


async def test_overloaded_servers_are_told_from_slow_cards(tmp_path: Path) -> None:
    async with demo(tmp_path, "vllm-overload") as app:
        health, _ = await ask(app, "get_gpu_health")
        servers, digest = await ask(app, "get_model_servers")
    assert {node.verdict for node in health.nodes} == {Verdict.HEALTHY}
    assert [one.verdict for one in servers.servers] == [Verdict.DEGRADED] * 3
    rules = [reason.rule for reason in servers.servers[0].reasons]
    assert rules == ["kv-cache", "preemptions", "queue", "queue-time", "ttft"]
    assert servers.servers[0].preemptions_per_second == pytest.approx(0.6, abs=0.01)
    assert "KV cache is full" in digest.headline


async def test_a_healthy_fleet_and_what_it_wastes(tmp_path: Path) -> None:
    async with demo(tmp_path) as app:
        health, told = await ask(app, "get_gpu_health")
        waste, digest = await ask(app, "get_gpu_waste")
        servers, _ = await ask(app, "get_model_servers")
    assert told.headline == "All 40 GPUs of 8 nodes are HEALTHY."
    assert {one.verdict for one in servers.servers} == {Verdict.HEALTHY}
    [notebook] = [one for one in waste.found if one.kind is WasteKind.MEMORY_HELD]
    assert (notebook.owner, notebook.gpu_hours, notebook.at_least) == (
        "notebooks/StatefulSet/lab-notebook",
        24.0,
        True,
    )
    free = {one.node_name: one.gpus for one in waste.found if one.kind is WasteKind.UNALLOCATED}
    assert free == {
        "ml-oregon-gpu-0": 4,
        "ml-oregon-gpu-1": 4,
        "ml-oregon-gpu-2": 8,
        "ml-frankfurt-gpu-0": 2,
        "ml-frankfurt-gpu-1": 2,
        "ml-frankfurt-gpu-2": 2,
    }
    assert digest.headline.startswith("22 UNALLOCATED, 1 MEMORY_HELD, 1.43 MIG_UNUSED of 40 GPUs")
    sliced = {
        (node.node_name, card.index): card.held_by
        for node in health.nodes
        for card in node.cards
        if node.cluster_name == "ml-zurich"
    }
    shared = sliced["ml-zurich-gpu-1", 1]
    assert shared.not_attributable == "time-slicing: any of 2 pods on the node may use it"
    assert len(sliced["ml-zurich-gpu-0", 0].pods) == 3


async def test_memory_errors_are_decoded_in_their_order(tmp_path: Path) -> None:
    async with demo(tmp_path, "gpu-row-remap") as app:
        answer, _ = await ask(app, "get_gpu_health")
        nodes, _ = await ask(app, "get_gpu_nodes", clusters=["ml-frankfurt"])
    card = answer.nodes[0].cards[0]
    assert (answer.nodes[0].node_name, card.index) == ("ml-frankfurt-gpu-2", 1)
    assert card.verdict is Verdict.FAILING
    assert {xid.code for xid in card.xids} == {94, 63}
    rules = {reason.rule: reason for reason in card.reasons}
    assert set(rules) == {"ecc-double-bit", "row-remap-pending", "ecc-single-bit", "xid"}
    assert rules["ecc-double-bit"].evidence.startswith("2 more")
    assert rules["row-remap-pending"].action == "reset the GPU at the next window"
    # nvidia-smi on the node tells the same as DCGM
    [node] = [one for one in nodes.nodes if one.node_name == "ml-frankfurt-gpu-2"]
    assert node.gpus[1].ecc.uncorrected_volatile == 2
    assert node.gpus[1].row_remapping.pending is True
