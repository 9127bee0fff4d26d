"""Charts as lines, boxes and words at places: one layout for every format that draws.

Pure. Places are points from the top left. Colours are roles, which a renderer knows. Rules of the
charts: round ticks, a horizontal grid only, bars from 0, a null breaks the line, lines named at
their end, a limit is a dashed line with its name.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiops_mcp.models.reports import BarChart, LineChart, Tone
from aiops_mcp.reports.wording import number, percent

WIDTH = 680.0
TEXT = 9.0
"""Size of letters in charts."""
LETTER = 0.56
"""Width of an average letter as a share of its size: layouts must not need a font."""
MOST_LINES = 5
MOST_POINTS = 400
_MOST = 1e300
"""No axis goes farther."""
_PLOT = 150.0
_TOP, _BOTTOM, _LEFT = 14.0, 20.0, 44.0
_LINE_ROLES = ("s1", "s2", "s3", "s4", "s5")
_TONE_ROLES = {
    Tone.PLAIN: "s1",
    Tone.CRITICAL: "crit",
    Tone.WARNING: "warn",
    Tone.OK: "ok",
    Tone.MUTED: "mute",
}


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points; ``dash`` makes it dashed."""

    points: tuple[tuple[float, float], ...]
    role: str
    width: float = 1.0
    dash: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    y: float
    width: float
    height: float
    role: str


@dataclass(frozen=True, slots=True)
class Words:
    """Text whose base line is at ``y``; ``anchor`` is start, middle or end."""

    x: float
    y: float
    text: str
    role: str = "axis"
    anchor: str = "start"


Mark = Stroke | Box | Words


@dataclass(frozen=True, slots=True)
class Drawing:
    width: float
    height: float
    marks: tuple[Mark, ...]


def draw(chart: LineChart | BarChart) -> Drawing:
    """The chart laid out."""
    if isinstance(chart, LineChart):
        return _draw_lines(chart)
    return _draw_across(chart) if chart.across else _draw_upright(chart)


def room_of(text: str) -> float:
    """About how wide a text is; letters of wide scripts count double."""
    return sum(2.0 if ord(letter) > 0x2E80 else 1.0 for letter in text) * TEXT * LETTER


def shortened(text: str, room: float) -> str:
    """The text with its middle left out where it needs more room: the end of a name matters."""
    if room_of(text) <= room:
        return text
    letters = max(5, int(room / (TEXT * LETTER)))
    if room_of(text[:letters]) > room:
        letters = max(5, letters // 2)
    tail = letters // 2
    return f"{text[: letters - tail - 1]}…{text[len(text) - tail :]}"


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round values that span ``low`` to ``high``; the first is at most, the last at least these."""
    low = min(max(low, -_MOST), _MOST) if not math.isnan(low) else 0.0
    high = min(max(high, -_MOST), _MOST) if not math.isnan(high) else low
    # Nothing that numbers of this size could tell apart.
    if high - low <= max(abs(low) * 1e-9, 1 / _MOST):
        high = low + max(1.0, abs(low) * 0.1)
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= rough * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [each * step for each in range(first, max(last, first + 1) + 1)]


_TIME_STEPS = (60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def time_ticks(start: float, end: float) -> list[tuple[float, str]]:
    """3 to 7 moments of round UTC time with their names; the day where it is midnight."""
    length = max(end - start, 60.0)
    step = next((each for each in _TIME_STEPS if length / each <= 7), 86400)
    while length / step > 7:
        step += 86400
    first = math.ceil(start / step) * step
    return [(at, _time_name(at, step)) for at in range(int(first), int(end) + 1, int(step))]


def _time_name(at: float, step: float) -> str:
    there = datetime.fromtimestamp(at, UTC)
    midnight = there.hour == 0 and there.minute == 0
    return f"{there:%d %b}".lstrip("0") if midnight or step >= 86400 else f"{there:%H:%M}"


def value_text(value: float, *, share: bool) -> str:
    return percent(value) if share else number(value)


@dataclass(frozen=True, slots=True)
class _Frame:
    """The plot's place, and the values it spans."""

    left: float
    right: float
    top: float
    bottom: float
    low: float
    high: float

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - min(max(share, -0.02), 1.02) * (self.bottom - self.top)


def _grid(frame: _Frame, levels: Sequence[float], *, share: bool) -> list[Mark]:
    marks: list[Mark] = []
    for level in levels:
        y, role = frame.y(level), "border-strong" if level == levels[0] else "grid"
        marks.append(Stroke(((frame.left, y), (frame.right, y)), role, 0.8))
        text = value_text(level, share=share)
        marks.append(Words(frame.left - 6, y + 3, text, anchor="end"))
    return marks


def _below(x: float, frame: _Frame, text: str) -> Words:
    """A name under the axis, moved inward where it would be cut at the picture's edge."""
    half = room_of(text) / 2
    x = max(half, min(x, WIDTH - half)) if 2 * half < WIDTH else WIDTH / 2
    return Words(x, frame.bottom + 13, text, anchor="middle")


def _limit(frame: _Frame, limit: float, *, share: bool) -> list[Mark]:
    y = frame.y(limit)
    text = f"limit {value_text(limit, share=share)}"
    return [
        Stroke(((frame.left, y), (frame.right, y)), "crit", 1.0, dash=True),
        Words(frame.left + 4, y - 3, text, "crit-text"),
    ]


def _span_of(
    values: Sequence[float], chart: LineChart | BarChart, *, from_zero: bool
) -> list[float]:
    """The ticks of the value axis; shares up to 1 get the whole of 0 to 100 %, unless tiny."""
    known = [value for value in values if math.isfinite(value)]
    if chart.limit is not None:
        known.append(chart.limit)
    low, high = min(known, default=0.0), max(known, default=1.0)
    if chart.share and 0.2 <= high <= 1:
        return [0, 0.25, 0.5, 0.75, 1.0]
    if from_zero or low >= 0:
        low = min(low, 0.0)
    return ticks(low, high)


def _draw_lines(chart: LineChart) -> Drawing:
    values = [value for line in chart.lines for _, value in line.points if value is not None]
    levels = _span_of(values, chart, from_zero=chart.share)
    shown = chart.lines[:MOST_LINES]
    names = max((room_of(line.name) for line in shown), default=0.0)
    frame = _Frame(_LEFT, WIDTH - min(names + 18, 170.0), _TOP, _TOP + _PLOT, levels[0], levels[-1])
    width = max(chart.end - chart.start, 1.0)

    def x(at: float) -> float:
        return frame.left + (at - chart.start) / width * (frame.right - frame.left)

    marks = _grid(frame, levels, share=chart.share)
    for at, name in time_ticks(chart.start, chart.end):
        marks.append(_below(x(at), frame, name))
    for line in chart.lines[MOST_LINES:]:
        marks += _strokes(line.points, x, frame.y, "line-rest", 0.8)
    for line, role in zip(shown, _LINE_ROLES, strict=False):
        marks += _strokes(line.points, x, frame.y, role, 1.6)
    if chart.limit is not None:
        marks += _limit(frame, chart.limit, share=chart.share)
    marks += _markers(chart, x, frame)
    marks += _line_names(chart, frame)
    return Drawing(WIDTH, frame.bottom + _BOTTOM, tuple(marks))


def _strokes(
    points: Sequence[tuple[float, float | None]],
    x: Callable[[float], float],
    y: Callable[[float], float],
    role: str,
    width: float,
) -> list[Mark]:
    """The pieces of a line between its gaps; a lone point is a dot."""
    marks: list[Mark] = []
    piece: list[tuple[float, float]] = []
    for at, value in [*thinned(points), (0.0, None)]:
        if value is not None and math.isfinite(value):
            piece.append((x(at), y(value)))
            continue
        if len(piece) > 1:
            marks.append(Stroke(tuple(piece), role, width))
        elif piece:
            marks.append(Box(piece[0][0] - 1, piece[0][1] - 1, 2, 2, role))
        piece = []
    return marks


def thinned(
    points: Sequence[tuple[float, float | None]], most: int = MOST_POINTS
) -> list[tuple[float, float | None]]:
    """At most ``most`` points: of each bucket its lowest and highest, so that spikes survive."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / (most // 2))
    kept: list[tuple[float, float | None]] = []
    for begin in range(0, len(points), size):
        bucket = [*points[begin : begin + size]]
        known = [point for point in bucket if point[1] is not None]
        if not known:
            kept.append(bucket[0])
            continue
        ends = {min(known, key=_value), max(known, key=_value)}
        kept += sorted(ends, key=lambda point: point[0])
        if len(known) < len(bucket) // 2:
            kept.append((bucket[-1][0], None))
    return kept


def _value(point: tuple[float, float | None]) -> float:
    return point[1] or 0.0


def _markers(chart: LineChart, x: Callable[[float], float], frame: _Frame) -> list[Mark]:
    marks: list[Mark] = []
    inside = [one for one in chart.markers if chart.start <= one.at <= chart.end]
    for marker in inside[:4]:
        at = x(marker.at)
        marks.append(Stroke(((at, frame.top - 2), (at, frame.bottom)), "mute", 0.8, dash=True))
        is_right = at > (frame.left + frame.right) / 2
        anchor, shift = ("end", -3.0) if is_right else ("start", 3.0)
        text = shortened(marker.text, 200.0)
        marks.append(Words(at + shift, frame.top - 4, text, "text-2", anchor))
    return marks


def _line_names(chart: LineChart, frame: _Frame) -> list[Mark]:
    """Names at the lines' ends, moved apart where they would lie on each other."""
    ends: list[tuple[float, str, str]] = []
    for line, role in zip(chart.lines[:MOST_LINES], _LINE_ROLES, strict=False):
        last = next((value for _, value in reversed(line.points) if value is not None), None)
        if last is not None and math.isfinite(last):
            ends.append((frame.y(last), line.name, role))
    marks: list[Mark] = []
    height, floor = TEXT + 2, frame.bottom + 2
    ends.sort()
    places = [y for y, _, _ in ends]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + height)
    for index in reversed(range(len(places))):
        ceiling = floor if index == len(places) - 1 else places[index + 1] - height
        places[index] = min(places[index], ceiling)
    room = WIDTH - frame.right - 16
    for place, (_, name, role) in zip(places, ends, strict=True):
        marks.append(Box(frame.right + 5, place - 3, 6, 6, role))
        marks.append(Words(frame.right + 14, place + 3, shortened(name, room), "text"))
    return marks


def _legend(chart: BarChart, x: float, y: float) -> list[Mark]:
    marks: list[Mark] = []
    if len(chart.parts) < 2:
        return marks
    for part in chart.parts:
        marks.append(Box(x, y - 6, 7, 7, _TONE_ROLES[part.tone]))
        marks.append(Words(x + 11, y, part.name, "text-2"))
        x += room_of(part.name) + 26
    return marks


def _draw_upright(chart: BarChart) -> Drawing:
    totals = [sum(part.values[at] for part in chart.parts) for at in range(len(chart.labels))]
    levels = _span_of(totals, chart, from_zero=True)
    top = _TOP + (14 if len(chart.parts) > 1 else 0)
    frame = _Frame(_LEFT, WIDTH - 8, top, top + _PLOT, levels[0], levels[-1])
    marks = [*_legend(chart, _LEFT, _TOP - 4), *_grid(frame, levels, share=chart.share)]
    slot = (frame.right - frame.left) / max(len(chart.labels), 1)
    every = max(1, math.ceil(max((room_of(each) + 8 for each in chart.labels), default=1) / slot))
    for index, label in enumerate(chart.labels):
        x, base = frame.left + index * slot, 0.0
        for part in chart.parts:
            value = part.values[index]
            if value > 0:
                above, below = frame.y(base + value), frame.y(base)
                size = max(below - above, 0.8)
                wide = max(slot - 2, 0.8)
                marks.append(Box(x + 1, below - size, wide, size, _TONE_ROLES[part.tone]))
                base += value
        if index % every == 0:
            marks.append(_below(x + slot / 2, frame, label))
    if chart.limit is not None:
        marks += _limit(frame, chart.limit, share=chart.share)
    return Drawing(WIDTH, frame.bottom + _BOTTOM, tuple(marks))


def _draw_across(chart: BarChart) -> Drawing:
    totals = [sum(part.values[at] for part in chart.parts) for at in range(len(chart.labels))]
    levels = _span_of(totals, chart, from_zero=True)
    names = min(max((room_of(label) for label in chart.labels), default=40.0) + 10, 190.0)
    left, right, row = names, WIDTH - 56, 17.0
    top = 4.0 + (16 if len(chart.parts) > 1 else 0)
    bottom = top + row * len(chart.labels)

    def x(value: float) -> float:
        return left + min(value / (levels[-1] or 1), 1.02) * (right - left)

    marks = _legend(chart, left, 10)
    for level in levels:
        role = "border-strong" if level == levels[0] else "grid"
        marks.append(Stroke(((x(level), top), (x(level), bottom)), role, 0.8))
        text = value_text(level, share=chart.share)
        marks.append(Words(x(level), bottom + 12, text, anchor="middle"))
    for index, label in enumerate(chart.labels):
        y, base = top + index * row, 0.0
        marks.append(Words(left - 6, y + 12, shortened(label, names - 10), "text", "end"))
        for part in chart.parts:
            value = part.values[index]
            if value > 0:
                wide = max(x(base + value) - x(base), 0.8)
                marks.append(Box(x(base), y + 3, wide, row - 6, _TONE_ROLES[part.tone]))
                base += value
        total = value_text(totals[index], share=chart.share)
        marks.append(Words(x(totals[index]) + 5, y + 12, total, "text"))
    if chart.limit is not None:
        at = x(chart.limit)
        text = f"limit {value_text(chart.limit, share=chart.share)}"
        marks.append(Stroke(((at, top), (at, bottom)), "crit", 1.0, dash=True))
        marks.append(Words(at - 4, top + 9, text, "crit-text", "end"))
    return Drawing(WIDTH, bottom + _BOTTOM, tuple(marks))
