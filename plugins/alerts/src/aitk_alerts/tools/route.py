"""alert-routing: takes alerts in charge, and delivers what is due within the call."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_alerts.alerts import Alert, Fault, parse_alerts
from aitk_alerts.delivery import Sender
from aitk_alerts.destinations import named_destinations
from aitk_alerts.outbox.box import Outbox
from aitk_alerts.outbox.records import Limits, Retry, Target
from aitk_alerts.report import Taken, document, summarize
from aitk_alerts.routing import Routed, Rule, route
from aitk_alerts.settings import AlertSettings
from aitk_core.backend.ids import checked_job_id
from aitk_core.errors import InvalidArgumentsError
from aitk_core.records.alerts import SEVERITIES
from aitk_core.records.results import ToolResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_alerts.arguments import AlertRouting
    from aitk_alerts.outbox.records import Accepted, Message
    from aitk_core.protocols import ToolContext

_ANSWER_S: Final = 3.0
"""Ours: of the call's time, kept for the answer."""
_LONGEST_S: Final = 40.0
"""Ours: all tries of one call together (PITFALLS 88); the outbox goes on after it."""
_PAUSE_S: Final = 0.05


@frozen(kw_only=True)
class _Source:
    """Alerts of one call, and what is known of their run."""

    alerts: list[Alert]
    faults: list[Fault]
    count: int
    context: Mapping[str, Any] | None = None


async def alert_routing(arguments: AlertRouting, context: ToolContext) -> ToolResult:
    """Filter, take in charge and deliver alerts.

    Raises:
        InvalidArgumentsError: Neither alerts nor job_id, or a destination that is none.
        DestinationRefusedError: A URL that leads where nothing is sent.
        PathOutsideRootsError: A file that leads out of the roots.
        JobNotFoundError: There is no such job.
    """
    box = Outbox(context.store)
    now = context.now()
    source = await _source(arguments, context)
    least = SEVERITIES.index(arguments.min_severity)
    by_rules = arguments.sink == "rules"
    # Rules have a least severity of their own.
    grave = [
        each
        for each in source.alerts
        if by_rules or arguments.test or SEVERITIES.index(each.severity) >= least
    ]
    owner = f"call:{secrets.token_hex(6)}"
    routed, places = await _routed(arguments, grave, owner, context)
    accepted = await _accept(box, routed, arguments, source, now, context)
    if arguments.retry_message_ids:
        await context.run(box.revive, arguments.retry_message_ids, now)
    messages = list(accepted.message_ids)
    sender = await _deliver(arguments, routed, places, messages, owner, context)
    await _give_up_unnamed(box, await _read(box, messages, context), places, context)
    sent = await _read(box, messages, context)
    taken = Taken(count=source.count, faults=source.faults, grave=grave)
    data = document(arguments, taken, routed, accepted, sent, sender, now)
    return ToolResult(data=data, summary=summarize(data))


async def _source(arguments: AlertRouting, context: ToolContext) -> _Source:
    now = context.now()
    if arguments.test:
        return _Source(alerts=[_trial(now)], faults=[], count=1)
    if arguments.alerts is not None:
        alerts, faults = parse_alerts(arguments.alerts, now=now)
        return _Source(alerts=alerts, faults=faults, count=len(arguments.alerts))
    if arguments.job_id is None:
        if arguments.retry_message_ids:
            return _Source(alerts=[], faults=[], count=0)
        raise InvalidArgumentsError(
            "nothing to route: give alerts, job_id, or test",
            remedy="list-training-jobs shows the jobs",
            faults=[{"path": "/alerts", "message": "is required here"}],
        )
    return await _of_run(arguments, checked_job_id(arguments.job_id.strip()), context)


async def _of_run(arguments: AlertRouting, job_id: str, context: ToolContext) -> _Source:
    asked: dict[str, Any] = {
        "job_id": job_id,
        "include_dataset": False,
        "include_nlp": False,
        "lines": arguments.lines,
    }
    if arguments.config_name is not None:
        asked["config_name"] = arguments.config_name
    report = (await context.call_tool("get-training-observability", asked)).data or {}
    job_name = report["run_report"]["job_name"]
    items = [{**each, "job_id": job_id, "job_name": job_name} for each in report["alerts"]]
    alerts, faults = parse_alerts(items, now=context.now())
    about = None
    if arguments.include_context:
        about = {
            "job_id": job_id,
            "status_snapshot": report["status_snapshot"],
            "overall_health": report["overall_health"],
        }
    return _Source(alerts=alerts, faults=faults, count=len(items), context=about)


def _trial(now: float) -> Alert:
    return Alert(
        alert_id=f"test-{secrets.token_hex(8)}",
        severity="info",
        category="alerts",
        code="TEST_MESSAGE",
        message="A trial message of AI ToolKit MCP: alerts will arrive here.",
        raised_at=now,
    )


async def _routed(
    arguments: AlertRouting, alerts: Sequence[Alert], owner: str, context: ToolContext
) -> tuple[list[Routed], dict[str, str]]:
    """Return which alerts go where, and where URLs lead that only this call knows."""
    named = named_destinations(context.settings(AlertSettings))
    if arguments.sink == "rules" and arguments.destination is None:
        rules = [Rule.from_json(body) for _, body in await context.run(Outbox(context.store).rules)]
        return route(alerts, rules, named, context.now()), {}
    destination = arguments.destination or ""
    places: dict[str, str] = {}
    if destination in named:
        target = Target(name=destination, kind=named[destination].kind)
        place = named[destination].where
    elif arguments.sink == "file":
        target = Target(name=f"file:{destination}", kind="file", place=destination)
        place = destination
    elif arguments.sink == "webhook" and destination:
        # Its path may be a secret: kept for this call only, known to the outbox by its host.
        host = context.outbound.check(destination)
        name = f"webhook:{host}:{_digest(destination)}"
        target = Target(name=name, kind="webhook", reserved_for=owner)
        place = destination
        places[name] = destination
    else:
        raise InvalidArgumentsError(
            "a webhook needs a destination",
            remedy="give its https URL, or the name of a destination from the settings",
            faults=[{"path": "/destination", "message": "is required here"}],
        )
    async with context.open_sink(target.kind, place):
        pass  # a destination that is none is refused before anything is taken in
    return [Routed(target=target, alerts=tuple(alerts))], places


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


async def _accept(
    box: Outbox,
    routed: Sequence[Routed],
    arguments: AlertRouting,
    source: _Source,
    now: float,
    context: ToolContext,
) -> Accepted:
    from aitk_alerts.outbox.records import Accepted

    limits = Limits(
        dedupe_window_s=arguments.dedupe_window_seconds,
        rate_window_s=arguments.rate_limit_window_seconds,
        max_per_window=arguments.max_alerts_per_window,
    )
    outcomes: dict[str, list[str]] = {}
    message_ids: list[str] = []
    for each in routed:
        if not each.alerts:
            continue  # nothing new, so nobody is called (PITFALLS 86)
        accepted = await context.run(
            lambda each=each: box.accept(
                each.alerts,
                [each.target],
                limits,
                now,
                context=source.context,
                is_test=arguments.test,
            )
        )
        for name, said in accepted.outcomes.items():
            outcomes.setdefault(name, []).extend(said)
        message_ids += accepted.message_ids
    return Accepted(outcomes=outcomes, message_ids=message_ids)


async def _deliver(
    arguments: AlertRouting,
    routed: Sequence[Routed],
    places: Mapping[str, str],
    message_ids: Sequence[str],
    owner: str,
    context: ToolContext,
) -> Sender:
    """Send what is due now, within the call's limit; the rest stays in the outbox."""
    retry = Retry(
        first_s=arguments.webhook_backoff_ms / 1000,
        factor=arguments.webhook_backoff_multiplier,
        longest_s=120.0,
        attempts=arguments.webhook_retry_attempts if places else Retry().attempts,
    )
    sender = Sender(
        context,
        owner,
        places=places,
        only=[each.target.name for each in routed],
        attempt_s=arguments.webhook_timeout_seconds,
        retry=retry if arguments.sink == "webhook" else None,
    )
    if not message_ids:
        return sender
    box = Outbox(context.store)
    loop = asyncio.get_running_loop()
    remaining = context.remaining_s()
    room = _LONGEST_S if remaining is None else min(_LONGEST_S, remaining - _ANSWER_S)
    end = loop.time() + max(0.0, room)
    try:
        while loop.time() < end:
            await sender.step()
            await _until(sender, end - loop.time())
            waiting = [await context.run(box.get, each) for each in message_ids]
            due = [
                each
                for each in waiting
                if each is not None
                and each.state in ("pending", "sending")
                and each.attempts < arguments.webhook_retry_attempts
                and each.not_before <= context.now() + (end - loop.time())
            ]
            if not due:
                break
            await asyncio.sleep(_PAUSE_S)
    finally:
        await asyncio.shield(sender.close())
    return sender


async def _until(sender: Sender, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await sender.settle()
    except TimeoutError:
        return


async def _read(box: Outbox, ids: Sequence[str], context: ToolContext) -> list[Message]:
    found = [await context.run(box.get, each) for each in ids]
    return [each for each in found if each is not None]


async def _give_up_unnamed(
    box: Outbox, sent: list[Message], places: Mapping[str, str], context: ToolContext
) -> None:
    """A URL that only the call knew cannot be tried again: said so, and kept as dead."""
    left = [each for each in sent if each.destination in places and each.state != "delivered"]
    if not left:
        return
    reason = (
        f"its URL was given in the call only ({left[0].error or 'not taken in time'}); name the "
        "destination in AITK_ALERT_DESTINATIONS to have it tried again"
    )
    await context.run(box.give_up, [each.message_id for each in left], reason, context.now())
