"""What the OpenAPI document says of the stream of a chat, which is no operation's route. Pure."""

from typing import Any

from agents.chat_sse import PATH
from aiops_mcp.surfaces.rest import PREFIX

Schema = dict[str, Any]

_EVENTS = """Server-sent events, in this order:

- `message_start` {id, role, session_id, persona_id, question_id}: it begins, or begins anew
- any of
  `tool_use` {tool_call_id, name, arguments},
  `tool_progress` {tool_call_id, message},
  `tool_result` {tool_call_id, status, number, headline, …} (cited as `[number]`),
  `content_delta` {delta} (with `replaces: true` the text so far is void),
  `plan` {plan: [{text, state}]},
  `notice` {message},
  `consent_required` {tool_call_id, name, arguments, plan} (answer it with POST …/consent),
  `consent` {tool_call_id, granted}
- at last `message_complete` {id, tokens_used, latency_ms, state, model, content, answer}
  or `error` {code, message}

Each has an `id`; a comment every 15 s keeps the connection. A client that leaves ends nothing: the
answer is made to its end, and GET follows it from the start or after `Last-Event-ID`."""

_EVENT: Schema = {
    "type": "object",
    "description": "Each event; data is JSON",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string"},
        "event": {
            "enum": [
                *("message_start", "tool_use", "tool_progress", "tool_result", "content_delta"),
                *("plan", "notice", "consent_required", "consent", "message_complete", "error"),
            ]
        },
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
_SESSION: Schema = {
    "name": "session",
    "in": "path",
    "required": True,
    "description": "Id of the session",
    "schema": {"type": "string", "maxLength": 64},
}
_LAST_EVENT: Schema = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "Id of the last event that was seen; the stream goes on after it",
    "schema": {"type": "string", "maxLength": 64},
}
_REFUSALS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    410: "Gone",
    422: "ValidationFailed",
    429: "RateLimited",
    500: "InternalError",
    503: "Unavailable",
    504: "Timeout",
}
_SENDING_REFUSALS = {409: "Conflict", 413: "TooLarge", 415: "NotJson"}
_BODY: Schema = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["content"],
                "additionalProperties": False,
                "properties": {
                    "content": {"type": "string", "description": "What the user says"},
                },
            },
            "example": {"content": "Why is checkout slow?"},
        }
    },
}


def stream_paths() -> dict[str, Schema]:
    """The path, with both its methods."""
    post = _streaming("stream_chat_answer", "Say something and stream the answer", "chat:write")
    post["requestBody"] = _BODY
    post["responses"] |= _refs(_SENDING_REFUSALS)
    get = _streaming("follow_chat_stream", "Follow the last answer of a session", "chat:read")
    get["parameters"] = [_LAST_EVENT]
    get["responses"]["204"] = {"description": "The last event of this answer was seen already"}
    return {PREFIX + PATH: {"parameters": [_SESSION], "post": post, "get": get}}


def _streaming(name: str, summary: str, permission: str) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "description": _EVENTS,
        "tags": ["chat"],
        "x-permission": permission,
        "x-effect": "read",
        "responses": {
            "200": {
                "description": "The events",
                "content": {"text/event-stream": {"schema": _EVENT}},
            },
            **_refs(_REFUSALS),
        },
    }


def _refs(responses: dict[int, str]) -> Schema:
    return {
        str(status): {"$ref": f"#/components/responses/{name}"}
        for status, name in responses.items()
    }
