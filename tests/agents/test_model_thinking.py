"""Thoughts in tags are told from the answer, wherever the text is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.conversation import ReasoningPiece, TextPiece
from agents.model_thinking import ThinkingSplit


def split(parts, **options):
    thinking = ThinkingSplit(**options)
    pieces = [piece for part in parts for piece in thinking.feed(part)]
    pieces += thinking.end()
    thought = "".join(piece.text for piece in pieces if isinstance(piece, ReasoningPiece))
    answer = "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))
    return thought, answer


def cut(text, places):
    edges = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[a:b] for a, b in zip(edges, edges[1:], strict=False)]


CASES = [
    ("plain answer", "", "plain answer"),
    ("<think>hm</think>yes", "hm", "yes"),
    ("<think>\nhm\n</think>\n\nyes", "\nhm\n", "yes"),
    ("\n<think>a</think>\n<think>b</think>yes", "ab", "yes"),
    ("<thinking>hm</thinking>yes", "hm", "yes"),
    ("[THINK]hm[/THINK]yes", "hm", "yes"),
    ("<think></think>\n\nyes", "", "yes"),
    ("<think>never ends", "never ends", ""),
    ("<think>a < b </thin k></think>1 < 2", "a < b </thin k>", "1 < 2"),
    ("Use <think> tags: <think>x", "", "Use <think> tags: <think>x"),
    ("a `</think>` in code", "", "a `</think>` in code"),
    ("<thin", "", "<thin"),
    ("<b>bold</b>", "", "<b>bold</b>"),
    ("x </thin", "", "x </thin"),
    ("hm</think>yes", "", "hmyes"),
    ("", "", ""),
    ("  ", "", ""),
]


@pytest.mark.parametrize(("text", "thought", "answer"), CASES)
def test_thought_and_answer(text, thought, answer):
    assert split([text]) == (thought, answer)
    assert split(list(text)) == (thought, answer)


@given(st.sampled_from(CASES), st.lists(st.integers(0, 40), max_size=8))
def test_where_it_is_cut_does_not_matter(case, places):
    text, thought, answer = case
    assert split(cut(text, places)) == (thought, answer)


@given(st.text(alphabet="<>/think[]THINK ab\n"), st.lists(st.integers(0, 40), max_size=8))
def test_any_text_comes_out_alike_however_it_is_cut(text, places):
    assert split(cut(text, places)) == split([text])


@given(st.text().filter(lambda text: "<" not in text and "[" not in text))
def test_nothing_is_lost_of_an_answer(text):
    assert split(list(text)) == ("", text.lstrip())


def test_a_word_is_passed_on_at_once():
    thinking = ThinkingSplit()
    assert thinking.feed("The") == [TextPiece("The")]
    assert thinking.feed(" <") == [TextPiece(" ")]
    assert thinking.feed("b>") == [TextPiece("<b>")]


def test_a_template_that_opens_the_thought_is_found_out():
    thinking = ThinkingSplit()
    thinking.feed("hm</think>yes")
    assert thinking.stray_end
    assert split(["hm", "m</thi", "nk>\n\nyes"], begins_inside=True) == ("hmm", "yes")


def test_a_thought_that_was_none_is_the_answer():
    thinking = ThinkingSplit(begins_inside=True)
    assert thinking.feed("All is well") == [ReasoningPiece("All is well")]
    assert thinking.end() == [TextPiece("All is well")]
    assert thinking.was_no_thought
    assert not thinking.stray_end
    assert split(["All is well</"], begins_inside=True) == ("All is well", "All is well</")


def test_nothing_at_all_tells_nothing():
    thinking = ThinkingSplit(begins_inside=True)
    assert thinking.end() == []
    assert not thinking.was_no_thought
    thinking = ThinkingSplit(begins_inside=True)
    thinking.feed("hm</think>")
    thinking.feed("yes")
    assert thinking.end() == []
    assert not thinking.was_no_thought
