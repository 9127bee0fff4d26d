"""Tokens that change: files, exec plugins, OpenID Connect."""

import base64
import json
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from aiops_mcp.backends.exec_plugin import ExecBearer
from aiops_mcp.backends.oidc import OidcBearer, jwt_expiry
from aiops_mcp.backends.tokens import FileToken
from aiops_mcp.errors import ClusterUnreachable, InvalidCredentials


def test_a_token_file_is_read_anew_now_and_then(tmp_path):
    path, now = tmp_path / "token", [0.0]
    path.write_text("one\n")
    token = FileToken(path, now=lambda: now[0], every=10)
    assert token() == "one"
    path.write_text("two")
    now[0] = 9.9
    assert token() == "one"
    now[0] = 10.0
    assert token() == "two"
    path.unlink()
    assert token() == "two"
    now[0] = 30.0
    with pytest.raises(InvalidCredentials, match="cannot be read"):
        token()


class Plugin(ExecBearer):
    """Counts its runs instead of starting a program."""

    def __init__(self, lifetime, clock):
        super().__init__({}, {}, None, now=lambda: clock[0])
        self.runs = 0
        self.lifetime = lifetime
        self.clock = clock
        self._run = self.give

    def give(self):
        self.runs += 1
        status = {"token": f"t{self.runs}"}
        if self.lifetime:
            status["expirationTimestamp"] = (self.clock[0] + self.lifetime).isoformat()
        return status


@pytest.mark.parametrize(
    ("lifetime", "kept"),
    [(timedelta(minutes=15), timedelta(minutes=14)), (None, timedelta(minutes=10))],
)
async def test_an_exec_plugin_runs_again_before_its_token_expires(lifetime, kept):
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]
    bearer = Plugin(lifetime, clock)
    assert [await bearer(), await bearer()] == ["t1", "t1"]
    clock[0] += kept - timedelta(seconds=1)
    assert await bearer() == "t1"
    clock[0] += timedelta(seconds=1)
    assert await bearer() == "t2"
    assert await bearer.certificate() is None
    assert bearer.runs == 2


def jwt(exp):
    claims = base64.urlsafe_b64encode(json.dumps({"exp": exp}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


def test_expiry_of_tokens():
    assert jwt_expiry(jwt(1234)) == 1234.0
    for token in ("opaque", "a.b.c", "a.e30.c", "a.bnVsbA.c", "a.é.c"):
        assert jwt_expiry(token) == 0.0


class Provider:
    """An OpenID Connect provider; keeps the forms that it was sent."""

    def __init__(self, *tokens):
        self.tokens = list(tokens)
        self.forms = []

    def handle(self, request):
        if request.url.path.endswith("/.well-known/openid-configuration"):
            return httpx2.Response(200, json={"token_endpoint": "https://idp/token"})
        self.forms.append(dict(httpx2.QueryParams(request.content.decode())))
        answer = self.tokens.pop(0)
        if isinstance(answer, httpx2.Response):
            return answer
        return httpx2.Response(200, json=answer)

    def bearer(self, clock, **settings):
        return OidcBearer(
            {"issuer_url": "https://idp/realm", "client_id": "aiops", **settings},
            transport=httpx2.MockTransport(self.handle),
            now=lambda: clock[0],
        )


async def test_a_refresh_token_is_used_and_replaced():
    provider, clock = (
        Provider(
            {"id_token": jwt(2000), "access_token": "a", "refresh_token": "r2"},
            {"id_token": jwt(9000)},
        ),
        [1000.0],
    )
    bearer = provider.bearer(clock, refresh_token="r1", client_secret="s")
    assert await bearer() == jwt(2000)
    clock[0] = 1939.0
    assert await bearer() == jwt(2000)
    clock[0] = 1940.0
    assert await bearer() == jwt(9000)
    assert provider.forms == [
        {
            "grant_type": "refresh_token",
            "client_id": "aiops",
            "client_secret": "s",
            "refresh_token": "r1",
        },
        {
            "grant_type": "refresh_token",
            "client_id": "aiops",
            "client_secret": "s",
            "refresh_token": "r2",
        },
    ]


async def test_a_client_of_its_own():
    provider, clock = (
        Provider({"access_token": "opaque", "expires_in": 600}, {"access_token": "b"}),
        [0.0],
    )
    bearer = provider.bearer(clock, client_secret="s", scope="openid")
    assert await bearer() == "opaque"
    assert provider.forms[0] == {
        "grant_type": "client_credentials",
        "client_id": "aiops",
        "client_secret": "s",
        "scope": "openid",
    }
    clock[0] = 540.0
    assert await bearer() == "b"
    clock[0] += 239.0
    assert await bearer() == "b"


async def test_an_id_token_stands_until_it_expires():
    provider, clock = Provider({"id_token": jwt(9000)}), [1000.0]
    bearer = provider.bearer(clock, id_token=jwt(2000))
    assert await bearer() == jwt(2000)
    assert provider.forms == []
    clock[0] = 1999.0
    assert await bearer() == jwt(9000)


async def test_a_provider_that_refuses_or_is_away():
    refused = httpx2.Response(400, json={"error": "invalid_grant"})
    with pytest.raises(InvalidCredentials, match="invalid_grant"):
        await Provider(refused).bearer([0.0], refresh_token="r")()
    with pytest.raises(InvalidCredentials, match="holds no token"):
        await Provider({"hello": 1}).bearer([0.0])()
    away = OidcBearer(
        {"issuer_url": "https://idp", "client_id": "c"},
        transport=httpx2.MockTransport(
            lambda request: httpx2.Response(503, headers={"retry-after": "60"})
        ),
    )
    with pytest.raises(ClusterUnreachable):
        await away()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "lack issuer_url and client_id"),
        ({"issuer_url": "https://idp"}, "lack client_id"),
        ({"issuer_url": "http://idp", "client_id": "c"}, "not https"),
    ],
)
def test_settings_that_are_missing(settings, message):
    with pytest.raises(InvalidCredentials, match=message):
        OidcBearer(settings)


async def test_a_token_that_is_forgotten_is_got_anew(tmp_path):
    path = tmp_path / "token"
    path.write_text("one")
    token = FileToken(path, now=lambda: 0.0)
    assert token() == "one"
    path.write_text("two")
    token.forget()
    assert token() == "two"

    plugin = Plugin(timedelta(hours=1), [datetime(2026, 1, 1, tzinfo=UTC)])
    await plugin()
    plugin.forget()
    assert await plugin() == "t2"

    provider = Provider({"id_token": jwt(9000)})
    bearer = provider.bearer([0.0], id_token=jwt(8000))
    assert await bearer() == jwt(8000)
    bearer.forget()
    assert await bearer() == jwt(9000)
