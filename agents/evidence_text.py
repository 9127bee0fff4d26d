"""The answer taken apart: blocks, sentences, what each cites, and what is no claim. Pure.

Knows Markdown as models write it, and English. It must not know what the results say.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_FENCE: Final = re.compile(r"(?ms)^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)")
_CODE: Final = re.compile(r"(?<!`)(`{1,2})(?!`)([^\n]*?)(?<!`)\1(?!`)")
_LINK: Final = re.compile(r"(?:https?|fleet|runbook)://[^\s)>\]]+")
_BLOCK: Final = re.compile(
    r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*+•]|\d{1,2}[.)])[ \t])|\n(?=[ \t]*#{1,6} )"
)
_MARKER: Final = re.compile(r"[ \t]*(?:#{1,6}[ \t]+|[-*+•][ \t]+|\(?\d{1,2}[.)][ \t]+)+")
_SENTENCE_END: Final = re.compile(
    r"[.!?][\"')*_]{0,4}(?:\s*\[\d[\d ,;\u2013-]*\])*(?=\s+(?![a-z\[]))|\n"
)
_CITES: Final = re.compile(r"\[(\d{1,4}(?:\s?[,;\u2013-]\s?\d{1,4})*)\](?!\()")
_ONE_WORD: Final = re.compile(r"[A-Za-z0-9](?:[\w./:-]*[A-Za-z0-9])?")
_ADVICE: Final = re.compile(
    r"^\W*(?:then |next,? |first,? |finally,? |also |now )?"
    r"(?:please )?(?:add|adjust|allow|apply|ask|avoid|call|check|"
    r"cordon|compare|confirm|consider|contact|continue|decrease|delete|deploy|drain|enable|ensure|"
    r"escalate|examine|expand|fix|follow|free|give|increase|inspect|investigate|keep|let|limit|"
    r"look|lower|make sure|monitor|move|open|pause|provide|query|raise|read|reboot|reduce|"
    r"re-?deploy|remove|renew|repeat|replace|reset|restart|restore|resume|retry|review|revert|roll|"
    r"run|scale|see|set|silence|stop|try|undo|update|upgrade|use|verify|wait|watch)\b",
    re.IGNORECASE,
)
_GENERAL: Final = re.compile(
    r"\b(?:should|recommend(?:ed|s)?|suggest(?:ed|s)?|threshold|usual(?:ly)?|typical(?:ly)?|"
    r"normal(?:ly)?|generally|commonly|by default|for example|e\.g\.|such as|rule of thumb|"
    r"in general|"
    r"if (?:it|you|the|this|they|that|there|any)|would|must|ought|target of|"
    r"objective|SLO|best practice)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Code:
    """A span of inline code: where its inside begins, and the inside."""

    start: int
    inside: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: ``text`` has code, links and list markers blanked, at the same offsets.

    ``cited`` is what it cites itself, ``near`` what its list item or paragraph cites.
    """

    start: int
    text: str
    cited: tuple[int, ...]
    near: tuple[int, ...]
    is_advice: bool
    is_question: bool
    is_heading: bool
    codes: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class Cite:
    """A reference in the text; ``numbers`` are those that it names."""

    start: int
    end: int
    numbers: tuple[int, ...]


def cites_in(masked: str) -> tuple[Cite, ...]:
    """Every ``[n]``, ``[1, 2]`` and ``[1-3]`` outside code."""
    return tuple(Cite(one.start(), one.end(), _numbers(one[1])) for one in _CITES.finditer(masked))


def _numbers(inside: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in re.split(r"\s?[,;]\s?", inside):
        ends = [int(end) for end in re.split(r"\s?[\u2013-]\s?", part)]
        if len(ends) == 2 and ends[0] < ends[1] <= ends[0] + 50:
            found.extend(range(ends[0], ends[1] + 1))
        else:
            found.extend(ends)
    return tuple(found)


def without_code(text: str) -> tuple[str, tuple[Code, ...]]:
    """The text with code and links blanked at the same length, and the spans of inline code."""
    codes: list[Code] = []

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match[0])

    masked = _FENCE.sub(blank, text)

    def inline(match: re.Match[str]) -> str:
        codes.append(Code(match.start(2), match[2]))
        return " " * len(match[0])

    return _LINK.sub(blank, _CODE.sub(inline, masked)), tuple(codes)


def is_one_word(code: Code) -> bool:
    """Whether inline code is one name rather than a command or an expression."""
    return _ONE_WORD.fullmatch(code.inside.strip()) is not None


def sentences_in(masked: str, codes: tuple[Code, ...] = ()) -> Iterator[Sentence]:
    """The sentences of a text that ``without_code`` gave."""
    for start, block in _blocks(masked):
        near = tuple(n for one in cites_in(block) for n in one.numbers)
        heading = block.lstrip().startswith("#")
        marker = _MARKER.match(block)
        body = (" " * marker.end() + block[marker.end() :]) if marker else block
        for at, part in _sentences(body):
            cited = tuple(n for one in cites_in(part) for n in one.numbers)
            begin = start + at
            plain = part.strip(" *_\t\n")
            yield Sentence(
                start=begin,
                text=part,
                cited=cited,
                near=near,
                is_advice=bool(_ADVICE.match(plain) or _GENERAL.search(plain)),
                is_question=plain.rstrip("*_ ").endswith("?"),
                is_heading=heading,
                codes=tuple(code for code in codes if begin <= code.start < begin + len(part)),
            )


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    at = 0
    for split in _BLOCK.finditer(text):
        if text[at : split.start()].strip():
            yield at, text[at : split.start()]
        at = split.end()
    if text[at:].strip():
        yield at, text[at:]


def _sentences(block: str) -> Iterator[tuple[int, str]]:
    """A reference after the full stop belongs to the sentence before it."""
    at = 0
    for split in _SENTENCE_END.finditer(block):
        end = split.end()
        if block[at:end].strip():
            yield at, block[at:end].rstrip("\n")
            at = end
    if block[at:].strip():
        yield at, block[at:]
