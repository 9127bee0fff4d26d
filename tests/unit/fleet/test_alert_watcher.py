"""Looks at alerts: what is new, what is gone after two looks, and a switch that falls silent."""

from datetime import UTC, datetime, timedelta

import pytest

from aiops_mcp.backends.alertmanager_answers import parse_alert
from aiops_mcp.backends.alertmanager_poll import PolledAlert
from aiops_mcp.fleet.alert_history import behaviour
from aiops_mcp.fleet.alert_looks import ClusterLooks, has_switch, switch_is_overdue
from aiops_mcp.fleet.alert_merge import cross_key, merge_alerts, without_replicas
from aiops_mcp.fleet.alert_occurrences import SLACK, Gone, changes, events_of
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState, AlertStatistics, span_text
from aiops_mcp.models.events import EventType

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def polled(name, *, starts="2026-03-01T11:00:00Z", ends="2026-03-01T12:04:00Z"):
    return PolledAlert(name, name, starts, ends, {}, parse_alert)


@pytest.fixture
def home(fakes):
    return fakes.cluster("aaa")


def alert(home, name="x", *, began=NOW, ended=None, **labels):
    return Alert(
        id=name,
        fingerprint=name,
        cluster_id=home.id,
        cluster_name=home.name,
        alertname=name,
        severity=AlertSeverity.WARNING,
        state=AlertState.FIRING if ended is None else AlertState.RESOLVED,
        labels={"alertname": name, **labels},
        starts_at=began,
        ends_at=ended,
    )


class TestLooks:
    def test_what_was_not_there_is_new_once(self):
        looks = ClusterLooks()
        assert [each.fingerprint for each in looks.look([polled("x")], NOW).new] == ["x"]
        assert looks.look([polled("x"), polled("y")], NOW).new[0].fingerprint == "y"
        assert looks.look([polled("x"), polled("y")], NOW).new == ()

    def test_a_restarted_alert_is_told_of_again(self):
        looks = ClusterLooks()
        looks.look([polled("x")], NOW)
        again = looks.look([polled("x", starts="2026-03-01T11:59:00Z")], NOW)
        assert len(again.new) == 1

    def test_missing_in_one_look_is_not_gone(self):
        looks = ClusterLooks()
        looks.look([polled("x")], NOW)
        assert looks.look([], NOW + MINUTE).gone == ()
        assert looks.misses_any
        back = looks.look([polled("x")], NOW + 2 * MINUTE)
        assert back.new == ()
        assert back.gone == ()
        assert not looks.misses_any

    def test_missing_in_two_looks_is_gone_since_the_first(self):
        looks = ClusterLooks()
        looks.look([polled("x")], NOW)
        looks.look([], NOW + MINUTE)
        assert looks.look([], NOW + 2 * MINUTE).gone == (Gone("x", NOW + MINUTE),)
        assert looks.look([], NOW + 3 * MINUTE).gone == ()

    def test_missing_after_its_own_end_is_gone_at_once(self):
        looks = ClusterLooks()
        looks.look([polled("x")], NOW)
        later = NOW + 5 * MINUTE
        assert looks.look([], later).gone == (Gone("x", later),)

    def test_an_end_that_has_passed_is_the_end(self):
        looks = ClusterLooks()
        looks.look([polled("x")], NOW)
        over = looks.look([polled("x")], NOW + 5 * MINUTE)
        assert over.gone == (Gone("x", NOW + 4 * MINUTE),)
        assert looks.look([polled("x")], NOW + 5 * MINUTE).gone == ()

    def test_a_pair_that_answers_in_turn_does_not_flap(self):
        looks = ClusterLooks()
        first, second = [polled("x"), polled("y")], [polled("x")]
        looks.look(first, NOW)
        for turn in range(6):
            look = looks.look(second if turn % 2 == 0 else first, NOW + turn * MINUTE / 4)
            assert look.new == look.gone == ()

    def test_what_the_history_holds_is_looked_for(self, home):
        looks = ClusterLooks()
        looks.know([alert(home, "x")])
        looks.look([], NOW)
        assert [gone.fingerprint for gone in looks.look([], NOW).gone] == ["x"]

    def test_switch(self):
        assert has_switch([polled("Watchdog")], ["Watchdog"])
        assert not has_switch([polled("x")], ["Watchdog"])
        assert not switch_is_overdue(None, NOW, MINUTE)
        assert not switch_is_overdue(NOW - MINUTE, NOW, MINUTE)
        assert switch_is_overdue(NOW - 2 * MINUTE, NOW, MINUTE)


class TestOccurrences:
    def known(self, home, *alerts):
        return changes(home, (), alerts, now=NOW).begun

    def test_first_told_begins_and_fires(self, home):
        found = changes(home, (), [alert(home)], now=NOW)
        assert [record.starts_at for record in found.begun] == [NOW]
        assert [each.fingerprint for each in found.fired] == ["x"]

    def test_a_replay_changes_nothing(self, home):
        known = self.known(home, alert(home))
        found = changes(home, known, [alert(home)], now=NOW + MINUTE)
        assert (found.begun, found.ended, found.fired, found.resolved) == ((), (), (), ())

    @pytest.mark.parametrize("jitter", [-30, -1, 1, 110])
    def test_starts_of_a_pair_differ_by_seconds(self, home, jitter):
        known = self.known(home, alert(home))
        other = alert(home, began=NOW + timedelta(seconds=jitter))
        assert changes(home, known, [other], now=NOW + MINUTE).fired == ()

    def test_firing_anew_ends_the_one_before(self, home):
        known = self.known(home, alert(home))
        began = NOW + SLACK + MINUTE
        found = changes(home, known, [alert(home, began=began)], now=began)
        assert [end.ends_at for end in found.ended] == [began]
        assert len(found.fired) == len(found.resolved) == 1

    def test_an_end_resolves_once(self, home):
        known = self.known(home, alert(home))
        end = alert(home, ended=NOW + 5 * MINUTE)
        found = changes(home, known, [end, end], now=NOW + 6 * MINUTE)
        assert [each.ends_at for each in found.resolved] == [NOW + 5 * MINUTE]
        assert len(found.ended) == 1

    def test_an_end_nobody_saw_begin_is_recorded_whole(self, home):
        found = changes(home, (), [alert(home, ended=NOW + MINUTE)], now=NOW + MINUTE)
        assert found.begun[0].ends_at == NOW + MINUTE
        assert len(found.resolved) == 1
        assert found.fired == ()

    def test_an_old_end_is_recorded_and_no_news(self, home):
        late = NOW + timedelta(hours=3)
        found = changes(home, (), [alert(home, ended=NOW + MINUTE)], now=late)
        assert len(found.begun) == 1
        assert found.resolved == ()

    def test_firing_after_its_end_was_told_is_late(self, home):
        ended = self.known(home, alert(home, ended=NOW + 5 * MINUTE))
        found = changes(home, ended, [alert(home)], now=NOW + 6 * MINUTE)
        assert found.fired == ()
        assert [each.fingerprint for each in found.late] == ["x"]

    def test_gone_ends_what_is_open(self, home):
        known = self.known(home, alert(home))
        found = changes(home, known, (), [Gone("x", NOW + MINUTE)], now=NOW + 2 * MINUTE)
        [resolved] = found.resolved
        assert (resolved.alertname, resolved.ends_at) == ("x", NOW + MINUTE)

    def test_events_tell_of_the_times(self, home):
        known = self.known(home, alert(home))
        found = changes(home, known, (), [Gone("x", NOW + MINUTE)], now=NOW + 2 * MINUTE)
        [event] = events_of(found, NOW + 2 * MINUTE)
        assert event.event_type is EventType.ALERT_RESOLVED
        assert event.payload["duration_seconds"] == 60.0
        assert event.cluster_name == "aaa"

    def test_no_nul_reaches_the_database(self, home):
        [record] = self.known(home, alert(home, "a\x00b", c="d\x00e"))
        assert record.alertname == "ab"
        assert record.labels["c"] == "de"


class TestDeduplication:
    def test_replica_labels_make_no_other_alert(self, home):
        one = alert(home, prometheus_replica="a")
        two = alert(home, prometheus_replica="b", began=NOW - MINUTE)
        assert cross_key(one.labels, ["prometheus_replica"]) == cross_key(
            two.labels, ["prometheus_replica"]
        )
        assert without_replicas([one, two], ["prometheus_replica"]) == [two]
        assert len(without_replicas([one, two], [])) == 2

    def test_told_of_wins_over_silenced(self, home):
        quiet = alert(home, replica="a", began=NOW - MINUTE).model_copy(
            update={"silenced_by": ("s",)}
        )
        loud = alert(home, replica="b")
        assert without_replicas([quiet, loud], ["replica"]) == [loud]

    def test_one_alert_in_two_clusters_is_one_with_two_places(self, home, fakes):
        there = fakes.cluster("bbb")
        pair = [alert(home, cluster="aaa"), alert(there, cluster="bbb")]
        [group] = merge_alerts(pair, ["cluster"])
        assert [place.cluster_name for place in group.alerts[0].places] == ["aaa", "bbb"]


def test_behaviour_counts_usual_length_and_flapping(home):
    often = [
        alert(home, began=NOW - hours * timedelta(hours=1), ended=NOW - hours * 60 * MINUTE + minutes * MINUTE)
        for hours, minutes in ((1, 4), (2, 4), (3, 9), (4, 2), (5, 4))
    ]  # fmt: skip
    found = behaviour(often, days=7)
    assert (found.fired, found.usual_seconds, found.flapping) == (5, 240.0, True)
    assert found.text == "fired 5 times in 7 days, usually for 4m, flapping"
    assert not behaviour(often[:4], days=7).flapping
    assert behaviour([], days=7) == AlertStatistics(days=7, fired=0, clusters=0)


def test_flapping_is_a_cluster_s_own(home, fakes):
    places = [home, *(fakes.cluster(f"c-{n}") for n in range(5))]
    assert not behaviour([alert(place) for place in places], days=7).flapping


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5s"), (240, "4m"), (3600, "1h"), (11400, "3h10m"), (90000, "1d1h"), (864000, "10d")],
)
def test_spans(seconds, text):
    assert span_text(timedelta(seconds=seconds)) == text
