"""XIDs: only edges are events, one happening is told once, and the earliest cause leads."""

from datetime import UTC, datetime, timedelta

from aiops_mcp.analysis.gpuhealth_history import card_history, held_xid, xid_edges
from aiops_mcp.analysis.gpuhealth_xids import CardName, cause_lies, findings, over_the_node
from aiops_mcp.models.gpu_health import XidSighting, XidSource
from aiops_mcp.models.gpu_timeline import CardTimeline
from aiops_mcp.models.xid import XidClass

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
T0 = NOW.timestamp()
CARDS = (
    CardName("gpu-1", 3, "GPU-c", "00000000:61:00.0"),
    CardName("gpu-1", 4, "GPU-d", "00000000:9D:00.0"),
)


def timeline(values, *, counts=None, pods=(), step=60.0, **fields):
    points = tuple((T0 + step * place, value) for place, value in enumerate(values))
    return CardTimeline(
        "GPU-c", "gpu-1", 3, {"XID_ERRORS": points, **fields}, counts or {}, {}, pods
    )


def sighting(code, seconds, source=XidSource.KERNEL_LOG, **facts):
    at = NOW + timedelta(seconds=seconds)
    facts.setdefault("uuid", "GPU-c")
    return XidSighting(code=code, at=at, node_name="gpu-1", sources=(source,), **facts)


def test_a_code_that_stays_in_the_gauge_is_one_event():
    (edge,) = xid_edges(timeline([0, 0, 79, 79, 79]))
    assert (edge.code, edge.at) == (79, NOW + timedelta(seconds=120))
    assert edge.sources == (XidSource.DCGM,)


def test_a_code_held_from_the_beginning_is_no_event():
    line = timeline([79, 79, 79])
    assert xid_edges(line) == ()
    assert held_xid(line) == 79
    assert held_xid(timeline([0, 79])) is None
    assert held_xid(timeline([0, 0])) is None


def test_a_new_driver_empties_the_gauge_and_that_is_no_event():
    assert xid_edges(timeline([79, 79, 0, 0])) == ()
    assert [one.code for one in xid_edges(timeline([79, 0, 79]))] == [79]


def test_another_code_is_another_event_and_the_same_twice_is_not_seen():
    assert [one.code for one in xid_edges(timeline([0, 13, 13, 31, 31]))] == [13, 31]


def test_the_exporters_counts_tell_how_often():
    counts = {79: ((T0 + 60, 1.0), (T0 + 120, 3.0), (T0 + 180, 1.0), (T0 + 240, 2.0))}
    found = xid_edges(timeline([0, 79, 79, 79, 79], counts=counts))
    assert [(one.code, one.count) for one in found] == [(79, 1), (79, 2), (79, 1)]


def test_a_count_that_was_there_before_one_looked_is_no_event():
    assert xid_edges(timeline([79, 79], counts={79: ((T0, 1.0), (T0 + 60, 1.0))})) == ()


def test_the_pod_at_that_time_is_named():
    pods = (("ml/a", T0, T0 + 60), ("ml/b", T0 + 120, T0 + 300))
    assert xid_edges(timeline([0, 0, 0, 43], pods=pods))[0].pod == "ml/b"


def test_one_xid_told_by_log_event_and_dcgm_is_told_once_at_the_earliest():
    seen = [
        sighting(79, 55, XidSource.DCGM),
        sighting(79, 0, uuid=None, pci_bus_id="0000:61:00", detail="fallen off"),
        sighting(79, 2, XidSource.EVENT, uuid=None, pci_bus_id="0000:61:00.0"),
    ]
    (found,) = findings(seen, CARDS)
    assert (found.code, found.at, found.times, found.gpu_index) == (79, NOW, 1, 3)
    assert set(found.sources) == set(XidSource)
    assert found.detail == "fallen off"


def test_the_earliest_that_is_no_cleanup_leads():
    (found,) = findings([sighting(45, 0), sighting(48, 1), sighting(63, 2)], CARDS)
    assert (found.code, found.with_codes) == (48, (45, 63))
    assert found.xid_class is XidClass.MEMORY


def test_a_code_again_later_is_counted():
    (found,) = findings([sighting(31, 0), sighting(31, 600), sighting(31, 1200)], CARDS)
    assert (found.times, found.at, found.last_at) == (3, NOW, NOW + timedelta(seconds=1200))


def test_an_unknown_code_and_an_unknown_bus_are_told_as_they_are():
    (found,) = findings([sighting(999, 0, uuid=None, pci_bus_id="0000:AA:00")], CARDS)
    assert (found.xid_class, found.uuid, found.gpu_index) == (None, None, None)
    assert "NVIDIA" in found.action


def test_one_card_many_applications_is_the_card_one_application_many_cards_is_it():
    owners = {"ml/a-0": "ml/Job/a", "ml/a-1": "ml/Job/a", "ml/b-0": "ml/Job/b"}
    many = findings([sighting(31, 0, pod="ml/a-0"), sighting(31, 900, pod="ml/b-0")], CARDS)
    assert cause_lies(many[0], many, owners) == "2 applications met it on this one card: the card"
    wide = findings(
        [sighting(31, 0, pod="ml/a-0"), sighting(31, 5, pod="ml/a-1", uuid="GPU-d")], CARDS
    )
    assert cause_lies(wide[0], wide, owners) == "ml/Job/a met it on 2 cards: the application"
    assert cause_lies(wide[0], wide[:1], owners) == ""


def test_79_over_a_node_is_power_or_pcie():
    found = findings([sighting(79, 0), sighting(79, 1, uuid="GPU-d")], CARDS)
    assert over_the_node(found, NOW) == {"gpu-1": (79, 2)}
    assert over_the_node(found, NOW + timedelta(hours=1)) == {}
    assert over_the_node(found[:1], NOW) == {}


def test_ten_thousand_lines_of_one_card_are_joined_at_once():
    seen = [sighting(31, number * 60) for number in range(10_000)]
    (found,) = findings(seen, CARDS)
    assert found.times == 10_000


def test_a_history_counts_through_resets_and_tells_of_them():
    line = CardTimeline(
        "GPU-c",
        "gpu-1",
        3,
        {
            "ECC_DBE_VOL_TOTAL": ((T0, 5.0), (T0 + 60, 7.0), (T0 + 120, 1.0)),
            "THERMAL_VIOLATION": ((T0, 0.0), (T0 + 100, 45e9)),
            "CLOCKS_EVENT_REASONS": ((T0, 0.0), (T0 + 60, 96.0), (T0 + 100, 64.0)),
            "GR_ENGINE_ACTIVE": ((T0, 0.5), (T0 + 60, 0.7)),
            "GPU_UTIL": ((T0, 100.0),),
        },
    )
    found = card_history(line, {"sw_thermal": 0x20, "hw_thermal": 0x40})
    assert found.increases == {"ECC_DBE_VOL_TOTAL": 3.0}
    assert found.resets == ("ECC_DBE_VOL_TOTAL",)
    assert found.throttled == {"thermal": 0.45}
    assert found.reason_shares == {"sw_thermal": 0.3333, "hw_thermal": 0.6667}
    assert found.engine_percent == 60.0
    assert (found.window_seconds, found.last_sample) == (120.0, NOW + timedelta(seconds=120))
    assert card_history(CardTimeline("GPU-c", "gpu-1"), {}) is None
