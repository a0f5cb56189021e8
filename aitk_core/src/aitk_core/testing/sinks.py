"""What holds for every alert sink: inherit `SinkLaws` in a test module.

    class TestMyPager(SinkLaws):
        kind = "acme-pager"
        bad_destinations = ("", "no such place")

        @asynccontextmanager
        async def site(self, folder):
            async with my_receiver() as receiver:
                yield SinkSite(destination=receiver.url, received=receiver.text,
                               environment={"ACME_TOKEN": "s3cret"}, secret="s3cret",
                               break_down=receiver.refuse)

The plugin that declares the sink is installed, or given as `points`. The laws are those of
`Sink.deliver` and `SinkSpec.open`; timeouts, tries and duplicates are the outbox's, which calls
the sink as these tests do.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pytest
from attrs import field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.errors import (
    AitkError,
    DeliveryError,
    DeliveryRefusedError,
    InvalidArgumentsError,
    NotPermittedError,
)
from aitk_core.records.alerts import AlertMessage
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence
    from contextlib import AbstractAsyncContextManager
    from importlib.metadata import EntryPoint

    from aitk_core.protocols import ToolContext

_LAW: Final = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)
_ODD: Final = st.text(
    st.sampled_from("<>&@`*_[](){}\"'\\/\n\t\x00\u202e\u200b%$\u00e9\U0001f4a5")
    | st.characters(exclude_categories=["Cs"]),
    max_size=200,
)


@frozen(kw_only=True)
class SinkSite:
    """A place that a sink delivers to, for one test."""

    destination: str
    received: Callable[[], str]
    """All that has arrived so far, as one text."""
    environment: Mapping[str, str] = field(factory=dict)
    """Settings that the sink needs."""
    secret: str = ""
    """What must never be shown; part of the destination or of the settings."""
    break_down: Callable[[], None] | None = None
    """Makes it take nothing for now; None where that cannot be played."""


def alert_of(code: str, **values: Any) -> dict[str, Any]:
    """Return an alert as a sink gets it."""
    usual: dict[str, Any] = {
        "alert_id": f"id-{code}",
        "severity": "critical",
        "category": "test",
        "code": code,
        "message": f"{code} happened",
        "job_id": "job-1",
        "job_name": "cats",
        "state": "open",
        "count": 1,
        "raised_at": "2026-11-23T00:00:00Z",
    }
    return usual | values


def message_of(*alerts: Mapping[str, Any], message_id: str = "m-1", **more: Any) -> AlertMessage:
    """Return a message of alerts."""
    return AlertMessage(message_id=message_id, alerts=tuple(map(dict, alerts)), **more)


class SinkLaws(ABC):
    """What holds for every sink."""

    kind: ClassVar[str]
    """As its plugin declares it."""
    bad_destinations: ClassVar[Sequence[str]] = ("",)
    """None of these can be delivered to."""
    points: ClassVar[Sequence[EntryPoint] | None] = None
    """Plugins in place of the installed ones."""

    @abstractmethod
    def site(self, folder: Path) -> AbstractAsyncContextManager[SinkSite]:
        """Return a new place to deliver to, and what has arrived there."""

    def _run(self, work: Callable[[SinkSite, ToolContext], Awaitable[None]]) -> None:
        async def run() -> None:
            with tempfile.TemporaryDirectory() as folder:
                async with (
                    self.site(Path(folder)) as site,
                    self._context(site, Path(folder)) as context,
                ):
                    await work(site, context)

        asyncio.run(run())

    @asynccontextmanager
    async def _context(self, site: SinkSite, folder: Path) -> AsyncIterator[ToolContext]:
        source = SettingsSource(environment={"AITK_HOME": str(folder), **site.environment})
        backend = recorded_backend(())
        async with Application(source=source, backend=backend, points=self.points) as application:
            session = Session(request_id="sink-laws", policy=application.policy)
            yield application.dispatcher.context(session)

    async def _deliver(self, site: SinkSite, context: ToolContext, message: AlertMessage) -> None:
        async with context.open_sink(self.kind, site.destination) as sink:
            assert not site.secret or site.secret not in repr(sink)
            await sink.deliver(message)

    def test_opening_a_destination_sends_nothing(self) -> None:
        """A destination is checked by opening it, before anything is taken in."""

        async def work(site: SinkSite, context: ToolContext) -> None:
            async with context.open_sink(self.kind, site.destination):
                pass
            assert site.received() == ""

        self._run(work)

    def test_a_bad_destination_is_refused_at_opening(self) -> None:
        """With a typed error that shows no secret."""

        async def work(site: SinkSite, context: ToolContext) -> None:
            for bad in self.bad_destinations:
                with pytest.raises((InvalidArgumentsError, NotPermittedError)) as caught:
                    async with context.open_sink(self.kind, bad):
                        pass
                assert caught.value.remedy
                assert not site.secret or site.secret not in json.dumps(caught.value.to_json())

        self._run(work)

    def test_what_was_delivered_is_there_when_deliver_returns(self) -> None:
        """Every alert of the message."""

        async def work(site: SinkSite, context: ToolContext) -> None:
            await self._deliver(site, context, message_of(alert_of("FIRST"), alert_of("SECOND")))
            received = site.received()
            assert "FIRST" in received
            assert "SECOND" in received

        self._run(work)

    def test_a_second_copy_is_taken_like_the_first(self) -> None:
        """After a crash the same message comes again, under the same id."""

        async def work(site: SinkSite, context: ToolContext) -> None:
            for _ in range(2):
                await self._deliver(site, context, message_of(alert_of("TWICE")))
            assert "TWICE" in site.received()

        self._run(work)

    def test_a_trial_is_delivered_and_marked(self) -> None:
        """So that nobody is alarmed."""

        async def work(site: SinkSite, context: ToolContext) -> None:
            await self._deliver(site, context, message_of(alert_of("TRIAL"), test=True))
            assert "test" in site.received().lower()

        self._run(work)

    def test_many_and_long_alerts_are_delivered_or_refused_with_a_typed_error(self) -> None:
        """Nothing else comes out."""

        async def work(site: SinkSite, context: ToolContext) -> None:
            long = "long " * 20_000
            many = [alert_of(f"N{n}", message=long[:2000], details=long) for n in range(50)]
            for message in (message_of(*many), message_of(alert_of("LONG", message=long))):
                try:
                    await self._deliver(site, context, message)
                except DeliveryError:
                    continue

        self._run(work)

    @given(text=_ODD, state=st.sampled_from(("open", "resolved")))
    @_LAW
    def test_odd_text_is_delivered_or_refused_with_a_typed_error(
        self, text: str, state: str
    ) -> None:
        """Control characters, markup, empty names, emoji."""

        async def work(site: SinkSite, context: ToolContext) -> None:
            odd = alert_of("ODD", message=text, job_name=text or None, state=state, extra=[text])
            try:
                await self._deliver(site, context, message_of(odd, context={"job_id": text}))
            except DeliveryError:
                return

        self._run(work)

    def test_a_place_that_is_down_is_tried_later(self) -> None:
        """`DeliveryError`, not refused for good, and without the secret."""

        async def work(site: SinkSite, context: ToolContext) -> None:
            if site.break_down is None:
                pytest.skip("this site cannot be made to fail")
            site.break_down()
            with pytest.raises(AitkError) as caught:
                await self._deliver(site, context, message_of(alert_of("DOWN")))
            assert isinstance(caught.value, DeliveryError)
            assert not isinstance(caught.value, DeliveryRefusedError)
            assert not site.secret or site.secret not in json.dumps(caught.value.to_json())

        self._run(work)

    def test_a_delivery_that_was_cancelled_leaves_the_sink_usable(self) -> None:
        """As at the deadline of one try."""

        async def work(site: SinkSite, context: ToolContext) -> None:
            task = asyncio.ensure_future(
                self._deliver(site, context, message_of(alert_of("CUT"), message_id="m-cut"))
            )
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._deliver(site, context, message_of(alert_of("AFTER"), message_id="m-2"))
            assert "AFTER" in site.received()

        self._run(work)
