"""Which rules, targets and silences want a look, from values alone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest

from aiops_mcp.fleet import rule_hygiene as hygiene
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.rules import FleetRule, FleetTarget, RuleFault
from aiops_mcp.models.silences import FleetSilence, Matcher, SilenceState

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOME = UUID(int=7)


def rule(name="Down", cluster="a-1", **fields):
    values = {
        "group": "g",
        "file": "f",
        "kind": "alerting",
        "query": "up == 0",
        "duration_seconds": 300.0,
        "labels": {"severity": "warning"},
        "annotations": {},
        "health": "ok",
        "last_error": "",
        "state": "inactive",
        **fields,
    }
    return FleetRule(cluster_id=uuid5(HOME, cluster), cluster_name=cluster, name=name, **values)


def silence(days, *, left, state=SilenceState.ACTIVE):
    return FleetSilence(
        id="s",
        cluster_id=HOME,
        cluster_name="a-1",
        state=state,
        matchers=(Matcher(name="alertname", value="X"),),
        starts_at=NOW + left - timedelta(days=days),
        ends_at=NOW + left,
        created_by="me",
        comment="why",
    )


def firing(name, days):
    return Alert(
        id=name,
        fingerprint=name,
        cluster_id=HOME,
        cluster_name="a-1",
        alertname=name,
        severity=AlertSeverity.WARNING,
        state=AlertState.FIRING,
        labels={},
        starts_at=NOW - timedelta(days=days),
    )


def test_broken_rules_say_why():
    [found] = hygiene.broken([rule(), rule("Bad", health="err", last_error="many-to-many")])
    assert (found.fault, found.subject, found.detail) == (RuleFault.BROKEN, "Bad", "many-to-many")


def test_always_firing_leaves_switches_out():
    alerts = [firing("Watchdog", 99), firing("Old", 8), firing("New", 6)]
    [found] = hygiene.always_firing(alerts, NOW, days=7, expected={"Watchdog"})
    assert (found.subject, found.detail) == ("Old", "1 fire for 8d")


def test_never_fired_looks_at_alerting_rules_alone():
    rules = [rule("Quiet"), rule("Fired"), rule("Now", state="firing"), rule("r", kind="recording")]
    [found] = hygiene.never_fired(rules, {"Fired"}, days=30)
    assert (found.subject, found.detail) == ("Quiet", "not once in 30 days")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"query": "up == 1"}, "another expression"),
        ({"duration_seconds": 60.0}, "for 60 s instead of 300 s"),
        ({"labels": {"severity": "critical"}}, "other labels (severity)"),
    ],
)
def test_the_odd_one_out_differs(change, said):
    rules = [rule(cluster=f"a-{n}") for n in range(4)] + [rule(cluster="b-1", **change)]
    [found] = hygiene.differing(rules)
    assert (found.fault, found.clusters) == (RuleFault.DIFFERS, ("b-1",))
    assert found.detail == f"{said} than in 4 others"


def test_layout_is_no_difference():
    assert hygiene.differing([rule(), rule(cluster="b-1", query="up  ==\n 0")]) == []


def test_several_rules_of_one_name_are_compared_as_a_set():
    both = [
        rule(cluster=cluster, labels={"severity": word})
        for cluster in ("a-1", "b-1", "c-1")
        for word in ("warning", "critical")
    ]
    assert hygiene.differing(both) == []
    [found] = hygiene.differing(both[:-1])
    assert found.detail.startswith("1 rules instead of 2")


def test_what_few_clusters_lack_is_missing_and_what_few_have_is_not():
    rules = [rule(cluster=f"a-{n}") for n in range(8)]
    rules += [rule("Common", cluster=f"a-{n}") for n in range(7)]
    rules += [rule("Special", cluster="a-0")]
    [found] = hygiene.differing(rules)
    assert (found.fault, found.subject, found.clusters) == (RuleFault.MISSING, "Common", ("a-7",))


def test_targets_down_per_job():
    def target(job, health):
        return FleetTarget(
            cluster_id=HOME, cluster_name="a-1", job=job, instance="i", scrape_url="u",
            health=health, last_error="refused" if health == "down" else "", last_scrape="",
            labels={},
        )  # fmt: skip

    [found] = hygiene.targets_down([target("x", "up"), target("x", "down"), target("y", "unknown")])
    assert (found.subject, found.detail) == ("job x", "1 of 2 down: refused")


def test_silences_that_end_soon_and_such_as_stay():
    soon, stays = silence(2, left=timedelta(hours=3)), silence(400, left=timedelta(days=300))
    fine = silence(5, left=timedelta(days=2))
    over = silence(2, left=timedelta(hours=-1), state=SilenceState.EXPIRED)
    found = hygiene.silences_at_fault([soon, stays, fine, over], NOW)
    assert [each.fault for each in found] == [
        RuleFault.SILENCE_ENDING,
        RuleFault.SILENCED_FOR_EVER,
    ]
    assert found[0].detail == "ends in 3h, by me: why"


def test_flapping_from_twenty_a_week():
    found = hygiene.flapping([("a-1", "X", 20), ("b-1", "X", 41), ("a-1", "Y", 19)])
    assert [(each.subject, each.clusters, each.detail) for each in found] == [
        ("X", ("a-1", "b-1"), "up to 41 times in 7 days")
    ]


def test_order_is_by_fault_then_by_reach():
    broken = hygiene.broken([rule("B", health="err", last_error="e")])
    wide = hygiene.never_fired([rule("W", cluster=f"a-{n}") for n in range(3)], (), days=30)
    narrow = hygiene.never_fired([rule("N")], (), days=30)
    assert [each.subject for each in hygiene.ordered([*narrow, *wide, *broken])] == ["B", "W", "N"]


class TestMatchers:
    @pytest.mark.parametrize(
        ("text", "made"),
        [
            ("alertname=Down", 'alertname="Down"'),
            ('severity =~ "warn.*|info"', 'severity=~"warn.*|info"'),
            ('a!="b c"', 'a!="b c"'),
            ("a!~b|c", 'a!~"b|c"'),
            (r'a="say \"hi\" \\ \n"', r'a="say \"hi\" \\ \n"'),
            ('a=""', 'a=""'),
        ],
    )
    def test_text_reads_back(self, text, made):
        matcher = Matcher.parse(text)
        assert matcher.text == made
        assert Matcher.parse(matcher.text) == matcher

    @pytest.mark.parametrize("text", ["", "alertname", "=x", 'a="b', "a=b c", '1a="b"', r'a="b\"'])
    def test_what_is_no_matcher_is_refused(self, text):
        with pytest.raises(ValueError, match=r"matcher|quotes"):
            Matcher.parse(text)
