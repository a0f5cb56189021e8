"""alert-rules: which alerts go where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_alerts.destinations import named_destinations
from aitk_alerts.outbox.box import Outbox
from aitk_alerts.routing import DEFAULT, Rule, check_hours
from aitk_alerts.settings import AlertSettings
from aitk_core.errors import InvalidArgumentsError, NotFoundError, ReadOnlyError
from aitk_core.records.results import ToolResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_alerts.arguments import AlertRules
    from aitk_alerts.destinations import Destination
    from aitk_core.protocols import ToolContext


async def alert_rules(arguments: AlertRules, context: ToolContext) -> ToolResult:
    """List, set or remove rules.

    Raises:
        InvalidArgumentsError: No name, quiet hours that are none, or an unknown destination.
        NotFoundError: There is no rule of that name.
        ReadOnlyError: This server may change nothing.
    """
    box = Outbox(context.store)
    named = named_destinations(context.settings(AlertSettings))
    if arguments.action != "list":
        if context.read_only:
            raise ReadOnlyError("this server is read-only", remedy="use action list")
        await _change(arguments, box, named, context)
    kept = [Rule.from_json(body) for _, body in await context.run(box.rules)]
    data = {
        "rules": [rule.to_json() for rule in kept or (DEFAULT,)],
        "is_default": not kept,
        "destinations": [
            {"name": each.name, "kind": each.kind, "installed": each.kind in context.sinks()}
            for each in named.values()
        ],
        "sinks": sorted(context.sinks()),
    }
    lines = [_line(rule) for rule in kept or (DEFAULT,)]
    if not named:
        lines.append(
            "No destination is configured (AITK_ALERT_DESTINATIONS): alerts go to a file in "
            "alerts/ below the outputs folder."
        )
    return ToolResult(data=data, summary="\n".join(lines))


async def _change(
    arguments: AlertRules, box: Outbox, named: Mapping[str, Destination], context: ToolContext
) -> None:
    if arguments.name is None:
        raise InvalidArgumentsError(
            "name is required to set or remove a rule",
            remedy="give the rule a name",
            faults=[{"path": "/name", "message": "is required here"}],
        )
    if arguments.action == "remove":
        if not await context.run(box.drop_rule, arguments.name):
            raise NotFoundError(
                f"there is no rule {arguments.name!r}", remedy="action list shows the rules"
            )
        return
    check_hours(arguments.quiet_hours)
    unknown = [each for each in arguments.destinations if each not in named and each != "file"]
    if unknown:
        raise InvalidArgumentsError(
            f"no destination {unknown[0][:60]!r} is configured",
            remedy=f"configured: {', '.join([*named, 'file'])}; add it to AITK_ALERT_DESTINATIONS",
            faults=[{"path": "/destinations", "message": "names no destination"}],
        )
    rule = Rule(
        name=arguments.name,
        destinations=arguments.destinations,
        min_severity=arguments.min_severity,
        codes=arguments.codes,
        jobs=arguments.jobs,
        quiet_hours=arguments.quiet_hours,
    )
    await context.run(box.keep_rule, rule.name, rule.to_json(), context.now())


def _line(rule: Rule) -> str:
    parts = [f"{rule.name}: {rule.min_severity} and worse"]
    if rule.codes:
        parts.append(f"of {', '.join(rule.codes)}")
    if rule.jobs:
        parts.append(f"from {', '.join(rule.jobs)}")
    parts.append(f"to {', '.join(rule.destinations) or 'every destination'}")
    if rule.quiet_hours:
        parts.append(f"quiet {rule.quiet_hours}")
    return " ".join(parts)
