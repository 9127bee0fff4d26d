"""Regular expressions of LogQL: RE2's dialect, as far as Python's engine can stand for it.

A text that only RE2 accepts is passed on unchecked; what RE2 lacks (look-around, references back)
is refused. It must not know the tree.
"""

import re
import warnings
from functools import lru_cache

_UNSUPPORTED = re.compile(r"\(\?(?:[=!>(#]|<[=!]|P[=>])|(?<!\\)(?:\\\\)*\\[1-9]")
_RE2_ONLY = re.compile(r"\\[pPQECz]|\[\[:|\(\?[a-zA-Z-]*U|\\x\{")
_NAMED = re.compile(r"\(\?<(?=[A-Za-z_])")
_FLAGS_INSIDE = re.compile(r"(?<!\\)\(\?([imsx]+)\)")


class BadRegex(ValueError):
    """What Loki would refuse as a regular expression, in Go's words."""


@lru_cache(maxsize=2048)
def compiled(pattern: str) -> "re.Pattern[str] | None":
    """The expression for Python; None where only RE2 can read it.

    A dot matches line feeds neither here nor in a line filter of Loki.

    Raises:
        BadRegex: when it is no regular expression.
    """
    odd = _UNSUPPORTED.search(pattern)
    if odd is not None:
        raise BadRegex(f"error parsing regexp: invalid or unsupported Perl syntax: `{odd.group()}`")
    text = _NAMED.sub("(?P<", pattern)
    # Flags in the middle reach to the end of their group in RE2; for whole patterns the front
    # is the same place.
    flags = "".join(sorted(set("".join(_FLAGS_INSIDE.findall(text)))))
    text = (f"(?{flags})" if flags else "") + _FLAGS_INSIDE.sub("", text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(text, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        if _RE2_ONLY.search(pattern):
            return None
        raise BadRegex(f"error parsing regexp: {error}: `{pattern}`") from error


def matches_empty(pattern: str) -> bool:
    """Whether the anchored expression matches nothing at all; False where that is unknown."""
    try:
        regex = compiled(pattern)
    except BadRegex:
        return False
    return regex is not None and regex.fullmatch("") is not None
