"""What a running tool may reach: other tools, settings, band policies, workers."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
from attrs import evolve, frozen

from aitk_core import errors
from aitk_core.arguments import arg
from aitk_core.records.results import ToolResult
from aitk_core.settings import setting
from aitk_core.specs import (
    BandPolicySpec,
    SettingsSpec,
)
from aitk_core.testing.plugins import call_fake, fake_application, fake_tool, lazy, with_dispatcher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.application import Application
    from aitk_core.context import Session
    from aitk_core.dispatch import Dispatcher
    from aitk_core.protocols import ToolContext


def refused(application: Application, name: str, arguments: Any = None) -> errors.AitkError:
    with pytest.raises(errors.AitkError) as caught:
        call_fake(application, name, arguments)
    return caught.value


@frozen(kw_only=True)
class Need:
    name: str = arg(description="A name.")


async def echo(arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(data={"got": arguments})


ECHO = fake_tool(echo, "echo-all")
NEED = fake_tool(echo, "need", arguments=Need)


async def wait_for_ever(_arguments: Any, _context: ToolContext) -> ToolResult:
    await asyncio.Event().wait()
    raise AssertionError


def calling(name: str, arguments: Mapping[str, Any] | None = None, **more: Any) -> Any:
    async def use_other(_arguments: Any, context: ToolContext) -> ToolResult:
        return await context.call_tool(name, arguments or {})

    return fake_tool(use_other, "outer", **more)


def test_a_tool_may_use_another_by_name() -> None:
    application = fake_application(calling("echo-all", {"x": 1}), ECHO)
    assert call_fake(application, "outer").data == {"got": {"x": 1}}


def test_a_tool_that_is_used_by_another_draws_for_no_client() -> None:
    async def look(_arguments: Any, context: ToolContext) -> ToolResult:
        return ToolResult(data={"shows": context.shows_images})

    async def use(dispatcher: Dispatcher, session: Session) -> tuple[Any, Any]:
        shown = evolve(session, shows_images=True)
        direct = await dispatcher.call("look", {}, shown)
        return direct.data, (await dispatcher.call("outer", {}, shown)).data

    application = fake_application(calling("look"), fake_tool(look, "look"))
    assert with_dispatcher(application, use) == ({"shows": True}, {"shows": False})


def test_a_read_only_caller_reaches_no_writing_tool_through_another() -> None:
    changed: list[str] = []

    async def write(_arguments: Any, _context: ToolContext) -> ToolResult:
        changed.append("something")
        return ToolResult()

    writer = fake_tool(write, "write", read_only=False)
    environment = {"AITK_READ_ONLY": "yes"}
    error = refused(fake_application(calling("write"), writer, environment=environment), "outer")
    assert (error.code, error.details["tool"], changed) == ("READ_ONLY", "write", [])
    call_fake(fake_application(calling("write"), writer), "outer")
    assert changed == ["something"]


def test_a_narrowed_caller_keeps_its_policy_in_nested_calls() -> None:
    async def use(dispatcher: Dispatcher, session: Session) -> None:
        narrowed = evolve(session, policy=session.policy.narrowed(exclude=["echo-all"]))
        with pytest.raises(errors.NotPermittedError):
            await dispatcher.call("outer", {}, narrowed)

    with_dispatcher(fake_application(calling("echo-all"), ECHO), use)


def test_a_context_offers_what_is_installed_and_allowed_to_this_caller() -> None:
    async def look(_arguments: Any, context: ToolContext) -> ToolResult:
        names = ("echo-all", "need", "write", "not-installed")
        return ToolResult(data={name: context.offers(name) for name in names})

    async def use(dispatcher: Dispatcher, session: Session) -> Any:
        narrowed = evolve(session, policy=session.policy.narrowed(exclude=["need"]))
        return (await dispatcher.call("look", {}, narrowed)).data

    writer = fake_tool(echo, "write", read_only=False)
    application = fake_application(
        fake_tool(look, "look"), ECHO, NEED, writer, environment={"AITK_READ_ONLY": "yes"}
    )
    assert with_dispatcher(application, use) == {
        "echo-all": True, "need": False, "write": False, "not-installed": False,
    }  # fmt: skip


def test_a_nested_call_keeps_the_deadline_of_the_first() -> None:
    seen: list[float | None] = []

    async def look(_arguments: Any, context: ToolContext) -> ToolResult:
        seen.append(context.remaining_s())
        await asyncio.Event().wait()
        raise AssertionError

    inner = fake_tool(look, "inner", timeout_s=60.0)
    with pytest.raises(errors.ToolTimeoutError):
        call_fake(fake_application(calling("inner"), inner), "outer", timeout_s=0.02)
    assert seen[0] is not None
    assert seen[0] <= 0.02


def test_a_nested_tool_with_less_time_times_out_under_its_own_name() -> None:
    inner = fake_tool(wait_for_ever, "inner", timeout_s=0.02)
    error = refused(fake_application(calling("inner"), inner), "outer")
    assert (error.code, error.details["tool"]) == ("TOOL_TIMEOUT", "inner")


def test_a_nested_call_checks_its_arguments_as_any_other() -> None:
    error = refused(fake_application(calling("need", {"nmae": "x"}), NEED), "outer")
    assert error.details["tool"] == "need"


@frozen(kw_only=True)
class AcmeSettings:
    colour: str = setting("red", env="ACME_COLOUR", description="A colour.")


def test_a_plugin_s_own_settings_are_there_and_others_are_not() -> None:
    async def look(_arguments: Any, context: ToolContext) -> ToolResult:
        same = context.settings(AcmeSettings) is context.settings(AcmeSettings)
        with pytest.raises(errors.InvalidSettingError, match="no plugin declares settings Need"):
            context.settings(Need)
        return ToolResult(data={"colour": context.settings(AcmeSettings).colour, "same": same})

    application = fake_application(
        fake_tool(look, "look"),
        aitk_settings=[SettingsSpec(section="acme", record=AcmeSettings)],
        environment={"ACME_COLOUR": "blue"},
    )
    assert call_fake(application, "look").data == {"colour": "blue", "same": True}


def test_bad_settings_of_a_plugin_fail_its_own_call_only() -> None:
    @frozen(kw_only=True)
    class Numbers:
        size: int = setting(1, env="ACME_SIZE", description="A size.")

    async def look(_arguments: Any, context: ToolContext) -> ToolResult:
        context.settings(Numbers)
        raise AssertionError

    application = fake_application(
        ECHO,
        fake_tool(look, "look"),
        aitk_settings=[SettingsSpec(section="acme", record=Numbers)],
        environment={"ACME_SIZE": "big"},
    )
    assert refused(application, "look").code == "INVALID_SETTING"
    assert call_fake(application, "echo-all").data == {"got": {}}


def test_time_read_only_and_asking_are_told_by_the_context() -> None:
    async def look(_arguments: Any, context: ToolContext) -> ToolResult:
        await context.progress(1, 2, "half")
        await context.log("info", "hello")
        await context.announce("tools")
        with pytest.raises(errors.MissingCapabilityError):
            await context.ask({"q": cast("Any", object())})
        return ToolResult(
            data={"now": context.now(), "read_only": context.read_only,
                  "can_ask": context.can_ask("question")}
        )  # fmt: skip

    async def use(dispatcher: Dispatcher, session: Session) -> ToolResult:
        return await dispatcher.call("look", {}, session, clock=lambda: 5.0)

    application = fake_application(fake_tool(look, "look"), environment={"AITK_READ_ONLY": "1"})
    result = with_dispatcher(application, use)
    assert result.data == {"now": 5.0, "read_only": True, "can_ask": False}


class Halves:
    def band(self, delta: float, *, standard_error: float | None, n: int | None) -> str:
        return f"{delta}{standard_error}{n}"

    def source(self) -> dict[str, Any]:
        return {"id": "halves_v1"}


def no_policy() -> Any:
    raise RuntimeError("secret path")


@pytest.mark.parametrize(
    ("policy_id", "said"),
    [
        ("halves_v1", {"id": "halves_v1"}),
        ("broken_v1", "TOOL_EXECUTION_FAILED band policy 'broken_v1' of ? cannot be loaded"),
        ("absent_v1", "NOT_FOUND no band policy 'absent_v1'"),
        (None, "NOT_FOUND no band policy 'absolute_delta_thresholds_v1'"),
    ],
)
def test_band_policies_are_found_by_id_and_a_broken_one_is_named(
    policy_id: str | None, said: Any
) -> None:
    async def look(_arguments: Any, context: ToolContext) -> ToolResult:
        try:
            return ToolResult(data={"said": context.band_policy(policy_id).source()})
        except errors.AitkError as error:
            return ToolResult(data={"said": f"{error.code} {error}"})

    policies = [
        BandPolicySpec(id="halves_v1", policy=lazy(Halves)),
        BandPolicySpec(id="broken_v1", policy=lazy(no_policy)),
    ]
    application = fake_application(fake_tool(look, "look"), aitk_band_policies=policies)
    assert call_fake(application, "look").data == {"said": said}


def test_work_runs_away_from_the_event_loop() -> None:
    async def look(_arguments: Any, context: ToolContext) -> ToolResult:
        elsewhere = await context.run(threading.get_ident)
        return ToolResult(data={"same": elsewhere == threading.get_ident()})

    assert call_fake(fake_application(fake_tool(look, "look")), "look").data == {"same": False}
