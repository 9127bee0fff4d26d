"""Stream selectors and pipelines: text to tree.

Grammar from grafana/loki ``pkg/logql/syntax``. It must not know metric queries.
"""

import re
from collections.abc import Callable
from typing import cast

from aiops_mcp.logql import tree
from aiops_mcp.logql.label_tests import COMPARISON_SIGNS, read_label_test
from aiops_mcp.logql.reading import Cursor
from aiops_mcp.logql.tokens import fault

_LINE_SIGNS = ("|=", "|~", "|>", "!=", "!~", "!>")
_NAMED_GROUP = re.compile(r"\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>")
_CAPTURE = re.compile(r"<[A-Za-z_][A-Za-z0-9_]*>")
_EMPTY_SELECTOR = (
    "queries require at least one regexp or equality matcher that does not have an "
    'empty-compatible value. For instance, app=~".*" does not meet this requirement, but '
    'app=~".+" will'
)


def read_selector(cursor: Cursor) -> tree.Selector:
    """``{…}``, whether or not it is selective."""
    cursor.sign("{")
    matchers: list[tree.Matcher] = []
    while not cursor.at_sign("}"):
        matchers.append(_matcher(cursor))
        if not cursor.skip_sign(","):
            break
    cursor.sign("}")
    return tree.Selector(tuple(matchers))


def require_selective(query: str, selector: tree.Selector, position: int) -> None:
    """Refuse a selector that may match every stream.

    Raises:
        InvalidLogql: in Loki's words.
    """
    if not selector.is_selective:
        raise fault(
            query,
            _EMPTY_SELECTOR,
            position,
            'Name a namespace or an application, for example {namespace="shop"}.',
        )


def read_log_query(cursor: Cursor) -> tree.LogQuery:
    """A selector and its stages, up to what no stage can be."""
    start = cursor.current.start
    selector = read_selector(cursor)
    require_selective(cursor.query, selector, start)
    return tree.LogQuery(selector, read_stages(cursor))


def read_stages(cursor: Cursor) -> tuple[tree.Stage, ...]:
    """Stages as long as there are any; stops before ``unwrap``."""
    stages: list[tree.Stage] = []
    while True:
        if cursor.at_sign(*_LINE_SIGNS):
            stages.append(_line_filter(cursor))
        elif cursor.at_sign("|") and cursor.ahead().lower != "unwrap":
            cursor.take()
            stages.append(_stage(cursor))
        else:
            return tuple(stages)


def read_unwrap(cursor: Cursor) -> tree.Unwrap | None:
    """``| unwrap label`` and the label filters behind it, if they are next."""
    if not (cursor.at_sign("|") and cursor.ahead().lower == "unwrap"):
        return None
    cursor.take()
    cursor.take()
    conversion: tree.Conversion = ""
    if cursor.at_word("duration", "duration_seconds", "bytes") and cursor.ahead().text == "(":
        conversion = cast("tree.Conversion", cursor.take().lower)
        cursor.take()
        label = cursor.name()
        cursor.sign(")")
    else:
        label = cursor.name()
    tests: list[tree.LabelTest] = []
    while cursor.skip_sign("|"):
        tests.append(read_label_test(cursor))
    return tree.Unwrap(label, conversion, tuple(tests))


def _matcher(cursor: Cursor) -> tree.Matcher:
    name = cursor.name()
    if not cursor.at_sign("=", "!=", "=~", "!~"):
        raise cursor.unexpected("= or != or =~ or !~")
    op = cast("tree.MatchOp", cursor.take().text)
    return tree.Matcher(name, op, cursor.regex() if "~" in op else cursor.string())


def _line_filter(cursor: Cursor) -> tree.LineFilter:
    op = cast("tree.LineOp", cursor.take().text)
    alternatives = [_line_match(cursor, op)]
    while cursor.at_word("or") and (cursor.ahead().kind == "string" or cursor.ahead().text == "ip"):
        cursor.take()
        alternatives.append(_line_match(cursor, op))
    return tree.LineFilter(op, tuple(alternatives))


def _line_match(cursor: Cursor, op: tree.LineOp) -> tree.LineMatch:
    if cursor.at_word("ip") and op in ("|=", "!="):
        cursor.take()
        cursor.sign("(")
        text = cursor.string()
        cursor.sign(")")
        return tree.LineMatch(text, ip=True)
    return tree.LineMatch(cursor.regex() if "~" in op else cursor.string())


def _stage(cursor: Cursor) -> tree.Stage:
    read = _STAGES.get(cursor.current.lower) if cursor.current.kind == "word" else None
    # A label may be called like a stage: then a comparison follows.
    compared = cursor.ahead().text in COMPARISON_SIGNS
    if read is None or (compared and not _starts_line_match(cursor)):
        return tree.LabelFilter(read_label_test(cursor))
    cursor.take()
    return read(cursor)


def _starts_line_match(cursor: Cursor) -> bool:
    """Whether what looks like a comparison is the line filter behind a parser: ``| json != "x"``.

    Loki decides by the parser's name: it is a keyword wherever it stands.
    """
    word, sign, value = cursor.current, cursor.ahead(), cursor.ahead(2)
    keyword = word.lower in ("json", "logfmt", "unpack", "decolorize")
    return keyword and sign.text in ("!=", "!~") and (value.kind == "string" or value.lower == "ip")


def _json(cursor: Cursor) -> tree.Stage:
    return tree.Json(_extractions(cursor))


def _logfmt(cursor: Cursor) -> tree.Stage:
    flags: set[str] = set()
    while cursor.current.kind == "flag":
        flags.add(cursor.take().text)
    return tree.Logfmt(_extractions(cursor), "--strict" in flags, "--keep-empty" in flags)


def _extractions(cursor: Cursor) -> tuple[tree.Extraction, ...]:
    found: list[tree.Extraction] = []
    while cursor.current.kind == "word" and not cursor.at_word("by", "without", "offset"):
        label = cursor.name()
        found.append(tree.Extraction(label, cursor.string() if cursor.skip_sign("=") else label))
        if not cursor.skip_sign(","):
            break
    return tuple(found)


def _pattern(cursor: Cursor) -> tree.Stage:
    token = cursor.current
    text = cursor.string()
    captures = [one for one in _CAPTURE.findall(text) if one != "<_>"]
    problem = ""
    if not captures:
        problem = "at least one capture is required"
    elif len(set(captures)) < len(captures):
        problem = "duplicate capture name"
    elif re.search(_CAPTURE.pattern + _CAPTURE.pattern, text):
        problem = "consecutive capture are not allowed"
    if problem:
        raise fault(cursor.query, f"{problem}: invalid pattern", token.start)
    return tree.Pattern(text)


def _regexp(cursor: Cursor) -> tree.Stage:
    token = cursor.current
    text = cursor.regex()
    names = _NAMED_GROUP.findall(text)
    if not names:
        raise fault(cursor.query, "at least one named capture must be supplied", token.start)
    if len(set(names)) < len(names):
        raise fault(cursor.query, "duplicate extracted label name", token.start)
    return tree.Regexp(text)


def _label_format(cursor: Cursor) -> tree.Stage:
    operations: list[tree.LabelRename | tree.LabelTemplate] = []
    seen: set[str] = set()
    while True:
        token = cursor.current
        name = cursor.name()
        cursor.sign("=")
        if name in seen:
            raise fault(
                cursor.query,
                f"multiple label name '{name}' not allowed in a single format",
                token.start,
            )
        seen.add(name)
        if cursor.current.kind == "string":
            operations.append(tree.LabelTemplate(name, cursor.string()))
        else:
            operations.append(tree.LabelRename(name, cursor.name()))
        if not cursor.skip_sign(","):
            return tree.LabelFormat(tuple(operations))


def _names_or_matchers(cursor: Cursor) -> tuple[str | tree.Matcher, ...]:
    found: list[str | tree.Matcher] = []
    while True:
        matches = cursor.ahead().text in ("=", "!=", "=~", "!~")
        found.append(_matcher(cursor) if matches else cursor.name())
        if not cursor.skip_sign(","):
            return tuple(found)


def _unpack(_cursor: Cursor) -> tree.Stage:
    return tree.Unpack()


def _decolorize(_cursor: Cursor) -> tree.Stage:
    return tree.Decolorize()


def _line_format(cursor: Cursor) -> tree.Stage:
    return tree.LineFormat(cursor.string())


def _drop(cursor: Cursor) -> tree.Stage:
    return tree.Drop(_names_or_matchers(cursor))


def _keep(cursor: Cursor) -> tree.Stage:
    return tree.Keep(_names_or_matchers(cursor))


_STAGES: dict[str, Callable[[Cursor], tree.Stage]] = {
    "json": _json,
    "logfmt": _logfmt,
    "pattern": _pattern,
    "regexp": _regexp,
    "unpack": _unpack,
    "decolorize": _decolorize,
    "line_format": _line_format,
    "label_format": _label_format,
    "drop": _drop,
    "keep": _keep,
}
