"""Which kinds of lines a log holds: templates mined online, one pass, bounded memory. Pure.

After Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017):
lines are led by their number of tokens and their first tokens to a few templates, and compared
with these token by token. Beyond it:

- Values known by their shape (numbers with units, addresses, ids, times) are masked before, and
  what then stands side by side is one value: lines do not differ by how many parts a value has.
- A plain word that differs is taken for another event at first (``session opened``, ``session
  closed``); only when a place has held several words is it a value, and their templates become
  one. A name with digits or dots is a value at once.
"""

import re
from dataclasses import dataclass, field
from typing import Final

WILDCARD: Final = "<*>"

_NUMBER_UNITS = (
    r"(?:%|ns|us|µs|ms|s|m|h|d|[kmgt]i?b|b"
    r"| (?:[kmgt]?i?b|bytes|ms|secs?|seconds|minutes|hours)(?!\w))?"
)
_WORD_VALUES = re.compile(r"(?i)(?<![\w.-])(?:true|false|null|nil|none)(?![\w.-])")
_MASKS: tuple[re.Pattern[str], ...] = (
    # Times first: their parts would be numbers.
    re.compile(
        r"(?<![\w.])\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
    ),
    re.compile(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
    re.compile(r"(?<![\w.])/?(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?(?:/\d{1,2})?(?![\w.]*\w)"),
    re.compile(r"(?i)(?<![\w:])(?=[a-f:]{0,39}\d)(?:[0-9a-f]{0,4}:){3,8}[0-9a-f]{1,4}(?![\w:])"),
    re.compile(r"(?<![\w:.])\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?(?![\w:])"),
    re.compile(r"(?i)(?<![\w./@-])(?:[a-z0-9_-]{1,63}\.){1,9}[a-z][a-z0-9-]{0,62}:\d+(?!\w)"),
    re.compile(r"(?i)\b0x[0-9a-f]+\b"),
    re.compile(r"(?i)(?<![\w-])(?=[a-f]{0,63}\d)(?=\d{0,63}[a-f])[0-9a-f]{8,}(?![\w-])"),
    re.compile(
        r"(?i)(?<![\w.*-])[<>~]?[-+]?\d{1,64}(?:[.,]\d{1,64}){0,8}(?:e[+-]?\d+)?"
        + _NUMBER_UNITS
        + r"(?![\w*])"
    ),
)
_ALSO_WRITTEN = re.compile(r"(<\*>)\s?\(\s?<\*>\s?\)")  # 1301 bytes (1.27 KB)
_SIDE_BY_SIDE = re.compile(r"<\*>(?:[\s,:/;.@+-]{0,3}<\*>)+")
_RUNS = re.compile(r"(?:<\*>\s*){2,}")
_SEPARATORS = r"\s=:,;()\[\]{}\"'|"
_TOKENS = re.compile(rf"[{_SEPARATORS}]+|[^{_SEPARATORS}]+")
_SEPARATOR = re.compile(rf"[{_SEPARATORS}]")
_DIGIT = re.compile(r"\d")
_DOTTED = re.compile(r"[\w-]+(?:\.[\w-]+){2,}|[^/\\]*[/\\][^/\\]*[/\\].*", re.DOTALL)

_LONGEST = 4000
_MOST_TOKENS = 300
_SOFT = 0.3
"""How much a name with digits or dots counts beside a plain word."""


@dataclass(slots=True, eq=False)
class Template:
    """One kind of line. ``tokens`` and separators alternate; what varies is ``<*>``."""

    number: int
    tokens: list[str]
    separators: list[str]
    count: int = 0
    joined: "Template | None" = None

    @property
    def text(self) -> str:
        """The template as a line, with ``<*>`` for what varies; runs of it are one."""
        parts: list[str] = []
        for token, separator in zip(self.tokens, self.separators, strict=True):
            parts.extend((token, separator))
        return _RUNS.sub(WILDCARD + " ", "".join(parts)).strip()

    def now(self) -> "Template":
        """What this template has become: itself, or the more general one that it has joined."""
        found = self
        while found.joined is not None:
            found = found.joined
        return found


@dataclass(slots=True)
class _Node:
    children: dict[str, "_Node"] = field(default_factory=dict[str, "_Node"])
    templates: list[Template] = field(default_factory=list[Template])


class TemplateMiner:
    """Sorts lines into templates as they come.

    A line joins a template that differs from it in values alone, and with which it shares at least
    ``similarity`` of its tokens. ``words`` similar templates and one more become one: the place
    where their words differ is then a value. ``depth`` tokens lead to a leaf, of at most
    ``most_children`` kinds each. Once there are ``most_templates``, a line that fits none joins
    one template for all the rest.
    """

    def __init__(
        self,
        *,
        similarity: float = 0.7,
        words: int = 3,
        depth: int = 2,
        most_children: int = 100,
        most_templates: int = 2000,
    ) -> None:
        self._similarity = similarity
        self._words = words
        self._depth = depth
        self._most_children = most_children
        self._most = most_templates
        self._root: dict[int, _Node] = {}
        self._known: dict[str, Template] = {}
        self._rest: Template | None = None
        self._made = 0

    def add(self, line: str) -> Template:
        """The template of a line, counted.

        It may join others with later lines: ask for its ``now()`` when all lines are in.
        """
        masked = mask(line[:_LONGEST])
        known = self._known.get(masked)
        if known is None:
            known = self._template(masked)
            if len(self._known) < 4 * self._most:
                self._known[masked] = known
        found = known.now()
        found.count += 1
        return found

    def _template(self, masked: str) -> Template:
        tokens, separators = split(masked)
        weights = [_weight(token) for token in tokens]
        leaf = self._leaf(tokens, weights)
        if leaf is None:
            return self._for_the_rest()
        best, similar = self._compared(leaf, tokens, weights)
        if best is not None:
            _generalise(best, tokens)
            return best
        if self._made >= self._most:
            if not similar:
                return self._for_the_rest()
            _generalise(similar[0], tokens)
            return similar[0]
        return self._new(leaf, tokens, separators, similar)

    def _leaf(self, tokens: list[str], weights: list[float]) -> _Node | None:
        """The leaf of these tokens; None where no more can be made."""
        full = self._made >= self._most
        node = self._root.get(len(tokens))
        if node is None:
            if full:
                return None
            node = self._root[len(tokens)] = _Node()
        for token, weight in zip(tokens[: self._depth], weights, strict=False):
            key = token if weight == 1.0 else WILDCARD
            if key not in node.children and len(node.children) >= self._most_children:
                key = WILDCARD
            child = node.children.get(key)
            if child is None:
                if full:
                    return None
                child = node.children[key] = _Node()
            node = child
        return node

    def _compared(
        self, leaf: _Node, tokens: list[str], weights: list[float]
    ) -> tuple[Template | None, list[Template]]:
        """The nearest template that differs in values alone, and those that differ in words."""
        best, highest = None, -1.0
        similar: list[Template] = []
        for template in leaf.templates:
            score, differing = _likeness(template.tokens, tokens, weights)
            if score < self._similarity:
                continue
            if differing:
                similar.append(template)
            elif score > highest:
                best, highest = template, score
        return best, similar

    def _new(
        self, leaf: _Node, tokens: list[str], separators: list[str], similar: list[Template]
    ) -> Template:
        made = Template(self._made, tokens, separators)
        self._made += 1
        if len(similar) >= self._words:
            for template in similar:
                _generalise(made, template.tokens)
                made.count += template.count
                template.joined = made
            leaf.templates = [each for each in leaf.templates if each.joined is None]
        leaf.templates.append(made)
        return made

    def _for_the_rest(self) -> Template:
        if self._rest is None:
            self._rest = Template(self._made, [WILDCARD], [""])
        return self._rest


def mask(line: str) -> str:
    """The line with values that are known by their shape as ``<*>``."""
    line = _WORD_VALUES.sub(WILDCARD, line)
    if _DIGIT.search(line):
        for pattern in _MASKS:
            line = pattern.sub(WILDCARD, line)
    return _SIDE_BY_SIDE.sub(WILDCARD, _ALSO_WRITTEN.sub(r"\1", line))


def split(line: str) -> tuple[list[str], list[str]]:
    """Tokens, and the separators behind each; a line that begins with one has an empty token."""
    tokens: list[str] = []
    separators: list[str] = []
    for part in _TOKENS.findall(line)[: 2 * _MOST_TOKENS]:
        if _SEPARATOR.match(part):
            if not tokens:
                tokens.append("")
                separators.append("")
            separators[-1] = part
        else:
            tokens.append(part)
            separators.append("")
    return tokens or [""], separators or [""]


def _weight(token: str) -> float:
    """1 for a plain word, less for what looks like a name, 0 for what is masked."""
    if WILDCARD in token:
        return 0.0
    if _DIGIT.search(token) or (("." in token or "/" in token) and _DOTTED.fullmatch(token)):
        return _SOFT
    return 1.0


def _likeness(own: list[str], tokens: list[str], weights: list[float]) -> tuple[float, bool]:
    """The share of tokens that are the same, by weight, and whether plain words differ.

    Places that are known to vary count neither way.
    """
    same = total = 0.0
    differing = False
    for mine, token, weight in zip(own, tokens, weights, strict=True):
        if mine == token:
            same += weight
            total += weight
        elif mine != WILDCARD:
            total += weight
            differing = differing or weight == 1.0
    return (same / total if total else 1.0), differing


def _generalise(template: Template, tokens: list[str]) -> None:
    for index, (own, token) in enumerate(zip(template.tokens, tokens, strict=True)):
        if own != token:
            template.tokens[index] = WILDCARD
