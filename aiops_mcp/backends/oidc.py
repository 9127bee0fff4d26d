"""Bearer tokens from an OpenID Connect provider, renewed before they expire.

Source: OpenID Connect Discovery 1.0, RFC 6749 (grants refresh_token and client_credentials).
"""

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import orjson

from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.tls import TlsSettings
from aiops_mcp.backends.wire import Target
from aiops_mcp.errors import BackendRefused, InvalidCredentials

_EARLY_SECONDS = 60.0
_WITHOUT_EXPIRY_SECONDS = 300.0


class OidcBearer:
    """Settings: issuer_url, client_id, and client_secret, refresh_token, id_token, scope.

    With a refresh token that is used, else the client's own credentials. An ``id_token`` stands
    until it expires. A refresh token that the provider replaces is kept in memory only.

    Raises (when called):
        InvalidCredentials: the provider refuses.
        BackendError: the provider cannot be reached.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        *,
        ca_bundle: str | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        missing = [key for key in ("issuer_url", "client_id") if not settings.get(key)]
        if missing:
            raise InvalidCredentials(
                f"The OIDC settings lack {' and '.join(missing)}.",
                "They are issuer_url, client_id and client_secret or refresh_token.",
            )
        if not settings["issuer_url"].startswith(("https://", "http://127.", "http://localhost")):
            raise InvalidCredentials("The OIDC issuer_url is not https.", "Use https://.")
        self._settings = dict(settings)
        self._tls = TlsSettings(ca_bundle=ca_bundle)
        self._transport = transport
        self._now = now
        self._lock = asyncio.Lock()
        self._token = settings.get("id_token") or None
        self._expires = jwt_expiry(self._token) if self._token else 0.0

    async def __call__(self) -> str | None:
        if self._is_due():
            async with self._lock:
                if self._is_due():
                    await self._renew()
        return self._token

    def forget(self) -> None:
        """Get a new token at the next call."""
        self._token = None

    def _is_due(self) -> bool:
        return self._token is None or self._now() >= self._expires - _EARLY_SECONDS

    async def _renew(self) -> None:
        provider = HttpClient(
            Target(self._settings["issuer_url"], "OIDC provider", "the fleet", tls=self._tls),
            transport=self._transport,
            timeout=15.0,
        )
        try:
            found = await provider.get_json("/.well-known/openid-configuration")
            answer = await self._exchange(str(found["token_endpoint"]))
            token = answer.get("id_token") or answer["access_token"]
        except BackendRefused as error:
            raise InvalidCredentials(
                f"The OIDC provider gives no token: {error.message}",
                "Store new credentials: the refresh token or the client secret is not accepted.",
            ) from error
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidCredentials(
                "The OIDC provider's answer holds no token.", "Check issuer_url."
            ) from error
        finally:
            await provider.aclose()
        self._token = str(token)
        self._settings["refresh_token"] = answer.get("refresh_token") or self._settings.get(
            "refresh_token", ""
        )
        lifetime = float(answer.get("expires_in") or _WITHOUT_EXPIRY_SECONDS)
        self._expires = jwt_expiry(self._token) or self._now() + lifetime

    async def _exchange(self, endpoint: str) -> dict[str, Any]:
        settings = self._settings
        grant = "refresh_token" if settings.get("refresh_token") else "client_credentials"
        form = [("grant_type", grant), ("client_id", settings["client_id"])]
        form += [
            (key, settings[key])
            for key in ("client_secret", "scope", *([grant] if grant == "refresh_token" else []))
            if settings.get(key)
        ]
        client = HttpClient(
            Target(endpoint, "OIDC provider", "the fleet", tls=self._tls),
            transport=self._transport,
            timeout=15.0,
        )
        try:
            return await client.post_form_json("", form)
        finally:
            await client.aclose()


def jwt_expiry(token: str) -> float:
    """When a JWT expires, in unix seconds; 0 where it does not say. Nothing is verified."""
    parts = token.split(".")
    try:
        claims: Any = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return 0.0
