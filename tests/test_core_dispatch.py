"""The one path by which a tool runs: what goes in, what comes out, and every way to fail."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from typing import TYPE_CHECKING, Any, cast

import pytest
from attrs import evolve, frozen

from aitk_core import errors
from aitk_core.arguments import arg
from aitk_core.records.results import Image, Link, Text, ToolResult
from aitk_core.specs import Lazy
from aitk_core.testing.plugins import call_fake, fake_application, fake_tool, lazy, with_dispatcher

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.application import Application
    from aitk_core.context import Session
    from aitk_core.dispatch import Dispatcher
    from aitk_core.protocols import ToolContext

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://acme.test/answer.v1.schema.json",
    "type": "object",
    "properties": {"value": {"type": ["integer", "string", "null"]}},
    "required": ["value"],
    "additionalProperties": False,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "answer.v1.schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    return tmp_path


def refused(application: Application, name: str, arguments: Any = None) -> errors.AitkError:
    with pytest.raises(errors.AitkError) as caught:
        call_fake(application, name, arguments)
    return caught.value


@frozen(kw_only=True)
class Take:
    count: int = arg(1, description="How many.", minimum=0)
    name: str | None = arg(None, description="A name.")
    flag: bool = arg(False, description="Yes or no.")


@frozen(kw_only=True)
class Need:
    name: str = arg(description="A name.")


async def echo(arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(data={"got": arguments})


ECHO = fake_tool(echo, "echo-all")
TAKE = fake_tool(echo, "take", arguments=Take)
NEED = fake_tool(echo, "need", arguments=Need)


def giving(result: Any, name: str = "give", **more: Any) -> Any:
    async def give(_arguments: Any, _context: ToolContext) -> Any:
        return result

    return fake_tool(give, name, **more)


def raising(error: BaseException, name: str = "fails") -> Any:
    async def fail(_arguments: Any, _context: ToolContext) -> ToolResult:
        raise error

    return fake_tool(fail, name)


# What goes in


def test_arguments_arrive_as_their_record_with_defaults() -> None:
    result = call_fake(fake_application(TAKE), "take", {"count": 3})
    assert result.data == {"got": {"count": 3, "name": None, "flag": False}}
    assert call_fake(fake_application(TAKE), "take", None).data == {
        "got": {"count": 1, "name": None, "flag": False}
    }


def test_with_a_schema_in_place_of_a_record_they_arrive_as_json() -> None:
    assert call_fake(fake_application(ECHO), "echo-all", {"a": [1]}).data == {"got": {"a": [1]}}


def test_a_tool_without_arguments_takes_none() -> None:
    bare = giving(ToolResult(summary="ok"), arguments=None)
    assert call_fake(fake_application(bare), "give", {}).summary == "ok"
    assert refused(fake_application(bare), "give", {"x": 1}).code == "INVALID_ARGUMENTS"


def test_null_stands_for_a_left_out_optional_argument_only() -> None:
    data = {"got": {"count": 1, "name": None, "flag": False}}
    arguments = {"count": None, "name": None, "flag": None}
    assert call_fake(fake_application(TAKE), "take", arguments).data == data
    error = refused(fake_application(NEED), "need", {"name": None})
    assert error.details["faults"] == [{"path": "/name", "message": "None is not of type 'string'"}]


def test_an_unknown_tool_is_told_the_nearest_name_and_all_of_them() -> None:
    error = refused(fake_application(ECHO, TAKE), "echo-al")
    assert isinstance(error, errors.UnknownToolError)
    assert (error.code, error.status) == ("TOOL_NOT_FOUND", 404)
    assert error.remedy == "did you mean 'echo-all'?"
    assert error.details["available_tools"] == ["echo-all", "take"]
    assert refused(fake_application(ECHO), "x" * 5000).to_json()["message"] == (
        "unknown tool: " + "x" * 100
    )


def test_a_tool_that_the_policy_hides_is_not_named_to_others() -> None:
    application = fake_application(ECHO, TAKE, environment={"AITK_EXCLUDE_TOOLS": "take"})
    assert refused(application, "tak").details["available_tools"] == ["echo-all"]
    assert refused(application, "take").code == "NOT_PERMITTED"


def test_all_faults_of_a_call_are_told_at_once() -> None:
    error = refused(fake_application(TAKE), "take", {"count": "3", "flag": "false", "nmae": 1})
    assert isinstance(error, errors.InvalidArgumentsError)
    assert {fault["path"] for fault in error.details["faults"]} == {"/count", "/flag", "/nmae"}
    assert "did you mean 'name'?" in str(error)
    assert error.details["tool"] == "take"
    assert "nothing was changed" in error.remedy


def test_faults_are_capped_in_message_and_details() -> None:
    error = refused(fake_application(TAKE), "take", {f"x{index}": 1 for index in range(100)})
    assert len(error.details["faults"]) == 20
    assert "(and 95 more)" in str(error)


@pytest.mark.parametrize("arguments", [[], "text", 1, True, [["name", "x"]]])
def test_arguments_that_are_no_object_are_refused(arguments: Any) -> None:
    error = refused(fake_application(ECHO), "echo-all", arguments)
    assert str(error) == "arguments of echo-all must be an object"


def nested(levels: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return {"x": value}


def test_pitfall_114_deep_nesting_is_refused_and_a_config_s_depth_is_not() -> None:
    application = fake_application(ECHO)
    assert call_fake(application, "echo-all", nested(50)).data == {"got": nested(50)}
    for levels in (64, 100_000):
        error = refused(fake_application(ECHO), "echo-all", nested(levels))
        assert "nested too deeply" in str(error)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, object(), b"x"])
def test_pitfall_71_a_value_that_json_lacks_is_refused(value: Any) -> None:
    error = refused(fake_application(ECHO), "echo-all", {"deep": [{"x": value}]})
    assert error.code == "INVALID_ARGUMENTS"


def test_a_number_with_too_many_digits_is_refused() -> None:
    assert refused(fake_application(ECHO), "echo-all", {"x": 10**5000}).code == "INVALID_ARGUMENTS"


@pytest.mark.parametrize("arguments", [{"x": "\ud800"}, {"\udc00": 1}, {"x": ["a\ud83d"]}])
def test_pitfall_113_text_that_cannot_be_sent_is_refused(arguments: Any) -> None:
    error = refused(fake_application(ECHO), "echo-all", arguments)
    assert error.code == "INVALID_ARGUMENTS"
    json.dumps(error.to_json(), ensure_ascii=False).encode("utf-8")


def test_pitfall_113_an_unknown_name_that_cannot_be_sent_is_answered() -> None:
    error = refused(fake_application(ECHO), "tool\ud800")
    json.dumps(error.to_json(), ensure_ascii=False).encode("utf-8")


def test_an_input_schema_that_is_none_is_a_failure_of_the_tool() -> None:
    odd = fake_tool(echo, "odd", schema={"type": "object", "properties": {"x": {"type": "moon"}}})
    error = refused(fake_application(odd), "odd", {"x": 1})
    assert error.code == "TOOL_EXECUTION_FAILED"


# What comes out


def test_an_answer_fits_its_contract_as_plain_json(folder: Path) -> None:
    tool = giving(ToolResult(data={"value": math.nan}), contract="answer.v1")
    assert call_fake(fake_application(tool, aitk_schemas=[folder]), "give").data == {"value": None}


def test_an_answer_that_breaks_its_contract_is_never_sent(folder: Path) -> None:
    tool = giving(ToolResult(data={"value": 1.5, "extra": 1}), contract="answer.v1")
    error = refused(fake_application(tool, aitk_schemas=[folder]), "give")
    assert isinstance(error, errors.OutputSchemaViolationError)
    assert error.details["contract"] == "answer.v1"
    assert [fault["path"] for fault in error.details["faults"]] == ["", "/value"]


def test_a_contract_without_data_is_broken(folder: Path) -> None:
    tool = giving(ToolResult(summary="done"), contract="answer.v1")
    error = refused(fake_application(tool, aitk_schemas=[folder]), "give")
    assert error.code == "OUTPUT_SCHEMA_VIOLATION"


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    "result",
    [
        None,
        "text",
        {"value": 1},
        ToolResult(data=cast("Any", [1])),
        ToolResult(data={"x": object()}),
        ToolResult(data=cyclic()),
        ToolResult(blocks=cast("Any", ("text",))),
        ToolResult(blocks=cast("Any", 5)),
    ],
    ids=["None", "text", "dict", "list", "object", "cycle", "block", "blocks"],
)
def test_what_is_no_result_is_refused_without_a_contract_too(result: Any) -> None:
    assert refused(fake_application(giving(result)), "give").code == "OUTPUT_SCHEMA_VIOLATION"


def test_pitfall_113_text_of_any_part_can_be_sent() -> None:
    link = Link(uri="x://y", name="n\ud800", description="d\udfff")
    image = Image(data=b"png")
    tool = giving(ToolResult(summary="s\ud83d", blocks=(Text("t\ud800"), link, image)))
    result = call_fake(fake_application(tool), "give")
    text, shown, picture = result.blocks
    assert (result.summary, text, picture) == ("s?", Text("t?"), image)
    assert isinstance(shown, Link)
    assert (shown.name, shown.description) == ("n?", "d?")


def test_data_without_a_contract_is_made_plain_too() -> None:
    tool = giving(ToolResult(data={"a": (1, math.inf), "r": Need(name="x")}))
    assert call_fake(fake_application(tool), "give").data == {"a": [1, None], "r": {"name": "x"}}


# Failing


@pytest.mark.parametrize(
    "error",
    [RuntimeError("secret path"), SystemExit("secret path"), TimeoutError("secret path"),
     KeyError("secret path"), StopIteration("secret path"), RecursionError("secret path")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_a_handler_raises_becomes_a_failure_without_its_text(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        failed = refused(fake_application(raising(error)), "fails")
    assert isinstance(failed, errors.ToolFailedError)
    assert "secret" not in json.dumps(failed.to_json())
    assert failed.details == {"tool": "fails", "request_id": "test"}
    assert "secret path" in caplog.text


def test_an_error_of_ours_comes_out_as_it_is() -> None:
    error = errors.JobNotFoundError("no job 'x'", remedy="list them", job_id="x")
    assert refused(fake_application(raising(error)), "fails") is error


@pytest.mark.parametrize("target", ["no_such_module:x", "json:no_such_attribute", "json:__name__"])
def test_a_handler_that_cannot_be_loaded_is_a_failure(target: str) -> None:
    tool = evolve(ECHO, handler=Lazy(target))
    assert refused(fake_application(tool), "echo-all").code == "TOOL_EXECUTION_FAILED"


async def wait_for_ever(_arguments: Any, _context: ToolContext) -> ToolResult:
    await asyncio.Event().wait()
    raise AssertionError


def test_a_tool_that_takes_too_long_ends_at_the_caller_s_limit() -> None:
    application = fake_application(fake_tool(wait_for_ever, "waits"))
    with pytest.raises(errors.ToolTimeoutError) as caught:
        call_fake(application, "waits", timeout_s=0.02)
    assert caught.value.details == {"tool": "waits", "tool_timeout_seconds": 0.02}


def test_a_tool_s_own_limit_counts_where_it_is_less() -> None:
    application = fake_application(fake_tool(wait_for_ever, "waits", timeout_s=0.02))
    with pytest.raises(errors.ToolTimeoutError) as caught:
        call_fake(application, "waits", timeout_s=60.0)
    assert caught.value.details["tool_timeout_seconds"] == 0.02


def test_the_remaining_time_is_known_to_the_handler() -> None:
    seen: list[float | None] = []

    async def look(_arguments: Any, context: ToolContext) -> ToolResult:
        seen.append(context.remaining_s())
        return ToolResult()

    application = fake_application(fake_tool(look, "look"))
    call_fake(application, "look", timeout_s=60.0)
    call_fake(fake_application(fake_tool(look, "look")), "look")
    assert seen[0] is not None
    assert 0 < seen[0] <= 60
    assert seen[1] is None


def test_cancelling_a_call_cancels_its_handler_and_is_no_error() -> None:
    ended: list[str] = []

    async def use(dispatcher: Dispatcher, session: Session) -> None:
        started = asyncio.Event()

        async def wait(_arguments: Any, _context: ToolContext) -> ToolResult:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("handler")
            raise AssertionError

        object.__setattr__(dispatcher.registry.tools["waits"].spec, "handler", lazy(wait))
        task = asyncio.create_task(dispatcher.call("waits", {}, evolve(session, timeout_s=60)))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with_dispatcher(fake_application(fake_tool(wait_for_ever, "waits")), use)
    assert ended == ["handler"]


def test_the_dispatcher_exists_only_while_the_application_is_open() -> None:
    application = fake_application(ECHO)
    with pytest.raises(RuntimeError):
        _ = application.dispatcher
    call_fake(application, "echo-all")
    with pytest.raises(RuntimeError):
        _ = application.dispatcher
    assert call_fake(application, "echo-all").data == {"got": {}}
