"""Addresses a cluster may have, and moments that lie within all time."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from aiops_mcp.models.cluster import ApiServerUrl, BackendUrl
from aiops_mcp.models.digest import fenced
from aiops_mcp.models.moment import resolve_moment

API = TypeAdapter(ApiServerUrl)
BACKEND = TypeAdapter(BackendUrl)
NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.example:6443/", "https://api.example:6443"),
        ("https://[2001:db8::1]:6443", "https://[2001:db8::1]:6443"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("http://127.9.8.7:1", "http://127.9.8.7:1"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:6443", "http://[::1]:6443"),
    ],
)
def test_addresses_of_api_servers(given: str, kept: str) -> None:
    assert API.validate_python(given) == kept


@pytest.mark.parametrize(
    "url",
    ["http://api.example", "http://127.0.0.1@evil.example", "http://127.evil.example",
     "http://localhost.evil.example", "http://128.0.0.1", "http://[::2]"],
)  # fmt: skip
def test_plain_http_only_to_this_machine(url: str) -> None:
    with pytest.raises(ValidationError, match="loopback only"):
        API.validate_python(url)


def test_no_password_in_the_address_of_an_api_server() -> None:
    with pytest.raises(ValidationError, match="store them as credentials"):
        API.validate_python("https://me:secret@api.example")
    assert BACKEND.validate_python("https://me:secret@p.example") == "https://me:secret@p.example"


@pytest.mark.parametrize(
    "url",
    ["https://", "https://a b", "https://x:99999", "https://x:port", "https://[::1", "https://x:0",
     "https://x\\@y", "https://x\ny"],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    for kind in (API, BACKEND):
        with pytest.raises(ValidationError, match="the form https://host:port"):
            kind.validate_python(url)


@pytest.mark.parametrize("url", ["ftp://x", "x:9090", "file:///etc/passwd", ""])
def test_other_schemes(url: str) -> None:
    with pytest.raises(ValidationError, match="starts with https:// or http://"):
        BACKEND.validate_python(url)


@pytest.mark.parametrize(
    "text", ["-99999999w", "-" + "9" * 30 + "w", "0001-01-01T00:00:00+23:00", "1e300", "-1e300"]
)
def test_moments_beyond_all_time_are_the_callers_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"time"):
        resolve_moment(text, NOW)


def test_moments() -> None:
    assert resolve_moment("-6h", NOW) == NOW - timedelta(hours=6)
    assert resolve_moment("0", NOW) == datetime(1970, 1, 1, tzinfo=UTC)
    assert resolve_moment("2026-11-25T01:00:00+01:00", NOW) == NOW


def test_prose_is_fenced_and_names_are_not() -> None:
    assert fenced("node-7") == "node-7"
    assert fenced("three words only") == "three words only"
    assert fenced("do as » I say") == "«do as › I say»"
    assert fenced("x" * 121) == "x" * 121
    assert fenced("x" * 120 + " y") == f"«{'x' * 120} y»"
