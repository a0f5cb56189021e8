"""A sink that hangs, raises or answers nonsense costs its own messages only (promise 8)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest

from aitk_alerts.alerts import Alert
from aitk_alerts.delivery import Sender
from aitk_alerts.outbox.box import Outbox
from aitk_alerts.outbox.records import Limits, Target
from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.settings import SettingsSource
from aitk_core.specs import SinkSpec
from aitk_core.testing.plugins import declare, fake_points, lazy
from aitk_core.testing.recorded import recorded_backend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aitk_core.records.alerts import AlertMessage


class Sinks:
    """What came to each kind of sink."""

    def __init__(self) -> None:
        self.good: list[str] = []
        self.hung = asyncio.Event()

    def spec(self, kind: str, deliver: Callable[[AlertMessage], Any]) -> SinkSpec:
        class Sink:
            async def deliver(self, message: AlertMessage) -> None:
                await deliver(message)

        @asynccontextmanager
        async def opened(_destination: str, _context: Any) -> AsyncIterator[Sink]:
            yield Sink()

        return SinkSpec(kind=kind, open=lazy(opened))

    async def take(self, message: AlertMessage) -> None:
        self.good += [alert["alert_id"] for alert in message.alerts]

    async def hang(self, _message: AlertMessage) -> None:
        self.hung.set()
        await asyncio.Event().wait()

    async def fail(self, _message: AlertMessage) -> None:
        raise ZeroDivisionError("https://x/s3cr3t")


def alert(id_: str, code: str) -> Alert:
    return Alert(
        alert_id=id_, severity="critical", category="t", code=code, message="m", raised_at=0.0
    )


def test_a_sink_that_hangs_or_fails_delays_no_other(tmp_path: Path) -> None:
    async def work() -> None:
        sinks = Sinks()
        specs = [
            sinks.spec("good", sinks.take),
            sinks.spec("hangs", sinks.hang),
            sinks.spec("fails", sinks.fail),
        ]
        points = [
            *entry_points(group="aitk.plugins", name="alerts"),
            *fake_points(acme=declare(aitk_sinks=specs)),
        ]
        source = SettingsSource(environment={"AITK_HOME": str(tmp_path)})
        application = Application(source=source, backend=recorded_backend(()), points=points)
        async with application:
            context = application.dispatcher.context(
                Session(request_id="t", policy=application.policy)
            )
            box = Outbox(context.store)
            targets = [
                Target(name=kind, kind=kind, place="") for kind in ("hangs", "fails", "good")
            ]
            limits = Limits(dedupe_window_s=0, max_per_window=0)
            sender = Sender(context, "a", attempt_s=300)
            box.accept([alert("1", "A")], targets, limits, context.now())
            assert await sender.step() == 3
            await asyncio.wait_for(sinks.hung.wait(), 10)
            for number in range(2, 6):
                # The hanging one is under way all the while.
                more = [alert(f"{number}", f"C{number}")]
                box.accept(more, [targets[2]], limits, context.now())
                while f"{number}" not in sinks.good:
                    await sender.step()
                    await asyncio.sleep(0)
            await sender.close()
            listed, _ = box.listed(states=["pending", "sending"], limit=10, offset=0)
            waiting = {each.destination: each for each in listed}
            assert set(waiting) == {"hangs", "fails"}
            assert waiting["fails"].error == "the sink failed: ZeroDivisionError"
            assert sinks.good == [f"{number}" for number in range(1, 6)]

    asyncio.run(work())


def test_a_try_that_takes_too_long_is_given_up_and_made_again_later(tmp_path: Path) -> None:
    async def work() -> None:
        sinks = Sinks()
        points = [
            *entry_points(group="aitk.plugins", name="alerts"),
            *fake_points(acme=declare(aitk_sinks=[sinks.spec("hangs", sinks.hang)])),
        ]
        source = SettingsSource(environment={"AITK_HOME": str(tmp_path)})
        application = Application(source=source, backend=recorded_backend(()), points=points)
        async with application:
            context = application.dispatcher.context(
                Session(request_id="t", policy=application.policy)
            )
            box = Outbox(context.store)
            target = Target(name="hangs", kind="hangs", place="")
            box.accept([alert("1", "A")], [target], Limits(), context.now())
            sender = Sender(context, "a", attempt_s=0.05)
            await sender.step()
            await sender.settle()
            (message,), _ = box.listed(states=["pending"], limit=10, offset=0)
            assert message.error == "no answer within 0.05 s"
            assert message.not_before > context.now()

    asyncio.run(work())


@pytest.mark.parametrize("ends", ["closed", "timeout", "fails"])
def test_what_a_sink_took_is_delivered_even_if_it_does_not_close(tmp_path: Path, ends: str) -> None:
    async def work() -> None:
        taken = asyncio.Event()

        class Sink:
            async def deliver(self, _message: AlertMessage) -> None:
                taken.set()

        @asynccontextmanager
        async def opened(_destination: str, _context: Any) -> AsyncIterator[Sink]:
            yield Sink()
            if ends == "fails":
                raise ConnectionError
            await asyncio.Event().wait()

        spec = SinkSpec(kind="lingers", open=lazy(opened))
        points = [
            *entry_points(group="aitk.plugins", name="alerts"),
            *fake_points(acme=declare(aitk_sinks=[spec])),
        ]
        source = SettingsSource(environment={"AITK_HOME": str(tmp_path)})
        application = Application(source=source, backend=recorded_backend(()), points=points)
        async with application:
            context = application.dispatcher.context(
                Session(request_id="t", policy=application.policy)
            )
            box = Outbox(context.store)
            target = Target(name="lingers", kind="lingers", place="")
            box.accept([alert("1", "A")], [target], Limits(), context.now())
            sender = Sender(context, "a", attempt_s=0.05 if ends == "timeout" else 300)
            await sender.step()
            await asyncio.wait_for(taken.wait(), 10)
            if ends == "closed":
                await sender.close()
            else:
                await sender.settle()
            (message,), _ = box.listed(states=["delivered"], limit=10, offset=0)
            assert message.attempts == 1

    asyncio.run(work())
