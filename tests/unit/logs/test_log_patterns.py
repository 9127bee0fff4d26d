"""Patterns over parts of a time: what is read, counted, compared, and told about."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from aiops_mcp.capabilities.log_patterns import LogPatternQuery
from aiops_mcp.capabilities.log_patterns_digest import digest_patterns
from aiops_mcp.errors import ClusterUnreachable, QueryTooExpensive
from aiops_mcp.fleet.log_folding import LineFolder, patterns_of
from aiops_mcp.fleet.log_parts import parts_of
from aiops_mcp.fleet.log_patterns import PatternSearch, find_patterns
from aiops_mcp.fleet.log_sequences import key_of
from aiops_mcp.models.coverage import AnswerStatus, ClusterFailure, Coverage
from aiops_mcp.models.log_patterns import PatternVerdict
from aiops_mcp.models.logs import LogAnswer, LogEntry
from aiops_mcp.models.nanoseconds import SECOND, to_ns
from aiops_mcp.models.principal import LOCAL_ADMIN

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def line(minutes, message, *, cluster="edge-1", **stream):
    """One line so many minutes before NOW."""
    return LogEntry(
        cluster_id=UUID(int=1),
        cluster_name=cluster,
        timestamp=to_ns(NOW) - int(minutes * 60 * SECOND),
        stream={"namespace": "shop", "app": "cart", **stream},
        message=message,
    )


class FakeLogs:
    """Answers with the newest ``limit`` of its lines; ``silent`` are (cluster, moment) failures."""

    def __init__(self, lines, *, fails_before=None, refuses=None):
        self.lines = sorted(lines, key=lambda one: -one.timestamp)
        self.fails_before = fails_before
        self.refuses = refuses
        self.asked = []
        self.checked = []

    async def check(self, query, *, selection, principal, within):
        self.checked.append((query, selection, within.start, within.end))
        if self.refuses:
            raise self.refuses

    async def query(self, query, *, selection, principal, within):
        self.asked.append(within)
        found = [one for one in self.lines if within.start <= one.timestamp < within.end]
        failures = ()
        if self.fails_before is not None and within.start < self.fails_before:
            found = [one for one in found if one.cluster_name != "edge-2"]
            failure = ClusterFailure(
                cluster_name="edge-2", status=AnswerStatus.TIMEOUT, code="QUERY_TIMEOUT", error="no"
            )
            failures = (failure,)
        return LogAnswer(
            query=query,
            direction=within.direction,
            limit=within.limit,
            start_time=within.start,
            end_time=within.end,
            entries=tuple(found[: within.limit]),
            truncated=len(found) > within.limit,
            total_query_time_ms=1.0,
            warnings=("PARTIAL_RESULTS",) if failures else ("edge-1: too many pods",),
            coverage=Coverage(queried=2, succeeded=2 - len(failures), failures=failures),
        )


def search(**more):
    given = {"query": '{namespace="shop"}', "until": NOW, "seconds": 3600, "baseline": 3600}
    return PatternSearch(**given | more)


async def find(lines, fake=None, **more):
    return await find_patterns(fake or FakeLogs(lines), search(**more), principal=LOCAL_ADMIN)


def steady(message, each=2.0, *, begin=0.5, end=119.5, **more):
    count = int((end - begin) / each)
    return [line(begin + each * n, message.format(n=n), **more) for n in range(count + 1)]


def by_text(answer, part):
    [found] = [one for one in answer.patterns if part in one.template]
    return found


async def test_new_more_rare_and_vanished_errors_first():
    lines = [
        *steady("level=info served path=/a/{n}"),
        *steady("level=error database refused host={n}", 1, end=30),
        *steady("level=warning slow answer took={n}ms", 10, begin=61),
        *steady("level=warning slow answer took={n}ms", 0.5, end=20),
        *steady("level=info heartbeat number {n} sent", 2, begin=61),
        line(5, "level=error disk label unreadable"),
    ]
    answer = await find(lines)
    refused = by_text(answer, "refused")
    assert answer.patterns[0] is refused
    assert refused.verdict is PatternVerdict.NEW
    assert (refused.count, refused.baseline, refused.expected) == (30, 0, 0.0)
    assert refused.counts == (0, 0, 0, 10, 10, 10)
    assert refused.began == NOW - timedelta(minutes=29.5)
    assert refused.clusters == {"edge-1": 30}
    assert refused.places == {"shop/cart": 30}
    assert "refused" in refused.example
    rare = by_text(answer, "unreadable")
    assert rare.verdict is PatternVerdict.RARE
    assert answer.patterns.index(rare) == 1
    slow = by_text(answer, "slow")
    assert slow.verdict is PatternVerdict.MORE
    assert slow.began == NOW - timedelta(minutes=20)
    gone = by_text(answer, "heartbeat")
    assert (gone.verdict, gone.count, gone.baseline) == (PatternVerdict.VANISHED, 0, 30)
    assert by_text(answer, "served").verdict is None
    assert answer.lines == sum(one.count for one in answer.patterns)
    assert "edge-1: too many pods" in answer.notes


async def test_the_ids_are_the_same_in_each_call():
    lines = steady("level=error database refused host={n}")
    first, second = await find(lines), await find(lines[:10])
    assert [one.id for one in first.patterns] == [one.id for one in second.patterns]
    assert len(first.patterns[0].id) == 12


async def test_what_has_too_many_lines_is_read_in_each_part_and_set_in_proportion():
    lines = [*steady("level=info served {n}", 0.1, end=59.9), *steady("level=info served {n}", 1)]
    answer = await find(lines, most_lines=120)
    served = by_text(answer, "served")
    assert 6 * 54 <= answer.read_seconds <= 6 * 60
    assert answer.baseline_read_seconds == 3600.0
    assert (served.count, served.baseline) == (60, 60)
    # 60 lines in six minutes are many more than 60 in an hour.
    assert served.verdict is PatternVerdict.MORE
    made = digest_patterns(LogPatternQuery(query="{}"), answer)
    assert any("of the window, spread over it" in note for note in made.notes)


async def test_who_answered_for_a_part_only_is_not_compared():
    lines = [*steady("level=info a {n}"), *steady("level=error b {n}", cluster="edge-2")]
    fake = FakeLogs(lines, fails_before=to_ns(NOW - HOUR))
    answer = await find(lines, fake)
    assert by_text(answer, "b <*>").verdict is None
    assert by_text(answer, "b <*>").count == 30
    assert any("not compared: edge-2" in note for note in answer.notes)
    assert [one.cluster_name for one in answer.coverage.failures] == ["edge-2"]
    assert answer.coverage.succeeded == 1


async def test_both_windows_are_judged_at_once_before_a_line_is_read():
    fake = FakeLogs([], refuses=QueryTooExpensive("too much", "less"))
    with pytest.raises(QueryTooExpensive):
        await find([], fake, baseline=7200.0)
    assert fake.asked == []
    [(_, _, start, end)] = fake.checked
    assert (end - start) / SECOND == 3 * 3600


async def test_a_part_that_fails_is_told_and_all_failing_is_an_error():
    class Failing(FakeLogs):
        async def query(self, query, *, selection, principal, within):
            if len(self.asked) in self.refuses_at:
                self.asked.append(within)
                raise ClusterUnreachable("edge-1 is away", "wait")
            return await super().query(
                query, selection=selection, principal=principal, within=within
            )

    fake = Failing(steady("level=info a {n}"))
    fake.refuses_at = {0}
    answer = await find([], fake)
    assert any("part of the time could not be read: edge-1 is away" in n for n in answer.notes)
    assert answer.baseline_read_seconds == 3000.0
    fake = Failing([])
    fake.refuses_at = range(12)
    with pytest.raises(ClusterUnreachable):
        await find([], fake)


async def test_a_trace_whose_lines_differ_from_normal_ones():
    lines = []
    for number in range(100):
        began, trace = 118 - number * 1.1, f"trace_id=abcdef{number:06}"
        lines += [
            line(began, f"level=info order accepted {trace}"),
            line(began - 0.01, f"level=info payment taken {trace}"),
            line(began - 0.02, f"level=info parcel packed {trace}"),
        ]
    lines += [line(10, "level=info order accepted trace_id=bad000001")]
    lines += [line(9.9, "level=info stock was reserved again trace_id=bad000001")]
    answer = await find(lines)
    assert [(one.key, one.of, one.lines) for one in answer.sequences] == [("bad000001", "trace", 2)]
    assert any("reserved" in why for why in answer.sequences[0].why)
    assert answer.sequences_judged >= 40
    made = digest_patterns(LogPatternQuery(query="{}"), answer)
    assert made.rows[-1][3] == "unusual sequence"
    assert "trace bad000001" in str(made.rows[-1][6])


def test_what_a_line_belongs_to():
    assert key_of(line(0, "x", trace_id="abc")) == ("trace", "abc")
    assert key_of(line(0, 'x "session_id":"s-12345678" trace_id=abcdefgh')) == (
        "session",
        "s-12345678",
    )
    assert key_of(line(0, "requestId=77aabbcc")) == ("request", "77aabbcc")
    assert key_of(line(0, "x", pod="cart-1")) is None


def test_parts_meet_and_cover_all():
    parts = parts_of(0, 10, 3)
    assert [(one.start, one.end) for one in parts] == [(0, 3), (3, 6), (6, 10)]


def test_folding_in_parts_is_folding_at_once():
    lines = [
        line(0, f"user {name} logged in level=info")
        for name in ["amy", "bob", "cid", "dan", "eve", "fay"]
    ]
    folder = LineFolder()
    for part, one in enumerate(lines):
        folder.add(one, part % 2)
        folder.patterns()
    [apart], [whole] = folder.patterns(), patterns_of(lines)
    assert apart.count == whole.count == 6
    assert apart.template.text == whole.template.text
    assert apart.parts == {("edge-1", 0): 3, ("edge-1", 1): 3}


async def test_nothing_at_all_is_said_so():
    made = digest_patterns(LogPatternQuery(query="{}"), await find([]))
    assert made.headline == "No lines, neither in the window nor before it."
    assert made.rows == ()


async def test_a_digest_is_small_whatever_there_is():
    lines = [line(n % 60, "level=error " + f"word{chr(97 + n % 26)} " * (n + 1)) for n in range(60)]
    made = digest_patterns(LogPatternQuery(query='{namespace="shop"}'), await find(lines))
    assert len(made.text()) / 3.6 < 650
    assert "more patterns: get_log_patterns(" in (made.more or "")
