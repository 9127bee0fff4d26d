import gzip
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.analysis.evidence_logs import LogLine, evidence_of_logs
from aiops_mcp.analysis.loglevels import LogLevel
from aiops_mcp.analysis.rootcause_problem import EvidenceKind

WHEN = 1000.0
ORDER = ("web Front#10", "cart Cart#20", "price Price#30", "cart Cart#21", "web Front#11")


def request(number, began, steps=ORDER, level="INFO"):
    """One request's lines: a component and a statement each, 10 ms apart."""
    trace = f"{number:032x}"
    lines = []
    for place, step in enumerate(steps):
        component, source = step.split(" ", 1)
        marked = source if " " in source else f"{level} {source}"
        lines.append(
            LogLine(began + place / 100, component, f"{marked} TraceID: {trace} order {number}")
        )
    return lines


def requests(count, first=0, began=0.0, every=10.0, **rest):
    return [line for i in range(count) for line in request(first + i, began + i * every, **rest)]


def by_component(found):
    return {each.component: each for each in found}


def test_nothing_new_is_no_evidence():
    assert evidence_of_logs(requests(100) + requests(50, 100, WHEN), WHEN) == []


def test_the_component_whose_statement_is_missing_is_blamed():
    # An exception in price: its caller goes on to fail at once, nobody logs an error.
    broken = ("web Front#10", "cart Cart#20", "web Front#12")
    lines = requests(50) + requests(20, 100, WHEN, steps=broken)
    # Whatever else is missing now, at cart and at web, is missing because of it.
    [first] = evidence_of_logs(lines, WHEN)
    assert (first.component, first.kind, first.name) == (
        "price",
        EvidenceKind.LOG,
        "broken sequence",
    )
    assert first.strength > 7
    assert first.began == pytest.approx(WHEN + 0.02)
    assert first.text.startswith("“Price#30 … order 0” after “Cart#20 … order 0” ")
    assert "in 0 of 20 traces; before 50 of 50" in first.text


def test_the_first_error_of_a_trace_is_blamed_and_not_those_that_follow():
    cascade = (
        "web Front#10",
        "cart Cart#20",
        "price ERROR Price#39",
        "cart ERROR Cart#29",
        "web ERROR Front#19",
    )
    found = evidence_of_logs(requests(50) + requests(20, 100, WHEN, steps=cascade), WHEN)
    assert [(each.component, each.name) for each in found] == [("price", "new error")]


def test_the_component_that_logs_a_new_error_is_blamed():
    failing = ("web Front#10", "cart Cart#20", "price ERROR Price#39", "web Front#12")
    lines = requests(50) + requests(20, 100, WHEN + 30, steps=failing)
    first = evidence_of_logs(lines, WHEN)[0]
    assert (first.component, first.name) == ("price", "new error")
    assert first.began == pytest.approx(WHEN + 30.02)


def test_an_error_that_good_times_know_is_no_news_at_another_place():
    known = ("web Front#10", "cart ERROR Cart#29")
    elsewhere = ("web Front#10", "cart Cart#20", "cart ERROR Cart#29")
    # As often as before among the cart's lines, only elsewhere.
    good = requests(40) + requests(20, 50, steps=known)
    now = requests(20, 100, WHEN) + requests(10, 200, WHEN, steps=elsewhere)
    assert evidence_of_logs(good + now, WHEN) == []


def test_more_traffic_of_another_mix_is_no_evidence():
    other = ("web Front#10", "stock Stock#1", "web Front#11")
    good = requests(50) + requests(20, 60, steps=other)
    now = requests(10, 100, WHEN) + requests(300, 200, WHEN, every=0.1, steps=other)
    assert evidence_of_logs(good + now, WHEN) == []


def test_a_fault_that_had_begun_before_it_was_noticed_is_seen_against_good_lines():
    broken = ("web Front#10", "cart Cart#20", "web Front#12")
    lines = requests(60, 100, WHEN - 300, steps=broken)
    assert evidence_of_logs(lines, WHEN) == []
    found = evidence_of_logs(lines, WHEN, normal=requests(30, began=-90_000))
    assert found[0].component == "price"
    assert found[0].strength > 5


def test_a_lonely_line_is_weaker_than_many():
    broken = ("web Front#10", "cart Cart#20", "web Front#12")

    def strength(count):
        lines = requests(50) + requests(count, 100, WHEN, steps=broken)
        return by_component(evidence_of_logs(lines, WHEN))["price"].strength

    assert strength(2) < strength(5) < strength(20)


def test_a_loop_in_one_request_is_one_witness():
    looped = ("web Front#10", *["cart Cart#20", "web Front#12"] * 30)
    once = ("web Front#10", "cart Cart#20", "web Front#12")
    assert [
        by_component(evidence_of_logs(requests(50) + requests(3, 100, WHEN, steps=steps), WHEN))[
            "price"
        ].strength
        for steps in (looped, once)
    ] == pytest.approx([3.9, 3.9], abs=1.0)


def test_without_traces_new_errors_and_lost_statements_still_tell():
    def lines(component, text, count, began):
        return [LogLine(began + i, component, text.format(i)) for i in range(count)]

    good = lines("cart", "INFO stored order {}", 200, 0) + lines("db", "INFO commit {}", 200, 0)
    now = lines("cart", "INFO stored order {}", 100, WHEN)
    now += lines("db", "ERROR disk of volume {} is full", 30, WHEN + 5)
    first, *others = evidence_of_logs(good + now, WHEN)
    assert (first.component, first.began) == ("db", WHEN + 5)
    assert first.name == "missing lines"
    assert "disk of volume" in first.text
    assert "INFO commit" in first.text
    assert others == []


def test_an_error_that_becomes_frequent_is_told_as_such():
    def lines(errors, began):
        return [
            LogLine(began + i, "cart", "ERROR timeout" if i < errors else "INFO stored")
            for i in range(100)
        ]

    [found] = evidence_of_logs(lines(2, 0) + lines(40, WHEN), WHEN)
    assert found.name == "frequent error"
    assert "in 40 of its 100 traces or lines; before 2 of 100" in found.text


def test_an_error_that_becomes_rare_is_none():
    lines = [
        LogLine(float(i), "cart", "ERROR timeout" if i < 90 else "INFO ok") for i in range(100)
    ]
    lines += [LogLine(WHEN + i, "cart", "INFO ok") for i in range(100)]
    assert evidence_of_logs(lines, WHEN) == []


def test_the_level_and_trace_that_a_store_knows_count():
    good = [LogLine(float(i), "cart", f"step {i % 2}", f"t{i // 2}") for i in range(100)]
    now = [LogLine(WHEN + i, "cart", "step 0", f"u{i}") for i in range(20)]
    now += [LogLine(WHEN + i + 0.5, "cart", "it broke", f"u{i}", LogLevel.ERROR) for i in range(20)]
    first = evidence_of_logs(good + now, WHEN)[0]
    assert first.name == "new error"
    assert "it broke" in first.text


def test_order_of_input_does_not_matter():
    broken = ("web Front#10", "cart Cart#20", "web Front#12")
    lines = requests(30) + requests(10, 100, WHEN, steps=broken)
    mixed = lines[:]
    random.Random(5).shuffle(mixed)
    strengths = [
        {each.component: round(each.strength, 9) for each in evidence_of_logs(given_lines, WHEN)}
        for given_lines in (lines, mixed)
    ]
    assert strengths[0] == strengths[1]
    assert strengths[0]["price"] > 4


@pytest.mark.parametrize("skew", [-60.0, -0.015, 0.015, 60.0])
def test_a_component_whose_clock_is_off_is_no_finding_and_hides_none(skew):
    def late(lines):
        return [
            replace(line, time=line.time + skew) if line.component == "cart" else line
            for line in lines
        ]

    failing = ("web Front#10", "cart Cart#20", "price ERROR Price#39", "web Front#12")
    good, now = requests(90), requests(20, 100, WHEN + 61)
    assert evidence_of_logs(late(good + now), WHEN) == []
    broken = requests(20, 100, WHEN + 61, steps=failing)
    found = evidence_of_logs(late(good + broken), WHEN)
    # A cart that is early seems to have stopped before price failed: both are told.
    assert by_component(found)["price"].strength > 0.7 * found[0].strength


def test_one_component_has_one_item_that_tells_at_most_three_things():
    failing = tuple(f"cart ERROR Cart#{i}" for i in range(50, 60))
    lines = requests(50) + requests(20, 100, WHEN, steps=("web Front#10", *failing))
    found = evidence_of_logs(lines, WHEN)
    assert len({each.component for each in found}) == len(found)
    assert by_component(found)["cart"].text.count("; ") >= 2
    assert len(by_component(found)["cart"].text) < 1200


# ---- bad input -----------------------------------------------------------------------------------


def test_nothing_at_all_is_no_evidence():
    assert evidence_of_logs([], WHEN) == []
    assert evidence_of_logs(requests(5, began=WHEN), WHEN) == []
    assert evidence_of_logs(requests(5), WHEN) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\x00\x01\x02",
        "x" * 1_000_000,
        "a.b#1 " * 150_000,
        "[" * 200_000,
        "$" * 3_000 + "#1",
        "a." * 3_000 + "go:",
        "Exception " * 50_000,
        "ЗАКАЗ не найден: ошибка 42",
        "注文が見つかりません 42",
        "🔥" * 1000,
        "trace_id=" * 1000,
        '{"level": "error", "traceId": "' + "f" * 32 + '"}',
        "\t at com.shop.Cart(Cart.java:20)",
    ],
    ids=range(15),
)
def test_lines_of_any_kind_are_survived(text):
    lines = [LogLine(WHEN + i - 20, "cart", text) for i in range(40)]
    assert evidence_of_logs(lines, WHEN) == []


def test_lines_made_against_the_templates_cost_no_square():
    source = random.Random(1)
    lines = [
        LogLine(float(i), "cart", " ".join(source.choices("abcdefgh", k=source.randint(1, 30))))
        for i in range(8000)
    ]
    assert isinstance(evidence_of_logs(lines, 4000.0), list)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            LogLine,
            st.floats(0, 2000),
            st.sampled_from(["a", "b", ""]),
            st.text(max_size=40) | st.sampled_from(["ERROR x#1 boom", "INFO x#2 ok", "panic: y"]),
            st.sampled_from(["", "t1", "t2"]),
        ),
        max_size=60,
    )
)
def test_evidence_is_finite_and_of_a_known_component(lines):
    for each in evidence_of_logs(lines, WHEN, normal=lines[:10]):
        assert 2.0 <= each.strength < 1000
        assert each.component in {"a", "b", ""}
        assert each.text


def test_gzip_text_is_a_line_too():
    text = gzip.compress(b"x" * 100).decode("latin-1")
    assert evidence_of_logs([LogLine(float(i), "a", text) for i in range(20)], 10.0) == []
