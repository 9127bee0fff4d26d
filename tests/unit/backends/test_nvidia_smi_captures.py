"""Real captures of five cards: the three formats must agree, and agree with the files themselves.

The captures lie outside the project (AIOPS_SHARED_DATA or ../shared); without them this is skipped.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aiops_mcp.analysis.gpuhealth_facts import CardFacts, Thresholds
from aiops_mcp.analysis.gpuhealth_rules import CARD_RULES
from aiops_mcp.backends import nvidia_smi as smi
from aiops_mcp.models.gpu import GPU, GpuProcessType, NvlinkState

SHARED = Path(os.environ.get("AIOPS_SHARED_DATA") or Path(__file__).parents[3].parent / "shared")
CAPTURES = SHARED / "data" / "nvidia-smi" if (SHARED / "data").is_dir() else SHARED / "nvidia-smi"
FILES = {path.name.split("__")[0]: path for path in sorted(CAPTURES.glob("*.txt"))}
pytestmark = pytest.mark.skipif(not FILES, reason=f"no captures in {CAPTURES}")

SECTION = re.compile(
    r"^#{80}\n# (?P<title>\w+ :: [^\n]*)\n(?:# [^$\n][^\n]*\n)*# \$ (?P<command>[^\n]*)\n"
    r"(?:# [^\n]*\n)*#{80}\n(?P<body>.*?)(?=^#{80}\n# |\Z)",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Section:
    phase: str
    command: str
    body: str


def sections(card: str) -> Iterator[Section]:
    text = FILES[card].read_text(encoding="utf-8")
    for match in SECTION.finditer(text):
        yield Section(match["title"].split(" ")[0], match["command"].strip(), match["body"])


def section(card: str, phase: str, command: str) -> str:
    found = [s for s in sections(card) if s.phase == phase and s.command.startswith(command)]
    wanted = [s for s in found if command != "nvidia-smi -q" or s.command == command]
    assert len(wanted) == 1, (card, phase, command)
    return wanted[0].body


def raw_query(body: str) -> dict[str, str]:
    header, row = [line for line in body.splitlines() if line.strip()]
    return dict(zip(header.split(", "), row.split(", "), strict=True))


CARDS = [
    "nvidia-geforce-rtx-4080-super",
    "nvidia-h100-80gb-hbm3",
    "nvidia-h100-mig",
    "nvidia-h200",
    "nvidia-l40s",
]
both_phases = pytest.mark.parametrize("phase", ["idle", "load"])
each_card = pytest.mark.parametrize("card", CARDS)

# read moments apart, so they may differ between two commands of one capture
DRIFTING = {
    "power_draw_watts": 60.0,
    "temperature_celsius": 2.0,
    "temperature_memory_celsius": 2.0,
    "temperature_limit_margin_celsius": 2.0,
    "utilization_gpu_percent": 5.0,
    "utilization_memory_percent": 5.0,
}
ONLY_IN_THE_LOG = {"cuda_version", "processes", "mig_instances"}


@each_card
@both_phases
def test_csv_and_log_tell_the_same(card: str, phase: str) -> None:
    query = smi.parse_query_gpu(section(card, phase, "nvidia-smi --query-gpu"))
    log = smi.parse_text(section(card, phase, "nvidia-smi -q"))
    assert (query.warnings, log.warnings) == ((), ())
    for name in GPU.model_fields:
        one, other = getattr(query.gpus[0], name), getattr(log.gpus[0], name)
        if name in ONLY_IN_THE_LOG:
            continue
        if name in DRIFTING and one is not None:
            assert other == pytest.approx(one, abs=DRIFTING[name]), name
        else:
            assert one == other, name


@each_card
@both_phases
def test_csv_tells_what_its_cells_say(card: str, phase: str) -> None:
    body = section(card, phase, "nvidia-smi --query-gpu")
    raw = raw_query(body)
    gpu = smi.parse_query_gpu(body).gpus[0]

    def number(cell: str) -> float | None:
        return None if "N/A" in raw[cell] else float(raw[cell].split(" ")[0])

    assert gpu.name == raw["name"]
    assert gpu.driver_version == raw["driver_version"]
    assert gpu.memory_total_mb == number("memory.total [MiB]")
    assert gpu.memory_used_mb == number("memory.used [MiB]")
    assert gpu.memory_free_mb == number("memory.free [MiB]")
    assert gpu.utilization_gpu_percent == number("utilization.gpu [%]")
    assert gpu.temperature_celsius == number("temperature.gpu")
    assert gpu.temperature_memory_celsius == number("temperature.memory")
    assert gpu.temperature_limit_margin_celsius == number("temperature.gpu.tlimit")
    assert gpu.power_draw_watts == number("power.draw.instant [W]")
    assert gpu.power_limit_watts == number("enforced.power.limit [W]")
    assert gpu.fan_speed_percent == number("fan.speed [%]")
    assert gpu.clock_sm_mhz == number("clocks.current.sm [MHz]")
    assert gpu.pcie_link_gen == number("pcie.link.gen.current")
    assert gpu.recovery_action == raw["gpu_recovery_action"]
    active = [
        name.removeprefix("clocks_event_reasons.")
        for name, cell in raw.items()
        if name.startswith("clocks_event_reasons.") and cell == "Active"
    ]
    assert set(gpu.throttle_reasons) == set(active)
    assert (gpu.ecc is None) is ("N/A" in raw["ecc.errors.corrected.volatile.total"])
    assert (gpu.row_remapping is None) is ("N/A" in raw["remapped_rows.pending"])
    mig = {"Enabled": True, "Disabled": False}.get(raw["mig.mode.current"])
    assert gpu.mig_enabled is mig


@each_card
@both_phases
def test_csv_without_header_or_units_is_the_same(card: str, phase: str) -> None:
    body = section(card, phase, "nvidia-smi --query-gpu")
    header, row = [line for line in body.splitlines() if line.strip()]
    fields = [re.sub(r" \[.*\]", "", name) for name in header.split(", ")]
    bare = re.sub(r" (MiB|MHz|W|us|%|ms)(?=,|$)", "", row)
    assert smi.parse_query_gpu(bare, fields).gpus == smi.parse_query_gpu(body).gpus
    assert smi.parse_query_gpu(f"{header}\n{bare}").gpus == smi.parse_query_gpu(body).gpus


@each_card
@both_phases
def test_processes_of_the_log_and_of_compute_apps(card: str, phase: str) -> None:
    apps, warnings = smi.parse_compute_apps(section(card, phase, "nvidia-smi --query-compute-apps"))
    log = smi.parse_text(section(card, phase, "nvidia-smi -q")).gpus[0]
    computing = [p for p in log.processes if p.type is not GpuProcessType.GRAPHICS]
    listed = [(a.process.pid, a.process.process_name, a.process.used_memory_mb) for a in apps]
    assert sorted(listed) == sorted((p.pid, p.process_name, p.used_memory_mb) for p in computing)
    assert {app.gpu_uuid for app in apps} <= {log.uuid}
    assert warnings == ()
    if phase == "load":
        assert len(listed) >= 2


@each_card
def test_pmon_and_dmon_fit_the_log(card: str) -> None:
    log = smi.parse_text(section(card, "load", "nvidia-smi -q")).gpus[0]
    samples = smi.parse_pmon(section(card, "load", "nvidia-smi pmon"))
    assert {s.pid for s in samples} == {p.pid for p in log.processes}
    types = {s.pid: s.type for s in samples}
    assert all(types[p.pid] is p.type for p in log.processes)
    devices = smi.parse_dmon(section(card, "load", "nvidia-smi dmon"))
    assert len(devices) == 5
    assert all(d.sm_clock_mhz == log.clock_sm_mhz for d in devices)
    assert (devices[0].sm_percent is None) is (log.utilization_gpu_percent is None)


@each_card
def test_the_listing_names_the_same_card(card: str) -> None:
    (listed,) = smi.parse_listing(section(card, "capabilities", "nvidia-smi -L")).gpus
    gpu = smi.parse_text(section(card, "idle", "nvidia-smi -q")).gpus[0]
    assert (listed.index, listed.name, listed.uuid) == (0, gpu.name, gpu.uuid)
    assert len(listed.mig_devices) == len(gpu.mig_instances)


def test_the_mig_card_in_full() -> None:
    card = "nvidia-h100-mig"
    query = smi.parse_query_gpu(section(card, "load", "nvidia-smi --query-gpu"))
    report = smi.merge_reports(query, smi.parse_text(section(card, "load", "nvidia-smi -q")))
    listing = smi.parse_listing(section(card, "capabilities", "nvidia-smi -L"))
    (gpu,) = smi.with_listing(report, listing).gpus
    assert gpu.mig_enabled is True
    assert gpu.utilization_gpu_percent is None
    assert gpu.cuda_version == "13.1"
    assert [(m.profile, m.gpu_instance_id, m.memory_total_mb) for m in gpu.mig_instances] == [
        ("3g.40gb", 2, 40448),
        ("2g.20gb", 3, 20096),
        ("1g.10gb", 9, 9984),
        ("1g.10gb", 10, 9984),
    ]
    assert [m.memory_used_mb for m in gpu.mig_instances] == [11091, 17, 9, 9]
    assert gpu.mig_instances[3].uuid == "MIG-00000003-0000-0000-0000-000000000003"
    assert [(p.pid, p.gpu_instance_id, p.used_memory_mb) for p in gpu.processes] == [
        (21180, 2, 2296),
        (21181, 2, 1272),
        (21198, 2, 7484),
    ]


def test_nvlink_of_each_card() -> None:
    found = {
        card: smi.parse_nvlink(section(card, "capabilities", "nvidia-smi nvlink -s"))
        for card in CARDS
    }
    full = {0: NvlinkState(active_links=18, inactive_links=0)}
    assert found["nvidia-h100-80gb-hbm3"] == full
    assert found["nvidia-h200"] == full
    assert found["nvidia-l40s"] == {}
    assert found["nvidia-geforce-rtx-4080-super"] == {}


@each_card
def test_every_field_of_the_plan_is_known_to_these_drivers(card: str) -> None:
    asked = section(card, "capabilities", "nvidia-smi --help-query-gpu")
    known = set(re.findall(r'"([\w.]+)"', asked))
    for fields in smi.query_plan():
        assert set(fields) <= known


@each_card
@both_phases
def test_no_real_card_is_called_ill(card: str, phase: str) -> None:
    query = smi.parse_query_gpu(section(card, phase, "nvidia-smi --query-gpu"))
    log = smi.parse_text(section(card, phase, "nvidia-smi -q"))
    (gpu,) = smi.merge_reports(query, log).gpus
    facts = CardFacts(gpu, None, Thresholds(), datetime(2026, 1, 1, tzinfo=UTC))
    assert [rule.name for rule in CARD_RULES if rule.reason(facts)] == []
    assert gpu.ecc_enabled is (None if "geforce" in card else True)


def test_the_mig_card_says_of_the_whole_only_what_it_can() -> None:
    (gpu,) = smi.parse_query_gpu(section("nvidia-h100-mig", "load", "nvidia-smi --query-gpu")).gpus
    assert gpu.utilization_gpu_percent is None
    assert gpu.utilization_memory_percent is None
    assert gpu.row_remapping is None
    assert (gpu.memory_total_mb, gpu.memory_used_mb, gpu.memory_free_mb) == (81559, 11125, 69956)
    assert (gpu.temperature_celsius, gpu.temperature_limit_margin_celsius) == (53, 24)
    assert (gpu.power_draw_watts, gpu.power_limit_watts) == (447.35, 700)
    assert (gpu.clock_sm_mhz, gpu.clock_sm_max_mhz, gpu.throttle_reasons) == (1980, 1980, ())
    assert (gpu.pcie_link_gen, gpu.pcie_link_width, gpu.fabric_state) == (5, 16, "Completed")
