"""Who gets in: tokens, roles, scopes, binding, and what a refusal says."""

import pytest
from pydantic import SecretStr

from aiops_mcp.errors import AuthExpired, InputError
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import (
    ApiTokens,
    NoAuth,
    authenticator_from,
    bearer_token,
    check_bind,
    is_loopback,
)
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.identity import identity_routes

TOKENS = "admin=t0p=secret==, viewer@hub+edge-1=v1ew,OPERATOR=0per"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("t0p=secret==", Principal(subject="admin-1", role=Role.ADMIN)),
        (
            "v1ew",
            Principal(subject="viewer-2", role=Role.VIEWER, clusters=frozenset({"hub", "edge-1"})),
        ),
        ("0per", Principal(subject="operator-3", role=Role.OPERATOR)),
        ("t0p=secret=", None),
        ("", None),
        (None, None),
        ("\udc80", None),
    ],
)
async def test_a_token_is_its_holder(token, expected):
    assert await ApiTokens(TOKENS).authenticate(token) == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "holds no token"),
        (" , ", "holds no token"),
        ("admin", "Entry 1 .* has no token"),
        ("admin=", "Entry 1 .* has no token"),
        ("admin=a1,s3cr3t=admin", "Entry 2 .* has no role we know"),
        ("viewer@=a1", "an @ and no cluster"),
        ("admin=a1,viewer=a1", "Entry 2 .* repeats"),
    ],
)
def test_tokens_that_cannot_be_read_are_named_by_place_only(text, what):
    with pytest.raises(InputError, match=what) as caught:
        ApiTokens(text)
    assert "s3cr3t" not in str(caught.value)
    assert "a1" not in str(caught.value)


def test_a_repr_shows_no_token():
    assert repr(ApiTokens(TOKENS)) == "ApiTokens(3 tokens)"


async def test_without_tokens_everybody_is_the_local_administrator():
    authenticator = authenticator_from(Settings())
    assert isinstance(authenticator, NoAuth)
    assert not authenticator.required
    assert await authenticator.authenticate(None) == LOCAL_ADMIN


def test_tokens_of_the_settings_are_asked_for():
    assert authenticator_from(Settings(api_tokens=SecretStr("admin=x"))).required


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", None),
        ("Bearer", None),
        ("", None),
        (None, None),
    ],
)
def test_bearer_tokens_are_found(header, token):
    assert bearer_token(header) == token


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]", "LOCALHOST",
                                  "::ffff:127.0.0.1"])  # fmt: skip
def test_loopback_needs_no_token(host):
    assert is_loopback(host)
    check_bind(host, Settings())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "aiops.example.com",
                                  "::ffff:10.0.0.1", "127.0.0.1.evil.com"])  # fmt: skip
def test_anything_else_needs_one(host):
    with pytest.raises(InputError, match="AIOPS_API_TOKENS"):
        check_bind(host, Settings())
    check_bind(host, Settings(api_tokens=SecretStr("admin=x")))


@pytest.mark.parametrize(
    ("headers", "what"),
    [
        ({}, "none was sent"),
        ({"authorization": "Basic eDp5"}, "no bearer token"),
        ({"authorization": "Bearer wrong"}, "not known here"),
    ],
)
async def test_a_refusal_says_why_and_how(serve, problem, headers, what):
    served = serve(api_tokens=TOKENS)
    answer = await served.client.get("/api/v1/shelves", headers=headers)
    error = problem(answer, 401, "AUTH_FAILED")
    assert what in error["message"]
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "wrong" not in answer.text
    assert b"gateway_auth_failures_total 1.0" in served.metrics.text()


async def test_the_caller_reaches_the_operation(serve):
    served = serve(api_tokens=TOKENS)
    answer = await served.client.get("/api/v1/shelves", headers={"authorization": "Bearer v1ew"})
    assert answer.json()["subject"] == "viewer-2"


async def test_unknown_paths_are_not_told_to_strangers(serve, problem):
    served = serve(api_tokens=TOKENS)
    problem(await served.client.get("/api/v1/nothing"), 401, "AUTH_FAILED")
    known = {"authorization": "Bearer v1ew"}
    problem(await served.client.get("/api/v1/nothing", headers=known), 404, "VALIDATION_FAILED")


class Expired:
    required = True

    async def authenticate(self, token):
        raise AuthExpired("The token has expired.", "Log in again.")


async def test_an_expired_token_is_said_to_be(serve, operations, problem):
    plain = serve()
    gate = Gate(Expired(), plain.gate.limits, plain.metrics)
    served = serve(extra=identity_routes(operations, gate))
    answer = await served.client.get("/auth/validate", headers={"authorization": "Bearer old"})
    problem(answer, 401, "AUTH_EXPIRED")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert b"gateway_auth_failures_total 1.0" in plain.metrics.text()


async def test_validate_tells_who_one_is_and_what_one_may(serve, operations, problem):
    gate = serve(api_tokens=TOKENS).gate
    served = serve(extra=identity_routes(operations, gate))
    answer = await served.client.get("/auth/validate", headers={"authorization": "Bearer v1ew"})
    assert answer.json() == {
        "valid": True,
        "authentication": "token",
        "subject": "viewer-2",
        "role": "viewer",
        "clusters": ["edge-1", "hub"],
        "permissions": ["clusters:read", "metrics:read"],
    }
    problem(await served.client.get("/auth/validate"), 401, "AUTH_FAILED")


async def test_validate_without_tokens(serve, operations):
    served = serve(extra=identity_routes(operations, serve().gate))
    answer = (await served.client.get("/auth/validate")).json()
    assert (answer["authentication"], answer["role"], answer["clusters"]) == ("none", "admin", None)
    assert "clusters:delete" in answer["permissions"]
