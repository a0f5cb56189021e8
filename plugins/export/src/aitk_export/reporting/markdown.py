"""The report as Markdown, for a note or a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_export.reporting.shown import Shown

_SPECIAL: Final = re.compile(r"([\\`*_\[\]])")
_AT_START: Final = re.compile(r"^(\s*)(#|[+-](?=[\s-]|$)|\d{1,9}(?=[.)](?:\s|$)))")
"""What begins a heading, a list or a rule, where a text stands at the beginning of a line."""
_ENTITIES: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    # Addresses become links by themselves.
    "://": "&#58;//",
    "www.": "www&#46;",
    "@": "&#64;",
    # No escape of theirs is known everywhere.
    "|": "&#124;",
    "~": "&#126;",
    "$": "&#36;",
}


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, link, mention or HTML in it."""
    text = _SPECIAL.sub(r"\\\1", text)
    for character, entity in _ENTITIES.items():
        text = text.replace(character, entity)
    if text.startswith("="):
        return f"&#61;{text[1:]}"
    begun = _AT_START.match(text)
    if begun is None:
        return text
    mark = begun[2]
    rest = text[begun.end() :]
    return f"{begun[1]}{mark}\\{rest}" if mark.isdigit() else f"{begun[1]}\\{mark}{rest}"


def markdown(report: Shown) -> bytes:
    """Return the report as UTF-8."""
    parts = [
        _head(report),
        _section("Score", _table(("part", "score"), report.components)),
        _section("Findings", _findings(report), empty="None."),
        _section("Not assessed", [_item(f"{what}: {why}") for what, why in report.not_assessed]),
        _section("Alerts", [_item(f"{how}: {text}") for how, text in report.alerts], empty="None."),
        _baseline(report),
        _section("Files", _table(("file", "kind", "size"), report.files)),
        _log(report),
        _section("Notes", [_item(note) for note in report.notes]),
    ]
    text = "\n".join(line for part in parts for line in part) + "\n"
    return text.encode("utf-8", "backslashreplace")


def _head(report: Shown) -> list[str]:
    return [
        f"# Training report: {escaped(report.title)}",
        "",
        f"Generated: {report.generated_at}",
        "",
        f"Health: **{escaped(report.health)}**",
        "",
        escaped(report.summary),
        "",
        *_table(("", ""), [each for each in report.facts if each[1]]),
    ]


def _findings(report: Shown) -> list[str]:
    lines: list[str] = []
    for each in report.findings:
        name = f"{escaped(each.severity)} {escaped(each.code)}"
        lines += [f"- **{name}**: {escaped(each.message)}", f"  - {escaped(each.facts)}"]
        lines += [f"  - evidence: {escaped(text)}" for text in each.evidence]
        lines += [f"  - do: {escaped(text)}" for text in each.remedies]
        lines += [f"  - not known: {escaped(text)}" for text in each.unknown]
    return lines


def _baseline(report: Shown) -> list[str]:
    if report.baseline_name is None:
        return []
    rows = [(each.path, each.baseline, each.run) for each in report.differences]
    lines = _table(("key", "baseline", "this run"), rows)
    if report.differences_left_out:
        lines += ["", f"{report.differences_left_out} more are in the JSON file."]
    title = f"Config against {escaped(report.baseline_name)}"
    return _section(title, lines, empty="No differences.")


def _log(report: Shown) -> list[str]:
    # Indented, so that no line of it can end a block of code.
    lines = ["Quoted from the trainer:", "", *(f"    {line}" for line in report.log)]
    return _section("End of the log", lines if report.log else [])


def _section(title: str, lines: Sequence[str], *, empty: str = "") -> list[str]:
    if not lines and not empty:
        return []
    return ["", f"## {title}", "", *(lines or [empty])]


def _item(text: str) -> str:
    return f"- {escaped(text)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows),
    ]
