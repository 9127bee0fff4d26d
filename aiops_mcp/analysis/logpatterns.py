"""Which kinds of lines a log holds: templates mined online, one pass, bounded memory. Pure.

After Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017):
lines are led by their number of tokens and their first tokens to a few templates, and compared
with these token by token. Beyond it:

- Lines are led from their first plain word on, since a time or a host often comes before it, and
  by their last words too, since what varies may well come first.
- Values known by their shape (numbers with units, addresses, ids, times) are masked before, and
  what then stands side by side is one value: lines do not differ by how many parts a value has.
- A plain word that differs is taken for another event at first (``session opened``, ``session
  closed``); only when a place has held several words is it a value, and their templates become
  one. A name with a digit or several dots is a value as soon as it differs from another such.
- Lines seen before, and lines that differ from one seen before in masked values alone, are found
  by look-up; both memories are bounded.
"""

from dataclasses import dataclass
from typing import Final

from aiops_mcp.analysis.logpatterns_likeness import Weighed, Weights, likeness, weighed
from aiops_mcp.analysis.logpatterns_template import Key, Template
from aiops_mcp.analysis.logpatterns_tokens import Tokens, tokens_of
from aiops_mcp.analysis.logpatterns_values import (
    MARKS,
    WILDCARD,
    Masks,
    ValueType,
    has_digit,
    shape_of,
)

_LONGEST: Final = 4000
_SHARED: Final = 2
"""So many plain words in common, and one place that differs, make templates alike."""

_MOST_REPEATED: Final = 10_000
_LONGEST_REPEATED: Final = 400
_MOST_KNOWN: Final = 8_000_000
"""Characters of lines that are known by their masked words; so many take about as many bytes."""


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
    words and one more, these places are values and the templates one. The first ``depth`` words
    from a plain one on, and the last, lead to at most ``most_alike`` templates each; what finds
    that many by both and fits none joins the nearest. Once there are ``most_templates``, a line
    that is like none joins one template for all the rest.
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
        self._weights = Weights()
        self._led: dict[Key, list[Template]] = {}
        self._known: dict[tuple[str, ...], Template] = {}
        self._known_size = 0
        self._shapes: dict[bytes, Template] = {}
        self._repeated: dict[str, Template] = {}
        self._rest: Template | None = None
        self._made = 0
        self._kept = 0

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
            self._known_size += len(line)
            if len(self._known) >= 4 * self._most or self._known_size > _MOST_KNOWN:
                self._known.clear()
                self._known_size = len(line)
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
        line_weighed = weighed(tokens.words, self._weights)
        return self._compare(line_weighed, self._keys(line_weighed)).fitting

    def templates(self) -> list[Template]:
        """All there are now, the most frequent first."""
        found = {id(each): each for led in self._led.values() for each in led}
        if self._rest is not None:
            found[id(self._rest)] = self._rest
        return sorted(found.values(), key=lambda each: (-each.count, each.number))

    def _sorted_in(self, tokens: Tokens) -> Template:
        line = weighed(tokens.words, self._weights)
        keys = self._keys(line)
        compared = self._compare(line, keys)
        fitting = compared.fitting
        if fitting is None:
            merged = self._merged(tokens.words, compared.alike)
            crowded = all(len(self._led.get(key, ())) >= self._most_alike for key in keys)
            if not merged and (crowded or self._kept >= self._most):
                fitting = compared.nearest
                if fitting is None:
                    return self._for_the_rest()
            else:
                return self._new(tokens, keys, merged)
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

    def _keys(self, line: Weighed) -> tuple[Key, Key]:
        """Where templates that begin, and that end, like these tokens are kept."""
        words, weights = line.words, line.weights
        count = len(words)
        # The two seldom overlap: of what varies in one place, one of them is free.
        depth = min(self._depth, max(1, count // 2))
        begin, end = 0, count
        if line.plain:
            begin = weights.index(1.0)
            while weights[end - 1] != 1.0:
                end -= 1
        first = slice(begin, begin + depth)
        last = slice(max(0, end - depth), end)
        return (
            (count, 0, begin, *_leads(words[first], weights[first])),
            (count, 1, end, *_leads(words[last], weights[last])),
        )

    def _led_to(self, keys: tuple[Key, Key]) -> list[Template]:
        begun, ended = (self._led.get(key, ()) for key in keys)
        if not ended or not begun:
            return [*begun, *ended]
        known = set(map(id, begun))
        return [*begun, *(each for each in ended if id(each) not in known)]

    def _compare(self, line: Weighed, keys: tuple[Key, Key]) -> _Compared:
        fitting = nearest = None
        highest = closest = -1.0
        alike: dict[tuple[int, ...], list[Template]] = {}
        for template in self._led_to(keys):
            score, shared, places = likeness(template.words, line, self._weights)
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

    def _new(self, tokens: Tokens, keys: tuple[Key, Key], merged: list[Template]) -> Template:
        made = self._template(tokens)
        self._kept += 1
        if merged:
            self._join(made, merged)
            keys = self._keys(weighed(made.words, self._weights))
        free = [key for key in keys if len(self._led.get(key, ())) < self._most_alike]
        made.keys = tuple(free or keys)
        for key in made.keys:
            self._led.setdefault(key, []).append(made)
        return made

    def _template(self, tokens: Tokens) -> Template:
        self._made += 1
        return Template(self._made, tokens.words, tokens.separators, tokens.shown)

    def _join(self, general: Template, merged: list[Template]) -> None:
        for template in merged:
            general.take(template)
            general.count += template.count
            general.remember((*template.former_ids, template.id))
            template.joined = general
            self._kept -= 1
            for key in template.keys:
                self._led[key].remove(template)

    def _for_the_rest(self) -> Template:
        if self._rest is None:
            mark = MARKS[ValueType.WORD]
            self._rest = self._template(Tokens([WILDCARD], [""], [mark]))
        return self._rest


def _leads(words: list[str], weights: list[float]) -> list[str]:
    return [
        word if weight == 1.0 else WILDCARD for word, weight in zip(words, weights, strict=True)
    ]
