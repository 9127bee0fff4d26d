"""Single values: units, blanks, flags, masks, and what is odd."""

import pytest

from aiops_mcp.backends.gpu_codes import (
    clock_event_mask,
    clock_events,
    process_type,
    recovery_action,
)
from aiops_mcp.backends.nvidia_smi_values import (
    CELSIUS,
    COUNT,
    LINK,
    MEBIBYTES,
    MEGAHERTZ,
    PERCENT,
    WATTS,
    Notes,
    Quantity,
    Reader,
    is_blank,
)
from aiops_mcp.models.gpu import GpuProcessType


@pytest.mark.parametrize(
    ("text", "quantity", "value"),
    [
        ("81559 MiB", MEBIBYTES, 81559.0),
        ("81559", MEBIBYTES, 81559.0),
        ("2 GiB", MEBIBYTES, 2048.0),
        ("2048 KiB", MEBIBYTES, 2.0),
        ("0 MiB", MEBIBYTES, 0.0),
        ("100 %", PERCENT, 100.0),
        ("100.00%", PERCENT, 100.0),
        ("0", PERCENT, 0.0),
        ("-8 C", CELSIUS, -8.0),
        ("432.21 W", WATTS, 432.21),
        ("432210 mW", WATTS, 432.21),
        ("1980 MHz", MEGAHERTZ, 1980.0),
        ("16x", LINK, 16.0),
    ],
)
def test_numbers_with_and_without_units(text: str, quantity: Quantity, value: float) -> None:
    notes = Notes()
    assert Reader("GPU 0", notes).number(f" {text} ", "x", quantity) == value
    assert notes.warnings() == ()


BLANKS = [
    "[N/A]",
    "N/A",
    "n/a",
    "[Not Supported]",
    "Not Supported",
    "[Requested functionality has been deprecated]",
    "Requested functionality has been deprecated",
    "[Not Found]",
    "-",
    "",
    "None",
    "[]",
]


@pytest.mark.parametrize("text", BLANKS)
def test_blanks_are_none_without_a_warning(text: str) -> None:
    notes = Notes()
    read = Reader("GPU 0", notes)
    assert is_blank(text)
    assert read.number(text, "x", PERCENT) is None
    assert read.integer(text, "x") is None
    assert read.flag(text, "x") is None
    assert read.mask(text, "x") is None
    assert read.text(text, "x") is None
    assert notes.warnings() == ()


@pytest.mark.parametrize(
    "text",
    ["[Unknown Error]", "Unknown Error", "[GPU is lost]", "[Insufficient Permissions]", "ERR!"],
)
def test_errors_in_place_of_a_reading_are_none_and_noted(text: str) -> None:
    notes = Notes()
    read = Reader("GPU 3", notes)
    assert read.number(text, "fan.speed", PERCENT) is None
    assert read.text(text, "pstate") is None
    assert notes.warnings() == (f"GPU 3: {text.strip('[]')} in place of fan.speed, pstate",)


def test_an_absent_field_is_none_without_a_warning() -> None:
    notes = Notes()
    assert Reader("GPU 0", notes).number(None, "x", PERCENT) is None
    assert notes.warnings() == ()


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("warm", CELSIUS),
        ("12 F", CELSIUS),
        ("1,5 W", WATTS),
        ("4294967.295 W", WATTS),
        ("18446744073709551615", COUNT),
        ("4294967295", COUNT),
        ("-1 MiB", MEBIBYTES),
        ("65535 %", PERCENT),
        ("nan", PERCENT),
        ("٣ %", PERCENT),
    ],
)
def test_odd_numbers_are_none_and_noted(text: str, quantity: Quantity) -> None:
    notes = Notes()
    assert Reader("GPU 1", notes).number(text, "field", quantity) is None
    assert notes.warnings() == (f"GPU 1: field is {text!r}, which is no value for it",)


def test_a_long_odd_value_is_cut_in_its_note() -> None:
    notes = Notes()
    assert Reader("GPU 1", notes).flag("x" * 500, "field") is None
    assert notes.warnings() == (f"GPU 1: field is {'x' * 40 + '…'!r}, which is no value for it",)


def test_integers_must_be_whole() -> None:
    notes = Notes()
    read = Reader("GPU 1", notes)
    assert read.integer("3", "a") == 3
    assert read.integer("3.0", "a") == 3
    assert read.integer("3.5", "a") is None
    assert len(notes.warnings()) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [("Yes", True), ("No", False), ("Enabled", True), ("disabled", False), ("Active", True)]
    + [("Not Active", False), ("1", True), ("0", False)],
)
def test_flags(text: str, value: bool) -> None:
    assert Reader("GPU 1", Notes()).flag(text, "a") is value


def test_many_faults_of_a_card_are_one_line() -> None:
    notes = Notes()
    read = Reader("GPU 2", notes)
    for name in ("a", "b", "c", "d", "e"):
        read.text("[GPU is lost]", name)
    assert notes.warnings() == ("GPU 2: GPU is lost in place of a, b, c and 2 more readings",)


def test_masks_in_hexadecimal_and_decimal() -> None:
    notes = Notes()
    read = Reader("GPU 2", notes)
    assert read.mask("0x0000000000000044", "m") == 0x44
    assert read.mask("68", "m") == 68
    assert read.mask("0xZZ", "m") is None
    assert notes.warnings() == ("GPU 2: m is '0xZZ', which is no value for it",)


def test_clock_event_bits_by_name() -> None:
    assert clock_events(0) == ()
    assert clock_events(0x1FF) == (
        "gpu_idle",
        "applications_clocks_setting",
        "sw_power_cap",
        "hw_slowdown",
        "sync_boost",
        "sw_thermal_slowdown",
        "hw_thermal_slowdown",
        "hw_power_brake_slowdown",
        "display_clocks_setting",
    )
    assert clock_events(0x240) == ("hw_thermal_slowdown", "bit_0x200")
    assert clock_event_mask(["sw_power_cap", "hw_slowdown", "sw_power_cap", "what"]) == 12


def test_recovery_actions_have_one_spelling() -> None:
    assert [recovery_action(word) for word in ("0", "1", "2", "3", "4")] == [
        "None",
        "GPU Reset",
        "Node Reboot",
        "Drain P2P",
        "Drain and Reset",
    ]
    assert recovery_action("Reset") == "GPU Reset"
    assert recovery_action("drain and reset") == "Drain and Reset"
    assert recovery_action("Something new") == "Something new"
    assert recovery_action("9") == "9"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("C", GpuProcessType.COMPUTE),
        ("G", GpuProcessType.GRAPHICS),
        ("C+G", GpuProcessType.MIXED),
        ("M+C", GpuProcessType.COMPUTE),
        ("-", None),
    ],
)
def test_process_types(text: str, kind: GpuProcessType | None) -> None:
    assert process_type(text) is kind
