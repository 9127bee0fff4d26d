"""Asks the person behind an MCP client, in whichever way its protocol era allows."""

from typing import cast

from fastmcp import Context
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp_types import (
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

_QUESTION = "confirm"
_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {_QUESTION: {"type": "boolean", "title": "Do it", "default": False}},
    "required": [_QUESTION],
}


async def confirmed(context: Context, message: str) -> bool | InputRequiredResult:
    """Whether the person agrees to ``message``.

    A client that cannot ask is taken as agreeing: the one-time handle stands for consent there.
    An ``InputRequiredResult`` is to be returned as the call's result, as it is: the client asks,
    and calls again with the answer.
    """
    session = context.session
    if not _can_ask(session):
        return True
    if session.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return _answered(context, message)
    try:
        answer = await session.elicit_form(message, _SCHEMA)
    except NoBackChannelError:  # HTTP of the older era without sessions has no way to the client
        return True
    except MCPError:  # the client said it can ask, and failed to: that is no consent
        return False
    return _agrees(answer)


def _can_ask(session: ServerSession) -> bool:
    capabilities = session.client_capabilities
    return capabilities is not None and capabilities.elicitation is not None


def _answered(context: Context, message: str) -> bool | InputRequiredResult:
    responses = context.input_responses
    if responses is None or _QUESTION not in responses:
        question = ElicitRequest(
            params=ElicitRequestFormParams(message=message, requested_schema=_SCHEMA)
        )
        return InputRequiredResult(
            result_type="input_required", input_requests={_QUESTION: question}
        )
    return _agrees(cast("ElicitResult", responses[_QUESTION]))


def _agrees(answer: ElicitResult) -> bool:
    return answer.action == "accept" and (answer.content or {}).get(_QUESTION) is True
