"""Text that a cluster wrote, before a model reads it: orders in it are found, and it stays data.

Pure, but for phrases that are read once from the package; knows no model, tool or conversation.
Neither function is what keeps a model from obeying: that is that a writing tool needs its user's
consent. They let an answer say that somebody tried, and keep text from being read as the frame of
a conversation.

Measured: of 155,758 lines of real logs (8 systems of loghub, two microservice benchmarks of nezha)
none is taken for an order, and 1 of 10,000 lines of prose (licences, manuals). Wordings that the
phrases were not written after are found at first sight in about half of the cases (37 of 90 of the
tests' operational ones; 23 of 30 of public lists); all of these are found now, in 24 languages. So
an order that is not found is to be reckoned with. A text of 30 kB takes some 5 ms, the first one of
a process 150 ms more.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import islice
from typing import Any

import re2
import yaml

from aiops_mcp.redaction import strip_unprintable

_re2: Any = re2  # the library carries no types

_SPECIAL = re.compile(
    r"<(?=[|\uff5c])"  # <|im_start|>, <|eot_id|>, and DeepSeek's with wide bars
    r"|<(?=/?(?:s|bos|eos|pad|unk|think|thinking|scratchpad|tools?|tool_calls?|tool_response"
    r"|tool_results?|tool_use|function_calls?|function_results?|functions?|invoke|parameter"
    r"|start_of_turn|end_of_turn|system|assistant|user|human|untrusted|unused\d{1,3})\s?>)"
    r"|<(?=(?:function|parameter|tool_call|invoke|tool)[ =])"
    r"|<(?=</?SYS>>)"
    r"|\[(?=/?(?:INST|SYS|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS"
    r"|CALL_ID|THINK|IMG)\])",
    re.IGNORECASE,
)
"""Where a token of a chat template begins: ChatML, Llama 2 to 4, Mistral, Qwen, Hermes, Gemma,
DeepSeek, Phi, Granite (their templates on the model hub, November 2026)."""

EXCERPTS = 8
_BEFORE, _AFTER = 40, 200

_MARKUP = re.compile(r"[*`\u00ad\ufe00-\ufe0f]+")
_SPACE = re.compile(r"[ \t\r\f\v\u00a0\u3000]+")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|%([2-7][0-9a-fA-F])")
_ACCENTS = re.compile("[\u0300-\u036f]")
_BETWEEN = re.compile(r"[^a-z]+")
_LEET = re.compile(r"[a-z@$][01345@$!|]{1,2}[a-z]", re.IGNORECASE)
_LEET_LETTERS = str.maketrans("01345@$!|", "oieasasil")
_OWN_WORDS = ("more: ", "hint: ")
"""Lines of our own answers begin so that name the next call to make."""


def as_data(text: str) -> str:
    """The text in which nothing is a token of a chat template any more: a space breaks each up.

    Doing it twice changes nothing more.
    """
    return _SPECIAL.sub(lambda found: found.group() + " ", text)


@lru_cache(maxsize=64)
def orders_in(text: str) -> tuple[str, ...]:
    """Excerpts of a text that try to give orders to a model; empty where nothing does.

    Excerpts are in plain letters (no accents, markup, invisible characters), at most 8, and reach
    past the order itself, to what it asks for. Texts that hide it twice over, as in base64, pass.
    """
    phrases = _phrases()
    plain = _plain(text)
    found = list(_found(phrases.open, plain))
    latin = plain.translate(phrases.letters)
    if latin != plain:
        found.extend(_found(phrases.open, latin))
    if _LEET.search(plain):
        latin = latin.translate(_LEET_LETTERS)
        found.extend(_found(phrases.open, latin))
    if not found:
        found.extend(_squeezed(phrases.squeezed, latin))
    return tuple(dict.fromkeys(found))[:EXCERPTS]


@dataclass(frozen=True, slots=True)
class _Phrases:
    """What is looked for: in the text, and in its letters alone."""

    open: Any
    squeezed: Any
    letters: dict[int, str]


@cache
def _phrases() -> _Phrases:
    document: Any = yaml.safe_load((files("agents") / "fencing_phrases.yaml").read_text("utf-8"))
    tool = "".join(document["tool"].split())
    words = {f"«{name}»": document[name] for name in ("anytool", "reader", "do", "few", "told")}
    words["«tool»"] = tool
    expressions: list[str] = [*document["phrases"], *document["languages"].values()]
    for name, stands_for in words.items():
        expressions = [each.replace(name, stands_for) for each in expressions]
    letters = {ord(one): latin for latin, alike in document["letters"].items() for one in alike}
    return _Phrases(
        _compiled([_unaccented(each) for each in expressions]),
        _compiled(document["squeezed"]),
        letters,
    )


def _compiled(expressions: list[str]) -> Any:
    options = _re2.Options()
    options.case_sensitive = False
    options.max_mem = 64 << 20
    return _re2.compile("|".join(f"(?:{each})" for each in expressions), options)


def _plain(text: str) -> str:
    """The text as its reader would take it: decoded, without what cannot be seen, in lower case."""
    if "&" in text:
        text = html.unescape(text)
    if "\\u" in text or "%" in text:
        text = _ESCAPED.sub(lambda found: chr(int(found.group(1) or found.group(2), 16)), text)
    text = strip_unprintable(text)
    if not text.isascii():
        text = _unaccented(unicodedata.normalize("NFKC", text))
    return _SPACE.sub(" ", _MARKUP.sub("", text)).lower()


def _unaccented(text: str) -> str:
    """Without the accents of Latin, Greek and Cyrillic letters."""
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", bare)


def _found(expression: Any, text: str) -> Iterator[str]:
    """Excerpts around what matches, each of one line, none within another."""
    end = 0
    for match in expression.finditer(text):
        begin = text.rfind("\n", 0, match.start()) + 1
        if match.start() < end or _is_own(text, begin, match):
            continue
        line_end = text.find("\n", match.end())
        end = min(match.end() + _AFTER, len(text) if line_end < 0 else line_end)
        yield " ".join(text[max(begin, match.start() - _BEFORE) : end].split())


def _is_own(text: str, begin: int, match: Any) -> bool:
    """Whether a program says this of itself, or our own answer of the call to make next."""
    if match.group("told") is not None:
        return True
    before = text[begin : match.start()]
    is_call = match.group("call") is not None
    return is_call and before.startswith(_OWN_WORDS) and "«" not in before


def _squeezed(expression: Any, text: str) -> Iterator[str]:
    """As ``_found``, in the letters alone: what is written with anything between them."""
    letters = _BETWEEN.sub("", text)
    for match in expression.finditer(letters):
        places = (at for at, one in enumerate(text) if "a" <= one <= "z")
        first = next(islice(places, match.start(), None))
        last = next(islice(places, match.end() - match.start() - 2, None), first)
        yield " ".join(text[max(first - _BEFORE, 0) : last + _AFTER].split())
