"""An operation as an MCP tool: arguments in, digest out, errors as results a model can read."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastmcp.server.dependencies import get_context
from fastmcp.tools.base import InputRequiredToolResult, Tool, ToolResult
from fastmcp.utilities.authorization import AuthContext
from mcp_types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from mcp_types import Tool as McpTool
from pydantic import PrivateAttr

from aiops_mcp.errors import AiopsError, InputError
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Call, Effect, Input, Invoke, Operation, Progress
from aiops_mcp.redaction import clean_json, clean_text
from aiops_mcp.surfaces.arguments import parse_arguments
from aiops_mcp.surfaces.guard import digest_payload, guard
from aiops_mcp.surfaces.mcp_access import PrincipalOf
from aiops_mcp.surfaces.mcp_confirm import confirmed
from aiops_mcp.surfaces.mcp_plan import TWO_STEPS, OneTimeHandles, next_step
from aiops_mcp.surfaces.mcp_schema import ANSWER_SCHEMA, input_schema, is_two_step

_log = logging.getLogger(__name__)

_ANNOTATIONS: dict[Effect, ToolAnnotations] = {
    Effect.READ: ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
    Effect.WRITE: ToolAnnotations(
        read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
    ),
    Effect.DESTROY: ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
    ),
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a tool or resource needs beside its operation."""

    invoke: Invoke
    principal_of: PrincipalOf
    handles: OneTimeHandles
    token_budget: int


class OperationTool(Tool):
    """One operation; the library calls ``run`` with the raw arguments."""

    _operation: Operation = PrivateAttr()
    _surroundings: Surroundings = PrivateAttr()

    @classmethod
    def of(cls, operation: Operation, surroundings: Surroundings) -> "OperationTool":
        """The tool of an operation.

        Raises:
            TypeError: the operation has no digest, or changes something without a dry run.
        """
        if operation.digest is None:
            raise TypeError(f"operation {operation.name} is a tool and has no digest")
        two_steps = is_two_step(operation)
        tool = cls(
            name=operation.name,
            title=operation.title or None,
            description=_described(operation, two_steps=two_steps),
            parameters=input_schema(operation),
            output_schema=ANSWER_SCHEMA,
            annotations=_ANNOTATIONS[operation.effect],
            tags={operation.capability},
            auth=_permission(operation, surroundings.principal_of),
        )
        tool._operation = operation
        tool._surroundings = surroundings
        return tool

    def to_mcp_tool(self, **overrides: Any) -> McpTool:
        """The wire form, without the library's own metadata: every client pays for its bytes."""
        return super().to_mcp_tool(**{"_meta": None, **overrides})

    def is_offered(self) -> bool:
        """Whether the caller of the request in progress may use it."""
        return self._surroundings.principal_of().may(self._operation.needs)

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Run the operation for the library, which wants results in a form of its own."""
        result = await self.call(arguments)
        if isinstance(result, InputRequiredResult):
            return InputRequiredToolResult(result)
        return ToolResult.from_mcp_result(result)

    @property
    def only_reads(self) -> bool:
        """Whether a call asks nobody anything and changes nothing."""
        return self._operation.effect is Effect.READ

    async def call(
        self, arguments: Mapping[str, Any], *, progress: Progress | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Run the operation; whatever goes wrong is a result, never a protocol error."""
        try:
            return await self._answer(arguments, progress or _report_progress)
        except AiopsError as error:
            return error_result(error)
        except Exception:  # noqa: BLE001 - the edge: the cause is for the log, not the caller
            _log.exception("operation %s failed", self._operation.name)
            return error_result(
                AiopsError(
                    f"{self._operation.name} failed inside the server.",
                    "This is a defect; its cause is in the server's log.",
                )
            )

    async def _answer(
        self, arguments: Mapping[str, Any], progress: Progress
    ) -> CallToolResult | InputRequiredResult:
        operation = self._operation
        call = Call(self._surroundings.principal_of(), "mcp", progress)
        if is_two_step(operation):
            return await self._plan_or_apply(arguments, call)
        request = parse_arguments(operation.request_type, arguments, caller=operation.name)
        return _result(await self._digest(request, call))

    async def _plan_or_apply(
        self, arguments: Mapping[str, Any], call: Call
    ) -> CallToolResult | InputRequiredResult:
        operation, handles = self._operation, self._surroundings.handles
        handle = arguments.get("apply")
        given = {name: value for name, value in arguments.items() if name != "apply"}
        is_plan = handle is None or given.get("dry_run") is True
        request = parse_arguments(
            operation.request_type, {**given, "dry_run": is_plan}, caller=operation.name
        )
        if is_plan:
            digest = await self._digest(request, call)
            return _result(_plan(digest, await handles.mint(call.principal, operation, request)))
        if not isinstance(handle, str):
            raise InputError(
                f"{operation.name}: apply: is the text of a handle.",
                "Call without apply to get a plan and its handle.",
                details={"fields": {"apply": "must be text"}},
            )
        if operation.effect is Effect.DESTROY:
            agreed = await confirmed(get_context(), f"Really run {operation.name}? {_named(given)}")
            if isinstance(agreed, InputRequiredResult):
                return agreed
            if not agreed:
                return _result(
                    Digest(headline="Not confirmed by the person asked; nothing was changed.")
                )
        await handles.consume(handle, call.principal, operation, request)
        return _result(await self._digest(request, call))

    async def _digest(self, request: Input, call: Call) -> Digest:
        operation = self._operation
        if operation.digest is None:  # `of` refuses such an operation
            raise TypeError(operation.name)
        answer = await self._surroundings.invoke(operation, request, call)
        digest = guard(
            operation.digest(request, answer), token_budget=self._surroundings.token_budget
        )
        call.receipt.delivered(digest.text().encode())
        return digest


async def _report_progress(done: float, total: float | None, message: str) -> None:
    # The session's own way: it also reaches a client in this process, which needs no token.
    await get_context().session.report_progress(done, total, clean_text(message))


def _permission(operation: Operation, principal_of: PrincipalOf) -> Any:
    """What a caller may not use does not exist for it, neither in lists nor in calls."""

    def may(_: AuthContext) -> bool:
        principal: Principal = principal_of()
        return principal.may(operation.needs)

    return may


def _described(operation: Operation, *, two_steps: bool) -> str:
    if not two_steps:
        return operation.description
    return f"{operation.description} {TWO_STEPS}"


def _plan(digest: Digest, handle: str) -> Digest:
    """The plan with its handle, added after redaction, which would take it for a secret."""
    step = next_step(handle)
    return digest.model_copy(update={"more": f"{step} {digest.more}" if digest.more else step})


def _named(arguments: Mapping[str, Any]) -> str:
    cleaned = clean_json(arguments)
    return ", ".join(f"{name}={value}" for name, value in cleaned.items() if name != "dry_run")


def _result(digest: Digest) -> CallToolResult:
    return _tool_result(digest.text(), digest_payload(digest), is_error=False)


def error_result(error: AiopsError) -> CallToolResult:
    """An error in both forms: its code, what was wrong, and what to do."""
    message, hint = clean_text(error.message), clean_text(error.hint)
    text = f"{error.code}: {message}"
    payload: dict[str, Any] = {
        "code": error.code,
        "message": message,
        "hint": hint,
        "retryable": error.retryable,
    }
    if error.details:
        payload["details"] = clean_json(error.details)
    return _tool_result(
        f"{text}\nhint: {hint}" if hint else text,
        {"headline": text, "error": payload},
        is_error=True,
    )


def _tool_result(text: str, payload: dict[str, Any], *, is_error: bool) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=payload,
        is_error=is_error,
    )
