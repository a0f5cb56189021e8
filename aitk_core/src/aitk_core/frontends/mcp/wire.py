"""Our records as MCP wire types, and nothing else."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final, Literal

import mcp_types as t
from mcp.shared.exceptions import MCPError

from aitk_core.errors import (
    InvalidArgumentsError,
    MissingCapabilityError,
    NotFoundError,
    UnknownToolError,
)
from aitk_core.records.results import Audio, Image, Link, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.contracts import ContractStore
    from aitk_core.errors import AitkError
    from aitk_core.records.results import (
        Block,
        Embedded,
        PromptMessage,
        ResourceContent,
        ToolResult,
    )
    from aitk_core.specs import PromptSpec, ResourceSpec, ToolSpec

_CAPABILITIES: Final[Mapping[str, dict[str, Any]]] = {
    "question": {"elicitation": {}},
    "completion": {"sampling": {}},
    "roots": {"roots": {}},
}


def compact(value: Any) -> str:
    """Return JSON without white space; the value holds no NaN."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def tool(spec: ToolSpec, contracts: ContractStore) -> t.Tool:
    """Return a tool's entry in the list."""
    return t.Tool(
        name=spec.name,
        title=spec.title or None,
        description=spec.description,
        input_schema=dict(spec.input_schema),
        output_schema=contracts.outline(spec.contract) if spec.contract else None,
        annotations=t.ToolAnnotations(
            title=spec.title or None,
            read_only_hint=spec.read_only,
            destructive_hint=spec.destructive,
            idempotent_hint=spec.idempotent,
            open_world_hint=spec.open_world,
        ),
        _meta=dict(spec.meta) or None,
    )


def resource(spec: ResourceSpec) -> t.Resource:
    """Return a resource's entry in the list."""
    return t.Resource(
        uri=spec.uri,
        name=spec.name,
        title=spec.title or None,
        description=spec.description,
        mime_type=spec.mime_type,
    )


def template(spec: ResourceSpec) -> t.ResourceTemplate:
    """Return a template's entry in the list."""
    return t.ResourceTemplate(
        uri_template=spec.uri,
        name=spec.name,
        title=spec.title or None,
        description=spec.description,
        mime_type=spec.mime_type,
    )


def prompt(spec: PromptSpec) -> t.Prompt:
    """Return a prompt's entry in the list."""
    return t.Prompt(
        name=spec.name,
        title=spec.title or None,
        description=spec.description,
        arguments=[
            t.PromptArgument(name=a.name, description=a.description, required=a.required)
            for a in spec.arguments
        ],
    )


def block(content: Block) -> Any:
    """Return one content block."""
    if isinstance(content, Text):
        return t.TextContent(text=content.text)
    if isinstance(content, Image):
        return t.ImageContent(data=_base64(content.data), mime_type=content.mime_type)
    if isinstance(content, Audio):
        return t.AudioContent(data=_base64(content.data), mime_type=content.mime_type)
    if isinstance(content, Link):
        return t.ResourceLink(
            uri=content.uri,
            name=content.name,
            description=content.description or None,
            mime_type=content.mime_type,
            size=content.size_bytes,
        )
    return t.EmbeddedResource(resource=_contents(content.uri, content))


def contents(uri: str, content: ResourceContent) -> Any:
    """Return what reading a resource gives."""
    return _contents(uri, content)


def _contents(uri: str, content: ResourceContent | Embedded) -> Any:
    if content.data is not None:
        return t.BlobResourceContents(
            uri=uri, mime_type=content.mime_type, blob=_base64(content.data)
        )
    return t.TextResourceContents(uri=uri, mime_type=content.mime_type, text=content.text or "")


def message(rendered: PromptMessage) -> t.PromptMessage:
    """Return one message of a prompt."""
    role: Literal["user", "assistant"] = "assistant" if rendered.role == "assistant" else "user"
    return t.PromptMessage(role=role, content=block(rendered.content))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def result(spec: ToolSpec, answer: ToolResult) -> t.CallToolResult:
    """Return a tool's answer.

    A JSON tool's first text is the whole document and its second the summary, a prose
    tool's first text is the summary; both carry the same object as structured content.
    """
    content: list[Any] = []
    if answer.data is not None and (spec.text == "json" or not answer.summary):
        content.append(t.TextContent(text=compact(answer.data)))
    if answer.summary:
        content.append(t.TextContent(text=answer.summary))
    content += [block(item) for item in answer.blocks]
    return t.CallToolResult(
        content=content,
        structured_content=dict(answer.data) if answer.data is not None else None,
    )


def tool_error(error: AitkError) -> t.CallToolResult:
    """Return a failure that the model can read and act on.

    Raises:
        MCPError: The failure is the protocol's: an unknown tool, a capability not declared.
    """
    if isinstance(error, UnknownToolError):
        raise MCPError(t.INVALID_PARAMS, str(error), data=error.to_json()) from error
    if isinstance(error, MissingCapabilityError):
        raise protocol_error(error) from error
    told = error.to_json()
    text = f"Error {told['code']}: {told['message'].rstrip('.')}."
    if error.remedy:
        text += f" {error.remedy[0].upper()}{error.remedy[1:].rstrip('.')}."
    return t.CallToolResult(
        content=[t.TextContent(text=text)], structured_content={"error": told}, is_error=True
    )


def protocol_error(error: AitkError) -> MCPError:
    """Return the JSON-RPC error for what is no tool call."""
    data = {**error.details, "code": error.code}
    if isinstance(error, MissingCapabilityError):
        needed = _CAPABILITIES.get(str(error.details.get("capability")), {})
        return MCPError(
            t.MISSING_REQUIRED_CLIENT_CAPABILITY,
            str(error),
            data={**data, "requiredCapabilities": needed},
        )
    invalid = isinstance(error, NotFoundError | InvalidArgumentsError)
    return MCPError(t.INVALID_PARAMS if invalid else t.INTERNAL_ERROR, str(error), data=data)
