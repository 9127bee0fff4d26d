"""How reports are laid out: ticks, lines and names of charts, widths and pages of the PDF."""

import math
import re
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiops_mcp.models.reports import (
    BarChart,
    Bars,
    Column,
    Line,
    LineChart,
    ReportFormat,
    Table,
)
from aiops_mcp.reports.drawing import (
    MOST_LINES,
    WIDTH,
    Box,
    Stroke,
    Words,
    draw,
    room_of,
    thinned,
    ticks,
    time_ticks,
)
from aiops_mcp.reports.markdown import sparkline
from aiops_mcp.reports.pdf import _WIDE, _widths
from aiops_mcp.reports.pdf_fonts import BODY, BOLD, Typeface
from aiops_mcp.reports.render import render
from aiops_mcp.reports.wording import lasted, listed, number, percent

DAY = datetime(2026, 3, 10, tzinfo=UTC).timestamp()


def chart(*lines: Line, **other) -> LineChart:
    base = {"title": "t", "finding": "f", "start": DAY, "end": DAY + 3600}
    return LineChart(lines=lines, **{**base, **other})


def line(name: str, *values: float | None, step: float = 60.0) -> Line:
    return Line(name=name, points=tuple((DAY + at * step, each) for at, each in enumerate(values)))


def inside(drawing) -> bool:
    points = [point for one in drawing.marks if isinstance(one, Stroke) for point in one.points]
    points += [(one.x, one.y) for one in drawing.marks if isinstance(one, (Box, Words))]
    points += [
        (one.x + one.width, one.y + one.height) for one in drawing.marks if isinstance(one, Box)
    ]
    return all(
        -1 <= x <= drawing.width + 1 and -1 <= y <= drawing.height + 1 and math.isfinite(x + y)
        for x, y in points
    )


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12))
def test_ticks_are_round_few_and_hold_the_values(low: float, size: float) -> None:
    found = ticks(low, low + size)
    assert 2 <= len(found) <= 12
    assert found[0] <= low + max(abs(low), size) * 1e-6
    assert found[-1] >= low + size - max(abs(low), size) * 1e-6
    steps = [b - a for a, b in zip(found, found[1:], strict=False)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)


@pytest.mark.parametrize(
    ("length", "names"),
    [
        (3600, ["10 Mar", "00:10", "00:20", "00:30", "00:40", "00:50", "01:00"]),
        (86_400, ["10 Mar", "06:00", "12:00", "18:00", "11 Mar"]),
        (6 * 86_400, [f"{day} Mar" for day in range(10, 17)]),
    ],
)
def test_moments_are_round_and_a_day_is_named(length: int, names: list[str]) -> None:
    told = [name for _, name in time_ticks(DAY, DAY + length)]
    assert told[0] == names[0]
    assert 3 <= len(told) <= 8
    assert set(told) & set(names)


def test_a_gap_breaks_a_line_and_a_lone_point_is_a_dot() -> None:
    drawing = draw(chart(line("a", 1, 2, None, 3, None, 4, 5)))
    strokes = [one for one in drawing.marks if isinstance(one, Stroke) and one.role == "s1"]
    assert [len(one.points) for one in strokes] == [2, 2]
    dots = [
        one for one in drawing.marks if isinstance(one, Box) and (one.role, one.width) == ("s1", 2)
    ]
    assert len(dots) == 1


def test_the_first_lines_are_named_the_rest_is_grey_and_names_do_not_lie_on_each_other() -> None:
    drawing = draw(chart(*(line(f"cluster-{at}", 1.0, 1.0) for at in range(9))))
    roles = [one.role for one in drawing.marks if isinstance(one, Stroke)]
    assert roles.count("line-rest") == 4
    named = [one for one in drawing.marks if isinstance(one, Words) and "cluster-" in one.text]
    assert len(named) == MOST_LINES
    heights = sorted(one.y for one in named)
    assert min(b - a for a, b in zip(heights, heights[1:], strict=False)) >= 10
    assert inside(drawing)


def test_a_limit_is_a_dashed_line_with_its_name() -> None:
    bars = BarChart(
        title="t",
        finding="f",
        labels=("a",),
        parts=(Bars(name="n", values=(0.3,)),),
        across=True,
        share=True,
        limit=0.9,
    )
    for drawing in (draw(chart(line("a", 0.1, 0.2), share=True, limit=0.9)), draw(bars)):
        dashed = [one for one in drawing.marks if isinstance(one, Stroke) and one.dash]
        assert [one.role for one in dashed] == ["crit"]
        assert "limit 90%" in {one.text for one in drawing.marks if isinstance(one, Words)}
        assert inside(drawing)


@given(
    st.lists(
        st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=32)), max_size=60
    ),
    st.booleans(),
)
def test_no_value_leads_out_of_the_picture(values: list[float | None], share: bool) -> None:
    assert inside(draw(chart(line("a", *values), share=share)))


@example([1e-323], False)
@given(st.lists(st.floats(0, 1e15), min_size=1, max_size=30), st.booleans())
def test_bars_stay_in_the_picture(values: list[float], across: bool) -> None:
    labels = tuple(f"a long name of a cluster {at}" for at in range(len(values)))
    parts = (Bars(name="one", values=tuple(values)), Bars(name="two", values=tuple(values)))
    drawing = draw(BarChart(title="t", finding="f", labels=labels, parts=parts, across=across))
    boxes = [one for one in drawing.marks if isinstance(one, Box)]
    assert all(one.x + one.width <= WIDTH + 1 for one in boxes)
    assert inside(drawing)


def test_a_long_name_at_the_edge_is_not_cut() -> None:
    labels = tuple(f"{day} Nov 06:00" for day in range(18, 26))
    bars = BarChart(
        title="t",
        finding="f",
        labels=labels,
        parts=(Bars(name="n", values=(1.0,) * 8),),
    )
    names = [one for one in draw(bars).marks if isinstance(one, Words) and "Nov" in one.text]
    assert [one.text for one in names] == list(labels)
    assert all(room_of(one.text) / 2 <= one.x <= WIDTH - room_of(one.text) / 2 for one in names)


def test_a_spike_survives_thinning_and_so_does_a_gap() -> None:
    points = [(float(at), 1.0) for at in range(10_000)]
    points[5_555] = (5_555.0, 99.0)
    kept = thinned(points)
    assert len(kept) <= 450
    assert (5_555.0, 99.0) in kept
    assert [at for at, _ in kept] == sorted(at for at, _ in kept)
    gap: list[tuple[float, float | None]] = [*points]
    gap[2_000:4_000] = [(float(at), None) for at in range(2_000, 4_000)]
    assert any(value is None for _, value in thinned(gap))


def test_a_shape_in_letters_shows_the_highest_of_each_part_and_gaps() -> None:
    points = [(DAY + at, 0.0 if at != 30 else 1.0) for at in range(48)]
    told = sparkline([one for at, one in enumerate(points) if at != 40], DAY, DAY + 48)
    assert len(told) == 48
    assert told[30] == "█"
    assert told[40] == "\u00a0"
    assert set(told[:30]) == {"▁"}


# --- the PDF ----------------------------------------------------------------------------------

CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=80)


@given(st.lists(st.lists(CELLS, min_size=5, max_size=5), min_size=1, max_size=5))
def test_a_table_is_as_wide_as_the_page_at_most(rows: list[list[str]]) -> None:
    columns = (Column(title="S", toned=True), *(Column(title="c") for _ in range(3)))
    table = Table(
        title="t",
        columns=(*columns, Column(title="w", wide=True)),
        rows=tuple(map(tuple, rows)),
    )
    widths = _widths(table, Typeface())
    assert sum(widths) <= _WIDE + 0.01
    assert min(widths) > 5


def test_no_severity_and_no_short_word_is_divided() -> None:
    face = Typeface()
    text = "a sentence that goes on " * 20
    table = Table(
        title="t",
        columns=(
            Column(title="Severity", toned=True),
            Column(title="At"),
            Column(title="Type"),
            Column(title="Whose"),
            Column(title="What", wide=True),
        ),
        rows=(("CRITICAL", "25 Nov 09:16", "FAR_EDGE", "x", text),),
    )
    widths = _widths(table, face)
    assert widths[0] >= face.width("CRITICAL", 7.0, bold=True)
    assert widths[1] >= face.width("25 Nov 09:16", 7.0)
    assert widths[2] >= face.width("FAR_EDGE", 7.0)
    assert widths[3] >= face.width("Whose", 6.8)
    assert widths[4] > _WIDE / 2


def pages(made: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", made))


def test_a_long_table_goes_on_over_pages(content) -> None:
    few = pages(render(content("harmless"), ReportFormat.PDF))
    many = pages(render(content("harmless", rows=400), ReportFormat.PDF))
    assert few <= 3
    assert 5 <= many - few <= 20


def test_the_same_report_is_the_same_bytes(content) -> None:
    assert render(content("x"), ReportFormat.PDF) == render(content("x"), ReportFormat.PDF)


def test_a_cell_of_a_megabyte_and_a_word_without_end_fit(content) -> None:
    for text in (
        "word " * 4_000,
        "x" * 5_000,
        "one\n" * 3_000,
        "\U0001f600" * 2_000,
        "\ue000 " * 900,
    ):
        assert render(content(text), ReportFormat.PDF).startswith(b"%PDF-")


def test_letters_that_no_font_has_are_written_as_numbers_and_told() -> None:
    face = Typeface()
    assert list(face.pieces("ok \U0001f600")) == [(BODY, "ok "), (BODY, "\\u1f600")]
    assert face.unwritten == {"\U0001f600"}
    assert [name for name, _ in face.pieces("日本")] == ["STSong-Light"]
    assert face.markup("a & <b>\nc", bold=True) == (
        f'<font name="{BOLD}">a &amp; &lt;b&gt;<br/>c</font>'
    )


def test_a_broken_font_file_is_passed_over(tmp_path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"not a font")
    face = Typeface([broken, tmp_path / "absent.ttf"])
    assert list(face.pieces("abc")) == [(BODY, "abc")]


# --- words ------------------------------------------------------------------------------------


def test_numbers_are_short() -> None:
    assert [number(each) for each in (0, 1284, 0.01234, 5.714, 0.00001, math.nan, -math.inf)] == [
        *("0", "1,284", "0.0123", "5.71", "1.0e-05", "unknown", "infinite"),
    ]
    assert [percent(each) for each in (0, 0.6401, 0.0042, math.nan)] == [
        *("0%", "64%", "0.42%", "unknown"),
    ]
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert lasted(None, datetime(2026, 3, 10, tzinfo=UTC)) == ""
