"""The Go templates of line_format and label_format, as far as Loki's users write them.

Fields, ``__line__``, ``__timestamp__``, literals, pipes, ``if``/``else``/``end`` and the common
string functions. What is not known is refused when the query is read.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiops_mcp.errors import InvalidLogql
from aiops_mcp.simulation.loki.rows import Row

Text = Callable[[Row], str]

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|\(|\)|\||[^\s()|]+')


def _truncated(count: str, text: str) -> str:
    number = int(count)
    return text[:number] if number >= 0 else text[number:]


def _substring(first: str, last: str, text: str) -> str:
    return text[int(first) : int(last)]


def _said(passes: bool) -> str:
    return "true" if passes else ""


def _replaced(text: str, old: str, new: str, count: str) -> str:
    return text.replace(old, new, int(count))


def _replaced_all(old: str, new: str, text: str) -> str:
    return text.replace(old, new)


def _quoted(text: str) -> str:
    return f'"{text}"'


def _without_prefix(prefix: str, text: str) -> str:
    return text.removeprefix(prefix)


def _without_suffix(suffix: str, text: str) -> str:
    return text.removesuffix(suffix)


def _or_default(other: str, text: str) -> str:
    return text or other


def _contains(part: str, text: str) -> str:
    return _said(part in text)


def _has_prefix(part: str, text: str) -> str:
    return _said(text.startswith(part))


def _has_suffix(part: str, text: str) -> str:
    return _said(text.endswith(part))


def _equal(left: str, right: str) -> str:
    return _said(left == right)


def _unequal(left: str, right: str) -> str:
    return _said(left != right)


def _not(text: str) -> str:
    return _said(not text)


def _length(text: str) -> str:
    return str(len(text))


def _regex_replaced(regex: str, text: str, new: str) -> str:
    return re.sub(regex, _group_names(new), text)


def _group_names(replacement: str) -> str:
    return re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", replacement)


_FUNCTIONS: dict[str, tuple[int, Callable[..., str]]] = {
    "ToLower": (1, str.lower),
    "lower": (1, str.lower),
    "ToUpper": (1, str.upper),
    "upper": (1, str.upper),
    "title": (1, str.title),
    "trim": (1, str.strip),
    "TrimSpace": (1, str.strip),
    "quote": (1, _quoted),
    "Replace": (4, _replaced),
    "replace": (3, _replaced_all),
    "trunc": (2, _truncated),
    "substr": (3, _substring),
    "trimPrefix": (2, _without_prefix),
    "trimSuffix": (2, _without_suffix),
    "default": (2, _or_default),
    "contains": (2, _contains),
    "hasPrefix": (2, _has_prefix),
    "hasSuffix": (2, _has_suffix),
    "eq": (2, _equal),
    "ne": (2, _unequal),
    "not": (1, _not),
    "len": (1, _length),
    "regexReplaceAll": (3, _regex_replaced),
}


@dataclass(frozen=True, slots=True)
class _Piece:
    kind: str
    text: str


def template(text: str) -> Text:
    """What a template writes about a row.

    Raises:
        InvalidLogql: it is not one, or uses what is not known here.
    """
    pieces: list[_Piece] = []
    position = 0
    for found in _ACTION.finditer(text):
        pieces.append(_Piece("text", text[position : found.start()]))
        pieces.append(_Piece("action", found[1]))
        position = found.end()
    if "{{" in text[position:]:
        raise _invalid(text, "unclosed action")
    pieces.append(_Piece("text", text[position:]))
    body, rest = _block(text, pieces)
    if rest:
        raise _invalid(text, f"unexpected {{{{{rest[0].text}}}}}")
    return body


def _invalid(text: str, why: str) -> InvalidLogql:
    return InvalidLogql(f"invalid template: template: line:1: {why}", details={"template": text})


def _block(text: str, pieces: Sequence[_Piece]) -> tuple[Text, Sequence[_Piece]]:
    """Pieces up to an ``else`` or ``end`` that belongs to somebody else."""
    parts: list[Text] = []
    while pieces:
        piece, pieces = pieces[0], pieces[1:]
        words = _WORD.findall(piece.text) if piece.kind == "action" else []
        if piece.kind == "text":
            if piece.text:
                parts.append(_literal(piece.text))
        elif words[:1] == ["if"]:
            part, pieces = _choice(text, words[1:], pieces)
            parts.append(part)
        elif words[:1] in (["else"], ["end"]):
            pieces = (piece, *pieces)
            break
        elif not piece.text.startswith("/*"):
            parts.append(_pipeline(text, words))
    return (lambda row: "".join(part(row) for part in parts)), pieces


def _choice(text: str, words: list[str], pieces: Sequence[_Piece]) -> tuple[Text, Sequence[_Piece]]:
    test = _pipeline(text, words)
    yes, pieces = _block(text, pieces)
    no = _literal("")
    if pieces and pieces[0].text.startswith("else"):
        more = _WORD.findall(pieces[0].text)[1:]
        if more[:1] == ["if"]:
            no, pieces = _choice(text, more[1:], pieces[1:])
            return (lambda row: yes(row) if test(row) else no(row)), pieces
        no, pieces = _block(text, pieces[1:])
    if not pieces or pieces[0].text != "end":
        raise _invalid(text, "unexpected EOF")
    return (lambda row: yes(row) if test(row) else no(row)), pieces[1:]


def _literal(value: str) -> Text:
    return lambda _row: value


def _pipeline(text: str, words: list[str]) -> Text:
    piped: Text | None = None
    for command in _commands(text, words):
        piped = _command(text, command, piped)
    if piped is None:
        raise _invalid(text, "missing value for command")
    return piped


def _commands(text: str, words: list[str]) -> list[list[str]]:
    """The words between pipes; pipes within parentheses stay."""
    found: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        if word == "|" and depth == 0:
            found.append([])
        else:
            found[-1].append(word)
    if depth or not all(found):
        raise _invalid(text, "unexpected token in operand")
    return found


def _command(text: str, words: list[str], piped: Text | None) -> Text:
    name, *rest = words
    if name not in _FUNCTIONS and name != "printf":
        if rest or piped is not None:
            raise _invalid(text, f'function "{name}" not defined')
        return _operand(text, name)
    arguments = _operands(text, rest)
    if piped is not None:
        arguments.append(piped)
    if name == "printf":
        return _printf(text, arguments)
    count, function = _FUNCTIONS[name]
    if len(arguments) != count:
        raise _invalid(text, f"wrong number of args for {name}: want {count} got {len(arguments)}")

    def call(row: Row) -> str:
        try:
            return function(*(one(row) for one in arguments))
        except (ValueError, re.error) as error:
            row.fail("TemplateFormatErr", f"error calling {name}: {error}")
            return ""

    return call


def _printf(text: str, arguments: list[Text]) -> Text:
    if not arguments:
        raise _invalid(text, "wrong number of args for printf: want at least 1 got 0")
    form, *values = arguments

    def write(row: Row) -> str:
        each = iter([one(row) for one in values])
        return re.sub(r"%[-0-9.]*[svdqf]", lambda _: next(each, "%!s(MISSING)"), form(row))

    return write


def _operands(text: str, words: list[str]) -> list[Text]:
    found: list[Text] = []
    place = 0
    while place < len(words):
        if words[place] == "(":
            depth, last = 1, place + 1
            while depth and last < len(words):
                depth += (words[last] == "(") - (words[last] == ")")
                last += 1
            found.append(_pipeline(text, words[place + 1 : last - 1]))
            place = last
        else:
            found.append(_operand(text, words[place]))
            place += 1
    return found


def _operand(text: str, word: str) -> Text:
    if word[0] in '"`':
        return _literal(re.sub(r"\\(.)", r"\1", word[1:-1]) if word[0] == '"' else word[1:-1])
    if word == "__line__":
        return lambda row: row.line
    if word == "__timestamp__":
        return lambda row: str(row.ns)
    if re.fullmatch(r"-?\d+", word):
        return _literal(word)
    if word.startswith("."):
        name = word[1:]
        return lambda row: row.labels.get(name, "")
    raise _invalid(text, f'function "{word}" not defined')
