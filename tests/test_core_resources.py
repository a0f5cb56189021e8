"""Resources and prompts of plugins, read, rendered and completed."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core import errors
from aitk_core.records.results import PromptMessage, ResourceContent, Text
from aitk_core.services.uris import match_uri
from aitk_core.specs import (
    Lazy,
    PromptArgument,
    PromptSpec,
    ResourceSpec,
)
from aitk_core.testing.plugins import fake_application, lazy, with_dispatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aitk_core.context import Session
    from aitk_core.dispatch import Dispatcher
    from aitk_core.protocols import ToolContext


async def read_part(uri: str, parts: Mapping[str, str], _context: ToolContext) -> ResourceContent:
    if parts["part"] == "bad":
        raise RuntimeError("secret path")
    if parts["part"] == "slow":
        await asyncio.Event().wait()
    return ResourceContent(text=f"{uri}\ud800")


async def render(arguments: Mapping[str, str], _context: ToolContext) -> tuple[PromptMessage, ...]:
    return (PromptMessage(content=Text(f"Hello {arguments['name']}\ud800.")),)


async def complete(argument: str, typed: str, _context: ToolContext) -> list[str]:
    return [f"{argument}:{typed}"]


READERS: dict[str, Any] = {
    "aitk_resources": [
        ResourceSpec(uri="acme://broken/{x}", name="b", description="B.", read=Lazy("no_mod:x")),
        ResourceSpec(
            uri="acme://{part}/x", name="x", description="X.", read=lazy(read_part),
            complete=lazy(complete),
        ),
    ],
    "aitk_prompts": [
        PromptSpec(
            name="hello", description="Greets.", render=lazy(render), complete=lazy(complete),
            arguments=(PromptArgument(name="name", required=True),),
        ),
        PromptSpec(name="broken", description="Breaks.", render=Lazy("no_mod:x")),
    ],
}  # fmt: skip


def test_a_resource_is_read_by_its_uri() -> None:
    content = with_dispatcher(fake_application(**READERS), lambda d, s: d.read("acme://p/x", s))
    assert content.text == "acme://p/x?"


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("acme://other", "RESOURCE_NOT_FOUND"),
        ("acme://\ud800", "RESOURCE_NOT_FOUND"),
        ("acme://bad/x", "TOOL_EXECUTION_FAILED"),
        ("acme://broken/1", "TOOL_EXECUTION_FAILED"),
        ("acme://slow/x", "TOOL_TIMEOUT"),
    ],
)
def test_a_resource_that_cannot_be_read_has_a_typed_error(uri: str, code: str) -> None:
    application = fake_application(**READERS, environment={"AITK_TOOL_TIMEOUT_SECONDS": "0.05"})
    with pytest.raises(errors.AitkError) as caught:
        with_dispatcher(application, lambda d, s: d.read(uri, s))
    assert caught.value.code == code
    text = json.dumps(caught.value.to_json(), ensure_ascii=False)
    assert "secret" not in text
    text.encode("utf-8")


def rendering(name: str) -> Callable[[Dispatcher, Session], Any]:
    return lambda dispatcher, session: dispatcher.render(name, {}, session)


def test_a_prompt_is_rendered_and_its_required_arguments_are_asked_for() -> None:
    application = fake_application(**READERS)
    (message,) = with_dispatcher(application, lambda d, s: d.render("hello", {"name": "Ada"}, s))
    assert message.content == Text("Hello Ada?.")
    for name, code in (("hello", "INVALID_ARGUMENTS"), ("broken", "TOOL_EXECUTION_FAILED"),
                       ("unknown\ud800", "RESOURCE_NOT_FOUND")):  # fmt: skip
        with pytest.raises(errors.AitkError) as caught:
            with_dispatcher(application, rendering(name))
        assert caught.value.code == code


def test_values_are_completed_where_a_plugin_completes_them() -> None:
    async def use(d: Dispatcher, s: Session) -> list[list[str]]:
        return [
            await d.complete("prompt", "hello", "name", "A", s),
            await d.complete("resource", "acme://{part}/x", "part", "p", s),
            await d.complete("prompt", "broken", "name", "A", s),
            await d.complete("prompt", "unknown", "name", "A", s),
        ]

    assert with_dispatcher(fake_application(**READERS), use) == [["name:A"], ["part:p"], [], []]


@pytest.mark.parametrize(
    ("template", "uri", "parts"),
    [
        ("a://b", "a://b", {}),
        ("a://b", "a://bc", None),
        ("a://{x}/c", "a://1/c", {"x": "1"}),
        ("a://{x}/c", "a://1/2/c", None),
        ("a://{x}/c", "a:///c", None),
        ("a://{x}/{y}", "a://1/2?q", None),
        ("a://{x}/{y}", "a://1/%2e%2e", {"x": "1", "y": "%2e%2e"}),
        ("a://{x}.csv", "a://b.csv", {"x": "b"}),
        ("a://{x}.csv", "a://bXcsv", None),
        ("a://{x}", "a://" + "b" * 2000, None),
        ("a://(x)+", "a://(x)+", {}),
        ("a://(x)+", "a://xx", None),
    ],
)
def test_a_template_s_part_is_one_segment(
    template: str, uri: str, parts: dict[str, str] | None
) -> None:
    assert match_uri(template, uri) == parts
