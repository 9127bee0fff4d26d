"""A model's text as it comes: what may be shown at once, what is held back, where it is cut.

Held back is only what looks like the beginning of a narrated call; whether it is one shows at the
end of the turn, and text that was shown by then can still be withdrawn. Pure.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from agents.narrated import NarratedCall, narration_of

_MARKERS = ("<tool_call>", "<tool_calls>", "<function=", "<function_call>", "<|", "[TOOL_CALLS]")
_FENCE = "```"
_LINE_OPENINGS = ("{", "[", "Action:")
_SUSPECT = re.compile(
    r"<tool_calls?>|<function(?:=|_call>)|<\||\[TOOL_CALLS\]|```|^[ \t]{0,16}(?:[\[{]|Action:)",
    re.MULTILINE,
)
_KEYS = ("name:", "tool:", "tool_name:", "function:", "function:name:", "action:")
_TYPED = "type:function,function:name:"
_BARE = re.compile(r"[\s\"'\[{]")
_FENCED = re.compile(r"```(\w{0,16})[ \t]*\n?\s{0,8}(\S)?")
_FENCED_CALLS = frozenset({"", "json", "python", "tool_call", "tool_code", "xml", "tool"})
_PREFIXES = ("print(", "functions.")
_MARKER_BEGUN = re.compile(
    "(?:"
    + "|".join(
        sorted(
            {re.escape(m[:n]) for m in (*_MARKERS, _FENCE) for n in range(1, len(m) + 1)},
            key=len,
            reverse=True,
        )
    )
    + r")\Z"
)
_LONGEST_OPENING = 96
_LOOKED_AT = 120

_WINDOW = 1_600
_EVERY = 300
_SHORT_PERIOD = 8


class Speech:
    """The text of one turn. ``names`` are tools that may be narrated."""

    def __init__(self, names: frozenset[str]) -> None:
        self.text = ""
        self.cut = False
        """Whether it ran in circles and was cut off; nothing more is taken then."""
        self._narration = narration_of(names)
        self._shown = 0
        self._seen = 0  # up to here nothing is suspicious
        self._openings = _openings_of(names)
        self._looked = 0

    def add(self, piece: str) -> str:
        """Take a piece; what of the text may be shown now."""
        self.text += piece
        if len(self.text) - self._looked >= _EVERY:
            self._looked = len(self.text)
            kept = repetition(self.text)
            if kept is not None:
                self.text, self.cut = self.text[:kept].rstrip(), True
                return ""
        return self._show_up_to(self._safe_end())

    def rest(self) -> str:
        """What was held back, at the end of a turn without calls."""
        return self._show_up_to(len(self.text))

    def calls(self) -> tuple[NarratedCall, ...]:
        """The narrated calls of the text."""
        return self._narration.calls(self.text)

    @property
    def shown(self) -> str:
        return self.text[: self._shown]

    def _show_up_to(self, end: int) -> str:
        piece = self.text[self._shown : end]
        self._shown = max(self._shown, end)
        return piece

    def _safe_end(self) -> int:
        while True:
            start = self._suspicious_from(self._seen)
            if start is None:
                end = self._tail_start()
                self._seen = max(self._seen, min(end, len(self.text) - _LONGEST_OPENING))
                return end
            released = self._released(start)
            if released is None:
                self._seen = start
                return start
            self._seen = released

    def _suspicious_from(self, at: int) -> int | None:
        found = [
            match.start()
            for pattern in (_SUSPECT, self._openings.calls)
            if (match := pattern.search(self.text, at))
        ]
        return min(found, default=None)

    def _released(self, start: int) -> int | None:
        """Where to look on, when what begins at ``start`` is no call; ``None``: it may be one."""
        held = self.text[start : start + _LOOKED_AT].lstrip(" \t")
        skip = start + 1
        if held.startswith(_FENCE):
            match = _FENCED.match(held)
            if match is None or not _may_be_fenced(match[1], is_whole=match.end(1) < len(held)):
                return start + len(_FENCE)
            if match[2] is None:  # nothing inside yet
                return None
            inside = held[match.start(2) :]
            may_be = self._may_be_object(inside) or self._may_be_function(inside)
            return None if may_be else start + match.start(2)
        if held.startswith(("{", "[")) and not held.startswith("[TOOL_CALLS]"):
            may_be = self._may_be_object(held) or _MARKERS[-1].startswith(held)
            may_be = may_be or (held[0] == "[" and self._may_be_function(held[1:]))
            return (
                None
                if may_be
                else skip + len(self.text[start:]) - len(self.text[start:].lstrip(" \t"))
            )
        return None

    def _may_be_object(self, held: str) -> bool:
        if held[:1] not in ("{", "["):
            return False
        bare = _BARE.sub("", held)
        for key in (*_KEYS, _TYPED):
            if key.startswith(bare):
                return True
            if bare.startswith(key) and self._is_name_begun(bare[len(key) :]):
                return True
        return _TYPED.startswith(bare) or self._is_name_begun(bare)

    def _may_be_function(self, held: str) -> bool:
        return self._is_name_begun(held.strip())

    def _is_name_begun(self, text: str) -> bool:
        """Whether a name of a tool begins the text, or the text begins a name."""
        if any(prefix.startswith(text) for prefix in _PREFIXES):
            return True
        for prefix in _PREFIXES:
            text = text.removeprefix(prefix)
        return any(
            name.startswith(text) or re.match(rf"{re.escape(name)}\W", text)
            for name in self._narration.names
        )

    def _tail_start(self) -> int:
        """Where the end of the text may be the beginning of something suspicious."""
        text = self.text
        if begun := _MARKER_BEGUN.search(text, max(0, len(text) - 16)):
            return max(begun.start(), self._shown)
        line_start = text.rfind("\n", max(0, len(text) - _LONGEST_OPENING)) + 1
        if not line_start and len(text) > _LONGEST_OPENING:
            return len(text)
        line = text[line_start:].lstrip(" \t")
        return max(line_start, self._shown) if line in self._openings.begun else len(text)


@dataclass(frozen=True, slots=True)
class _Openings:
    """What a line of a narrated call may begin with: ``begun`` are all beginnings of these."""

    calls: re.Pattern[str]
    begun: frozenset[str]


@lru_cache(maxsize=64)
def _openings_of(names: frozenset[str]) -> _Openings:
    known = "|".join(map(re.escape, sorted(names))) or "(?!)"
    whole = (*_LINE_OPENINGS, *(f"{name}(" for name in names))
    begun = frozenset(opening[:end] for opening in whole for end in range(1, len(opening) + 1))
    return _Openings(re.compile(rf"^[ \t]{{0,16}}(?:{known})\(", re.MULTILINE), begun)


def _may_be_fenced(language: str, *, is_whole: bool) -> bool:
    if is_whole:
        return language in _FENCED_CALLS
    return any(known.startswith(language) for known in _FENCED_CALLS)


def repetition(text: str) -> int | None:
    """How much of a text to keep, when its end says the same over and over.

    The smallest period of the tail by the prefix function (Knuth, Morris, Pratt) of the reversed
    window: five rounds of at least 300 characters; or 600 of a period below 8, for rules and dots.
    """
    window = text[: -_WINDOW - 1 : -1]
    border = [0] * (len(window) + 1)
    best: tuple[int, int] | None = None
    k = 0
    for length in range(2, len(window) + 1):
        letter = window[length - 1]
        while k and window[k] != letter:
            k = border[k]
        if window[k] == letter:
            k += 1
        border[length] = k
        period = length - k
        enough = 600 if period < _SHORT_PERIOD else max(5 * period, 300)
        if length >= enough:
            best = (length, period)
    if best is None:
        return None
    length, period = best
    return len(text) - length + (period if period >= _SHORT_PERIOD else 0)
