import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiops_mcp.analysis.logsequences import SequenceModel

WORK = ["open", "read", "read", "close"]


def normal(count=300, seed=5):
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        reads = ["read"] * chance.randint(1, 4)
        retry = ["retry", "read"] if chance.random() < 0.1 else []
        made.append(["open", *reads, *retry, "close"])
    return made


@pytest.fixture(scope="module")
def model():
    return SequenceModel(normal())


def test_what_is_known_scores_nothing(model):
    verdict = model.judge(WORK)
    assert verdict.score == 0
    assert verdict.novelties == ()
    assert not verdict.is_anomalous


@pytest.mark.parametrize(
    ("sequence", "text"),
    [
        (["open", "read", "burst", "close"], "burst never seen"),
        (["read", "open", "read", "close"], "read after begin"),
        (["open", "read", "read"], "close 0 times, not 1"),
        (["open", "close", "close"], "close 2 times, not 1"),
        ([], "end after begin"),
    ],
)
def test_what_differs_is_found_and_named(model, sequence, text):
    verdict = model.judge(sequence)
    assert verdict.is_anomalous
    assert any(text in each.text for each in verdict.novelties)
    surprises = [each.surprise for each in verdict.novelties]
    assert surprises == sorted(surprises, reverse=True)
    assert verdict.surprise == pytest.approx(sum(surprises))
    assert verdict.score == pytest.approx(verdict.surprise / (verdict.surprise + model.limit))


def test_an_event_that_varies_surprises_less_than_one_that_never_does():
    chance = random.Random(2)
    sequences = [["open", *["read"] * chance.randint(1, 60), "close"] for _ in range(200)]
    learnt = SequenceModel(sequences)
    more_reads = learnt.judge(["open", *["read"] * 62, "close"])
    more_closes = learnt.judge(["open", "read", "close", "close"])
    assert more_reads.surprise < more_closes.surprise
    assert not more_reads.is_anomalous
    assert more_closes.is_anomalous


def test_a_marker_is_not_an_event_of_that_name():
    learnt = SequenceModel([["a", "b"]] * 50)
    assert learnt.judge(["begin", "a", "b"]).is_anomalous
    assert learnt.judge(["a", "b", "end"]).is_anomalous


def test_few_normal_ones_are_called_anomalous():
    learnt = SequenceModel(normal(400, seed=1))
    wrong = sum(learnt.judge(each).is_anomalous for each in normal(2000, seed=99))
    assert wrong <= 10


def test_nothing_to_learn_from():
    with pytest.raises(ValueError, match="no normal sequence"):
        SequenceModel([])


@pytest.mark.parametrize("sequences", [[["a"]], [[]], [["a", "b"]], [["a"]] * 3])
def test_one_sequence_is_enough_to_begin(sequences):
    learnt = SequenceModel(sequences)
    assert learnt.judge(sequences[0]).score == 0
    assert learnt.judge(["x", "y"]).score > 0


def test_thousands_of_different_sequences_are_learnt():
    chance = random.Random(4)
    sequences = [[chance.choice("abcdefghij") for _ in range(40)] for _ in range(1500)]
    learnt = SequenceModel(sequences)
    assert learnt.judge(sequences[0]).score < 0.5


_EVENTS = st.lists(st.sampled_from("abcde"), max_size=8)


@given(st.lists(_EVENTS, min_size=1, max_size=12), st.lists(_EVENTS, max_size=3), st.randoms())
@example([[], list("aa"), list("ab"), list("aaa"), list("bb")], [["a"]], random.Random(3))
def test_the_order_of_learning_changes_nothing(sequences, asked, chance):
    shuffled = sequences[:]
    chance.shuffle(shuffled)
    first, second = SequenceModel(sequences), SequenceModel(shuffled)
    assert first.limit == second.limit
    for each in asked:
        one = first.judge(each)
        assert 0 <= one.score < 1
        assert one == second.judge(each)
    for each in sequences:
        assert first.judge(each).score == 0


@given(st.lists(_EVENTS, min_size=1, max_size=12), _EVENTS)
def test_an_event_never_seen_always_surprises(sequences, asked):
    learnt = SequenceModel(sequences)
    assert learnt.judge([*asked, "z"]).surprise > 0


def test_where_each_sequence_stands_apart_another_count_still_surprises():
    learnt = SequenceModel([["a"] * count for count in (1, 2, 3)])
    assert [each.text for each in learnt.judge(["a"] * 4).novelties] == ["a 4 times, not 3"]
    assert learnt.judge(["a"] * 4).surprise > 0
