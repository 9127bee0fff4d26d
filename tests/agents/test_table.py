"""Tables that fit a terminal of 80 characters, or say what they must."""

from io import StringIO

from rich.console import Console

from agents.table import fitted
from aiops_mcp.models.digest import Digest


def printed(digest: Digest, width: int | None) -> tuple[list[str], str]:
    made = fitted(digest, width)
    out = StringIO()
    Console(width=max(made.width, width or 0), file=out).print(made.table)
    return [line.rstrip() for line in out.getvalue().splitlines()], made.shared


def rows(*cells) -> Digest:
    return Digest(headline="x", columns=("name", "type", "node", "error"), rows=cells)


LONG = "API server refuses the connection. Nothing listens there: check the port, and the server."


def test_what_fits_is_left_alone():
    lines, shared = printed(rows(("aaa", "EDGE", "n1", None), ("bbb", "EDGE", "n2", None)), 80)
    assert lines == ["NAME  TYPE  NODE  ERROR", "aaa   EDGE  n1    -", "bbb   EDGE  n2    -"]
    assert shared == ""


def test_what_all_share_is_said_once_where_there_is_no_room():
    digest = rows(("aaa", "EDGE", "n1", LONG), ("bbb", "EDGE", "n2", None))
    lines, shared = printed(digest, 60)
    assert shared == "type EDGE"
    assert lines[0].split() == ["NAME", "NODE", "ERROR"]
    assert max(len(line) for line in lines) <= 60
    assert " ".join(" ".join(line.split()) for line in lines).count("Nothing") == 1


def test_text_is_broken_between_words_and_no_further_than_is_readable():
    lines, _ = printed(rows(("aaa", "EDGE", "a-node-with-a-long-name", LONG)), 40)
    assert lines[1].startswith("aaa   EDGE  a-node-with-a-long-name  API server refuses the")
    assert all(len(line) <= 61 for line in lines)


def test_a_name_is_never_broken():
    name = "a-name-of-" + "many-" * 10 + "parts"
    lines, _ = printed(rows((name, "EDGE", "n1", LONG)), 40)
    assert name in lines[1]


def test_without_a_limit_a_row_is_a_line():
    lines, shared = printed(rows(("aaa", "EDGE", "n1", LONG), ("bbb", "EDGE", "n2", LONG)), None)
    assert len(lines) == 3
    assert lines[1].endswith(LONG)
    assert shared == ""


def test_numbers_stand_right_and_large_ones_are_plain():
    digest = Digest(headline="x", columns=("n", "v"), rows=(("a", 1234567.0), ("b", 2.5)))
    lines, _ = printed(digest, None)
    assert lines == ["N        V", "a  1234570", "b      2.5"]
