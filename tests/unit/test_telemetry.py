"""Log lines: what they look like, which request they belong to, and that no secret is in them."""

import io
import json
import logging

import pytest

from aiops_mcp.telemetry import (
    Redaction,
    TextFormatter,
    configure_logging,
    current_trace_id,
    trace_id_of,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE}-b7ad6b7169203331-01",
        f"  00-{TRACE}-b7ad6b7169203331-00 ",
        f"cc-{TRACE}-b7ad6b7169203331-01-what-comes-later",
    ],
)
def test_a_callers_trace_is_carried_on(header):
    assert trace_id_of(header) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "hello",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01",
        f"00-{TRACE}-b7ad6b7169203331-01\nforged",
    ],
)
def test_anything_else_starts_a_new_one(header):
    first, second = trace_id_of(header), trace_id_of(header)
    assert first != TRACE
    assert first != second
    assert len(first) == 32
    assert int(first, 16)


@pytest.fixture
def log():
    """``log(format, secrets=…)`` gives a logger and what it wrote, line by line."""
    restore = []

    def start(log_format="json", level="INFO", secrets=()):
        stream = io.StringIO()
        restore.append(configure_logging(level, log_format, secrets=secrets, stream=stream))
        return logging.getLogger("aiops_mcp.test"), lambda: stream.getvalue().splitlines()

    yield start
    for undo in reversed(restore):
        undo()


def test_json_lines_hold_everything(log):
    logger, lines = log()
    token = current_trace_id.set(TRACE)
    logger.warning("%s of %d", "three", 12, extra={"cluster": "hub", "count": 3})
    current_trace_id.reset(token)
    logger.info("later")
    first, second = map(json.loads, lines())
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "level": "WARNING",
        "logger": "aiops_mcp.test",
        "message": "three of 12",
        "trace_id": TRACE,
        "cluster": "hub",
        "count": 3,
    }
    assert "trace_id" not in second


def test_text_lines_cannot_be_forged(log):
    logger, lines = log("text")
    token = current_trace_id.set(TRACE)
    logger.error("bad\n2026 INFO all is well\x1b[2J", extra={"subject": "eve\n"})
    current_trace_id.reset(token)
    (line,) = lines()
    assert "ERROR   aiops_mcp.test: bad\\x0a2026 INFO all is well\\x1b[2J subject='eve\\n'" in line
    assert line.endswith(f"trace_id={TRACE}")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_exceptions_are_written_without_secrets(log, log_format):
    logger, lines = log(log_format, secrets=["t0pS3cret"])
    try:
        raise RuntimeError("postgresql://aiops:hunter2@db/x and t0pS3cret")
    except RuntimeError:
        logger.exception("it broke: %s", "t0pS3cret")
    text = "\n".join(lines())
    assert "RuntimeError" in text
    assert "Traceback" in text
    assert "postgresql://aiops:[redacted]@db/x" in text
    assert "hunter2" not in text
    assert "t0pS3cret" not in text


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer [redacted]"),
        ("sent bearer sha256~abc-123 to it", "sent bearer [redacted] to it"),
        ("the bearer of this", "the bearer of this"),
        ("a eyJhbGciOiJI.eyJzdWIiOiIx.c2ln b", "a [redacted] b"),
        ("redis://:pw@host:6379/1", "redis://:[redacted]@host:6379/1"),
        ("https://host:6443/api", "https://host:6443/api"),
        ("db_password=hunter2&x=1", "db_password=[redacted]&x=1"),
        ('{"token": "abc", "name": "hub"}', '{"token": "[redacted]", "name": "hub"}'),
        (
            "key -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- end",
            "key [redacted] end",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMII", "[redacted]"),
        ("12 of 12 clusters answered", "12 of 12 clusters answered"),
    ],
)
def test_what_looks_like_a_secret_is_masked(said, written):
    assert Redaction().clean(said) == written


def test_the_longer_of_two_known_secrets_goes_as_a_whole():
    assert Redaction(["abc", "abcdef", ""]).clean("x abcdef y abc") == "x [redacted] y [redacted]"


def test_extras_are_masked_too(log):
    logger, lines = log(secrets=["t0pS3cret"])
    logger.info("hello", extra={"who": "t0pS3cret", "count": 1})
    assert json.loads(lines()[0])["who"] == "[redacted]"


def test_arguments_that_do_not_fit_still_make_a_line(log):
    logger, lines = log()
    logger.info("%d clusters", "three")
    assert json.loads(lines()[0])["message"] == "%d clusters"


def test_the_level_is_kept_and_restored(log):
    before = logging.getLogger().level, list(logging.getLogger().handlers)
    stream = io.StringIO()
    restore = configure_logging("warning", "text", stream=stream)
    logging.getLogger("aiops_mcp.test").info("quiet")
    assert stream.getvalue() == ""
    restore()
    assert (logging.getLogger().level, list(logging.getLogger().handlers)) == before


def test_an_unknown_level_is_an_error():
    with pytest.raises(ValueError, match="'LOUD' is no log level"):
        configure_logging("LOUD", "text")


def test_a_record_that_was_never_filtered_still_shows_its_exception():
    try:
        raise RuntimeError("boom")
    except RuntimeError as error:
        record = logging.makeLogRecord({"msg": "x", "levelname": "ERROR", "name": "n"})
        record.exc_info = (RuntimeError, error, error.__traceback__)
    assert TextFormatter().format(record).endswith("RuntimeError: boom")
