"""Searching a kept result: the lines that match, page by page. Pure.

Patterns are RE2, which takes linear time whatever a model writes; what is no expression is looked
for as it stands.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import re2

from agents.results_text import Layout

_re2: Any = re2  # the library carries no types

PAGE_BYTES = 5_400
"""A page is a small answer (about 1,500 tokens), so that it is never cut itself."""
PAGE_LINES = 60
_PATTERN_LENGTH = 500
_LINE_LENGTH = 600


@dataclass(frozen=True, slots=True)
class Page:
    """``lines`` of the ``total`` that match; ``after`` is where the next page begins, if any."""

    lines: tuple[str, ...]
    total: int
    after: int | None
    note: str = ""


def found(whole: Layout, pattern: str, offset: int) -> Page:
    """The page of rows (or lines) that contain the pattern; an empty pattern matches all."""
    test, note = _test(pattern)
    matching = [line for line in whole.rows if test(line)]
    lines: list[str] = []
    room = PAGE_BYTES
    for line in matching[offset : offset + PAGE_LINES]:
        short = line if len(line) <= _LINE_LENGTH else line[: _LINE_LENGTH - 1] + "…"
        room -= len(short.encode("utf-8", "replace")) + 8
        if room < 0 and lines:
            break
        lines.append(short)
    end = offset + len(lines)
    return Page(tuple(lines), len(matching), end if end < len(matching) else None, note)


def _test(pattern: str) -> tuple[Callable[[str], bool], str]:
    if not pattern:
        return lambda _: True, ""
    pattern = pattern[:_PATTERN_LENGTH]
    plain = pattern.casefold()
    options = _re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    try:
        expression = _re2.compile(pattern, options)
    except _re2.error:
        return lambda line: plain in line.casefold(), "the pattern is no RE2: searched as text"
    # As text too: who looks for "a.b(c)" seldom means an expression.
    return lambda line: bool(expression.search(line)) or plain in line.casefold(), ""
