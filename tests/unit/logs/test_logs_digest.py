from uuid import UUID

import pytest

from aiops_mcp.analysis.loglevels import LogLevel, level_of, text_level
from aiops_mcp.capabilities.logs_digest import digest_logs
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.logs import LogAnswer, LogDirection, LogEntry

T = 1_772_000_000_000_000_000


def entry(message, seconds=0, *, cluster="edge-1", **stream):
    return LogEntry(
        cluster_id=UUID(int=1),
        cluster_name=cluster,
        timestamp=T + int(seconds * 1e9),
        stream={"namespace": "shop", "app": "cart", **stream},
        message=message,
    )


def answer(*entries, **more):
    return LogAnswer(
        query='{namespace="shop"}',
        direction=LogDirection.BACKWARD,
        limit=100,
        start_time=T - 10**12,
        end_time=T + 10**12,
        entries=entries,
        total_query_time_ms=1.0,
        coverage=Coverage(queried=1, succeeded=1),
        **more,
    )


def digest(*entries, detailed=False, **more):
    return digest_logs(answer(*entries, **more), call="query_logs(", detailed=detailed)


def test_errors_come_first_whatever_their_number():
    lines = [entry(f"level=info msg=served path=/a/{n} took={n}ms", n) for n in range(90)]
    lines.append(entry('level=error msg="connection refused" host=10.0.0.7:5432', 3))
    made = digest(*lines)
    assert made.rows[0][0] == "ERROR"
    assert "connection refused" in str(made.rows[0][-1])
    assert made.rows[1][1] == 90
    assert len(made.rows) == 2
    assert "1 errors" in made.headline or "1 error" in made.headline


def test_one_example_stands_for_its_kind_in_all_clusters():
    lines = [entry(f"level=warn retry {n} of 5", n, cluster=f"edge-{n % 3}") for n in range(30)]
    [row] = digest(*lines).rows
    assert row[1] == 30
    assert "edge-0" in str(row[2])


def test_many_kinds_are_held_to_a_size():
    lines = [entry("level=error " + "failed again " * number, number) for number in range(1, 60)]
    made = digest(*lines)
    assert len(made.text()) / 3.6 < 700
    assert "more patterns" in (made.more or "")


def test_what_is_most_frequent_is_shown_beside_what_is_grave():
    errors = [entry(f"level=error {word * 12} {word}", 1) for word in "abcdefghijklmnop"]
    made = digest(*errors, *[entry("level=warn slow again", number) for number in range(50)])
    assert [row[0] for row in made.rows[:-1]] == ["ERROR"] * (len(made.rows) - 1)
    assert made.rows[-1][:2] == ("WARNING", 50)


def test_nothing_found_says_what_to_check():
    made = digest()
    assert made.headline == "No lines."
    assert any("get_log_labels" in note for note in made.notes)


def test_the_lines_themselves_when_they_are_wanted():
    made = digest(entry("level=info a=1"), entry("level=info a=2"), detailed=True)
    assert len(made.rows) == 3


def test_more_lines_than_shown_are_known():
    made = digest(entry("x"), truncated=True, cursor="1.1")
    assert 'cursor="1.1"' in (made.more or "")


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('{"level":"error","msg":"x"}', LogLevel.ERROR),
        ('{"severity":"CRITICAL"}', LogLevel.CRITICAL),
        ("time=1 level=warning msg=x", LogLevel.WARNING),
        ("E0310 14:30:00.123456 1 main.go:7] failed", LogLevel.ERROR),
        ("W0310 14:30:00.123456 1 main.go:7] slow", LogLevel.WARNING),
        ("2026-03-10 14:30:00,123 ERROR c.e.Main - failed", LogLevel.ERROR),
        ("INFO: no error here", LogLevel.INFO),
        ("<3>kernel: disk failed", LogLevel.ERROR),
        ("just words", LogLevel.UNKNOWN),
        ('{"level":50,"msg":"pino"}', LogLevel.ERROR),
        ('{"level":60}', LogLevel.CRITICAL),
        ('{"level":40}', LogLevel.WARNING),
        ('{"level":30}', LogLevel.INFO),
        ('{"level":20}', LogLevel.DEBUG),
        ('{"severity":4}', LogLevel.WARNING),
        ('{"level":9}', LogLevel.UNKNOWN),
        ('{"msg":"no level here"}', LogLevel.UNKNOWN),
        ("panic: runtime error: index out of range", LogLevel.CRITICAL),
        ("Traceback (most recent call last):", LogLevel.CRITICAL),
        ("NVRM: Xid (PCI:0000:3b:00): 79, pid=1", LogLevel.ERROR),
        ("GET /error.html 200 info-page", LogLevel.UNKNOWN),
    ],
)
def test_levels_are_recognised(text, level):
    assert text_level(text) is level


def test_a_label_tells_the_level_before_the_text():
    assert level_of({"level": "error"}, "all is well") is LogLevel.ERROR
    assert level_of({"detected_level": "warn"}, "x") is LogLevel.WARNING
    assert level_of({"level": "3"}, "x") is LogLevel.ERROR
    assert level_of({"level": "nonsense"}, "level=info x") is LogLevel.INFO
