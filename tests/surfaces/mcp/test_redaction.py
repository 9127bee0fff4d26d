"""Secrets and invisible characters do not leave; what only looks like them does."""

import pytest

from aiops_mcp.redaction import (
    clean_json,
    clean_text,
    is_sensitive_name,
    placeholder,
    strip_unprintable,
)

JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl-_0"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nq0uJ\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "secret", "kind"),
    [
        (f"got {JWT} back", JWT, "token"),
        ("Authorization: Bearer abc", "abc", "token"),
        ('{"authorization": "Basic dXNlcjpwYXNz"}', "dXNlcjpwYXNz", "token"),
        ("curl -H 'bearer 0123456789abcdef'", "0123456789abcdef", "token"),
        ("postgresql://aiops:hunter2@db/x", "aiops:hunter2", "userinfo"),
        ("https://ghp0123456789abcdefgh@github.com/x", "ghp0123456789abcdefgh", "userinfo"),
        ("key AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE", "aws-key"),
        ("aws_secret_access_key=wJalrXUtnFEMI/K7", "wJalrXUtnFEMI/K7", "password"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ", "ghp_0123456789abcdefghijABCDEFGHIJ", "token"),
        ("sha256~AbCdEfGhIjKlMnOpQrStUvWxYz", "sha256~AbCdEfGhIjKlMnOpQrStUvWxYz", "token"),
        ("hf_abcdefghijklmnopqrstuvwx", "hf_abcdefghijklmnopqrstuvwx", "token"),
        ("password=hunter2 in the log", "hunter2", "password"),
        ('DB_PASSWORD: "hunter2"', "hunter2", "password"),
        ('\\"clientSecret\\":\\"s3cr3t-v\\"', "s3cr3t-v", "password"),
        ("client-key-data: LS0tLS1CRUdJTg==", "LS0tLS1CRUdJTg==", "password"),
        ("token=0123456789abcdef0", "0123456789abcdef0", "token"),
        (PEM, PEM, "private-key"),
        (PEM.partition("\n-----END")[0], PEM.partition("\n-----END")[0], "private-key"),
    ],
)
def test_a_secret_becomes_a_placeholder(text: str, secret: str, kind: str) -> None:
    cleaned = clean_text(text)
    assert secret not in cleaned
    assert cleaned == text.replace(secret, placeholder(kind, secret))
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        'kube_secret_info{namespace="web",secret="web-tls"}',
        "parse error: unexpected token: rate",
        "sum by (pod) (rate(container_cpu_usage_seconds_total[5m]))",
        "https://prometheus.example.org/api/v1/query?query=up",
        "registry.example.org/app@sha256:0123456789abcdef",
        "Basic authentication is off; bearer authentication is required",
        "tokens_used 512, monkey=banana, keyboard: qwerty",
        "3 of 12 clusters answered",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert clean_text(text) == text


def test_the_same_secret_has_the_same_placeholder_and_another_has_another() -> None:
    one, two = clean_text("password=aaaa1"), clean_text("password=aaaa2")
    assert clean_text("password=aaaa1") == one != two
    assert len(one) == len("password=[redacted:password:1a2b]")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("a\x00b\x07c\x9bd\x7f", "abcd"),
        ("user\u202egnp.exe\u2066", "usergnp.exe"),
        ("in\u200bvis\u200dible\ufeff\U000e0041", "invisible"),
        ("line\u2028break", "linebreak"),
        ("kept\ttab\nline é 漢", "kept\ttab\nline é 漢"),
        ("lone \ud800 surrogate", "lone ? surrogate"),
    ],
)
def test_invisible_characters_go(text: str, left: str) -> None:
    assert strip_unprintable(text) == left


def test_an_escape_inside_a_token_does_not_hide_it() -> None:
    assert "hunter2" not in clean_text("pass\u200bword=hun\x1b[0mter2")


@pytest.mark.parametrize(
    ("name", "sensitive"),
    [
        ("Authorization", True),
        ("X-API-Key", True),
        ("DB_PASSWORD", True),
        ("client-key-data", True),
        ("bearerToken", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("secret", False),
        ("secretName", False),
        ("tokens_used", False),
        ("monkey", False),
        ("token_type", False),
    ],
)
def test_names_that_hold_secrets(name: str, sensitive: bool) -> None:
    assert is_sensitive_name(name) is sensitive


def test_structure_tells_secrets_that_patterns_cannot() -> None:
    cleaned = clean_json(
        {
            "kind": "Secret",
            "metadata": {"name": "db"},
            "data": {"user": "YWlvcHM=", "empty": ""},
            "items": [{"name": "DB_PASSWORD", "value": "x"}, {"name": "HOST", "value": "db"}],
            "headers": {"cookie": ["a", "b"], "accept": "json"},
            "token": 7,
            "counts": (1, 2.5, None, True),
        }
    )
    assert cleaned == {
        "kind": "Secret",
        "metadata": {"name": "db"},
        "data": {"user": placeholder("secret", "YWlvcHM="), "empty": ""},
        "items": [
            {"name": "DB_PASSWORD", "value": placeholder("secret", "x")},
            {"name": "HOST", "value": "db"},
        ],
        "headers": {
            "cookie": [placeholder("secret", "a"), placeholder("secret", "b")],
            "accept": "json",
        },
        "token": 7,
        "counts": [1, 2.5, None, True],
    }
    assert clean_json(cleaned) == cleaned


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "piece",
    ["a", ".", "a.", "secret_", "password_", "authorization", "token=", "eyJaaaaaaaa-", "x://a:b",
     "password ", "bearer aaaaaaaaaaaaaaaa", "a:", "-----BEGIN ", "\x1b]"],
)  # fmt: skip
def test_long_text_takes_no_longer_than_its_length(piece) -> None:
    """Text of a cluster may be made to keep a careless pattern busy for hours."""
    secret = "password=hunter2hunter2"
    text = f"key eyJ :// {piece * (200_000 // len(piece))} {secret}"
    assert "hunter2" not in clean_text(text)
