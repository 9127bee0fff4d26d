"""The OpenAPI 3.1 document of the REST surface, drawn from the operations; pure but for a route."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aiops_mcp.models.reports import Download
from aiops_mcp.operation import Effect, Operation
from aiops_mcp.surfaces.openapi_schemas import (
    Schema,
    Schemas,
    example_of,
    parameter_schema,
    without,
)
from aiops_mcp.surfaces.openapi_webhook import WEBHOOK_SECURITY_SCHEMES, webhook_paths
from aiops_mcp.surfaces.page import open_page
from aiops_mcp.surfaces.rest import PREFIX, OperationRoute, operation_routes
from aiops_mcp.surfaces.rest_input import BODY_METHODS

SERVER_TAG = "server"

_ERRORS: dict[int, tuple[str, str]] = {
    400: ("BadRequest", "Understood and unusable: INVALID_PROMQL, CREDENTIALS_INVALID, …"),
    401: ("Unauthorized", "AUTH_FAILED or AUTH_EXPIRED: no good bearer token"),
    403: ("Forbidden", "PERMISSION_DENIED: the role does not allow it, or the server only reads"),
    404: ("NotFound", "CLUSTER_NOT_FOUND and its like"),
    409: ("Conflict", "CLUSTER_ALREADY_EXISTS, or something else came first"),
    410: ("Gone", "SESSION_EXPIRED"),
    413: ("TooLarge", "The body is over the limit"),
    415: ("NotJson", "The body is not JSON"),
    422: ("ValidationFailed", "VALIDATION_FAILED; details.fields names the wrong fields"),
    429: ("RateLimited", "RATE_LIMITED; Retry-After says in how many seconds to come again"),
    500: ("InternalError", "INTERNAL_ERROR; the server's log has it under the trace id"),
    503: ("Unavailable", "CLUSTER_UNREACHABLE: no cluster asked gave an answer"),
    504: ("Timeout", "QUERY_TIMEOUT"),
}
_ALWAYS = (401, 403, 422, 429, 500, 503, 504)
_LIMIT_HEADERS: Schema = {
    "X-RateLimit-Limit": {"description": "Requests a window", "schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"description": "Requests left now", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {
        "description": "Seconds until all are back",
        "schema": {"type": "integer"},
    },
}
_PROBLEM: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details", "trace_id", "timestamp"],
            "properties": {
                "code": {"type": "string", "examples": ["CLUSTER_NOT_FOUND"]},
                "message": {"type": "string", "description": "What was wrong, and what to do"},
                "details": {"type": "object", "additionalProperties": True},
                "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                "timestamp": {"type": "string", "format": "date-time"},
            },
        }
    },
}


def openapi_document(
    operations: Sequence[Operation],
    *,
    version: str,
    needs_token: bool,
    tags: Mapping[str, str] | None = None,
    more_paths: Mapping[str, Schema] | None = None,
) -> dict[str, Any]:
    """The document. ``tags`` are the capabilities' descriptions by name.

    ``more_paths`` are of routes that are no operation's.
    """
    schemas = Schemas([operation for operation in operations if operation.routes])
    paths: dict[str, Schema] = {}
    seen: dict[str, int] = {}
    templates: dict[str, OperationRoute] = {}
    for route in operation_routes(operations):
        count = seen[route.operation.name] = seen.get(route.operation.name, 0) + 1
        name = route.operation.name + (f"_{count}" if count > 1 else "")
        first = templates.setdefault(route.shape, route)
        names = dict(zip(route.parameters, first.parameters, strict=True))
        described = _describe(route, name, names, schemas)
        paths.setdefault(PREFIX + first.path, {})[route.method.lower()] = described
    paths.update(_server_paths())
    paths.update(webhook_paths())
    paths.update(more_paths or {})
    components: Schema = {
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer"},
            **WEBHOOK_SECURITY_SCHEMES,
        },
        "responses": {name: _error(text) for name, text in _ERRORS.values()},
        "headers": _LIMIT_HEADERS,
        "schemas": {**schemas.used_by(paths), "Problem": _PROBLEM},
    }
    used = {operation.capability for operation in operations if operation.routes}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AIOps MCP toolkit",
            "version": version,
            "summary": "Ask a whole fleet of clusters one question.",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}] if needs_token else [{}],
        "tags": [
            *({"name": tag, "description": (tags or {}).get(tag, "")} for tag in sorted(used)),
            {"name": SERVER_TAG, "description": "The server itself."},
        ],
        "paths": paths,
        "components": components,
    }


_ABOUT = (
    "Where a cluster's id is taken, its name is taken too; `cluster_ids` and `clusters` are the "
    "same field. Lists in a query string are repeated keys or comma-separated. An answer that only "
    "part of the fleet gave is a 200 whose `coverage` and per-cluster `status` tell who did not.\n"
    "\nTwo paths are WebSockets, which this document cannot describe: `/ws` brings events as "
    "they happen (first frame `auth`, then `subscribe`), and `/api/v1/logs/tail?query=…` new log "
    "lines."
)


def _describe(
    route: OperationRoute, name: str, names: Mapping[str, str], schemas: Schemas
) -> Schema:
    """One route as an OpenAPI operation; ``names`` maps its path fields to the path's own words."""
    operation, schema = route.operation, schemas.input(route.operation.request_type)
    has_body = route.method in BODY_METHODS
    fields: dict[str, Schema] = schema.get("properties", {})
    required = set(schema.get("required", []))
    parameters = [
        _parameter(names[field], "path", fields[field], required=True) for field in route.parameters
    ]
    if not has_body:
        parameters.extend(
            _parameter(field, "query", described, required=field in required)
            for field, described in fields.items()
            if field not in route.parameters
        )
    body = without(schema, route.parameters) if route.parameters else schema
    described: Schema = {
        "operationId": name,
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.capability],
        "x-permission": operation.needs,
        "x-effect": operation.effect.value,
        "responses": _responses(route, has_body=has_body, schemas=schemas),
    }
    if parameters:
        described["parameters"] = parameters
    if has_body and body.get("properties"):
        shown = body if route.parameters else schemas.input_ref(operation.request_type)
        media: Schema = {"schema": shown}
        if (example := example_of(body)) is not None:
            media["example"] = example
        described["requestBody"] = {
            "required": bool(body.get("required")),
            "content": {"application/json": media},
        }
    return described


def _parameter(name: str, where: str, field: Schema, *, required: bool) -> Schema:
    parameter: Schema = {"name": name, "in": where, "schema": parameter_schema(field)}
    if text := field.get("description"):
        parameter["description"] = text
    if required:
        parameter["required"] = True
    if where == "query" and parameter["schema"].get("type") == "array":
        parameter |= {"style": "form", "explode": True}
    return parameter


def _responses(route: OperationRoute, *, has_body: bool, schemas: Schemas) -> Schema:
    operation = route.operation
    success: Schema = {
        "description": "Done" if operation.status == 204 else "The answer",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _LIMIT_HEADERS},
    }
    if operation.answer_type is Download:
        success["description"] = "The file"
        success["content"] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    elif operation.status != 204:
        answer = schemas.answer(operation.answer_type)
        success["content"] = {"application/json": {"schema": answer}}
    statuses = {400, *_ALWAYS, *operation.refusals}
    if route.parameters or {"cluster", "clusters"} & set(operation.request_type.model_fields):
        statuses.add(404)
    if has_body:
        statuses |= {413, 415}
    if operation.effect is Effect.WRITE:
        statuses.add(409)
    errors = {
        str(status): {"$ref": f"#/components/responses/{_ERRORS[status][0]}"}
        for status in sorted(statuses)
    }
    return {str(operation.status): success, **errors}


def _error(description: str) -> Schema:
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {"description": description, "content": {"application/json": problem}}


def _server_paths() -> dict[str, Schema]:
    """The routes that are no operation: how the server is, and who is asking."""
    told = {
        "/health": ("get_health", "Whether the process is alive", True),
        "/ready": ("get_readiness", "Whether it can serve; 503 where it cannot", True),
        "/health/detailed": ("get_health_detailed", "Each dependency: status, latency_ms", False),
        "/metrics": ("get_own_metrics", "The server's own metrics, Prometheus text", False),
        "/auth/validate": ("validate_token", "Who the token belongs to, what it may do", False),
    }
    paths: dict[str, Schema] = {}
    for path, (name, summary, is_open) in told.items():
        kind = "text/plain" if path == "/metrics" else "application/json"
        shape = {"type": "string"} if path == "/metrics" else {"type": "object"}
        responses: Schema = {"200": {"description": "OK", "content": {kind: {"schema": shape}}}}
        if path in ("/ready", "/health/detailed"):
            responses["503"] = {"description": "Not ready: a required dependency does not work"}
        operation: Schema = {
            "operationId": name,
            "summary": summary,
            "tags": [SERVER_TAG],
            "responses": responses,
        }
        if is_open:
            operation["security"] = [{}]
        else:
            responses["401"] = {"$ref": "#/components/responses/Unauthorized"}
            responses["429"] = {"$ref": "#/components/responses/RateLimited"}
        paths[path] = {"get": operation}
    return paths


def openapi_route(document: Callable[[], Mapping[str, Any]]) -> Route:
    """``/openapi.json``, made when it is first asked for, and once.

    It takes a third of a second and some 9 MB, as every answer's schema is built for it.
    """

    @cache
    def rendered() -> bytes:
        return orjson.dumps(document())

    async def respond(_request: Request) -> Response:
        return Response(
            rendered(), media_type="application/json", headers={"cache-control": "no-cache"}
        )

    return open_page("/openapi.json", respond)
