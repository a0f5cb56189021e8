"""What a tool, a resource or a prompt answers, free of any protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import field, frozen

JsonObject: TypeAlias = Mapping[str, Any]


@frozen
class Text:
    """Text for a person or a model."""

    text: str


@frozen(kw_only=True)
class Image:
    """A picture, encoded."""

    data: bytes
    mime_type: str = "image/png"


@frozen(kw_only=True)
class Audio:
    """A sound, encoded."""

    data: bytes
    mime_type: str = "audio/wav"


@frozen(kw_only=True)
class Link:
    """Names a resource with the complete data, in place of the data."""

    uri: str
    name: str
    description: str = ""
    mime_type: str | None = None
    size_bytes: int | None = None


@frozen(kw_only=True)
class Embedded:
    """A resource with its content; exactly one of `text` and `data` is set."""

    uri: str
    mime_type: str
    text: str | None = None
    data: bytes | None = None


Block: TypeAlias = Text | Image | Audio | Link | Embedded


@frozen(kw_only=True)
class ToolResult:
    """The neutral answer of a tool; each frontend renders it."""

    data: JsonObject | None = None
    """The machine-readable answer, which the tool's contract checks. None only without one."""
    summary: str = ""
    """A few lines for people: the first text of a prose tool, the second of a JSON tool."""
    blocks: tuple[Block, ...] = ()
    """What follows: charts, links to complete data."""


@frozen(kw_only=True)
class ResourceContent:
    """What reading a resource gives; exactly one of `text` and `data` is set."""

    mime_type: str = "text/plain"
    text: str | None = None
    data: bytes | None = None


@frozen(kw_only=True)
class PromptMessage:
    """One message of a rendered prompt."""

    content: Block
    role: str = "user"


@frozen(kw_only=True)
class Question:
    """Something only the person at the client can answer.

    `schema` is a flat JSON Schema object: string, number, integer, boolean and enum properties.
    """

    message: str
    schema: JsonObject = field(factory=dict)


@frozen(kw_only=True)
class Completion:
    """A request that the client's own model completes."""

    prompt: str
    max_tokens: int = 1000
    system: str = ""


@frozen(kw_only=True)
class RootsRequest:
    """A request for the folders that the client works in."""


Inquiry: TypeAlias = Question | Completion | RootsRequest


@frozen(kw_only=True)
class Reply:
    """What came back for one inquiry."""

    action: str = "accept"
    """`accept`, `decline` or `cancel`; always `accept` for completions and roots."""
    content: JsonObject = field(factory=dict)
    """A question's answers; for a completion `{"text", "model"}`; for roots `{"roots": [uri]}`."""
