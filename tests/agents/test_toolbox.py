"""The tools of a persona in memory: whose they are, what goes wrong, plans before writing."""

import asyncio
import itertools

import pytest
from mcp.client.session import ClientRequestContext
from mcp_types import ElicitRequestFormParams
from toolbox_fakes import VIEWER, Seen, fleet_server, persona

from agents.toolbox import InMemoryTools, _answer, notices_of, plan_of
from agents.toolbox_calls import consented
from agents.toolbox_connection import Turns
from agents.toolbox_plan import WAITS, PlanHandle
from aiops_mcp.models.chat import ToolStatus
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.surfaces.mcp_access import acting_as, current_principal

OPERATOR = Principal(subject="olga", role=Role.OPERATOR)


@pytest.fixture
async def seen():
    return Seen()


@pytest.fixture
async def tools(seen):
    source = InMemoryTools(fleet_server(seen))
    yield source
    await source.aclose()


def names_in(outcome):
    return [row[0] for row in outcome.payload["rows"]]


async def test_a_persona_gets_its_tools_in_its_order(tools):
    wanted = persona("wait_long", "list_*", "no_such", "remove_cluster")
    async with tools.open(wanted, LOCAL_ADMIN) as box:
        specs = await box.specs()
    assert [each.name for each in specs] == [
        "wait_long",
        "list_clusters",
        "list_pods",
        "remove_cluster",
    ]
    assert [each.writes for each in specs] == [False, False, False, True]
    assert specs[1].parameters["properties"]["clusters"]["type"] == "array"
    assert notices_of(box) == ()


async def test_a_persona_without_tools_gets_none(tools):
    nothing = persona("x").model_copy(update={"capabilities": ()})
    async with tools.open(nothing, LOCAL_ADMIN) as box:
        assert await box.specs() == ()
        outcome = await box.call("list_clusters", {})
    assert outcome.status is ToolStatus.ERROR
    assert "There are none." in outcome.text


async def test_what_a_persona_has_not_cannot_be_called(tools, seen):
    async with tools.open(persona("list_clusters", "list_pods"), LOCAL_ADMIN) as box:
        outcome = await box.call("list_cluster", {})
        hidden = await box.call("wait_long", {})
    assert outcome.status is ToolStatus.ERROR
    assert "Did you mean list_clusters?" in outcome.text
    assert "There are: list_clusters, list_pods." in hidden.text
    assert not seen.started.is_set()


async def test_an_answer_is_a_digest_in_both_forms(tools):
    async with tools.open(persona(), LOCAL_ADMIN) as box:
        outcome = await box.call("list_clusters", {"clusters": ["edge-7"]})
    assert outcome.status is ToolStatus.SUCCESS
    assert outcome.text.splitlines()[:3] == ["1 clusters", "name | state", "edge-7 | ONLINE"]
    assert outcome.payload["rows"] == [["edge-7", "ONLINE"]]
    assert outcome.payload["as_of"] == "2026-11-25T12:00:00Z"


async def test_the_callers_clusters_and_role_hold(tools, seen):
    async with tools.open(persona(), VIEWER) as box:
        names = [each.name for each in await box.specs()]
        outcome = await box.call("list_clusters", {})
        other = await box.call("list_clusters", {"clusters": ["hub-1"]})
    assert "remove_cluster" not in names
    assert names_in(outcome) == ["edge-7"]
    assert other.status is ToolStatus.ERROR
    assert "There is no cluster 'hub-1'" in other.text
    assert {caller for _, caller in seen.callers} == {VIEWER}


async def test_callers_at_the_same_time_are_never_mixed_up(tools, seen):
    seen.go_on.set()

    async def run(principal, times):
        async with tools.open(persona(), principal) as box:
            return [names_in(await box.call("wait_long", {})) for _ in range(times)]

    admins, viewers, others = await asyncio.gather(
        asyncio.gather(*(run(LOCAL_ADMIN, 5) for _ in range(10))),
        asyncio.gather(*(run(VIEWER, 5) for _ in range(10))),
        asyncio.gather(
            *(run(VIEWER.model_copy(update={"clusters": frozenset({"hub-1"})}), 5) for _ in "ab")
        ),
    )
    assert {tuple(names) for run in admins for names in run} == {("hub-1", "edge-7", "edge-8")}
    assert {tuple(names) for run in viewers for names in run} == {("edge-7",)}
    assert {tuple(names) for run in others for names in run} == {("hub-1",)}


async def test_a_list_kept_for_one_role_is_not_given_to_another(tools):
    for principal, removes in ((LOCAL_ADMIN, True), (VIEWER, False), (LOCAL_ADMIN, True)):
        async with tools.open(persona(), principal) as box:
            names = [each.name for each in await box.specs()]
        assert ("remove_cluster" in names) is removes


async def test_who_acts_is_so_within_only():
    assert current_principal() == LOCAL_ADMIN
    with acting_as(VIEWER):
        assert current_principal() == VIEWER
        with acting_as(OPERATOR):
            assert current_principal() == OPERATOR
        assert current_principal() == VIEWER
    assert current_principal() == LOCAL_ADMIN


async def test_what_fails_is_told_with_what_to_do(tools):
    async with tools.open(persona(), LOCAL_ADMIN) as box:
        broken = await box.call("break_down", {})
        wrong = await box.call("list_clusters", {"clusterz": "x"})
    assert broken.status is wrong.status is ToolStatus.ERROR
    assert "hunter2" not in broken.text
    assert broken.payload["error"]["code"] == "INTERNAL_ERROR"
    assert wrong.payload["error"]["code"] == "VALIDATION_FAILED"
    assert "clusterz" in wrong.text


async def test_a_tool_that_hangs_ends_in_time_and_on_the_server(seen):
    source = InMemoryTools(fleet_server(seen), timeout=1)
    async with source.open(persona(), LOCAL_ADMIN) as box:
        outcome = await box.call("wait_long", {})
    async with InMemoryTools(fleet_server(seen)).open(persona(), LOCAL_ADMIN) as box:
        again = await box.call("list_clusters", {})
    assert outcome.status is ToolStatus.TIMEOUT
    assert "did not answer within 1 s" in outcome.text
    assert outcome.payload["error"]["code"] == "QUERY_TIMEOUT"
    assert "fewer clusters" in outcome.text
    assert seen.cancelled.is_set()
    assert again.status is ToolStatus.SUCCESS
    await source.aclose()


async def test_cancelling_the_caller_cancels_the_call(tools, seen):
    async with tools.open(persona(), LOCAL_ADMIN) as box:
        call = asyncio.create_task(box.call("wait_long", {}))
        await seen.started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert seen.cancelled.is_set()
        assert (await box.call("list_clusters", {})).status is ToolStatus.SUCCESS


async def test_progress_comes_through_in_clean_words(tools, seen):
    seen.go_on.set()
    told = []

    async def progress(done, total, message):
        told.append((done, total, message))

    async with tools.open(persona(), LOCAL_ADMIN) as box:
        await box.call("wait_long", {}, progress=progress)
    assert told == [(1, 3, "1 of 3 clusters")]


async def test_a_writing_tool_plans_first_and_does_it_with_consent(tools, seen):
    async with tools.open(persona(), LOCAL_ADMIN) as box:
        planned = await box.call("remove_cluster", {"cluster": "edge-7", "token": "s3cr3t-s3cr3t"})
        plan = plan_of(planned)
        assert plan is not None
        assert seen.removed == []
        assert "edge-7 would be removed" in plan.text
        assert WAITS in planned.text
        assert "apply=" not in planned.text + str(planned.payload)
        assert plan.name == "remove_cluster"
        assert plan.arguments["cluster"] == "edge-7"
        assert "s3cr3t" not in str(plan)
        done = await box.call("remove_cluster", plan.consented())
        assert done.status is ToolStatus.SUCCESS
        assert plan_of(done) is None
        assert "edge-7 was removed" in done.text
        assert seen.removed == ["edge-7"]
        again = await box.call("remove_cluster", plan.consented())
    assert again.status is ToolStatus.ERROR
    assert "carried out already" in again.text
    assert seen.removed == ["edge-7"]


async def test_a_model_cannot_give_consent(tools, seen):
    async with tools.open(persona(), LOCAL_ADMIN) as box:
        (spec,) = [each for each in await box.specs() if each.name == "remove_cluster"]
        assert "apply" not in spec.parameters["properties"]
        assert "apply" not in spec.description.lower()
        plan = plan_of(await box.call("remove_cluster", {"cluster": "edge-7"}))
        assert plan is not None
        guesses = ["x" * 24, plan.handle.key, True, {"key": plan.handle.key}, None]
        for guess in guesses:
            refused = await box.call("remove_cluster", {"cluster": "edge-7", "apply": guess})
            assert refused.status is ToolStatus.ERROR
            assert "not yours to give" in refused.text
        made_up = await box.call("remove_cluster", {"apply": PlanHandle()})
        assert made_up.status is ToolStatus.ERROR
        dry = await box.call("remove_cluster", {"cluster": "edge-7", "dry_run": False})
        assert plan_of(dry) is not None or dry.status is ToolStatus.ERROR
    assert seen.removed == []


async def test_a_plan_is_of_its_tool_and_of_its_toolbox(tools, seen):
    async with tools.open(persona(), LOCAL_ADMIN) as box:
        plan = plan_of(await box.call("remove_cluster", {"cluster": "edge-7"}))
        assert (await box.call("list_clusters", plan.consented())).status is ToolStatus.ERROR
    async with tools.open(persona(), LOCAL_ADMIN) as other:
        assert (await other.call("remove_cluster", plan.consented())).status is ToolStatus.ERROR
    assert seen.removed == []


async def test_what_differs_beside_a_handle_is_not_what_is_done(tools, seen):
    async with tools.open(persona(), LOCAL_ADMIN) as box:
        plan = plan_of(await box.call("remove_cluster", {"cluster": "edge-7"}))
        await box.call("remove_cluster", {"cluster": "hub-1", **plan.consented()})
    assert seen.removed == ["edge-7"]


async def test_a_wrong_writing_call_is_an_error_and_no_plan(tools):
    async with tools.open(persona(), LOCAL_ADMIN) as box:
        outcome = await box.call("remove_cluster", {"clusterz": 1})
    assert outcome.status is ToolStatus.ERROR
    assert plan_of(outcome) is None


BOOLEAN = {"type": "object", "properties": {"confirm": {"type": "boolean"}}}
TEXT = {"type": "object", "properties": {"password": {"type": "string"}}}


@pytest.mark.parametrize(
    ("agreed", "schema", "action"),
    [
        (True, BOOLEAN, "accept"),
        (False, BOOLEAN, "decline"),
        (True, TEXT, "decline"),
    ],
)
async def test_a_server_that_asks_again_gets_the_consent_there_is(agreed, schema, action):
    params = ElicitRequestFormParams(message="Really?", requested_schema=schema)
    before = consented.set(agreed)
    try:
        answer = await _answer(ClientRequestContext(session=None, request_id=1), params)
    finally:
        consented.reset(before)
    assert answer.action == action
    assert answer.content == ({"confirm": True} if action == "accept" else None)


async def test_opening_again_uses_the_same_client(seen):
    server = fleet_server(seen)
    source = InMemoryTools(server)
    asked = []
    listed = server.list_tools

    async def counted(**options):
        if options.get("run_middleware", True):
            asked.append(1)
        return await listed(**options)

    server.list_tools = counted
    await source.prepare()
    for _ in range(3):
        async with source.open(persona(), LOCAL_ADMIN) as box:
            await box.specs()
            await box.call("list_clusters", {})
    assert len(asked) == 1
    await source.aclose()
    async with source.open(persona(), LOCAL_ADMIN) as box:
        assert (await box.call("list_clusters", {})).status is ToolStatus.SUCCESS
    await source.aclose()


async def test_calls_that_come_together_begin_one_after_another():
    turns = Turns()
    began, between = [], []

    async def call(number):
        await turns.wait()
        began.append(number)

    async def others():
        while len(began) < 20:
            between.append(len(began))
            await asyncio.sleep(0)

    await asyncio.gather(others(), *(call(number) for number in range(20)))
    assert began == list(range(20))
    assert all(after - before <= 1 for before, after in itertools.pairwise(between))


async def test_a_call_that_is_cancelled_while_it_waits_holds_up_no_other():
    turns = Turns()
    calls = [asyncio.create_task(turns.wait()) for _ in range(5)]
    await asyncio.sleep(0)
    calls[2].cancel()
    done = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
    assert [isinstance(each, asyncio.CancelledError) for each in done] == [
        number == 2 for number in range(5)
    ]


async def test_a_call_that_takes_long_holds_up_no_other(tools, seen):
    async with tools.open(persona(), LOCAL_ADMIN) as box:
        long = asyncio.create_task(box.call("wait_long", {}))
        await seen.started.wait()
        assert (await box.call("list_clusters", {})).status is ToolStatus.SUCCESS
        seen.go_on.set()
        assert (await long).status is ToolStatus.SUCCESS
