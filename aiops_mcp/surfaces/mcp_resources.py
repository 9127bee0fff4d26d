"""Operations as MCP resources: the full answer as JSON behind a stable address."""

import logging
import re
from typing import Any
from urllib.parse import unquote

import orjson
from fastmcp.exceptions import ResourceError
from fastmcp.resources import Resource, ResourceContent, ResourceResult, ResourceTemplate
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from mcp_types import Resource as McpResource
from mcp_types import ResourceTemplate as McpTemplate
from pydantic import AnyUrl, PrivateAttr

from aiops_mcp.errors import AiopsError, InputError, NotFound
from aiops_mcp.operation import Call, Operation
from aiops_mcp.surfaces.arguments import parse_arguments
from aiops_mcp.surfaces.guard import guard_json
from aiops_mcp.surfaces.mcp_tools import Surroundings

_JSON = "application/json"
_PARAMETER = re.compile(r"\{([a-z_]+)\}")


class FailedRead(ResourceError):
    """A read that failed for a reason we can name; ``failure`` is what the client gets."""

    def __init__(self, failure: MCPError) -> None:
        super().__init__(failure.error.message, log_level=logging.DEBUG)
        self.failure = failure


async def read_operation(
    operation: Operation, surroundings: Surroundings, uri: str, arguments: dict[str, Any]
) -> ResourceResult:
    """The answer of an operation as one JSON document.

    Raises:
        FailedRead: with the contract's code, message and hint in its data.
    """
    try:
        request = parse_arguments(operation.request_type, arguments, caller=uri)
        call = Call(surroundings.principal_of(), "mcp")
        answer = await surroundings.invoke(operation, request, call)
    except AiopsError as error:
        raise _failed(error, uri) from error
    document = orjson.dumps(guard_json(answer.model_dump(mode="json"))).decode()
    return ResourceResult([ResourceContent(document, mime_type=_JSON)])


def _failed(error: AiopsError, uri: str) -> FailedRead:
    said = guard_json({"code": error.code, "message": error.message, "hint": error.hint})
    message = f"{said['code']}: {said['message']} {said['hint']}".strip()
    is_callers = isinstance(error, NotFound | InputError)
    return FailedRead(
        MCPError(
            code=INVALID_PARAMS if is_callers else INTERNAL_ERROR,
            message=message,
            data={"uri": uri, **said},
        )
    )


class OperationResource(Resource):
    """An operation without arguments, such as ``fleet://clusters``."""

    _operation: Operation = PrivateAttr()
    _surroundings: Surroundings = PrivateAttr()

    @classmethod
    def of(cls, operation: Operation, surroundings: Surroundings) -> "OperationResource":
        resource = cls(
            uri=AnyUrl(str(operation.resource)),
            name=operation.name,
            title=operation.title or None,
            description=operation.summary,
            mime_type=_JSON,
            tags={operation.capability},
            auth=lambda _: surroundings.principal_of().may(operation.needs),
        )
        resource._operation = operation
        resource._surroundings = surroundings
        return resource

    def to_mcp_resource(self, **overrides: Any) -> McpResource:
        """The wire form, without the library's own metadata."""
        return super().to_mcp_resource(**{"_meta": None, **overrides})

    async def read(self) -> ResourceResult:
        return await read_operation(self._operation, self._surroundings, str(self.uri), {})


class OperationTemplate(ResourceTemplate):
    """An operation whose arguments stand in its address: ``fleet://clusters/{cluster}``."""

    _operation: Operation = PrivateAttr()
    _surroundings: Surroundings = PrivateAttr()

    @classmethod
    def of(cls, operation: Operation, surroundings: Surroundings) -> "OperationTemplate":
        """The template of an operation.

        Raises:
            TypeError: the address names an argument that the operation does not take.
        """
        address = str(operation.resource)
        names = parameters_of(address)
        if missing := [name for name in names if name not in operation.request_type.model_fields]:
            raise TypeError(f"operation {operation.name}: {address} needs {', '.join(missing)}")
        template = cls(
            uri_template=address,
            name=operation.name,
            title=operation.title or None,
            description=operation.summary,
            mime_type=_JSON,
            tags={operation.capability},
            parameters={
                "type": "object",
                "properties": {name: {"type": "string"} for name in names},
                "required": names,
            },
            auth=lambda _: surroundings.principal_of().may(operation.needs),
        )
        template._operation = operation
        template._surroundings = surroundings
        return template

    def to_mcp_template(self, **overrides: Any) -> McpTemplate:
        """The wire form, without the library's own metadata."""
        return super().to_mcp_template(**{"_meta": None, **overrides})

    async def _read(self, uri: str, params: dict[str, Any]) -> ResourceResult:
        arguments = {name: unquote(str(value)) for name, value in params.items()}
        return await read_operation(self._operation, self._surroundings, uri, arguments)


def parameters_of(address: str) -> list[str]:
    """Names in the braces of an address; none makes it a plain resource."""
    return _PARAMETER.findall(address)
