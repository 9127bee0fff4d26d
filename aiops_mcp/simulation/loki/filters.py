"""Line filters and label filters of LogQL over one line."""

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache

from aiops_mcp.logql import tree
from aiops_mcp.logql.quantities import parse_bytes, parse_duration
from aiops_mcp.logql.regexes import compiled
from aiops_mcp.simulation.loki.rows import Row
from aiops_mcp.simulation.loki.streams import matches

Step = Callable[[Row], bool]
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf|NaN", re.ASCII)


def line_step(stage: tree.LineFilter) -> Step:
    """Whether a line passes one filter."""
    tests = [_line_test(stage.op, one) for one in stage.alternatives]
    wanted = stage.op[0] == "|"
    if len(tests) == 1:
        (test,) = tests
        return lambda row: test(row.line) is wanted
    return lambda row: any(test(row.line) for test in tests) is wanted


def _line_test(op: tree.LineOp, match: tree.LineMatch) -> Callable[[str], bool]:
    text = match.text
    if match.ip:
        return lambda line: any(in_range(one, text) for one in _ADDRESS.findall(line))
    if op in ("|=", "!="):
        return lambda line: text in line
    regex = compiled(text) if "~" in op else _line_pattern(text)
    return lambda line: regex is not None and regex.search(line) is not None


def _line_pattern(text: str) -> "re.Pattern[str]":
    """``<_>`` stands for anything; the rest must be there in this order."""
    return re.compile(".*?".join(map(re.escape, text.split("<_>"))), re.DOTALL)


@lru_cache(maxsize=4096)
def in_range(address: str, pattern: str) -> bool:
    """Whether an address is the one, in the network, or in the range ``A-B``."""
    try:
        found = ipaddress.ip_address(address.strip("."))
        if "-" in pattern:
            low, high = (ipaddress.ip_address(one.strip()) for one in pattern.split("-", 1))
            same = low.version == high.version == found.version
            return same and int(low) <= int(found) <= int(high)
        return found in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return False


def label_step(test: tree.LabelTest) -> Step:
    """Whether a row's labels pass."""
    match test:
        case tree.Both(left, right):
            first, second = label_step(left), label_step(right)
            return lambda row: first(row) and second(row)
        case tree.Either(left, right):
            first, second = label_step(left), label_step(right)
            return lambda row: first(row) or second(row)
        case tree.StringTest(matcher):
            return lambda row: matches(matcher, row.labels.get(matcher.name, ""))
        case tree.IpTest(name, op, pattern):
            return lambda row: in_range(row.labels.get(name, ""), pattern) is (op == "=")
        case _:
            return _comparing(test)


def _comparing(test: tree.NumberTest | tree.DurationTest | tree.BytesTest) -> Step:
    if isinstance(test, tree.NumberTest):
        wanted, read = test.value, as_number
    elif isinstance(test, tree.DurationTest):
        wanted, read = test.nanoseconds, parse_duration
    else:
        wanted, read = test.size, parse_bytes
    name, op = test.name, test.op

    def step(row: Row) -> bool:
        text = row.labels.get(name)
        if text is None:
            return False
        value = read(text)
        if value is None:
            # Loki keeps a line that it cannot judge, and says so.
            row.fail("LabelFilterErr", f"cannot compare {name}={text!r}")
            return True
        return compare(value, op, wanted)

    return step


def as_number(text: str) -> float | None:
    """The number that a label holds, or None."""
    return float(text) if len(text) <= 400 and _NUMBER.fullmatch(text) else None


def compare(left: float, op: str, right: float) -> bool:
    """One comparison of LogQL."""
    match op:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case ">":
            return left > right
        case "<=":
            return left <= right
        case _:
            return left >= right
