"""Which kinds of lines a log holds: templates mined online, one pass, bounded memory. Pure.

After Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017):
lines are led by their number of tokens and their first tokens to a few templates, and compared
with these token by token. Beyond it:

- Lines are led by their last tokens too: what varies may well come first.

- Values known by their shape (numbers with units, addresses, ids, times) are masked before, and
  what then stands side by side is one value: lines do not differ by how many parts a value has.
- A plain word that differs is taken for another event at first (``session opened``, ``session
  closed``); only when a place has held several words is it a value, and their templates become
  one. A name with a digit or several dots is a value as soon as it differs from another such.
- Lines seen before, and lines that differ from one seen before in masked values alone, are found
  by look-up; both memories are bounded.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2s
from operator import ne

from aiops_mcp.analysis.logpatterns_tokens import (
    Tokens,
    joined,
    line_of,
    readable,
    tokens_of,
    types_in,
)
from aiops_mcp.analysis.logpatterns_values import (
    MARKS,
    WILDCARD,
    Masks,
    ValueType,
    has_digit,
    shape_of,
)

_DIGIT = re.compile(r"\d")
_DOTTED = re.compile(r"[\w$-]+(?:[./\\][\w$-]+){2,}+")

_LONGEST = 4000
_SOFT = 0.3
"""How much a name with digits or dots counts beside a plain word."""

_NOTHING = 1e-9

_SHARED = 2
"""So many plain words in common, and one place that differs, make templates alike."""

_MOST_REPEATED = 10_000
_LONGEST_REPEATED = 400
_LONGEST_KNOWN = 2000
_LONGEST_JUDGED = 200
_MOST_FORMER = 16


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
    keys: "tuple[_Key, ...]" = ()
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
        before = self.id if self.count else None
        widened = False
        for place, (own, word) in enumerate(zip(self.words, other.words, strict=True)):
            if own == WILDCARD == word or own != word:
                widened = widened or own not in (WILDCARD, word)
                self.words[place] = WILDCARD
                self.shown[place] = joined(self.shown[place], other.shown[place])
        # What stands between words may differ; the shorter of two says least.
        pairs = zip(self.separators, other.separators, strict=True)
        self.separators = [min(pair, key=_brevity) for pair in pairs]
        self._line = None
        if before is not None and before != self.id:
            self.remember((before,))
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


_Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Compared:
    """What a line's tokens found among the templates they were led to."""

    fitting: Template | None
    """The nearest that differs in values alone."""

    nearest: Template | None
    alike: dict[tuple[int, ...], list[Template]]
    """Those that differ in plain words, by the places where they do."""


class TemplateMiner:
    """Sorts lines into templates as they come.

    A line joins a template that differs from it in values alone, and with which it shares at least
    ``similarity`` of its tokens. When places where templates differ have held ``words`` plain
    words and one more, these places are values and the templates one. ``depth`` tokens at the
    beginning, or at the end, lead to at most ``most_alike`` templates each; what finds that many
    and fits none joins the nearest. Once there are ``most_templates``, a line that is like none
    joins one template for all the rest.
    """

    def __init__(
        self,
        *,
        similarity: float = 0.7,
        words: int = 4,
        depth: int = 2,
        most_alike: int = 200,
        most_templates: int = 2000,
    ) -> None:
        self._similarity = similarity
        self._words = words
        self._depth = depth
        self._most_alike = most_alike
        self._most = most_templates
        self._masks = Masks()
        self._led: dict[_Key, list[Template]] = {}
        self._known: dict[tuple[str, ...], Template] = {}
        self._shapes: dict[bytes, Template] = {}
        self._repeated: dict[str, Template] = {}
        self._rest: Template | None = None
        self._made = 0

    def add(self, line: str) -> Template:
        """The template of a line, counted. What is beyond 4,000 characters is left out.

        It may join others with later lines: ask for its ``now()`` when all lines are in.
        """
        found = self._repeated.get(line)
        if found is None:
            line = line[:_LONGEST]
            shape = shape_of(line)
            found = self._shapes.get(shape)
            if found is None:
                found = self._masked(line, shape)
            if len(line) <= _LONGEST_REPEATED:
                if len(self._repeated) >= _MOST_REPEATED:
                    self._repeated.clear()
                self._repeated[line] = found
        if found.joined is not None:
            found = found.now()
        found.count += 1
        return found

    def _masked(self, line: str, shape: bytes) -> Template:
        """The template of a line of a new shape."""
        masked = tuple(map(self._masks.__getitem__, line.split()))
        found = self._known.get(masked)
        if found is None:
            found = self._sorted_in(tokens_of(masked))
            if len(line) <= _LONGEST_KNOWN:
                if len(self._known) >= 4 * self._most:
                    self._known.clear()
                self._known[masked] = found
        # A shape knows no digits: it cannot stand for words that keep theirs.
        if len(line) <= _LONGEST_REPEATED and not has_digit("".join(masked)):
            if len(self._shapes) >= _MOST_REPEATED:
                self._shapes.clear()
            self._shapes[shape] = found
        return found

    def find(self, line: str) -> Template | None:
        """The template that a line, or the text of an older template, fits as they are now."""
        masked = tuple(map(self._masks.__getitem__, line[:_LONGEST].split()))
        known = self._known.get(masked)
        if known is not None:
            return known.now()
        tokens = tokens_of(masked)
        return self._compare(tokens.words, self._keys(tokens.words)).fitting

    def templates(self) -> list[Template]:
        """All there are now, the most frequent first."""
        found = {id(each): each for led in self._led.values() for each in led}
        if self._rest is not None:
            found[id(self._rest)] = self._rest
        return sorted(found.values(), key=lambda each: (-each.count, each.number))

    def _sorted_in(self, tokens: Tokens) -> Template:
        keys = self._keys(tokens.words)
        compared = self._compare(tokens.words, keys)
        fitting = compared.fitting
        if fitting is None:
            merged = self._merged(tokens.words, compared.alike)
            crowded = any(len(self._led.get(key, ())) >= self._most_alike for key in keys)
            if not merged and (crowded or self._made >= self._most):
                fitting = compared.nearest
                if fitting is None:
                    return self._for_the_rest()
            else:
                return self._new(tokens, merged)
        if fitting.take(tokens):
            self._join(
                fitting,
                [
                    each
                    for each in self._led_to(keys)
                    if each is not fitting and fitting.covers(each)
                ],
            )
        return fitting

    def _keys(self, words: list[str]) -> tuple[_Key, _Key]:
        """Where templates that begin, and that end, like these tokens are kept."""
        # The two do not overlap: of what varies in one place, one of them is free.
        count = len(words)
        depth = min(self._depth, max(1, count // 2))
        begin, end = words[:depth], words[max(0, count - depth) :]
        return (count, 0, *map(_led_by, begin)), (count, 1, *map(_led_by, end))

    def _led_to(self, keys: tuple[_Key, _Key]) -> list[Template]:
        begun, ended = (self._led.get(key, ()) for key in keys)
        known = set(map(id, begun)) if ended else ()
        return [*begun, *(each for each in ended if id(each) not in known)]

    def _compare(self, words: list[str], keys: tuple[_Key, _Key]) -> _Compared:
        line = _weighed(words)
        fitting = nearest = None
        highest = closest = -1.0
        alike: dict[tuple[int, ...], list[Template]] = {}
        for template in self._led_to(keys):
            score, shared, places = _likeness(template.words, line)
            if score > closest:
                nearest, closest = template, score
            if not places:
                if score >= self._similarity and score > highest:
                    fitting, highest = template, score
            elif score >= self._similarity or (len(places) == 1 and shared >= _SHARED):
                alike.setdefault(places, []).append(template)
        return _Compared(fitting, nearest, alike)

    def _merged(
        self, words: list[str], alike: dict[tuple[int, ...], list[Template]]
    ) -> list[Template]:
        """Templates that differ from these tokens only where several words have been."""
        best: list[Template] = []
        for places in alike:
            within = set(places)
            members = [
                each for others in alike if within.issuperset(others) for each in alike[others]
            ]
            if len(members) > len(best) and all(
                len({words[place], *(each.words[place] for each in members)}) > self._words
                for place in places
            ):
                best = members
        return best

    def _new(self, tokens: Tokens, merged: list[Template]) -> Template:
        made = Template(self._made, tokens.words, tokens.separators, tokens.shown)
        self._made += 1
        self._join(made, merged)
        made.keys = self._keys(made.words)
        for key in made.keys:
            self._led.setdefault(key, []).append(made)
        return made

    def _join(self, general: Template, merged: list[Template]) -> None:
        for template in merged:
            general.take(template)
            general.count += template.count
            general.remember((*template.former_ids, template.id))
            template.joined = general
            for key in template.keys:
                self._led[key].remove(template)

    def _for_the_rest(self) -> Template:
        if self._rest is None:
            mark = MARKS[ValueType.WORD]
            self._rest = Template(self._made, [WILDCARD], [""], [mark])
        return self._rest


def _led_by(word: str) -> str:
    return word if _weight(word) == 1.0 else WILDCARD


def _weight(word: str) -> float:
    """1 for a plain word, less for what looks like a name, 0 for a value."""
    return _judged_weight(word) if len(word) <= _LONGEST_JUDGED else 1.0


@lru_cache(10_000)
def _judged_weight(word: str) -> float:
    if word == WILDCARD:
        return 0.0
    if _DIGIT.search(word) or (("." in word or "/" in word) and _DOTTED.fullmatch(word)):
        return _SOFT
    return 1.0


@dataclass(frozen=True, slots=True)
class _Weighed:
    """The words of a line, what each counts, all together, and how many are plain words."""

    words: list[str]
    weights: list[float]
    total: float
    plain: int


def _weighed(words: list[str]) -> _Weighed:
    weights = [_weight(word) for word in words]
    return _Weighed(words, weights, sum(weights), weights.count(1.0))


def _likeness(own: list[str], line: _Weighed) -> tuple[float, int, tuple[int, ...]]:
    """The share of tokens that are the same, by weight; how many plain ones; where words differ.

    Places that are known to vary count neither way. A name beside a plain word differs as words
    do: one place holds one kind of thing.
    """
    same = total = line.total
    shared = line.plain
    places: list[int] = []
    differing = [place for place, differs in enumerate(map(ne, own, line.words)) if differs]
    for place in differing:
        mine, weight = own[place], line.weights[place]
        same -= weight
        shared -= weight == 1.0
        if mine == WILDCARD:
            total -= weight
            continue
        usual = _weight(mine)
        total += max(0.0, usual - weight)
        if weight == 1.0 or (weight and usual == 1.0):
            places.append(place)
    if total < _NOTHING:
        # Nothing to compare: a template of values alone is for lines of values alone.
        return (0.0 if line.plain else 1.0), shared, tuple(places)
    return same / total, shared, tuple(places)
