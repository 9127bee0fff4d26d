"""What the simulation prints, the parsers read back: any card, any driver branch, any format."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.backends import nvidia_smi as smi
from aiops_mcp.backends.gpu_codes import clock_event_mask
from aiops_mcp.models.gpu import GPU, EccCounts, RowRemapping
from aiops_mcp.simulation.nvidia_smi import (
    SimulatedDriver,
    SimulatedGpu,
    SimulatedMigDevice,
    SimulatedProcess,
    run_nvidia_smi,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, 891000, tzinfo=UTC)
VERSIONS = ("470.223.02", "525.105.17", "535.161.08", "550.90.07", "570.124.06", "590.48.01")

percent = st.integers(0, 100)
maybe_percent = st.none() | percent
mib = st.integers(0, 200_000)
maybe_watts = st.none() | st.integers(0, 120_000).map(lambda hundredths: hundredths / 100)
names = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S"), include_characters=" "),
    min_size=1,
    max_size=24,
).map(lambda text: f"/opt/{' '.join(text.split())}")
processes = st.builds(
    SimulatedProcess,
    pid=st.integers(1, 4_000_000),
    name=names,
    used_memory_mb=st.none() | mib,
    type=st.sampled_from(["C", "G", "C+G"]),
)
mig_devices = st.builds(
    SimulatedMigDevice,
    gpu_instance_id=st.integers(0, 14),
    profile=st.sampled_from(["1g.10gb", "2g.20gb", "3g.40gb", "1g.10gb+me", "1c.3g.40gb"]),
    uuid=st.uuids().map(lambda uuid: f"MIG-{uuid}"),
    memory_total_mb=mib,
    memory_used_mb=mib,
)


@st.composite
def cards(draw: st.DrawFn, index: int) -> SimulatedGpu:
    mig = draw(st.sampled_from([None, False, True]))
    total = draw(st.integers(50_000, 200_000))
    return SimulatedGpu(
        index=index,
        uuid=f"GPU-{draw(st.uuids())}",
        name=draw(st.sampled_from(["NVIDIA H100 80GB HBM3", "Tesla V100-SXM2-16GB", "NVIDIA L4"])),
        pci_bus_id=f"00000000:{index + 10:02X}:00.0",
        memory_total_mb=total,
        memory_used_mb=draw(st.integers(0, 25_000)),
        memory_reserved_mb=draw(st.integers(0, 1000)),
        utilization_gpu=draw(maybe_percent),
        utilization_memory=draw(maybe_percent),
        temperature=draw(st.none() | st.integers(-10, 110)),
        temperature_memory=draw(st.none() | st.integers(0, 110)),
        temperature_margin=draw(st.none() | st.integers(-8, 60)),
        power_draw=draw(maybe_watts),
        power_limit=draw(maybe_watts),
        fan_speed=draw(maybe_percent),
        performance_state=f"P{draw(st.integers(0, 15))}",
        clock_sm=draw(st.integers(0, 3000)),
        clock_sm_max=draw(st.integers(0, 3000)),
        throttle_reasons=draw(st.integers(0, 0x1FF)),
        ecc_enabled=draw(st.sampled_from([None, False, True])),
        ecc_corrected_volatile=draw(st.integers(0, 10**6)),
        ecc_uncorrected_volatile=draw(st.integers(0, 10**6)),
        ecc_uncorrected_aggregate=draw(st.integers(0, 10**6)),
        remapped_correctable=draw(st.none() | st.integers(0, 512)),
        remapped_uncorrectable=draw(st.integers(0, 512)),
        remapped_pending=draw(st.booleans()),
        remapped_failure=draw(st.booleans()),
        pcie_gen=draw(st.integers(1, 6)),
        pcie_width=draw(st.sampled_from([1, 4, 8, 16])),
        recovery_action=draw(st.sampled_from(["None", "GPU Reset", "Drain and Reset"])),
        fabric_state=draw(st.none() | st.sampled_from(["Completed", "In Progress"])),
        mig_enabled=mig,
        mig_devices=tuple(draw(st.lists(mig_devices, max_size=4))) if mig else (),
        processes=tuple(draw(st.lists(processes, max_size=3, unique_by=lambda p: p.pid))),
        lost=draw(st.sampled_from([False, False, False, True])),
    )


@st.composite
def drivers(draw: st.DrawFn) -> SimulatedDriver:
    count = draw(st.integers(1, 4))
    gpus = tuple(draw(cards(index)) for index in range(count))
    return SimulatedDriver(gpus, draw(st.sampled_from(VERSIONS)), "12.4")


def ask(driver: SimulatedDriver, *arguments: str) -> str:
    return run_nvidia_smi(driver, arguments, NOW).stdout


def query(driver: SimulatedDriver, *, options: str = "csv,nounits") -> smi.GpuReport:
    fields = smi.query_plan(driver.major)[0]
    text = ask(driver, f"--query-gpu={','.join(fields)}", f"--format={options}")
    return smi.parse_query_gpu(text, fields)


def check_card(gpu: GPU, card: SimulatedGpu) -> None:
    whole = not card.mig_enabled
    assert (gpu.uuid, gpu.name, gpu.pci_bus_id) == (card.uuid, card.name, card.pci_bus_id)
    free = card.memory_total_mb - card.memory_used_mb - card.memory_reserved_mb
    assert (gpu.memory_total_mb, gpu.memory_used_mb) == (card.memory_total_mb, card.memory_used_mb)
    assert gpu.memory_free_mb == free
    assert gpu.utilization_gpu_percent == (card.utilization_gpu if whole else None)
    assert gpu.utilization_memory_percent == (card.utilization_memory if whole else None)
    assert gpu.temperature_celsius == card.temperature
    assert gpu.temperature_memory_celsius == card.temperature_memory
    assert (gpu.power_draw_watts, gpu.power_limit_watts) == (card.power_draw, card.power_limit)
    assert gpu.fan_speed_percent == card.fan_speed
    assert gpu.performance_state == card.performance_state
    assert (gpu.clock_sm_mhz, gpu.clock_sm_max_mhz) == (card.clock_sm, card.clock_sm_max)
    assert clock_event_mask(gpu.throttle_reasons) == card.throttle_reasons
    expected = EccCounts(
        corrected_volatile=card.ecc_corrected_volatile,
        uncorrected_volatile=card.ecc_uncorrected_volatile,
        uncorrected_aggregate=card.ecc_uncorrected_aggregate,
    )
    assert gpu.ecc == (expected if card.ecc_enabled else None)
    rows = RowRemapping(
        correctable=card.remapped_correctable,
        uncorrectable=card.remapped_uncorrectable,
        pending=card.remapped_pending,
        failure=card.remapped_failure,
    )
    known = whole and card.remapped_correctable is not None
    assert gpu.row_remapping == (rows if known else None)
    assert (gpu.pcie_link_gen, gpu.pcie_link_width) == (card.pcie_gen, card.pcie_width)
    assert gpu.mig_enabled is card.mig_enabled


@settings(max_examples=60, deadline=None)
@given(driver=drivers(), units=st.booleans(), header=st.booleans())
def test_csv(driver: SimulatedDriver, units: bool, header: bool) -> None:
    options = "csv" + ("" if units else ",nounits") + ("" if header else ",noheader")
    report = query(driver, options=options)
    assert [gpu.index for gpu in report.gpus] == [card.index for card in driver.answering]
    assert [lost.index for lost in report.lost] == [c.index for c in driver.gpus if c.lost]
    assert len(report.warnings) == len(report.lost)
    for gpu, card in zip(report.gpus, driver.answering, strict=True):
        check_card(gpu, card)
        assert gpu.driver_version == driver.driver_version
        if driver.major >= 570:
            assert gpu.recovery_action == card.recovery_action
        if driver.major >= 550:
            assert gpu.fabric_state == card.fabric_state
            assert gpu.temperature_limit_margin_celsius == card.temperature_margin


@settings(max_examples=60, deadline=None)
@given(driver=drivers(), xml=st.booleans())
def test_log(driver: SimulatedDriver, xml: bool) -> None:
    report = smi.parse_xml(ask(driver, "-q", "-x")) if xml else smi.parse_text(ask(driver, "-q"))
    assert len(report.warnings) == len(report.lost) == len(driver.gpus) - len(driver.answering)
    for gpu, card in zip(report.gpus, driver.answering, strict=True):
        check_log_card(gpu, card, driver)


def check_log_card(gpu: GPU, card: SimulatedGpu, driver: SimulatedDriver) -> None:
    # a mask with bits beyond the eight fields of the query is told here in full
    check_card(gpu, card)
    assert (gpu.driver_version, gpu.cuda_version) == (driver.driver_version, "12.4")
    assert gpu.temperature_limit_margin_celsius == card.temperature_margin
    if driver.major >= 530:
        assert gpu.recovery_action == card.recovery_action
        assert gpu.fabric_state == card.fabric_state
    assert [
        (p.pid, p.process_name, p.used_memory_mb, len(p.type.value)) for p in gpu.processes
    ] == [
        (p.pid, p.name, p.used_memory_mb, {"C": 7, "G": 8, "C+G": 5}[p.type])
        for p in card.processes
    ]
    assert [
        (m.index, m.gpu_instance_id, m.memory_total_mb, m.memory_used_mb) for m in gpu.mig_instances
    ] == [
        (index, m.gpu_instance_id, m.memory_total_mb, m.memory_used_mb)
        for index, m in enumerate(card.mig_devices)
    ]


@settings(max_examples=40, deadline=None)
@given(driver=drivers())
def test_csv_and_xml_of_one_moment_agree(driver: SimulatedDriver) -> None:
    one, other = query(driver), smi.parse_xml(ask(driver, "-q", "-x"))
    merged = smi.merge_reports(one, other)
    assert len(merged.gpus) == len(one.gpus)
    assert len(merged.warnings) == len(one.lost)
    for gpu, twin in zip(merged.gpus, other.gpus, strict=True):
        assert gpu.model_copy(update={"index": twin.index}) == twin


@settings(max_examples=40, deadline=None)
@given(driver=drivers())
def test_listing(driver: SimulatedDriver) -> None:
    listing = smi.parse_listing(ask(driver, "-L"))
    assert [(g.index, g.name, g.uuid) for g in listing.gpus] == [
        (c.index, c.name, c.uuid) for c in driver.answering
    ]
    for listed, card in zip(listing.gpus, driver.answering, strict=True):
        assert [(m.profile, m.uuid) for m in listed.mig_devices] == [
            (m.profile, m.uuid) for m in card.mig_devices
        ]


@settings(max_examples=40, deadline=None)
@given(driver=drivers())
def test_compute_apps(driver: SimulatedDriver) -> None:
    apps, warnings = smi.parse_compute_apps(ask(driver, *smi.compute_apps_command()[1:]))
    assert warnings == ()
    assert [(a.gpu_uuid, a.process.pid, a.process.process_name) for a in apps] == [
        (card.uuid, p.pid, p.name)
        for card in driver.answering
        for p in card.processes
        if "C" in p.type
    ]


printable = st.text(st.characters(codec="utf-8"), max_size=200)


@settings(max_examples=150, deadline=None)
@given(text=printable, driver=drivers(), at=st.integers(0, 5000), data=st.data())
def test_nothing_but_our_own_errors_escapes(
    text: str, driver: SimulatedDriver, at: int, data: st.DataObject
) -> None:
    from aiops_mcp.errors import AiopsError

    arguments: Sequence[str] = data.draw(
        st.sampled_from([("-q",), ("-q", "-x"), ("-L",), ("nvlink", "-s"), ("pmon",), ("dmon",)])
    )
    output = ask(driver, *arguments)
    broken = output[: at % len(output)] + text + output[at % len(output) :]
    for parse in (
        smi.parse_text,
        smi.parse_xml,
        smi.parse_listing,
        smi.parse_nvlink,
        smi.parse_pmon,
        smi.parse_dmon,
        smi.parse_query_gpu,
        smi.parse_compute_apps,
    ):
        for damaged in (broken, text):
            try:
                parse(damaged)
            except AiopsError:
                continue


@settings(max_examples=100, deadline=None)
@given(
    cells=st.lists(
        st.text(
            st.characters(
                codec="utf-8", exclude_characters=",\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
            )
        ),
        min_size=len(smi.query_plan()[0]),
        max_size=len(smi.query_plan()[0]),
    )
)
def test_a_row_of_anything_is_still_a_card(cells: list[str]) -> None:
    fields = smi.query_plan()[0]
    text = f"{', '.join(fields)}\n0, {', '.join(cells[1:])}\n"
    if "is not a valid field" not in text:
        assert [gpu.index for gpu in smi.parse_query_gpu(text, fields).gpus] == [0]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_driver_answers_the_first_list_of_its_plan(version: str) -> None:
    card = SimulatedGpu(0, "GPU-1", "NVIDIA L4", "00000000:0A:00.0", 23034)
    driver = SimulatedDriver((card,), version)
    assert query(driver).gpus[0].uuid == "GPU-1"
