"""Declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.hookspecs import hookimpl
from aitk_core.specs import Lazy, PromptArgument, PromptSpec, ResourceSpec, ToolSpec
from mcp_everything.arguments import Elicitation, Sampling

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON_SCHEMA_2020_12: Final[dict[str, Any]] = {
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
    "if": {
        "properties": {"contactMethod": {"const": "phone"}},
        "required": ["contactMethod"],
    },
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
"""Scenario `json-schema-2020-12`: each keyword must reach the client."""

HEADER_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
}
"""Scenario `http-custom-header-server-validation`."""


@hookimpl
def aitk_tools() -> Iterable[ToolSpec]:
    """Declare the fixture tools."""
    yield from _content_tools()
    yield from _notice_tools()
    yield from _asking_tools()
    yield ToolSpec(
        name="json_schema_2020_12_tool",
        description="Takes arguments described with keywords of JSON Schema 2020-12.",
        schema=JSON_SCHEMA_2020_12,
        handler=Lazy("mcp_everything.content:accept"),
    )
    yield ToolSpec(
        name="test_x_mcp_header",
        description="Takes an argument that the client repeats as a header.",
        schema=HEADER_SCHEMA,
        handler=Lazy("mcp_everything.content:accept"),
    )


def _tool(name: str, description: str, *, module: str) -> ToolSpec:
    # A function whose name begins with `test_` would look like a test.
    target = f"mcp_everything.{module}:{name.removeprefix('test_')}"
    return ToolSpec(name=name, description=description, handler=Lazy(target))


def _content_tools() -> Iterable[ToolSpec]:
    for name, description in (
        ("test_simple_text", "Answers with one text."),
        ("test_image_content", "Answers with one image."),
        ("test_audio_content", "Answers with one sound."),
        ("test_embedded_resource", "Answers with one resource and its content."),
        ("test_multiple_content_types", "Answers with text, image and resource."),
        ("test_error_handling", "Fails, with a text that says so."),
    ):
        yield _tool(name, description, module="content")


def _notice_tools() -> Iterable[ToolSpec]:
    for name, description in (
        ("test_tool_with_progress", "Reports progress three times."),
        ("test_tool_with_logging", "Logs three times."),
        ("test_logging_tool", "Logs once."),
        ("test_trigger_tool_change", "Announces that the list of tools changed."),
        ("test_trigger_prompt_change", "Announces that the list of prompts changed."),
    ):
        yield _tool(name, description, module="notices")


def _asking_tools() -> Iterable[ToolSpec]:
    yield ToolSpec(
        name="test_sampling",
        description="Has the client's model complete a prompt.",
        arguments=Sampling,
        handler=Lazy("mcp_everything.asking:sampling"),
    )
    yield ToolSpec(
        name="test_elicitation",
        description="Asks the person for a name and an address.",
        arguments=Elicitation,
        handler=Lazy("mcp_everything.asking:elicitation"),
    )
    for name, description in (
        ("test_elicitation_sep1034_defaults", "Asks with a default for each type."),
        ("test_elicitation_sep1330_enums", "Asks with each way to write a choice."),
        ("test_missing_capability", "Needs the client's model."),
        ("test_streaming_elicitation", "Reports progress, then asks."),
        ("test_input_required_result_elicitation", "Asks for a name."),
        ("test_input_required_result_sampling", "Asks the client's model."),
        ("test_input_required_result_list_roots", "Asks for the client's folders."),
        ("test_input_required_result_request_state", "Asks for a confirmation."),
        ("test_input_required_result_multiple_inputs", "Asks three things at once."),
        ("test_input_required_result_multi_round", "Asks one thing after another."),
        ("test_input_required_result_tampered_state", "Asks, with a sealed state."),
        ("test_input_required_result_capabilities", "Asks what the client can answer."),
    ):
        yield _tool(name, description, module="asking")


@hookimpl
def aitk_resources() -> Iterable[ResourceSpec]:
    """Declare the fixture resources and the template."""
    yield ResourceSpec(
        uri="test://static-text",
        name="static-text",
        description="A text.",
        read=Lazy("mcp_everything.resources:static_text"),
    )
    yield ResourceSpec(
        uri="test://static-binary",
        name="static-binary",
        description="An image.",
        mime_type="image/png",
        read=Lazy("mcp_everything.resources:static_binary"),
    )
    yield ResourceSpec(
        uri="test://watched-resource",
        name="watched-resource",
        description="A text that clients subscribe to.",
        read=Lazy("mcp_everything.resources:watched"),
    )
    yield ResourceSpec(
        uri="test://template/{id}/data",
        name="template-data",
        description="Data of one id.",
        mime_type="application/json",
        read=Lazy("mcp_everything.resources:template_data"),
    )


@hookimpl
def aitk_prompts() -> Iterable[PromptSpec]:
    """Declare the fixture prompts."""
    yield PromptSpec(
        name="test_simple_prompt",
        description="One message.",
        render=Lazy("mcp_everything.prompts:simple"),
    )
    yield PromptSpec(
        name="test_prompt_with_arguments",
        description="One message with both arguments.",
        arguments=(
            PromptArgument(name="arg1", description="First.", required=True),
            PromptArgument(name="arg2", description="Second.", required=True),
        ),
        render=Lazy("mcp_everything.prompts:with_arguments"),
        complete=Lazy("mcp_everything.prompts:complete"),
    )
    yield PromptSpec(
        name="test_prompt_with_embedded_resource",
        description="A resource with its content, then a text.",
        arguments=(PromptArgument(name="resourceUri", description="Its URI.", required=True),),
        render=Lazy("mcp_everything.prompts:with_embedded_resource"),
    )
    yield PromptSpec(
        name="test_prompt_with_image",
        description="An image, then a text.",
        render=Lazy("mcp_everything.prompts:with_image"),
    )
    yield PromptSpec(
        name="test_input_required_result_prompt",
        description="Asks for its context first.",
        render=Lazy("mcp_everything.prompts:with_input"),
    )
