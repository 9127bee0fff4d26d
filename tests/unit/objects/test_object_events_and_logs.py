"""Events of both forms folded; logs of the container that is meant."""

import pytest

from aiops_mcp.fleet.object_events import fold_events, happening
from aiops_mcp.fleet.object_log_lines import choose_container, fold_lines, is_error, split_lines


def event(name="web-5c9f8d7b6-abcde", message="", **parts):
    about = {"kind": "Pod", "namespace": "shop", "name": name}
    told = {"type": "Warning", "reason": "BackOff", "involvedObject": about, "message": message}
    return {**told, "metadata": {"creationTimestamp": "2026-03-01T10:00:00Z"}, **parts}


def test_the_old_form_counts_and_the_latest_time_is_taken():
    one = happening(
        event(count=7, firstTimestamp="2026-03-01T11:00:00Z", lastTimestamp="2026-03-01T11:50:00Z")
    )
    assert (one.count, one.last.minute, one.first.hour) == (7, 50, 11)


def test_the_new_form_has_a_series():
    one = happening(
        event(
            count=None,
            firstTimestamp=None,
            lastTimestamp=None,
            eventTime="2026-03-01T11:00:00.000000Z",
            series={"count": 9, "lastObservedTime": "2026-03-01T11:55:00.123456Z"},
            reportingComponent="kubelet",
        )
    )
    assert (one.count, one.last.minute, one.source) == (9, 55, "kubelet")


def test_an_event_without_any_time_has_that_of_its_birth():
    assert happening(event()).last.hour == 10


def test_what_says_the_same_is_one_row_over_pods_and_clusters():
    text = "Back-off restarting failed container web in pod {0}_shop(80607989-2b9d-5529-835b-ce6f585c59db)"
    told = [
        (
            "c1",
            happening(event("web-5c9f8d7b6-abcde", text.format("web-5c9f8d7b6-abcde"), count=3)),
        ),
        (
            "c2",
            happening(event("web-5c9f8d7b6-fghij", text.format("web-5c9f8d7b6-fghij"), count=4)),
        ),
        (
            "c1",
            happening(event("api-0", "Readiness probe failed", type="Warning", reason="Unhealthy")),
        ),
        ("c1", happening(event("api-0", "Pulled", type="Normal", reason="Pulled", count=500))),
    ]
    folded = fold_events(told)
    assert [(one.reason, one.count) for one in folded][-1] == ("Pulled", 500)
    [back_off] = [one for one in folded if one.reason == "BackOff"]
    assert (back_off.count, back_off.object_count, back_off.cluster_names) == (7, 2, ("c1", "c2"))


def test_an_event_of_a_strange_shape_is_read_all_the_same():
    assert (
        fold_events([("c1", happening({"series": "odd", "count": "x", "involvedObject": None}))])[
            0
        ].count
        == 1
    )


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        ('level=error msg="upstream failed"', True),
        ('{"level":"error","msg":"x"}', True),
        ("panic: runtime error", True),
        ("E1125 lease_controller.go:121] lost", True),
        ('level=info msg="request" error=none', False),
        ('{"level": "info", "msg": "0 errors, none failed"}', False),
        ("GET /healthz 200", False),
    ],
)
def test_what_counts_as_an_error(line, bad):
    assert is_error(line) is bad


def test_only_a_newline_ends_a_line():
    log = "2026-03-10T14:30:00Z a\x0bb\u2028c\rd\r\n\n2026-03-10T14:30:01Z e\n"
    assert split_lines(log) == [
        ("2026-03-10T14:30:00Z", "a\x0bb\u2028c\rd"),
        ("2026-03-10T14:30:01Z", "e"),
    ]


def test_neighbours_that_differ_only_in_numbers_are_folded():
    lines = split_lines(
        "2026-03-01T11:00:00.1Z tick 1\n2026-03-01T11:00:01.1Z tick 2\n\nplain\n"
        f"2026-03-01T11:00:02Z {'x' * 1_000_000}\n"
    )
    folded = fold_lines(lines)
    assert [(one.count, one.message[:6]) for one in folded] == [
        (2, "tick 1"),
        (1, "plain"),
        (1, "xxxxxx"),
    ]
    assert folded[0].at == "2026-03-01T11:00:00.1Z"
    assert len(folded[2].message) < 600
    assert "1000000 characters" in folded[2].message


def pod(*names, statuses=(), annotations=None):
    return {
        "metadata": {"annotations": annotations or {}},
        "spec": {"containers": [{"name": name} for name in names]},
        "status": {"containerStatuses": list(statuses)},
    }


def test_the_failing_container_is_chosen_and_said_so(world):
    both = [world.status("web"), {**world.crash(), "name": "proxy"}]
    choice = choose_container(pod("web", "proxy", statuses=both), None)
    assert (choice.container, "fails" in choice.why) == ("proxy", True)


def test_else_the_default_else_the_first():
    annotated = {"kubectl.kubernetes.io/default-container": "proxy"}
    assert choose_container(pod("web", "proxy", annotations=annotated), None).container == "proxy"
    assert choose_container(pod("web", "proxy"), None).container == "web"
    assert choose_container(pod("web"), None).why is None
    assert choose_container(pod("web"), "other") is None
