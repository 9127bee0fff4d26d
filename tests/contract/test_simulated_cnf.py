"""What the operations on network functions say of the simulated fleet's incidents."""

from datetime import UTC, datetime

import pytest

from aiops_mcp.app import open_app
from aiops_mcp.errors import ResourceNotFound
from aiops_mcp.settings import Settings

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
async def app(tmp_path):
    settings = Settings(
        _env_file=None,
        home=tmp_path,
        demo=True,
        demo_incidents=("ptp-lock-loss", "upf-packet-loss"),
    )
    async with open_app(settings, watch=False, clock=lambda: NOW) as opened:
        await opened.check_stale_clusters()
        yield opened


async def test_the_clock_that_runs_free_comes_first(app):
    digest = await app.ask("get_ptp_status", {})
    assert digest.headline.startswith("1 of 18 clocks have trouble: edge-munich/edge-munich-cp-1")
    assert "FREERUN" in digest.headline
    assert dict(zip(digest.columns, digest.rows[0], strict=True))["state"] == "FREERUN"
    assert any("grandmaster" in note for note in digest.notes)
    assert len(digest.text()) < 1500


async def test_the_upf_that_drops_packets(app):
    digest = await app.ask("get_cnf_workloads", {"cnf_type": "UPF"})
    assert digest.headline == "1 network functions (1 UPF); 1 with trouble."
    assert "packets missed/s" in str(digest.rows[0])
    whole = await app.ask("get_cnf_workloads", {})
    assert whole.headline.startswith("9 network functions (1 AMF, 1 SMF, 1 UPF, 3 VCU, 3 VDU); 1")


async def test_its_ports_say_why(app):
    digest = await app.ask("get_dpdk_stats", {"cluster": "edge-berlin", "pod_name": "upf-0"})
    assert "drops" in digest.headline
    assert any("not isolated" in note for note in digest.notes)
    with pytest.raises(ResourceNotFound, match="upf-0"):
        await app.ask("get_dpdk_stats", {"cluster": "edge-berlin", "pod_name": "upf-7"})


async def test_virtual_functions_by_node(app):
    digest = await app.ask("get_sriov_status", {"clusters": ["edge-munich"]})
    assert digest.headline.startswith("3 SR-IOV interfaces with 24 virtual functions, 5 taken; 0")
