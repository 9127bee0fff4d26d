import asyncio

import pytest

from aiops_mcp.errors import (
    BackendRefused,
    BackendUnauthorized,
    CircuitOpen,
    ClusterUnreachable,
    QueryTimeout,
    StorageFailed,
)
from aiops_mcp.fleet.access import BackendMissing
from aiops_mcp.fleet.fleet import CacheRule
from aiops_mcp.fleet.last_seen import LastSeen
from aiops_mcp.models.cluster import ClusterState, ClusterType
from aiops_mcp.models.coverage import AnswerStatus
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role

TEXT = LastSeen("q", lambda value: value.encode(), lambda blob: blob.decode())


def loop_time():
    return asyncio.get_running_loop().time()


async def ask(fleet, question, selection=(), **more):
    more = {"principal": LOCAL_ADMIN, "backend": "prometheus", **more}
    return await fleet.ask(selection, question, **more)


async def name_of(access):
    return access.cluster.name


async def test_every_cluster_answers_in_order(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster(n) for n in ("aaa", "bbb", "ccc")], clock)
    answer = await ask(fleet, name_of)
    assert [one.value for one in answer.answers] == ["aaa", "bbb", "ccc"]
    coverage = answer.coverage()
    assert (coverage.queried, coverage.succeeded) == (3, 3)
    assert coverage.failures == coverage.stale == coverage.skipped == ()


async def test_a_confined_principal_asks_only_what_it_sees(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster(n) for n in ("aaa", "bbb")], clock)
    viewer = Principal(subject="v", role=Role.VIEWER, clusters=frozenset({"bbb"}))
    answer = await ask(fleet, name_of, principal=viewer)
    assert [one.value for one in answer.answers] == ["bbb"]


async def test_hanging_clusters_cost_their_tier_and_no_more(fakes, clock):
    clusters = [
        fakes.cluster("hub-1", ClusterType.HUB),
        fakes.cluster("spoke-1"),
        fakes.cluster("spoke-2"),
    ]
    fleet = fakes.make_fleet(clusters, clock)

    async def hang(access):
        if access.cluster.name != "spoke-2":
            await asyncio.Event().wait()
        return 1

    began = loop_time()
    answer = await ask(fleet, hang)
    assert loop_time() - began == pytest.approx(10, abs=0.01)
    hub, spoke, good = answer.answers
    assert hub.status is spoke.status is AnswerStatus.TIMEOUT
    assert isinstance(hub.error, QueryTimeout)
    assert "5 s" in str(hub.error)
    assert hub.elapsed_ms == pytest.approx(5000, abs=1)
    assert spoke.elapsed_ms == pytest.approx(10_000, abs=1)
    assert good.value == 1
    assert answer.coverage().failures[0].code == "QUERY_TIMEOUT"


async def test_one_that_is_known_to_be_away_gets_a_short_try_when_named(fakes, clock):
    far = fakes.cluster("far-1", ClusterType.FAR_EDGE, ClusterState.OFFLINE)
    fleet = fakes.make_fleet([far], clock)
    began = loop_time()
    await ask(fleet, lambda _: asyncio.Event().wait(), ["far-1"])
    assert loop_time() - began == pytest.approx(5, abs=0.01)


@pytest.mark.parametrize("deadline", [1.0, 40.0])
async def test_a_given_deadline_replaces_the_tiers(fakes, clock, deadline):
    fleet = fakes.make_fleet([fakes.cluster("spoke-1")], clock)
    began = loop_time()
    answer = await ask(fleet, lambda _: asyncio.Event().wait(), deadline=deadline)
    assert loop_time() - began == pytest.approx(deadline, abs=0.01)
    with pytest.raises(QueryTimeout):
        answer.raise_if_nobody_answered()


async def test_a_call_that_will_not_be_cancelled_is_left_behind(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("spoke-1"), fakes.cluster("spoke-2")], clock)
    release = asyncio.Event()

    async def stubborn(access):
        if access.cluster.name == "spoke-2":
            return "fine"
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    began = loop_time()
    answer = await ask(fleet, stubborn, deadline=2.0)
    assert loop_time() - began < 3
    assert answer.answers[0].status is AnswerStatus.TIMEOUT
    assert answer.answers[1].value == "fine"
    release.set()
    await asyncio.sleep(0)


async def test_bounded_concurrency_and_a_common_deadline(fakes, clock):
    clusters = [fakes.cluster(f"spoke-{n}") for n in range(9)]
    fleet = fakes.make_fleet(clusters, clock, concurrency=2)
    running = most = 0

    async def slow(access):
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            await asyncio.sleep(3)
        finally:
            running -= 1
        return access.cluster.name

    began = loop_time()
    answer = await ask(fleet, slow)
    assert most == 2
    assert loop_time() - began == pytest.approx(10, abs=0.01)
    assert len(answer.succeeded()) == 6  # three rounds of 3 s fit in 10 s
    assert "no slot came free" in answer.answers[8].error.message


async def test_who_got_no_slot_is_not_blamed(fakes, clock):
    clusters = [fakes.cluster("aaa"), fakes.cluster("bbb")]
    fleet = fakes.make_fleet(clusters, clock, concurrency=1)

    async def hang_first(access):
        if access.cluster.name == "aaa":
            await asyncio.Event().wait()

    for _ in range(6):
        answer = await ask(fleet, hang_first, deadline=1.0)
    assert isinstance(answer.answers[0].error, CircuitOpen)
    assert answer.answers[1].error is None


async def test_one_cluster_alone_whatever_its_state(fakes, clock):
    gone = fakes.cluster("bbb", state=ClusterState.OFFLINE)
    fleet = fakes.make_fleet([gone], clock)
    answer = await fleet.ask_one(gone, name_of, backend="kubernetes")
    assert (answer.value, answer.cluster, answer.status) == ("bbb", gone, AnswerStatus.SUCCESS)


async def test_refused_credentials_are_looked_up_anew(fakes, clock):
    home = fakes.cluster("aaa")
    connect = fakes.FakeConnect({("prometheus", "aaa"): fakes.FakePrometheus(None)})
    fleet = fakes.make_fleet([home], clock, connect)

    async def question(access):
        await access.prometheus()
        raise BackendUnauthorized("401", http_status=401)

    for _ in range(6):
        answer = await ask(fleet, question)
        assert isinstance(answer.answers[0].error, BackendUnauthorized)
    assert len(connect.built) == 6


async def test_each_backend_keeps_its_own_answers(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("aaa")], clock)
    rule = CacheRule(("q",), ttl=30)
    values = iter([1, 2])

    async def question(access):
        return next(values)

    first = await ask(fleet, question, cache=rule)
    other = await ask(fleet, question, cache=rule, backend="loki")
    assert (first.answers[0].value, other.answers[0].value) == (1, 2)


async def test_a_longer_deadline_does_not_join_a_shorter_ones_call(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("aaa")], clock)
    rule = CacheRule(("q",), ttl=30)

    async def slow(access):
        await asyncio.sleep(5)
        return "done"

    short, long = await asyncio.gather(
        ask(fleet, slow, cache=rule, deadline=1.0), ask(fleet, slow, cache=rule, deadline=20.0)
    )
    assert isinstance(short.answers[0].error, QueryTimeout)
    assert long.answers[0].value == "done"


class BrokenStore:
    async def put(self, key, cluster_id, blob, at):
        raise StorageFailed("full")

    async def get(self, key, cluster_id):
        raise StorageFailed("away")


async def test_a_store_that_fails_changes_no_answer(fakes, clock):
    far = fakes.cluster("far-1", ClusterType.FAR_EDGE)
    fleet = fakes.make_fleet([far], clock, last_seen=BrokenStore())
    answer = await ask(fleet, name_of, keep_last_seen=TEXT)
    await fleet.aclose()
    assert answer.answers[0].value == "far-1"

    async def down(access):
        raise ClusterUnreachable("down")

    answer = await ask(fleet, down, keep_last_seen=TEXT)
    assert isinstance(answer.answers[0].error, ClusterUnreachable)


async def test_bytes_of_another_version_are_as_if_absent(fakes, clock):
    far = fakes.cluster("far-1", ClusterType.FAR_EDGE, ClusterState.OFFLINE)
    store = fakes.MemoryLastSeen({("q", far.id): (b"\xff", clock.now)})
    fleet = fakes.make_fleet([far], clock, last_seen=store)
    answer = await ask(fleet, name_of, keep_last_seen=TEXT)
    assert answer.coverage().offline == ("far-1",)


async def test_cancelling_the_question_cancels_every_call(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster(f"spoke-{n}") for n in range(3)], clock)
    ended = []

    async def hang(access):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(access.cluster.name)

    for _ in range(6):
        task = asyncio.create_task(ask(fleet, hang))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(ended) == 18
    breaker = fleet.breakers.of(fakes.cluster("spoke-0").id.int, "prometheus")
    assert breaker.admit()


async def test_a_bug_in_the_question_is_raised_and_cancels_the_rest(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("aaa"), fakes.cluster("bbb")], clock)
    ended = asyncio.Event()

    async def question(access):
        if access.cluster.name == "aaa":
            raise ZeroDivisionError
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ZeroDivisionError):
        await ask(fleet, question)
    assert ended.is_set()


async def test_progress_is_told_as_clusters_answer(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster(f"spoke-{n}") for n in range(3)], clock)
    told = []

    async def progress(done, total, message):
        told.append((done, total, message))

    async def question(access):
        await asyncio.sleep(int(access.cluster.name[-1]))

    await ask(fleet, question, progress=progress)
    assert told == [
        (1, 3, "1 of 3 clusters"),
        (2, 3, "2 of 3 clusters"),
        (3, 3, "3 of 3 clusters"),
    ]


async def test_slow_progress_delays_nobody(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster(f"spoke-{n}") for n in range(5)], clock)
    told = []

    async def progress(done, total, message):
        await asyncio.sleep(0.5)
        told.append(done)

    answer = await ask(fleet, name_of, progress=progress)
    assert answer.elapsed_ms < 1100
    assert told[-1] == 5
    assert len(told) < 5


async def test_missing_backends_are_skipped_not_failed(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("aaa"), fakes.cluster("bbb")], clock)

    async def question(access):
        if access.cluster.name == "bbb":
            raise BackendMissing("bbb", "Prometheus")
        return 1

    answer = await ask(fleet, question)
    coverage = answer.coverage()
    assert (coverage.queried, coverage.succeeded) == (1, 1)
    assert coverage.skipped == ("bbb (no Prometheus)",)


async def test_nobody_having_the_backend_says_what_to_set(fakes, clock):
    clusters = [fakes.cluster(f"spoke-{n:02}") for n in range(12)]
    fleet = fakes.make_fleet(clusters, clock)

    async def question(access):
        raise BackendMissing(access.cluster.name, "Prometheus")

    answer = await ask(fleet, question)
    with pytest.raises(ClusterUnreachable) as caught:
        answer.raise_if_nobody_answered()
    assert "spoke-09 (no Prometheus) and 2 more" in caught.value.message
    assert "Set the URL" in caught.value.hint


async def test_an_error_only_when_nobody_answered(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("aaa"), fakes.cluster("bbb")], clock)

    async def question(access):
        raise ClusterUnreachable(f"{access.cluster.name} is down.")

    answer = await ask(fleet, question)
    with pytest.raises(ClusterUnreachable) as caught:
        answer.raise_if_nobody_answered()
    assert "None of 2 clusters answered" in caught.value.message
    assert caught.value.details["failures"][1] == {"cluster": "bbb", "error": "bbb is down."}


async def test_a_refusal_explains_more_than_an_absence(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("aaa"), fakes.cluster("bbb")], clock)

    async def question(access):
        if access.cluster.name == "aaa":
            raise ClusterUnreachable("down")
        raise BackendRefused("unknown function", http_status=400)

    answer = await ask(fleet, question)
    with pytest.raises(BackendRefused, match="unknown function"):
        answer.raise_if_nobody_answered()


async def test_an_empty_fleet_is_no_error(fakes, clock):
    answer = await ask(fakes.make_fleet([], clock), name_of)
    answer.raise_if_nobody_answered()
    assert answer.coverage().text == "0 of 0 clusters answered"


async def test_the_breaker_opens_per_cluster_and_backend(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("aaa"), fakes.cluster("bbb")], clock)
    calls = []

    async def question(access):
        calls.append(access.cluster.name)
        if access.cluster.name == "aaa":
            raise ClusterUnreachable("down")
        return 1

    for _ in range(5):
        await ask(fleet, question)
    calls.clear()
    answer = await ask(fleet, question)
    assert calls == ["bbb"]
    assert isinstance(answer.answers[0].error, CircuitOpen)
    assert answer.answers[0].error.code == "CLUSTER_UNREACHABLE"
    assert "30 s" in answer.answers[0].error.hint
    await ask(fleet, question, backend="alertmanager")
    assert calls == ["bbb", "aaa", "bbb"]
    clock.advance(30)
    calls.clear()
    await ask(fleet, question)
    assert calls == ["aaa", "bbb"]


@pytest.mark.parametrize(("status", "opens"), [(400, False), (422, False), (500, True)])
async def test_only_a_sick_backend_opens_the_breaker(fakes, clock, status, opens):
    fleet = fakes.make_fleet([fakes.cluster("aaa")], clock)

    async def question(access):
        raise BackendRefused("no", http_status=status)

    for _ in range(6):
        answer = await ask(fleet, question)
    assert isinstance(answer.answers[0].error, CircuitOpen) is opens


async def test_timeouts_open_the_breaker_so_that_a_dead_cluster_is_quick(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("aaa")], clock)
    for _ in range(5):
        await ask(fleet, lambda _: asyncio.Event().wait())
    began = loop_time()
    await ask(fleet, lambda _: asyncio.Event().wait())
    assert loop_time() - began < 0.01


async def test_equal_questions_at_once_are_one_call(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("aaa")], clock)
    calls = 0

    async def question(access):
        nonlocal calls
        calls += 1
        await asyncio.sleep(1)
        return calls

    rule = CacheRule(("q",), ttl=30)
    answers = await asyncio.gather(*(ask(fleet, question, cache=rule) for _ in range(10)))
    assert [one.answers[0].value for one in answers] == [1] * 10
    assert (await ask(fleet, question, cache=rule)).answers[0].value == 1
    clock.advance(30)
    assert (await ask(fleet, question, cache=rule)).answers[0].value == 2


async def test_failures_are_not_kept(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("aaa")], clock)
    outcomes = [ClusterUnreachable("down"), None]

    async def question(access):
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome
        return "up"

    rule = CacheRule(("q",), ttl=30)
    assert (await ask(fleet, question, cache=rule)).answers[0].error is not None
    assert (await ask(fleet, question, cache=rule)).answers[0].value == "up"


async def test_a_cached_answer_stands_while_the_breaker_is_open(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("aaa")], clock)
    rule = CacheRule(("q",), ttl=30)
    await ask(fleet, name_of, cache=rule)
    for _ in range(5):
        fleet.breakers.of(fakes.cluster("aaa").id.int, "prometheus").failed()
    assert (await ask(fleet, name_of, cache=rule)).answers[0].value == "aaa"


async def test_forgetting_a_cluster_drops_its_answers(fakes, clock):
    one, two = fakes.cluster("aaa"), fakes.cluster("bbb")
    fleet = fakes.make_fleet([one, two], clock)
    await ask(fleet, name_of, cache=CacheRule(("q",), ttl=30))
    fleet.forget(one.id)
    assert len(fleet.cache) == 1
    assert fleet.cache.bytes > 0


async def test_an_offline_cluster_is_told_of_but_not_waited_for(fakes, clock):
    gone = fakes.cluster("bbb", state=ClusterState.OFFLINE)
    fleet = fakes.make_fleet([fakes.cluster("aaa"), gone], clock)
    answer = await ask(fleet, name_of)
    assert [one.value for one in answer.succeeded()] == ["aaa"]
    assert (answer.coverage().offline, answer.coverage().skipped) == (("bbb",), ())
    named = await ask(fleet, name_of, ["bbb"])
    assert [one.value for one in named.answers] == ["bbb"]


async def test_nobody_online_is_an_error(fakes, clock):
    fleet = fakes.make_fleet([fakes.cluster("bbb", state=ClusterState.OFFLINE)], clock)
    answer = await ask(fleet, name_of)
    with pytest.raises(ClusterUnreachable, match=r"bbb \(offline\).* when it is named"):
        answer.raise_if_nobody_answered()


async def test_a_far_edge_that_is_away_answers_from_what_was_seen(fakes, clock):
    far = fakes.cluster("far-1", ClusterType.FAR_EDGE)
    near = fakes.cluster("edge-1", ClusterType.EDGE)
    store = fakes.MemoryLastSeen()
    fleet = fakes.make_fleet([far, near], clock, last_seen=store)
    seen_at = clock.now
    await ask(fleet, name_of, keep_last_seen=TEXT)
    await fleet.aclose()
    assert list(store.kept) == [("q", far.id)]

    async def down(access):
        raise ClusterUnreachable("down")

    clock.advance(3600)
    answer = await ask(fleet, down, keep_last_seen=TEXT)
    stale, failed = answer.answers
    assert stale.value == "far-1"
    assert stale.stale_as_of == seen_at
    assert stale.error is None
    assert failed.error is not None
    coverage = answer.coverage()
    assert (coverage.queried, coverage.succeeded) == (2, 1)
    assert coverage.stale[0].age_seconds == 3600
    assert coverage.stale[0].cluster_name == "far-1"


async def test_a_far_edge_known_to_be_offline_stands_stale(fakes, clock):
    far = fakes.cluster("far-1", ClusterType.FAR_EDGE, ClusterState.OFFLINE)
    store = fakes.MemoryLastSeen({("q", far.id): (b"old", clock.now)})
    fleet = fakes.make_fleet([far], clock, last_seen=store)
    answer = await ask(fleet, name_of, keep_last_seen=TEXT)
    assert answer.answers[0].value == "old"
    assert answer.coverage().skipped == ()


async def test_what_is_too_old_stands_no_more(fakes, clock):
    far = fakes.cluster("far-1", ClusterType.FAR_EDGE, ClusterState.OFFLINE)
    store = fakes.MemoryLastSeen({("q", far.id): (b"old", clock.now)})
    fleet = fakes.make_fleet([far], clock, last_seen=store, last_seen_hours=1)
    clock.advance(3601)
    answer = await ask(fleet, name_of, keep_last_seen=TEXT)
    assert answer.coverage().offline == ("far-1",)


async def test_last_seen_is_written_once_a_minute(fakes, clock):
    far = fakes.cluster("far-1", ClusterType.FAR_EDGE)
    store = fakes.MemoryLastSeen()
    fleet = fakes.make_fleet([far], clock, last_seen=store)
    values = iter("abc")

    async def question(access):
        return next(values)

    for expected in (b"a", b"a"):
        await ask(fleet, question, keep_last_seen=TEXT)
        await fleet.aclose()
        assert store.kept["q", far.id][0] == expected
    clock.advance(61)
    await ask(fleet, question, keep_last_seen=TEXT)
    await fleet.aclose()
    assert store.kept["q", far.id][0] == b"c"
