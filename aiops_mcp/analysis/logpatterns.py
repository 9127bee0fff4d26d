"""Which kinds of lines a log holds: templates mined online, one pass, bounded memory. Pure.

After Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017):
lines are led by their number of tokens and their first tokens to a few templates, and join the one
with which they share most tokens. Beyond it: values that are known by their shape (numbers,
addresses, ids, times) are masked before, and tokens end at separators, so that ``key=value`` is a
fixed key and a varying value.
"""

import re
from dataclasses import dataclass, field
from typing import Final

WILDCARD: Final = "<*>"

_MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Times first: their parts would be numbers.
    (
        re.compile(
            r"(?<![\w.])\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
        ),
        WILDCARD,
    ),
    (
        re.compile(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
        WILDCARD,
    ),
    (re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?(?:/\d{1,2})?(?![\w.]*\w)"), WILDCARD),
    (re.compile(r"(?i)\b0x[0-9a-f]+\b"), WILDCARD),
    (re.compile(r"(?i)(?<![\w-])(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}(?![\w-])"), WILDCARD),
    (
        re.compile(
            r"(?i)(?<![\w.<*-])[-+]?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?"
            r"(?:%|ns|us|µs|ms|s|m|h|d|[kmgt]i?b|b)?(?![\w*])"
        ),
        WILDCARD,
    ),
)
_TOKENS = re.compile(r"[\s=:,;()\[\]{}\"'|]+|[^\s=:,;()\[\]{}\"'|]+")
_SEPARATOR = re.compile(r"[\s=:,;()\[\]{}\"'|]")
_DIGIT = re.compile(r"\d")
_LONGEST = 4000
_MOST_TOKENS = 300


@dataclass(slots=True)
class Template:
    """One kind of line. ``tokens`` and separators alternate; what varies is ``<*>``."""

    number: int
    tokens: list[str]
    separators: list[str]
    count: int = 0

    @property
    def text(self) -> str:
        """The template as a line, with ``<*>`` for what varies; runs of it are one."""
        parts: list[str] = []
        for token, separator in zip(self.tokens, self.separators, strict=True):
            parts.extend((token, separator))
        return re.sub(r"(?:<\*>\s*){2,}", WILDCARD + " ", "".join(parts)).strip()


@dataclass(slots=True)
class _Node:
    children: dict[str, "_Node"] = field(default_factory=dict[str, "_Node"])
    templates: list[Template] = field(default_factory=list[Template])


class TemplateMiner:
    """Sorts lines into templates as they come.

    ``similarity`` is the share of a template's tokens that a line must have; ``depth`` tokens lead
    to a leaf, of at most ``most_children`` kinds each. Once there are ``most_templates``, a line
    that fits none joins the nearest of its leaf.
    """

    def __init__(
        self,
        *,
        similarity: float = 0.5,
        depth: int = 2,
        most_children: int = 100,
        most_templates: int = 2000,
    ) -> None:
        self._similarity = similarity
        self._depth = depth
        self._most_children = most_children
        self._most = most_templates
        self._root: dict[int, _Node] = {}
        self.templates: list[Template] = []

    def add(self, line: str) -> Template:
        """The template of a line, counted; it may become more general with later lines."""
        tokens, separators = split(mask(line[:_LONGEST]))
        leaf = self._leaf(tokens)
        best, score = _nearest(leaf.templates, tokens)
        is_new = score < self._similarity and len(self.templates) < self._most
        if best is None or is_new:
            best = Template(len(self.templates), tokens, separators)
            self.templates.append(best)
            leaf.templates.append(best)
        if best.tokens is not tokens:
            _generalise(best, tokens)
        best.count += 1
        return best

    def _leaf(self, tokens: list[str]) -> _Node:
        node = self._root.setdefault(len(tokens), _Node())
        for token in tokens[: self._depth]:
            key = WILDCARD if _varies(token) else token
            if key not in node.children:
                if len(node.children) >= self._most_children:
                    key = WILDCARD
                node.children.setdefault(key, _Node())
            node = node.children[key]
        return node


def mask(line: str) -> str:
    """The line with values that are known by their shape as ``<*>``."""
    for pattern, replacement in _MASKS:
        line = pattern.sub(replacement, line)
    return line


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


def _varies(token: str) -> bool:
    return WILDCARD in token or _DIGIT.search(token) is not None


def _nearest(templates: list[Template], tokens: list[str]) -> tuple[Template | None, float]:
    best, most = None, -1.0
    total = len(tokens)
    for template in templates:
        same = sum([own == token for own, token in zip(template.tokens, tokens, strict=True)])
        score = same / total
        if score > most:
            best, most = template, score
    return best, most


def _generalise(template: Template, tokens: list[str]) -> None:
    for index, (own, token) in enumerate(zip(template.tokens, tokens, strict=True)):
        if own != token:
            template.tokens[index] = WILDCARD
