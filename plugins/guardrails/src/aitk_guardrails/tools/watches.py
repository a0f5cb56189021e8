"""list-watches, inspect-watch, end-watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.backend.ids import checked_job_id
from aitk_core.errors import InvalidArgumentsError, NotFoundError
from aitk_core.records.results import ToolResult
from aitk_guardrails.report.watches import line_of, watch_details, watch_json
from aitk_guardrails.watch.home import home_of
from aitk_guardrails.watch.proposal import propose
from aitk_guardrails.watch.store import WatchStore

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_guardrails.arguments import EndWatch, InspectWatch, ListWatches
    from aitk_guardrails.watch.records import Watch

_DECISIONS: Final = 100
"""Newest decisions in one answer; ours."""


async def list_watches(arguments: ListWatches, context: ToolContext) -> ToolResult:
    """List the watches that go on, and with include_ended those of the last 30 days."""
    store, offset = WatchStore(context.store), int(arguments.cursor or 0)
    found, count = await context.run(
        lambda: store.listed(ended=arguments.include_ended, limit=arguments.limit, offset=offset)
    )
    more = offset + len(found) < count
    now = context.now()
    data = {
        "watches": [watch_json(each, now) for each in found],
        "count": count,
        "next_cursor": str(offset + len(found)) if more else None,
        "servers": await context.run(store.servers, now),
    }
    lines = [line_of(each) for each in found] or ["Nothing is watched."]
    return ToolResult(data=data, summary="\n".join(lines))


async def inspect_watch(arguments: InspectWatch, context: ToolContext) -> ToolResult:
    """Show a watch whole: rules, what it saw, decided and told, and how to go on.

    Raises:
        InvalidArgumentsError: Neither watch_id nor job_id is given.
        NotFoundError: There is no such watch.
        JobNotFoundError: There is no such job.
    """
    store = WatchStore(context.store)
    watch = await _found(store, arguments, context)
    data = watch_details(
        watch,
        await context.run(store.decisions, watch.id, _DECISIONS),
        await context.run(store.alerts, watch.id),
        await propose(watch, context.backend),
        context.now(),
    ) | {"home": await home_of(store, context) if watch.state != "ended" else None}
    lines = [line_of(watch)]
    lines += [f"- {each['code']}: {each['message']}" for each in data["triggered"]]
    lines += [f"- warning {each['code']}: {each['message']}" for each in data["warned"]]
    if data["proposal"] and data["proposal"].get("how"):
        lines.append(f"To go on: {data['proposal']['how']}")
    return ToolResult(data=data, summary="\n".join(lines))


async def end_watch(arguments: EndWatch, context: ToolContext) -> ToolResult:
    """End a watch; the run is left as it is.

    Raises:
        NotFoundError: There is no such watch, or it has ended.
    """
    store = WatchStore(context.store)
    now = context.now()
    watch = await context.run(store.end, arguments.watch_id, "ended_by_request", now)
    if watch is None:
        raise _missing(arguments.watch_id)
    ended = await context.run(store.get, watch.id)
    data = watch_json(ended or watch, now)
    return ToolResult(data=data, summary=f"{line_of(ended or watch)}")


async def _found(store: WatchStore, arguments: InspectWatch, context: ToolContext) -> Watch:
    if (arguments.watch_id is None) == (arguments.job_id is None):
        message = "give either watch_id or job_id"
        raise InvalidArgumentsError(
            message,
            remedy="list-watches shows the watches",
            faults=[{"path": "/watch_id", "message": message}],
        )
    if arguments.watch_id is not None:
        watch = await context.run(store.get, arguments.watch_id)
    else:
        job_id = checked_job_id(str(arguments.job_id))
        watch = await context.run(store.of_job, job_id)
        if watch is None:
            await context.backend.job(job_id)  # an unknown job is another fault
    if watch is None:
        raise _missing(arguments.watch_id or str(arguments.job_id))
    return watch


def _missing(name: str) -> NotFoundError:
    return NotFoundError(
        f"no watch {name[:100]!r} goes on", remedy="list-watches shows the watches", watch=name
    )
