"""Log queries over lines laid out by hand: filters, parsers, formats, order and limits."""

import pytest

from aiops_mcp.errors import InvalidLogql

JSON = '{"a": {"b": 1, "c-d": true}, "list": [1, {"x": "y"}], "n": null, "f": 1.50, "app": "inner"}'


@pytest.fixture
def one(lines, laid):
    """Line and labels of the only line left; None when there is none."""

    def run(text, stages, labels=None, metadata=None):
        streams = laid((labels or {"app": "x"}, [(1, text, metadata or {})]))
        rows = lines(streams, '{app="x"} ' + stages)
        return (rows[0].line, rows[0].labels) if rows else None

    return run


@pytest.mark.parametrize(
    ("stages", "stays"),
    [
        ('|= "GET"', True),
        ('|= "get"', False),
        ('!= "GET"', False),
        ('|~ "(?i)get"', True),
        ('!~ "P.ST"', True),
        ('|= "PUT" or "GET"', True),
        ('!= "PUT" or "GET"', False),
        ('|> "<_>GET<_>200<_>"', True),
        ('!> "<_>GET<_>404<_>"', True),
        ('|= ip("10.1.0.0/16")', True),
        ('|= ip("10.1.2.0-10.1.2.9")', True),
        ('|= ip("192.168.0.0/16")', False),
        ('!= ip("10.1.2.3")', False),
        ('|~ "a" |~ "z"', False),
    ],
)
def test_a_line_filter(one, stages, stays):
    assert (one("10.1.2.3 GET /a 200 5ms", stages) is not None) is stays


def test_json_flattens_skips_lists_and_renames_what_the_stream_has(one):
    _, labels = one(JSON, "| json")
    assert labels == {
        "app": "x",
        "a_b": "1",
        "a_c_d": "true",
        "n": "",
        "f": "1.50",
        "app_extracted": "inner",
    }


def test_json_takes_what_is_asked_for(one):
    stages = '| json b="a.b", y="list[1].x", all="list", none="q.r", quoted="a[\\"c-d\\"]"'
    _, labels = one(JSON, stages)
    assert labels == {
        "app": "x", "b": "1", "y": "y", "all": '["1",{"x":"y"}]', "none": "", "quoted": "true",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["plain", "[1]", '{"a":', '"a"'])
def test_what_is_no_json_object_stays_with_an_error(one, text):
    line, labels = one(text, "| json")
    assert line == text
    assert labels["__error__"] == "JSONParserErr"
    assert one(text, '| json | __error__=""') is None


def test_logfmt(one):
    text = 'level=info msg="a \\"b\\"" empty= took=5ms a.b=c alone'
    _, labels = one(text, "| logfmt")
    assert labels == {"app": "x", "level": "info", "msg": 'a "b"', "took": "5ms", "a_b": "c"}
    _, kept = one(text, "| logfmt --keep-empty")
    assert (kept["empty"], kept["alone"]) == ("", "")
    _, some = one(text, '| logfmt lvl="level", nope')
    assert some == {"app": "x", "lvl": "info", "nope": ""}
    _, strict = one("a=b =c", "| logfmt --strict")
    assert strict["__error__"] == "LogfmtParserErr"


def test_pattern_regexp_unpack_and_decolorize(one):
    text = '1.2.3.4 - "GET /a HTTP/1.1" 200'
    _, labels = one(text, '| pattern "<ip> - \\"<method> <path> <_>\\" <status>"')
    assert labels == {"app": "x", "ip": "1.2.3.4", "method": "GET", "path": "/a", "status": "200"}
    _, labels = one(text, '| regexp "(?P<verb>[A-Z]+) (?P<path>\\\\S+)"')
    assert labels == {"app": "x", "verb": "GET", "path": "/a"}
    assert one(text, '| regexp "(?P<nope>zzz)"') == (text, {"app": "x"})
    assert one('{"_entry": "inner", "k": "v", "n": 1}', "| unpack") == (
        "inner",
        {"app": "x", "k": "v"},
    )
    assert one("\x1b[31mred\x1b[0m", "| decolorize") == ("red", {"app": "x"})


@pytest.mark.parametrize(
    ("test", "stays"),
    [
        ("status >= 500", True),
        ("status == 503 and took > 1s", True),
        ("status < 500 or size > 1KiB", True),
        ("took > 2s", False),
        ("took <= 1500ms", True),
        ("size > 2MB", False),
        ('addr=ip("10.0.0.0/8")', True),
        ('addr!=ip("10.0.0.0/8")', False),
        ('level=~"err.*"', True),
        ('missing=""', True),
        ("missing > 1", False),
        ("level > 1", True),
        ('level > 1 | __error__=""', False),
    ],
)
def test_a_label_filter(one, test, stays):
    text = "status=503 took=1.5s size=1.2MB addr=10.1.1.1 level=error"
    assert (one(text, f"| logfmt | {test}") is not None) is stays


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("{{.level}}: {{.msg}}", "info: Hello World"),
        ("{{ .msg | upper }}", "HELLO WORLD"),
        ("{{ ToLower .msg }}", "hello world"),
        ('{{ .msg | replace "World" "you" | trunc 7 }}', "Hello y"),
        ("{{ __line__ }}!", 'level=info msg="Hello World"!'),
        ('{{ .nope | default "-" }}', "-"),
        ('{{ if eq .level "info" }}I{{ else if .nope }}N{{ else }}E{{ end }}', "I"),
        ("{{ if .nope }}yes{{ else }}no{{ end }}", "no"),
        ('{{ if not (contains "Hello" .msg) }}yes{{ else }}no{{ end }}', "no"),
        ('{{ printf "%s=%5s" .level .nope }}', "info="),
        ('{{ regexReplaceAll "(H)ello" .msg "${1}i" }}', "Hi World"),
        ("{{ substr 0 5 .msg }}", "Hello"),
        ("no action", "no action"),
    ],
)
def test_a_template(one, template, written):
    line, _ = one('level=info msg="Hello World"', f"| logfmt | line_format `{template}`")
    assert line == written


@pytest.mark.parametrize(
    "template",
    ["{{.a", "{{ nope .a }}", "{{ if .a }}", "{{ end }}", "{{ upper }}", "{{ }}", "{{ printf }}"],
)
def test_a_template_that_is_none_is_refused(one, template):
    with pytest.raises(InvalidLogql, match="invalid template"):
        one("x", f"| line_format `{template}`")


def test_a_function_that_fails_notes_it(one):
    _, labels = one("a=b", "| logfmt | line_format `{{ trunc .a .a }}`")
    assert labels["__error__"] == "TemplateFormatErr"


def test_labels_are_formatted_dropped_and_kept(one):
    text = "a=1 b=2 c=3"
    _, labels = one(text, '| logfmt | label_format d=a, e="{{.b}}-{{.c}}", f=nope')
    assert labels == {"app": "x", "b": "2", "c": "3", "d": "1", "e": "2-3"}
    _, labels = one(text, '| logfmt | drop a, b="2", c="9"')
    assert labels == {"app": "x", "c": "3"}
    _, labels = one(text, '| logfmt | keep a, b="9"')
    assert labels == {"a": "1"}


def test_labels_are_told_apart_by_where_they_come_from(lines, laid):
    streams = laid(({"app": "x"}, [(1, "a=1", {"level": "info"})]))
    (row,) = lines(streams, '{app="x"} | logfmt')
    assert row.categories() == ({"app": "x"}, {"level": "info"}, {"a": "1"})


def test_order_limit_and_interval(lines, laid):
    streams = laid(
        ({"app": "x", "pod": "1"}, [(n, f"one {n}") for n in range(0, 10, 2)]),
        ({"app": "x", "pod": "2"}, [(n, f"two {n}") for n in range(1, 10, 2)]),
    )
    newest = lines(streams, '{app="x"}', limit=3)
    assert [row.line for row in newest] == ["two 9", "one 8", "two 7"]
    oldest = lines(streams, '{app="x"}', limit=3, forward=True)
    assert [row.line for row in oldest] == ["one 0", "two 1", "one 2"]
    thin = lines(streams, '{app="x"}', forward=True, interval=4_000_000_000)
    assert [row.line for row in thin] == ["one 0", "two 1", "one 4", "two 5", "one 8", "two 9"]
    # The end is not part of the window, the start is.
    some = lines(streams, '{app="x"}', start=2, end=4, forward=True)
    assert [row.line for row in some] == ["one 2", "two 3"]


def test_lines_far_back_are_found(lines, laid):
    streams = laid(({"app": "x"}, [(5, "old"), (90_000, "new")]))
    assert [row.line for row in lines(streams, '{app="x"}', end=100_000)] == ["new", "old"]
    forward = lines(streams, '{app="x"}', end=100_000, forward=True, limit=1)
    assert [row.line for row in forward] == ["old"]
