"""Chat sessions and messages on both databases: order, holders, limits, expiry, tokens."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from aiops_mcp.models.chat import (
    Answer,
    AnswerMode,
    ChatMessage,
    ChatRole,
    ChatSession,
    MessageState,
    Reference,
    TimeScope,
    TokenUse,
    ToolResult,
    ToolStatus,
    ToolUse,
)
from aiops_mcp.storage.chat import Begin, ChatTable, Hold, NewAnswer
from aiops_mcp.storage.chat_usage import ChatUsageTable

DAY = timedelta(days=1)


@pytest.fixture
def chats(database):
    return ChatTable(database)


@pytest.fixture
def session(clock):
    def make(user="ann", **fields):
        return ChatSession(
            id=uuid4(),
            user_id=user,
            title="",
            created_at=clock(),
            updated_at=clock(),
            expires_at=clock() + DAY,
            **fields,
        )

    return make


def message(session, clock, role=ChatRole.USER, content="why?", **fields):
    return ChatMessage(
        id=uuid4(), session_id=session.id, role=role, content=content, created_at=clock(), **fields
    )


def running(session, clock):
    return message(session, clock, ChatRole.ASSISTANT, "", state=MessageState.RUNNING)


def new_answer(session, clock, holder="p1", **fields):
    return NewAnswer(
        answer=running(session, clock), hold=Hold(holder, clock() + timedelta(seconds=10)), **fields
    )


async def begun(chats, session, clock, **fields):
    new = new_answer(session, clock, question=message(session, clock), **fields)
    assert await chats.begin(new, now=clock(), most=100) is Begin.BEGUN
    return new.answer


async def added(chats, session):
    assert await chats.add_session(session, is_titled=False, most=5)
    return session


async def test_a_session_comes_back_as_it_was_kept(chats, session, clock) -> None:
    kept = session(
        persona_id="gpu-expert",
        cluster_context=("edge-1", "type=EDGE"),
        time_scope=TimeScope(start=clock() - DAY),
        model="llama",
        parent_session_id=uuid4(),
        parent_message_id=uuid4(),
    )
    await added(chats, kept)
    assert await chats.session(kept.id, now=clock()) == kept
    assert await chats.session(uuid4(), now=clock()) is None


async def test_a_user_has_a_page_of_own_sessions_newest_first(chats, session, clock) -> None:
    mine = []
    for _ in range(3):
        mine.append(await added(chats, session()))
        clock.advance(minutes=1)
    await added(chats, session("bob"))
    page, total = await chats.sessions("ann", now=clock(), offset=0, limit=2)
    assert ([each.id for each in page], total) == ([mine[2].id, mine[1].id], 3)
    page, total = await chats.sessions("ann", now=clock(), offset=2, limit=2)
    assert ([each.id for each in page], total) == ([mine[0].id], 3)


async def test_a_user_has_so_many_sessions_and_expired_ones_do_not_count(
    chats, session, clock
) -> None:
    assert await chats.add_session(session(), is_titled=False, most=1)
    assert not await chats.add_session(session(), is_titled=False, most=1)
    assert await chats.add_session(session("bob"), is_titled=False, most=1)
    clock.advance(days=1)
    assert await chats.add_session(session(), is_titled=False, most=1)
    assert (await chats.sessions("ann", now=clock(), offset=0, limit=9))[1] == 1


async def test_an_answer_begins_with_its_question_and_a_title(chats, session, clock) -> None:
    kept = await added(chats, session())
    clock.advance(minutes=5)
    answer = await begun(chats, kept, clock, title="Why?", expires_at=clock() + DAY)
    question, last = await chats.messages(kept.id, now=clock())
    assert (question.role, question.content) == (ChatRole.USER, "why?")
    assert last == answer
    found = await chats.session(kept.id, now=clock())
    assert (found.title, found.message_count, found.is_working) == ("Why?", 2, True)
    assert (found.updated_at, found.expires_at) == (clock(), clock() + DAY)


@pytest.mark.parametrize(("is_titled", "title"), [(True, "Mine"), (False, "Earlier")])
async def test_a_title_that_is_there_stays(chats, session, clock, is_titled, title) -> None:
    kept = session().model_copy(update={"title": title})
    await chats.add_session(kept, is_titled=is_titled, most=5)
    await begun(chats, kept, clock, title="From the message")
    assert (await chats.session(kept.id, now=clock())).title == title


async def test_a_session_makes_one_answer_at_a_time(chats, session, clock) -> None:
    kept = await added(chats, session())
    first = await begun(chats, kept, clock)
    again = new_answer(kept, clock, "p2", question=message(kept, clock))
    assert await chats.begin(again, now=clock(), most=100) is Begin.BUSY
    assert len(await chats.messages(kept.id, now=clock())) == 2
    done = first.model_copy(update={"state": MessageState.COMPLETE, "content": "so"})
    assert await chats.finish(done, "p1", now=clock(), expires_at=clock() + DAY)
    assert await chats.begin(again, now=clock(), most=100) is Begin.BEGUN
    said = [each.content for each in await chats.messages(kept.id, now=clock())]
    assert said == ["why?", "so", "why?", ""]


async def test_a_holder_that_is_gone_stands_in_nobodys_way(chats, session, clock) -> None:
    kept = await added(chats, session())
    await begun(chats, kept, clock)
    clock.advance(seconds=10)
    left = await chats.last_message(kept.id, now=clock())
    assert left.state is MessageState.INTERRUPTED
    assert not (await chats.session(kept.id, now=clock())).is_working
    assert await chats.begin(new_answer(kept, clock), now=clock(), most=100) is Begin.BEGUN


async def test_a_session_holds_so_many_messages(chats, session, clock) -> None:
    kept = await added(chats, session())
    new = new_answer(kept, clock, question=message(kept, clock))
    assert await chats.begin(new, now=clock(), most=1) is Begin.FULL
    assert await chats.begin(new, now=clock(), most=2) is Begin.BEGUN
    clock.advance(minutes=1)
    again = new_answer(kept, clock, replaces=new.answer.id)
    assert await chats.begin(again, now=clock(), most=1) is Begin.FULL
    assert (await chats.last_message(kept.id, now=clock())).id == new.answer.id
    assert await chats.begin(again, now=clock(), most=2) is Begin.BEGUN
    assert [each.id for each in await chats.messages(kept.id, now=clock(), offset=1)] == [
        again.answer.id
    ]
    assert (await chats.session(kept.id, now=clock())).message_count == 2


async def test_only_the_last_answer_is_replaced(chats, session, clock) -> None:
    kept = await added(chats, session())
    first = await begun(chats, kept, clock)
    await chats.mark(first.id, MessageState.STOPPED)
    last = await begun(chats, kept, clock)
    await chats.mark(last.id, MessageState.STOPPED)
    for wrong in (first.id, uuid4()):
        new = new_answer(kept, clock, replaces=wrong)
        assert await chats.begin(new, now=clock(), most=100) is Begin.BUSY
    assert len(await chats.messages(kept.id, now=clock())) == 4


async def test_nothing_begins_in_a_session_that_is_gone(chats, session, clock) -> None:
    gone = session()
    assert await chats.begin(new_answer(gone, clock), now=clock(), most=100) is Begin.GONE


async def test_what_there_is_of_an_answer_is_kept_and_held_further(chats, session, clock) -> None:
    kept = await added(chats, session())
    answer = await begun(chats, kept, clock)
    call = ToolUse(id="c1", name="triage", arguments={"clusters": ["edge-1"]})
    result = ToolResult(tool_call_id="c1", status=ToolStatus.SUCCESS, result="all", number=1)
    part = answer.model_copy(
        update={"content": "So far", "tool_calls": (call,), "tool_results": (result,)}
    )
    clock.advance(seconds=9)
    hold = Hold("p1", clock() + timedelta(seconds=10))
    assert await chats.save(part, hold, with_calls=False)
    clock.advance(seconds=9)
    found = await chats.message(kept.id, answer.id, now=clock())
    assert (found.content, found.state) == ("So far", MessageState.RUNNING)
    assert found.tool_calls == ()
    assert await chats.save(part, hold, with_calls=True)
    found = await chats.message(kept.id, answer.id, now=clock())
    assert (found.tool_calls, found.tool_results) == ((call,), (result,))
    assert not await chats.save(part, Hold("p2", clock()), with_calls=False)
    await chats.mark(answer.id, MessageState.STOPPED)
    assert not await chats.save(part, hold, with_calls=False)


async def test_a_finished_answer_is_whole_and_its_texts_are_kept_once(
    chats, session, clock, database
) -> None:
    kept = await added(chats, session())
    running_one = await begun(chats, kept, clock)
    reference = Reference(
        number=1, tool_call_id="c1", tool="triage", status=ToolStatus.SUCCESS, headline="two",
        text="[1] two problems",
    )  # fmt: skip
    result = ToolResult(
        tool_call_id="c1", status=ToolStatus.SUCCESS, result="[1] two problems", number=1
    )
    done = running_one.model_copy(
        update={
            "content": "Two problems [1].",
            "state": MessageState.COMPLETE,
            "tool_results": (result,),
            "answer": Answer(
                text="Two problems [1].", mode=AnswerMode.MODEL, references=(reference,)
            ),
            "tokens_used": 70,
            "latency_ms": 12.5,
            "model": "llama",
        }
    )
    clock.advance(minutes=1)
    assert not await chats.finish(done, "another", now=clock(), expires_at=clock() + DAY)
    assert await chats.finish(done, "p1", now=clock(), expires_at=clock() + DAY)
    assert not await chats.finish(done, "p1", now=clock(), expires_at=clock() + DAY)
    assert await chats.last_message(kept.id, now=clock()) == done
    found = await chats.session(kept.id, now=clock())
    assert (found.tokens_used, found.expires_at, found.is_working) == (70, clock() + DAY, False)
    async with database.read() as connection:
        row = (await connection.exec_driver_sql("SELECT answer FROM chat_messages")).all()
    assert not any("two problems" in str(each) for each in row)


async def test_answers_of_processes_that_are_gone_are_marked(chats, session, clock) -> None:
    one, other = await added(chats, session()), await added(chats, session())
    await begun(chats, one, clock)
    theirs = new_answer(other, clock, "p2", question=message(other, clock))
    await chats.begin(theirs, now=clock(), most=100)
    assert sorted(await chats.holders()) == ["p1", "p2"]
    assert await chats.interrupt(now=clock(), gone=["p1"]) == 1
    assert await chats.holders() == ("p2",)
    assert (await chats.last_message(one.id, now=clock())).state is MessageState.INTERRUPTED
    assert (await chats.last_message(other.id, now=clock())).state is MessageState.RUNNING
    clock.advance(seconds=10)
    assert await chats.interrupt(now=clock()) == 1
    # Its process was only slow: what it brings in the end stands.
    done = theirs.answer.model_copy(update={"state": MessageState.COMPLETE, "content": "late"})
    assert await chats.finish(done, "p2", now=clock(), expires_at=clock() + DAY)
    assert (await chats.last_message(other.id, now=clock())).content == "late"


async def test_a_session_changes_and_goes_with_its_messages(chats, session, clock) -> None:
    kept = await added(chats, session())
    await begun(chats, kept, clock)
    assert await chats.change_session(kept.id, {"title": "Mine", "is_titled": True})
    assert (await chats.session(kept.id, now=clock())).title == "Mine"
    assert await chats.remove_session(kept.id)
    assert not await chats.remove_session(kept.id)
    assert not await chats.change_session(kept.id, {"title": "gone"})
    assert await chats.messages(kept.id, now=clock()) == ()


async def test_a_session_may_begin_with_messages_of_another(chats, session, clock) -> None:
    kept = session(message_count=2)
    history = [message(kept, clock), message(kept, clock, ChatRole.ASSISTANT, "so")]
    await chats.add_session(kept, is_titled=False, most=5, messages=history)
    assert list(await chats.messages(kept.id, now=clock())) == history


async def test_sessions_that_expired_are_forgotten(chats, session, clock) -> None:
    kept = await added(chats, session())
    clock.advance(days=2)
    later = await added(chats, session())
    assert await chats.prune(clock() - DAY) == 0
    clock.advance(minutes=1)
    assert await chats.prune(clock() - DAY) == 1
    assert await chats.session(kept.id, now=clock()) is None
    assert isinstance((await chats.session(later.id, now=clock())).id, UUID)


async def test_tokens_add_up_by_user_day_and_model(database) -> None:
    usage = ChatUsageTable(database)

    def use(user="ann", day="2026-03-01", model="llama", tokens=10):
        return TokenUse(
            user_id=user, day=day, model=model, answers=1,
            prompt_tokens=tokens, completion_tokens=1,
        )  # fmt: skip

    for each in (use(), use(tokens=5), use(model="qwen"), use("bob"), use(day="2026-02-01")):
        await usage.add(each)
    found = await usage.of("ann", since="2026-03-01")
    assert [(each.model, each.answers, each.prompt_tokens, each.completion_tokens) for each in found] == [
        ("llama", 2, 15, 2),
        ("qwen", 1, 10, 1),
    ]  # fmt: skip
    assert [each.day for each in await usage.of("ann", since="2026-01-01")][-1] == "2026-02-01"
