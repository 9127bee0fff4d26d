"""``/auth/validate``: whether a token is good, whose it is and what it may do."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Operation
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.page import gated_page
from aiops_mcp.surfaces.problem import to_json


def identity_routes(operations: Sequence[Operation], gate: Gate) -> list[Route]:
    """The one route; 401 where the token is missing, unknown or expired."""
    needed = sorted({operation.needs for operation in operations})

    async def validate(_request: Request, principal: Principal) -> Response:
        body = {
            "valid": True,
            "authentication": "token" if gate.needs_token else "none",
            "subject": principal.subject,
            "role": principal.role,
            "clusters": None if principal.clusters is None else sorted(principal.clusters),
            "permissions": [permission for permission in needed if principal.may(permission)],
        }
        return Response(
            to_json(body), media_type="application/json", headers={"cache-control": "no-store"}
        )

    return [gated_page("/auth/validate", gate, validate)]
