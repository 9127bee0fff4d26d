"""One kind of log line: its text, its id, what varies in it, and how it becomes more general. Pure.

Knows tokens and values; how lines find their template is none of its business.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import Final

from aiops_mcp.analysis.logpatterns_tokens import Tokens, joined, line_of, readable, types_in
from aiops_mcp.analysis.logpatterns_values import WILDCARD, ValueType

Key = tuple[str | int, ...]
_MOST_FORMER: Final = 16


@dataclass(slots=True, eq=False)
class Template:
    """One kind of line. ``words`` and separators alternate; what varies is ``<*>``."""

    number: int
    words: list[str]
    separators: list[str]
    shown: list[str]
    count: int = 0
    joined: "Template | None" = None
    former_ids: list[str] = field(default_factory=list[str])
    keys: tuple[Key, ...] = ()
    _line: str | None = None

    @property
    def line(self) -> str:
        """The template as a line, values as marks of their types."""
        if self._line is None:
            self._line = line_of(self.shown, self.separators)
        return self._line

    @property
    def text(self) -> str:
        """The template as a line, with ``<*>`` for each part that varies."""
        return readable(self.line)

    @property
    def variables(self) -> list[ValueType]:
        """The types of what varies, one for each ``<*>`` in ``text``."""
        return types_in(self.line)

    @property
    def id(self) -> str:
        """12 hexadecimal digits that depend on the text alone.

        A template that becomes more general changes its id; ``former_ids`` keeps the last ones.
        """
        return template_id(self.text)

    def now(self) -> "Template":
        """What this template has become: itself, or the more general one that it has joined."""
        found = self
        while found.joined is not None:
            found = found.joined
        return found

    def take(self, other: "Tokens | Template") -> bool:
        """Become as general as to fit these tokens too; whether a word became a value by that."""
        words, shown = self.words[:], self.shown[:]
        for place, (own, word) in enumerate(zip(words, other.words, strict=True)):
            if own != word:
                words[place] = WILDCARD
                shown[place] = joined(shown[place], other.shown[place])
            elif own == WILDCARD and shown[place] != other.shown[place]:
                shown[place] = joined(shown[place], other.shown[place])
        separators = self.separators
        if separators != other.separators:
            # What stands between words may differ; the shorter of two says least.
            pairs = zip(separators, other.separators, strict=True)
            separators = [min(pair, key=_brevity) for pair in pairs]
        if shown == self.shown and separators == self.separators:
            return False
        before, widened = self.text if self.count else "", words != self.words
        self.words, self.shown, self.separators = words, shown, separators
        self._line = None
        if self.count and before != self.text:
            self.remember((template_id(before),))
        return widened

    def covers(self, other: "Template") -> bool:
        """Whether all lines of the other are lines of this one."""
        return len(self.words) == len(other.words) and all(
            own in (WILDCARD, word) for own, word in zip(self.words, other.words, strict=True)
        )

    def remember(self, ids: Iterable[str]) -> None:
        self.former_ids = list(dict.fromkeys([*self.former_ids, *ids]))[-_MOST_FORMER:]


def _brevity(separator: str) -> tuple[int, str]:
    return len(separator), separator


def template_id(text: str) -> str:
    """The id of a template with this text."""
    return blake2s(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
