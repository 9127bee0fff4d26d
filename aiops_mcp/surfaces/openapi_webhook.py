"""What the OpenAPI document says of the webhook that Alertmanagers call. Pure."""

from typing import Any

from aiops_mcp.surfaces.rest import PREFIX

Schema = dict[str, Any]

WEBHOOK_SECURITY_SCHEMES: Schema = {
    "webhookBearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The webhook secret of the cluster, not an API token",
    },
    "webhookBasic": {
        "type": "http",
        "scheme": "basic",
        "description": "Any user; the password is the webhook secret of the cluster",
    },
    "webhookSecret": {"type": "apiKey", "in": "header", "name": "X-Webhook-Secret"},
}

_ALERT: Schema = {
    "type": "object",
    "required": ["status", "labels", "startsAt"],
    "properties": {
        "status": {"enum": ["firing", "resolved"]},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "startsAt": {"type": "string", "format": "date-time"},
        "endsAt": {"type": "string", "format": "date-time"},
    },
}
_MESSAGE: Schema = {
    "type": "object",
    "required": ["version", "alerts"],
    "properties": {"version": {"const": "4"}, "alerts": {"type": "array", "items": _ALERT}},
}
_ACCEPTED: Schema = {
    "type": "object",
    "required": ["accepted"],
    "properties": {"accepted": {"type": "integer", "minimum": 0, "description": "Alerts told of"}},
}
_REFUSALS = {
    400: "BadRequest",
    401: "Unauthorized",
    413: "TooLarge",
    429: "RateLimited",
    500: "InternalError",
    503: "Unavailable",
}


def webhook_paths() -> dict[str, Schema]:
    """The two paths: with the cluster named, and with it known by its secret alone."""
    named: Schema = {
        "name": "cluster",
        "in": "path",
        "required": True,
        "description": "Name or id; must be the cluster whose secret it is",
        "schema": {"type": "string", "minLength": 1},
    }
    alone = _receiving("receive_webhook")
    of_cluster: Schema = {**_receiving("receive_webhook_of_cluster"), "parameters": [named]}
    of_cluster["responses"]["404"] = {"$ref": "#/components/responses/NotFound"}
    return {
        PREFIX + "/alerts/webhook": {"post": alone},
        PREFIX + "/alerts/webhook/{cluster}": {"post": of_cluster},
    }


def _receiving(name: str) -> Schema:
    return {
        "operationId": name,
        "summary": "Take what an Alertmanager tells",
        "description": "Alertmanager's webhook, version 4. May be sent again: nothing comes twice.",
        "tags": ["alerts"],
        "security": [{scheme: []} for scheme in WEBHOOK_SECURITY_SCHEMES],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _MESSAGE}},
        },
        "responses": {
            "202": {
                "description": "Taken; worked on later",
                "content": {"application/json": {"schema": _ACCEPTED}},
            },
            **{
                str(status): {"$ref": f"#/components/responses/{response}"}
                for status, response in _REFUSALS.items()
            },
        },
    }
