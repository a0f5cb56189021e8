"""A message for a person: plain text that no service reads as markup, mention or hidden link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.records.alerts import AlertMessage

_TITLE: Final = 200
_BODY: Final = 1800
"""Characters; Discord takes 2,000, and others more."""
_SHOWN: Final = 8
_JOINER: Final = "\u2060"
"""Word joiner: no width, and no service reads what stands on both sides as one."""
_WORDS: Final = {"critical": "CRITICAL", "warning": "Warning", "info": "Info"}
_MARKS: Final = str.maketrans(
    {"<": "\u2039", ">": "\u203a", "`": "'", "@": f"@{_JOINER}", "&": "+", "\r": " "}
)


def safe(text: str) -> str:
    """Return untrusted text without what makes a mention, a link with another name, or markup.

    `@` is followed by a character of no width (Discord, Slack, Matrix), angle brackets and
    backticks are others of their kind (Slack, HTML), and `](` is torn apart (Markdown).
    """
    shown = "".join(c for c in text if c.isprintable() or c in "\n ")
    shown = shown.translate(_MARKS).replace("](", f"]{_JOINER}(").replace("://", f":{_JOINER}//")
    for mark in ("**", "__", "~~", "||"):
        shown = shown.replace(mark, _JOINER.join(mark))
    return shown


def title_of(message: AlertMessage) -> str:
    """Return one line: how grave, which run, what."""
    first = message.alerts[0] if message.alerts else {}
    count = len(message.alerts)
    name = first.get("job_name") or first.get("job_id")
    resolved = all(alert.get("state") == "resolved" for alert in message.alerts)
    word = "Over" if resolved and message.alerts else _WORDS.get(message.severity, "Alert")
    what = str(first.get("code", "")) if count == 1 else f"{count} alerts"
    parts = [*(["TEST"] if message.test else []), word, *([str(name)] if name else []), what]
    return safe(": ".join(parts).replace("\n", " "))[:_TITLE]


def body_of(message: AlertMessage) -> str:
    """Return what happened, with its numbers, and what to do next."""
    lines = [*(["This is a trial; nothing happened."] if message.test else [])]
    for alert in message.alerts[:_SHOWN]:
        lines += _lines(alert, alone=len(message.alerts) == 1)
    more = len(message.alerts) - _SHOWN
    if more > 0:
        lines.append(f"and {more} more")
    text = safe("\n".join(lines))
    return text if len(text) <= _BODY else f"{text[: _BODY - 3]}..."


def _lines(alert: Mapping[str, Any], *, alone: bool) -> list[str]:
    said = str(alert.get("message", ""))
    count = alert.get("count", 1)
    times = f" ({count} times)" if isinstance(count, int) and count > 1 else ""
    if not alone:
        return [f"- {alert.get('code', '')}: {said[:300]}{times}"]
    lines = [f"{said}{times}"]
    evidence = alert.get("evidence")
    findings = evidence.get("findings") if isinstance(evidence, dict) else None
    for finding in findings[:3] if isinstance(findings, list) else ():
        if isinstance(finding, dict):
            lines += _finding(finding)
    rate = alert.get("false_alarms")
    if isinstance(rate, str) and rate:
        lines.append(f"How often this is wrong: {rate}")
    lines.append(f"Raised at {alert.get('raised_at', '?')}, alert {alert.get('alert_id', '?')}")
    return lines


def _finding(finding: Mapping[str, Any]) -> list[str]:
    value, unit, interval = finding.get("value"), finding.get("unit"), finding.get("interval")
    lines = []
    if isinstance(value, int | float):
        around = ""
        if isinstance(interval, list) and all(isinstance(v, int | float) for v in interval):
            around = f" ({interval[0]:.3g} to {interval[1]:.3g})"
        lines.append(f"Measured: {value:.4g}{around} {unit or ''}, method {finding.get('method')}")
    remedies = finding.get("remedies")
    first = remedies[:2] if isinstance(remedies, list) else []
    actions = [each.get("action") for each in first if isinstance(each, dict)]
    return lines + [f"Next: {action}" for action in actions if action]
