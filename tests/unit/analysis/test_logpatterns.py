import csv
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_mcp.analysis.logpatterns import TemplateMiner, mask, split

DATA = (
    Path(os.environ.get("AIOPS_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
    / "loghub"
)


def sorted_in(*lines, **settings):
    """For each line the text of the template that it ends in."""
    miner = TemplateMiner(**settings)
    return [template.now().text for template in [miner.add(line) for line in lines]]


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("took 12ms, 7 of 10.5 GB", "took <*> of <*>"),
        ("at 10.0.0.1:8080 and /10.1.2.3", "at <*> and <*>"),
        ("id 6f1bd6fb-1111-4222-8333-0a0b0c0d0e0f ok", "id <*> ok"),
        ("2026-03-10T14:30:00.123Z started", "<*> started"),
        ("lifetime 00:01", "lifetime <*>"),
        ("sent 1301 bytes (1.27 KB)", "sent <*>"),
        ("addr fe80:0:0:0:c6b3:1ff:fecd:467f up", "addr <*> up"),
        ("to db.shop.svc:5432 now", "to <*> now"),
        ("ptr 0xdeadbeef sha 9c1185a5c5e9fc54", "ptr <*> sha <*>"),
        ("ready=true err=null", "ready=<*> err=<*>"),
        ("v1.items stays", "v1.items stays"),
        ("falsehood and nullable stay", "falsehood and nullable stay"),
    ],
)
def test_values_known_by_their_shape(line, masked):
    assert mask(line) == masked


def test_tokens_and_separators_make_the_line_again():
    line = 'level=info msg="a, b" (c)'
    tokens, separators = split(line)
    assert tokens == ["level", "info", "msg", "a", "b", "c"]
    assert "".join(map("".join, zip(tokens, separators, strict=True))) == line
    assert split("  x") == (["", "x"], ["  ", ""])
    assert split("") == ([""], [""])


def test_what_varies_is_taken_out():
    first, second = sorted_in(
        "took 12ms for user 7 at 10.0.0.1:80", "took 13ms for user 8 at 10.0.0.2:81"
    )
    assert first == second == "took <*> for user <*> at <*>"


def test_names_with_digits_are_values_at_once():
    lines = [f"pod cart-{name} was deleted from the node" for name in ("7f9x", "b21q")]
    assert set(sorted_in(*lines)) == {"pod <*> was deleted from the node"}


def test_two_words_are_two_events_and_many_are_one():
    opened, closed = "session was opened by the client", "session was closed by the client"
    assert sorted_in(opened, closed) == [opened, closed]
    names = ("ann", "bob", "cy", "dan", "eve")
    lines = [f"session was opened for {name} by the client" for name in names]
    assert set(sorted_in(*lines)) == {"session was opened for <*> by the client"}
    assert len(set(sorted_in(*lines[:3]))) == 3
    assert len(set(sorted_in(*lines[:4]))) == 1


def test_what_joins_brings_its_count_along():
    miner = TemplateMiner()
    found = [miner.add(f"login of user {name} was refused") for name in "abcdefgh" for _ in "xyz"]
    assert {template.now() for template in found} == {found[-1]}
    assert found[-1].count == 24


def test_other_lengths_are_other_kinds():
    assert len(set(sorted_in("a b c d e", "a b c d e f"))) == 2


def test_runs_of_what_varies_are_one_value():
    assert sorted_in("ids 1, 2, 3 done") == sorted_in("ids 1, 2 done") == ["ids <*> done"]


def test_memory_is_bounded_whatever_comes():
    miner = TemplateMiner(most_templates=50)
    letters = "abcdefghijklmnopqrstuvwxyz"
    found = [
        miner.add(f"{a}{b} {b}{a} {'x ' * (index % 40)}stop")
        for index, (a, b) in enumerate((a, b) for a in letters for b in letters)
    ]
    kinds = {template.now().number for template in found}
    assert len(kinds) <= 51
    assert sum(template.count for template in {each.now() for each in found}) == len(found)
    assert miner.add("never seen before, at all").text == "<*>"


@pytest.mark.parametrize(
    "line", ["1," * 4000, "a." * 4000, "f:" * 4000, "<*> " * 2000, "0" * 9000, "(" * 9000, "-" * 9000,
             "1:" * 4000, "a1b" * 3000, "/" * 9000, "x=" * 4000]
)  # fmt: skip
def test_no_line_takes_long(line):
    # A pattern that backtracks would take minutes, and the test its time limit.
    assert TemplateMiner().add(line).count == 1


@given(st.lists(st.text(max_size=200), max_size=40))
def test_any_text_is_counted_once(lines):
    miner = TemplateMiner(most_templates=20)
    found = [miner.add(line) for line in lines]
    assert sum(each.count for each in {each.now() for each in found}) == len(lines)


@pytest.mark.parametrize("system", ["Apache", "Hadoop", "Spark", "Windows"])
def test_kinds_of_real_logs(system):
    path = DATA / system / f"{system}_2k.log_structured_corrected.csv"
    if not path.exists():
        pytest.skip(f"no {path}")
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file))
    miner = TemplateMiner()
    found = [miner.add(row["Content"]) for row in rows]
    ours: dict[int, set[int]] = {}
    truth: dict[str, set[int]] = {}
    for index, (row, template) in enumerate(zip(rows, found, strict=True)):
        ours.setdefault(template.now().number, set()).add(index)
        truth.setdefault(row["EventId"], set()).add(index)
    exact = {frozenset(each) for each in truth.values()}
    right = sum(len(each) for each in ours.values() if frozenset(each) in exact)
    assert right / len(rows) > 0.95
