"""Prompts (plain data) as MCP prompts, and completion of arguments while a person types."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastmcp.exceptions import ValidationError
from fastmcp.prompts import Prompt as McpPrompt
from fastmcp.prompts.base import PromptArgument as McpArgument
from mcp_types import (
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)
from mcp_types import Prompt as WirePrompt
from pydantic import PrivateAttr

from aiops_mcp.errors import AiopsError
from aiops_mcp.models.principal import Principal
from aiops_mcp.redaction import clean_text
from aiops_mcp.surfaces.mcp_access import PrincipalOf
from aiops_mcp.surfaces.prompts import Prompt

Completer = Callable[[str, Mapping[str, str], Principal], Awaitable[Sequence[str]]]
"""``(what was typed, other arguments, who asks)`` to names; best first, any number."""

CompletionHandler = Callable[
    [PromptReference | ResourceTemplateReference, CompletionArgument, CompletionContext | None],
    Awaitable[list[str]],
]

# What an address's parameter names; prompts say it themselves.
_KINDS = {
    "cluster": "cluster", "clusters": "cluster", "metric": "metric", "metric_name": "metric",
    "label": "label", "label_name": "label",
}  # fmt: skip


class TextPrompt(McpPrompt):
    """A prompt that is one user message."""

    _prompt: Prompt = PrivateAttr()

    @classmethod
    def of(cls, prompt: Prompt) -> "TextPrompt":
        made = cls(
            name=prompt.name,
            title=prompt.title,
            description=prompt.description,
            arguments=[
                McpArgument(
                    name=argument.name,
                    description=argument.description,
                    required=argument.required,
                )
                for argument in prompt.arguments
            ],
        )
        made._prompt = prompt
        return made

    def to_mcp_prompt(self, **overrides: Any) -> WirePrompt:
        """The wire form, without the library's own metadata."""
        return super().to_mcp_prompt(**{"_meta": None, **overrides})

    async def render(self, arguments: dict[str, Any] | None = None) -> str:
        given = {name: clean_text(str(value)) for name, value in (arguments or {}).items()}
        try:
            return self._prompt.render(given)
        except AiopsError as error:
            raise ValidationError(str(error)) from error


def completion_handler(
    prompts: Sequence[Prompt], completers: Mapping[str, Completer], principal_of: PrincipalOf
) -> CompletionHandler:
    """One handler for the arguments of all prompts and address templates."""
    kinds = {
        (prompt.name, argument.name): argument.complete
        for prompt in prompts
        for argument in prompt.arguments
    }

    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> list[str]:
        if isinstance(ref, PromptReference):
            kind = kinds.get((ref.name, argument.name))
        else:
            kind = _KINDS.get(argument.name)
        completer = completers.get(kind) if kind else None
        if completer is None:
            return []
        others = (context.arguments if context else None) or {}
        try:
            found = await completer(argument.value, others, principal_of())
        except AiopsError:  # nothing to offer is an answer too; the call itself will say why
            return []
        return [clean_text(value) for value in found]  # the library keeps to the protocol's 100

    return complete
