"""What the MCP conformance suite expects to find, added to the real server. For tests only.

The suite names its tools, prompts and resources and says what each answers; nothing here is
reachable in the product.
"""

import asyncio
import base64
import json
from typing import Any

from fastmcp.exceptions import ToolError
from fastmcp.prompts import Message
from fastmcp.server.context import Context
from fastmcp.tools.function_tool import FunctionTool
from fastmcp.utilities.types import Audio, Image
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingCapability,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8BQDwAEgAF/pooBPQAAAABJRU5ErkJggg=="
)
WAV = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0D\xac\0\0\x88X\x01\0\x02\0\x10\0data\0\0\0\0"

SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def add_fixture(server: Any) -> None:
    for tool in (*CONTENT_TOOLS, *PUSH_TOOLS, *ROUND_TOOLS):
        server.add_tool(FunctionTool.from_function(tool, output_schema=None))
    server.add_tool(
        FunctionTool(
            fn=_schema_tool,
            name="json_schema_2020_12_tool",
            description="A tool whose schema uses much of JSON Schema 2020-12",
            parameters=SCHEMA_2020_12,
        )
    )
    _add_resources(server)
    for prompt in PROMPTS:
        server.prompt(prompt)


# --- content ---------------------------------------------------------------------------------


def _text_resource(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=contents)


def _png() -> ImageContent:
    return ImageContent(type="image", data=base64.b64encode(PNG).decode(), mime_type="image/png")


async def test_simple_text() -> str:
    """One text block."""
    return "This is a simple text response for testing."


async def test_image_content() -> Image:
    """One image."""
    return Image(data=PNG, format="png")


async def test_audio_content() -> Audio:
    """One sound."""
    return Audio(data=WAV, format="wav")


async def test_embedded_resource() -> list[Any]:
    """One embedded resource."""
    text = "This is an embedded resource content."
    return [_text_resource("test://embedded-resource", "text/plain", text)]


async def test_multiple_content_types() -> list[Any]:
    """Text, an image and a resource."""
    document = json.dumps({"test": "data", "value": 123})
    return [
        TextContent(type="text", text="Multiple content types test:"),
        _png(),
        _text_resource("test://mixed-content-resource", "application/json", document),
    ]


async def test_error_handling() -> str:
    """Always fails."""
    raise ToolError("This tool intentionally returns an error for testing")


async def test_tool_with_logging(ctx: Context) -> str:
    """Three log messages."""
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(message)
        await asyncio.sleep(0.05)
    return "logged three messages"


async def test_tool_with_progress(ctx: Context) -> str:
    """Progress in three steps."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
        await asyncio.sleep(0.05)
    return "progressed to 100"


async def _schema_tool(**arguments: Any) -> str:
    return json.dumps(arguments)


CONTENT_TOOLS = (
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_error_handling,
    test_tool_with_logging,
    test_tool_with_progress,
)


# --- questions the server pushes (2025 protocols) ----------------------------------------------


async def test_sampling(prompt: str, ctx: Context) -> str:
    """Asks the client's model."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message(
        [message], max_tokens=100, related_request_id=ctx.request_id
    )
    return f"LLM response: {_said(answer)}"


async def _ask(ctx: Context, message: str, properties: dict[str, Any], required: list[str]) -> str:
    schema = {"type": "object", "properties": properties, "required": required}
    answer = await ctx.session.elicit_form(message, schema, ctx.request_id)
    return f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content)}"


async def test_elicitation(message: str, ctx: Context) -> str:
    """Asks for a name and an address."""
    fields = {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    }
    return await _ask(ctx, message, fields, ["username", "email"])


async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Asks with a default of each primitive type."""
    fields = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    }
    return await _ask(ctx, "Review these", fields, [])


async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Asks with each of the five forms of an enumeration."""
    options = ["option1", "option2", "option3"]
    titled = [
        {"const": f"value{number}", "title": f"{word} Option"}
        for number, word in enumerate(("First", "Second", "Third"), start=1)
    ]
    fields = {
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    return await _ask(ctx, "Choose", fields, [])


PUSH_TOOLS = (
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
)


# --- questions as results (2026-07-28) -----------------------------------------------------------


def _form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _sample(prompt: str, max_tokens: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    return CreateMessageRequest(
        params=CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    )


def _asking(state: str | None = None, **requests: Any) -> InputRequiredResult:
    return InputRequiredResult(
        result_type="input_required", input_requests=requests, request_state=state
    )


def _filled(ctx: Context, key: str, field: str, kind: type = str) -> Any:
    """The field of an accepted form, or ``None`` where it was not filled in well."""
    answer = (ctx.input_responses or {}).get(key)
    if not isinstance(answer, ElicitResult) or answer.action != "accept":
        return None
    value = (answer.content or {}).get(field)
    return value if isinstance(value, kind) else None


def _said(answer: Any) -> str | None:
    if isinstance(answer, CreateMessageResult) and isinstance(answer.content, TextContent):
        return answer.content.text
    return None


async def test_input_required_result_elicitation(ctx: Context) -> str | InputRequiredResult:
    """Asks for a name."""
    name = _filled(ctx, "user_name", "name")
    if name is None:
        return _asking(user_name=_form("What is your name?", "name"))
    return f"Hello, {name}!"


async def test_input_required_result_sampling(ctx: Context) -> str | InputRequiredResult:
    """Asks the client's model."""
    said = _said((ctx.input_responses or {}).get("capital_question"))
    return said or _asking(capital_question=_sample("What is the capital of France?", 100))


async def test_input_required_result_list_roots(ctx: Context) -> str | InputRequiredResult:
    """Asks for the client's roots."""
    answer = (ctx.input_responses or {}).get("client_roots")
    if not isinstance(answer, ListRootsResult):
        return _asking(client_roots=ListRootsRequest())
    return "roots: " + ", ".join(str(root.uri) for root in answer.roots)


async def test_input_required_result_request_state(ctx: Context) -> str | InputRequiredResult:
    """Carries state through the client."""
    if ctx.request_state != "asked" or _filled(ctx, "confirm", "ok", bool) is None:
        return _asking("asked", confirm=_form("Please confirm", "ok", "boolean"))
    return "state-ok"


async def test_input_required_result_tampered_state(ctx: Context) -> str | InputRequiredResult:
    """Carries state that the server seals."""
    if ctx.request_state != "sealed":
        return _asking("sealed", confirm=_form("Please confirm", "ok", "boolean"))
    return "state was not touched"


async def test_input_required_result_multiple_inputs(ctx: Context) -> str | InputRequiredResult:
    """Asks three things at once."""
    responses = ctx.input_responses or {}
    if not {"user_name", "greeting", "client_roots"} <= set(responses):
        return _asking(
            "three",
            user_name=_form("What is your name?", "name"),
            greeting=_sample("Generate a greeting", 50),
            client_roots=ListRootsRequest(),
        )
    return f"{_said(responses['greeting'])}, {_filled(ctx, 'user_name', 'name')}"


async def test_input_required_result_multi_round(ctx: Context) -> str | InputRequiredResult:
    """Asks twice, and remembers the first answer."""
    state = json.loads(ctx.request_state or "{}")
    color = _filled(ctx, "step2", "color")
    if "name" in state and color is not None:
        return f"{state['name']} likes {color}"
    name = _filled(ctx, "step1", "name")
    if name is not None:
        question = _form("Step 2: What is your favorite color?", "color")
        return _asking(json.dumps({"name": name}), step2=question)
    return _asking(json.dumps({"round": 1}), step1=_form("Step 1: What is your name?", "name"))


async def test_input_required_result_capabilities(ctx: Context) -> str | InputRequiredResult:
    """Asks only what the client can answer."""
    capabilities = ctx.session.client_capabilities or ClientCapabilities()
    asked: dict[str, Any] = {}
    if capabilities.sampling is not None:
        asked["greeting"] = _sample("Generate a greeting", 50)
    if capabilities.elicitation is not None:
        asked["user_name"] = _form("What is your name?", "name")
    return _asking(**asked) if asked and not ctx.input_responses else "done"


async def test_missing_capability(ctx: Context) -> str:
    """Cannot run without sampling."""
    capabilities = ctx.session.client_capabilities or ClientCapabilities()
    if capabilities.sampling is None:
        needed = ClientCapabilities(sampling=SamplingCapability())
        raise MCPError(
            MISSING_REQUIRED_CLIENT_CAPABILITY,
            "This tool needs sampling",
            {"requiredCapabilities": needed.model_dump(by_alias=True, exclude_none=True)},
        )
    return "sampling is there"


ROUND_TOOLS = (
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_tampered_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_capabilities,
    test_missing_capability,
)


# --- resources and prompts -----------------------------------------------------------------------


def _add_resources(server: Any) -> None:
    @server.resource("test://static-text", mime_type="text/plain")
    async def static_text() -> str:
        """Some text."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    async def static_binary() -> bytes:
        """An image."""
        return PNG

    @server.resource("test://template/{id}/data", mime_type="application/json")
    async def templated(id: str) -> str:  # noqa: A002 - the suite names it
        """A document for any id."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    @server.resource("test://watched-resource", mime_type="text/plain")
    async def watched() -> str:
        """Something to subscribe to."""
        return "Watched resource content."


async def test_simple_prompt() -> str:
    """No arguments."""
    return "This is a simple prompt for testing."


async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """Two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


async def test_prompt_with_embedded_resource(
    resourceUri: str,  # noqa: N803 - the suite names it
) -> list[Any]:
    """A resource inside."""
    resource = _text_resource(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [Message(resource), Message("Please process the embedded resource above.")]


async def test_prompt_with_image() -> list[Any]:
    """An image inside."""
    return [Message(_png()), Message("Please analyze the image above.")]


async def test_input_required_result_prompt(ctx: Context) -> str | InputRequiredResult:
    """Asks before it answers."""
    context = _filled(ctx, "user_context", "context")
    if context is None:
        return _asking(user_context=_form("What context should the prompt use?", "context"))
    return f"Use this context: {context}"


PROMPTS = (
    test_simple_prompt,
    test_prompt_with_arguments,
    test_prompt_with_embedded_resource,
    test_prompt_with_image,
    test_input_required_result_prompt,
)
