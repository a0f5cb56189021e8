"""Sends what is in the outbox: every destination apart, so that a slow one delays no other."""

from __future__ import annotations

import asyncio
import logging
import random as chance
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from aitk_alerts.destinations import named_destinations
from aitk_alerts.outbox.box import Outbox
from aitk_alerts.settings import AlertSettings
from aitk_core.errors import (
    AitkError,
    DeliveryError,
    DeliveryRefusedError,
    InvalidArgumentsError,
    NotFoundError,
    NotPermittedError,
)
from aitk_core.records.alerts import AlertMessage
from aitk_core.records.results import Image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_alerts.outbox.records import Message, Retry
    from aitk_core.protocols import ServiceContext, ToolContext

logger = logging.getLogger(__name__)

ATTEMPT_S: Final = 15.0
"""The contract's default for one try (TOOLS.md section 11)."""
_CHART_S: Final = 20.0
_MARGIN_S: Final = 15.0
"""Ours: of a lease, beyond the try and the drawing of its chart."""
_AT_ONCE: Final = 8
"""Ours: messages under way to one destination."""
LONGEST_S: Final = 300.0
PERIOD_S: Final = 1.0
_PRUNE_S: Final = 3600.0
_FOR_GOOD: Final = (DeliveryRefusedError, InvalidArgumentsError, NotPermittedError, NotFoundError)
"""What a sink raises where another try cannot help."""


class Sender:
    """Sends the messages of one outbox, in this server."""

    def __init__(
        self,
        context: ToolContext,
        owner: str,
        *,
        places: Mapping[str, str] | None = None,
        only: Sequence[str] | None = None,
        attempt_s: float = ATTEMPT_S,
        retry: Retry | None = None,
        random: chance.Random | None = None,
    ) -> None:
        """Send nothing yet.

        Args:
            context: Sinks, store and settings.
            owner: This run of this server, or of this call.
            places: Where destinations lead that neither settings nor outbox know.
            only: Send to these destinations only.
            attempt_s: For one try.
            retry: When what was not taken is sent again.
            random: For the jitter.
        """
        self._context = context
        self._box = Outbox(context.store)
        self._owner = owner
        self._places = dict(places or {})
        self._only = only
        self._attempt_s = min(attempt_s, LONGEST_S)
        self._retry = retry
        self._random = random or chance.Random()  # noqa: S311 - jitter, not a secret
        self._under_way: set[asyncio.Task[None]] = set()
        self._to: dict[str, str] = {}
        """Destination of each message under way."""
        self._taken: set[str] = set()
        """Messages whose sink returned: they are delivered, whatever follows."""
        self._decided: set[asyncio.Task[None]] = set()
        """Tries that only write down how they ended."""
        self.results: dict[str, list[dict[str, Any]]] = {}
        """Tries of this sender, by message id."""

    async def step(self) -> int:
        """Claim what is due and begin to send it; returns how many messages were claimed."""
        context = self._context
        now = context.now()
        full = [name for name, count in Counter(self._to.values()).items() if count >= _AT_ONCE]
        claimed = await context.run(
            lambda: self._box.claim(
                self._owner,
                now,
                lease_s=self._attempt_s + _CHART_S + _MARGIN_S,
                only=self._only,
                without=full,
            )
        )
        for message in claimed:
            # Each at once: none waits behind another while its lease runs out.
            task = asyncio.create_task(self._try(message))
            self._under_way.add(task)
            self._to[message.message_id] = message.destination
            task.add_done_callback(self._under_way.discard)
            task.add_done_callback(self._decided.discard)
        return len(claimed)

    async def settle(self) -> None:
        """Wait for what is under way."""
        while self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Cancel what no sink has taken yet and give it back; it is sent again under the same id.

        What a sink has taken is marked before this returns, so an orderly end repeats nothing.
        """
        tasks = list(self._under_way)
        for task in tasks:
            if task not in self._decided:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._context.run(self._box.release, self._owner)

    async def _try(self, message: Message) -> None:
        try:
            await self._send(message)
        except AitkError:
            # Its lease runs out, and it is tried again.
            logger.exception("message %s", message.message_id)
        finally:
            self._to.pop(message.message_id, None)
            self._taken.discard(message.message_id)

    async def _send(self, message: Message) -> None:
        context, box = self._context, self._box
        tried = self.results.setdefault(message.message_id, [])
        not_before = None
        for_good = False
        error = ""
        try:
            place = self._place(message)
            chart = await self._chart(message)
            await self._hand_over(message, place, chart)
        except TimeoutError:
            error = f"no answer within {self._attempt_s:g} s"
        except _FOR_GOOD as refusal:
            error, for_good = f"{refusal.code}: {refusal}", True
            tried.append(
                {"attempt": message.attempts, "exception": refusal.code, **_status(refusal)}
            )
        except AitkError as failure:
            error = f"{failure.code}: {failure}"
            not_before = _time(failure) if isinstance(failure, DeliveryError) else None
            tried.append(
                {"attempt": message.attempts, "exception": failure.code, **_status(failure)}
            )
        except Exception as failure:  # a sink may fail in any way
            logger.exception("sink %s", message.kind)
            error = f"the sink failed: {type(failure).__name__}"
        if task := asyncio.current_task():
            self._decided.add(task)
        now = context.now()
        if not error:
            tried.append({"attempt": message.attempts, "status": "delivered"})
            await context.run(box.delivered, message, now)
            return
        if not tried or tried[-1]["attempt"] != message.attempts:
            tried.append({"attempt": message.attempts, "exception": error[:100]})
        error = context.redacted(error)
        logger.warning("message %s to %s: %s", message.message_id, message.destination, error)
        if for_good:
            await context.run(box.refused, message, error, now)
            return
        await context.run(
            lambda: box.failed(
                message,
                error,
                now,
                random=self._random,
                retry=self._retry,
                not_before=not_before,
                reserved_for=self._owner if message.destination in self._places else None,
            )
        )

    async def _hand_over(self, message: Message, place: str, chart: bytes | None) -> None:
        try:
            async with asyncio.timeout(self._attempt_s):
                async with self._context.open_sink(message.kind, place) as sink:
                    await sink.deliver(_told(message, chart))
                    self._taken.add(message.message_id)
        except (Exception, asyncio.CancelledError) as failure:
            if message.message_id not in self._taken:
                raise
            # A second copy would be worse than a connection that did not close well.
            logger.warning("sink %s did not close: %s", message.kind, type(failure).__name__)

    def _place(self, message: Message) -> str:
        """Return what the message's sink is opened with.

        Raises:
            NotFoundError: Nobody knows it any more.
        """
        if message.destination in self._places:
            return self._places[message.destination]
        if message.place is not None:
            return message.place
        named = named_destinations(self._context.settings(AlertSettings))
        if message.destination in named:
            return named[message.destination].where
        raise NotFoundError(
            f"where {message.destination!r} leads is not known here",
            remedy="name it in AITK_ALERT_DESTINATIONS, then try its dead messages again",
        )

    async def _chart(self, message: Message) -> bytes | None:
        context = self._context
        if message.is_test or message.job_id is None or not context.sinks().get(message.kind):
            return None
        if not context.offers("get-training-observability"):
            return None
        asked = {
            "job_id": message.job_id,
            "include_dataset": False,
            "include_nlp": False,
            "charts": "light",
        }
        try:
            async with asyncio.timeout(_CHART_S):
                answer = await context.call_tool("get-training-observability", asked)
        except (AitkError, TimeoutError):
            return None  # the message matters more than its picture
        images = [block for block in answer.blocks if isinstance(block, Image)]
        return images[0].data if images else None


def _told(message: Message, chart: bytes | None) -> AlertMessage:
    return AlertMessage(
        message_id=message.message_id,
        alerts=tuple(dict(each) for each in message.alerts),
        context=None if message.context is None else dict(message.context),
        test=message.is_test,
        chart=chart,
    )


def _status(error: AitkError) -> dict[str, Any]:
    status = error.details.get("status")
    return {"status": status} if isinstance(status, int) else {}


def _time(error: AitkError) -> float | None:
    value = error.details.get("not_before")
    return float(value) if isinstance(value, int | float) else None


async def serve(service: ServiceContext) -> None:
    """Deliver as long as the server runs; several servers share one outbox."""
    context = service.tools()
    if context.read_only:
        # Sending is for servers that may change something.
        while True:
            service.beat()
            await asyncio.sleep(PERIOD_S)
    box = Outbox(context.store)
    sender = Sender(context, service.owner)
    pruned = 0.0
    try:
        while True:
            service.beat()
            now = context.now()
            await context.run(box.held_back, now)
            await sender.step()
            if now - pruned > _PRUNE_S:
                pruned = now
                await context.run(box.prune, now)
            await asyncio.sleep(PERIOD_S)
    finally:
        await asyncio.shield(sender.close())
