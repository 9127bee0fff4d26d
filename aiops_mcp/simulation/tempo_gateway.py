"""A TempoStack's gateway before Tempo and Jaeger: a path for each tenant, tokens, and what passes.

Source: observatorium/api ``api/traces/v1/http.go``; grafana/tempo-operator, query RBAC.
"""

import re
from collections.abc import Mapping

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

TENANT = "shop"

_PATH = re.compile(r"^/api/traces/v1/(?P<tenant>[^/]+)(?P<rest>/.*)?$")
_PASSES = re.compile(
    r"^/api/(?:v2/)?traces/[^/]+$"
    r"|^/api/search$"
    r"|^/api/v2/search/tag/(?:resource\.service\.name|resource\.k8s\.namespace\.name)/values$"
    r"|^/api/search/tag/(?:service\.name|k8s\.namespace\.name)/values$"
)


def _fault(status: int, text: str) -> Response:
    content = {"status": "error", "errorType": "observatorium-api", "error": text}
    return JSONResponse(content, status)


class TempoGateway:
    """Passes on what a tenant's token may ask, with query RBAC on; no ``token``: whoever asks."""

    def __init__(
        self, tempo: ASGIApp, jaeger: ASGIApp, token: str | None, tenant: str = TENANT
    ) -> None:
        self._tempo = tempo
        self._jaeger = jaeger
        self._token = token
        self._tenant = tenant

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        match = _PATH.match(scope["path"])
        rest = (match["rest"] if match else None) or "/"
        app = self._jaeger
        if f"{rest}/".startswith("/tempo/"):
            app, rest = self._tempo, rest.removeprefix("/tempo") or "/"
            if not _PASSES.match(rest):
                await _fault(403, "You don't have permission to access this tenant")(
                    scope, receive, send
                )
                return
        await app({**scope, "path": rest, "raw_path": rest.encode()}, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        match = _PATH.match(scope["path"])
        if match is None:
            return Response("404 page not found\n", 404, media_type="text/plain")
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if self._token is not None and scheme.lower() != "bearer":
            return RedirectResponse(f"/openshift/{match['tenant']}/login", 302)
        if self._token is not None and token.strip() != self._token:
            return _fault(401, "failed to authenticate")
        if match["tenant"] != self._tenant:
            return _fault(401, f'tenant "{match["tenant"]}" not found')
        return None
