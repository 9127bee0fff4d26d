import pytest

from aiops_mcp.analysis.evidence_statements import LogLine, Statements
from aiops_mcp.analysis.loglevels import LogLevel


def numbers(*texts, component="cart"):
    statements = Statements()
    lines = [LogLine(float(i), component, text) for i, text in enumerate(texts)]
    return [each.statement for each in statements.read(lines)], statements


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("16:50:08 INFO  p.c.OrderController#35 stored 4", "p.c.OrderController#35 stored 4"),
        ("I0129 16:50:09.340 7 controller.go:123] synced 4", "controller.go:123] synced 4"),
        ('{"caller":"store/disk.go:99","msg":"full"}', 'store/disk.go:99","msg":"full"}'),
        ("ERROR at main.py:12 boom", "main.py:12 boom"),
    ],
)
def test_a_line_is_of_the_place_in_the_source_that_it_names(text, source):
    [number], statements = numbers(text)
    assert statements.words(number) == source
    assert numbers(text, text.replace("4", "5x").replace("full", "empty"))[0] == [0, 0]


def test_another_line_number_is_another_statement_and_so_is_another_component():
    assert numbers("INFO A#1 x", "INFO A#2 x", "INFO A#1 y")[0] == [0, 1, 0]
    statements = Statements()
    found = statements.read([LogLine(0, "a", "INFO A#1 x"), LogLine(1, "b", "INFO A#1 x")])
    assert [each.statement for each in found] == [0, 1]
    assert statements.components == ["a", "b"]


def test_another_exception_at_one_place_is_another_statement():
    lines = (
        "ERROR Servlet#9 failed: java.io.IOException: reset by order 7",
        "ERROR Servlet#9 failed: java.io.IOException: reset by order 8",
        "ERROR Servlet#9 failed: org.shop.StockError: none",
    )
    assert numbers(*lines)[0] == [0, 0, 1]


def test_without_a_source_the_template_counts():
    found, statements = numbers("stored order 17 in 5ms", "stored order 18 in 6ms", "disk full")
    assert found == [0, 0, 1]
    assert statements.words(0) == "stored order <*> in <*>"


@pytest.mark.parametrize(
    ("text", "grave"),
    [
        ("ERROR A#1 x", True),
        ("panic: runtime error", True),
        ("Traceback (most recent call last)", True),
        ("Caused by: java.io.IOException: reset", True),
        ("java.lang.NullPointerException: x", True),
        ("WARN A#1 x", False),
        ("stored the Error page", False),
    ],
)
def test_which_lines_are_grave(text, grave):
    [number], statements = numbers(text)
    assert statements.grave[number] is grave


def test_a_stack_trace_is_of_the_line_before():
    found, _ = numbers(
        "ERROR A#1 failed",
        "\tat com.shop.Cart.add(Cart.java:20)",
        "    at Object.<anonymous> (/app/x.js:3:9)",
        "\t... 23 more",
        '  File "/app/x.py", line 3, in run',
        "INFO A#2 next",
    )
    assert found == [0, 1]


@pytest.mark.parametrize(
    ("text", "trace"),
    [
        (
            "INFO A#1 TraceID: 70ad787d48fd22a2601c24c7ac76f948 SpanID: a75d0dff13b423aa",
            "70ad787d48fd22a2601c24c7ac76f948",
        ),
        ("trace_id=70AD787D48FD22A2 x", "70AD787D48FD22A2"),
        ('{"traceId":"70ad787d48fd22a2601c24c7ac76f948"}', "70ad787d48fd22a2601c24c7ac76f948"),
        ("trace_id=short x", ""),
        ("subtraceid=70ad787d48fd22a2 x", ""),
    ],
)
def test_the_trace_is_found_in_the_text(text, trace):
    assert Statements().read([LogLine(0.0, "a", text)])[0].trace == trace


def test_what_the_store_knows_goes_before_the_text():
    line = LogLine(0.0, "a", "INFO A#1 trace_id=70ad787d48fd22a2", "own", LogLevel.ERROR)
    statements = Statements()
    [found] = statements.read([line])
    assert found.trace == "own"
    assert statements.grave == [True]


def test_lines_come_by_time_and_words_are_short():
    statements = Statements()
    found = statements.read([LogLine(5.0, "a", "A#1 " + "long " * 99), LogLine(1.0, "a", "A#2 x")])
    assert [each.time for each in found] == [1.0, 5.0]
    assert len(statements.words(found[1].statement)) == 110
    assert statements.words(found[1].statement).endswith("…")
