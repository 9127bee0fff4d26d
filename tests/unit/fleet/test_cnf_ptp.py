from datetime import UTC, datetime

import pytest

from aiops_mcp.fleet.cnf_ptp import ptp_statuses
from aiops_mcp.models.cnf import ClockState
from aiops_mcp.models.metrics import Series

START = 1_700_000_000.0


def series(name, *values, step=30.0, **labels):
    return Series(
        metric={"__name__": f"openshift_ptp_{name}", "node": "n1", **labels},
        values=tuple((START + step * place, str(value)) for place, value in enumerate(values)),
    )


def ptp4l(name, *values, **labels):
    return series(name, *values, process="ptp4l", iface="ens1fx", **labels)


def only(fakes, *many):
    [status] = ptp_statuses(many, fakes.cluster("edge-1"))
    return status


def test_a_locked_clock_has_no_trouble(fakes):
    status = only(fakes, ptp4l("clock_state", 1, 1, 1), ptp4l("offset_ns", 5, -7, 6))
    assert status.clock_state is ClockState.LOCKED
    assert status.since == datetime.fromtimestamp(START, UTC)
    assert status.since_is_earlier
    assert status.unlocked_seconds is None
    assert (status.offset_ns, status.worst_offset_ns) == (6, -7)
    assert (status.min_offset_ns, status.max_offset_ns) == (-100, 100)
    assert status.troubles == ()
    assert status.next_step is None


def test_free_run_counts_from_the_loss_of_lock(fakes):
    status = only(
        fakes,
        ptp4l("clock_state", 1, 1, 2, 2, 0),
        ptp4l("offset_ns", 5, 5, 20, 60, 1600),
        series("interface_role", 5, process="ptp4l", iface="ens1f0"),
        series("clock_class", 248, process="ptp4l"),
    )
    assert status.clock_state is ClockState.FREERUN
    assert status.since == datetime.fromtimestamp(START + 120, UTC)
    assert not status.since_is_earlier
    assert status.unlocked_seconds == 90  # holdover is part of it
    assert status.trend_ns_per_minute == pytest.approx(650, rel=0.2)
    assert status.troubles == (
        "FREERUN",
        "offset 1600 ns beyond 100",
        "beyond the 1.5 us of the air interface",
        "clock class 248",
        "port ens1f0 LISTENING",
    )
    assert status.next_step is not None
    assert "grandmaster" in status.next_step


def test_the_profile_sets_the_limits(fakes):
    told = [
        ptp4l("clock_state", 1),
        ptp4l("offset_ns", -30),
        series("threshold", -20, threshold="MinOffsetThreshold", profile="p"),
        series("threshold", 20, threshold="MaxOffsetThreshold", profile="p"),
        series("threshold", 5, threshold="HoldOverTimeout", profile="p"),
    ]
    status = only(fakes, *told)
    assert (status.min_offset_ns, status.max_offset_ns) == (-20, 20)
    assert status.holdover_timeout_seconds == 5
    assert status.troubles == ("offset -30 ns beyond -20",)


def test_what_is_left_of_the_holdover_is_told(fakes):
    timeout = series("threshold", 120, threshold="HoldOverTimeout", profile="p")
    held = only(fakes, ptp4l("clock_state", 1, 1, 2, 2), timeout)
    assert (held.unlocked_seconds, held.holdover_left_seconds) == (60, 60)
    assert held.troubles == ("HOLDOVER, 60 s of it left",)
    over = only(fakes, ptp4l("clock_state", 1, 1, 2, 2, 2, 2, 2, 2), timeout)
    assert over.holdover_left_seconds == 0
    assert only(fakes, ptp4l("clock_state", 1, 0), timeout).holdover_left_seconds is None


def test_a_missing_pulse_per_second_is_a_trouble(fakes):
    status = only(fakes, ptp4l("clock_state", 1), series("pps_status", 0))
    assert (status.pps, status.troubles) == (False, ("no pulse per second",))
    assert only(fakes, ptp4l("clock_state", 1), series("pps_status", 1)).troubles == ()


def test_a_process_that_died_or_restarts(fakes):
    status = only(
        fakes,
        series("clock_state", 1, process="phc2sys", iface="CLOCK_REALTIME"),
        series("process_status", 0, process="phc2sys"),
        series("process_restart_count", 3, 4, 6, process="phc2sys"),
        series("interface_role", 3, process="ptp4l", iface="ens1f0"),
    )
    assert status.process_up is False
    assert status.process_restarts == 3
    assert status.troubles == ("phc2sys is down", "phc2sys restarted 3 x")
    assert status.next_step == "read the log of linuxptp-daemon on n1"


def test_the_antenna_is_named_where_gnss_has_no_fix(fakes):
    status = only(
        fakes,
        ptp4l("clock_state", 2),
        series("gnss_status", 0),
        series("phase_status", 4),
        series("frequency_status", -1),
    )
    assert (status.gnss, status.dpll_phase, status.dpll_frequency) == (
        "no fix",
        "holdover",
        "unknown",
    )
    assert status.troubles == ("HOLDOVER", "GNSS no fix")
    assert status.next_step == "check the antenna and its view of the sky"


def test_clocks_come_by_node_and_process(fakes):
    told = [
        series("clock_state", 1, process="phc2sys", iface="CLOCK_REALTIME"),
        ptp4l("clock_state", 1),
        Series(
            metric={
                "__name__": "openshift_ptp_clock_state",
                "instance": "10.0.0.1:9091",
                "process": "ptp4l",
                "iface": "a",
            },
            values=((START, "1"),),
        ),
        series("clock_state", process="ptp4l", iface="without-samples"),
    ]
    found = ptp_statuses(told, fakes.cluster("edge-1"))
    assert [(one.node, one.process) for one in found] == [
        ("10.0.0.1:9091", "ptp4l"),
        ("n1", "phc2sys"),
        ("n1", "ptp4l"),
    ]


def test_what_is_nan_is_not_known(fakes):
    status = only(fakes, ptp4l("clock_state", 1), ptp4l("offset_ns", "NaN"))
    assert status.offset_ns is None
    assert status.troubles == ()


def test_two_ports_that_both_follow_are_told(fakes):
    status = only(
        fakes,
        ptp4l("clock_state", 1),
        series("interface_role", 1, process="ptp4l", iface="ens1f0"),
        series("interface_role", 1, process="ptp4l", iface="ens2f0"),
    )
    assert status.troubles == ("2 ports SLAVE at once: ens1f0, ens2f0",)
