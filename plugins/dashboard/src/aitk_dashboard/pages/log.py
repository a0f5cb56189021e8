"""The end of a run's log, and what findings quote of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_dashboard.pages.asking import ask
from aitk_dashboard.pages.glances import Glances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.protocols import ToolContext
    from aitk_dashboard.pages.glances import Quote

_SHOWN: Final = 200
_READ: Final = 2000
"""Lines in which quotes are looked for."""
_EXCERPTS: Final = 12
_AROUND: Final = 1
_LEAST: Final = 4
"""Characters; less is in every other line."""


@frozen(kw_only=True)
class Line:
    """One line, and the finding that quotes it."""

    text: str
    code: str | None = None


async def log(context: ToolContext, job_id: str) -> dict[str, Any]:
    """Return the end of the log with the quoted lines marked, and those that come before it.

    Quotes are those of the last time that the run was judged.

    Raises:
        JobNotFoundError: There is no such job.
    """
    answer = await ask(context, "get-training-logs", job_id=job_id, lines=_READ)
    kept = (await context.run(Glances(context.store).known, [job_id])).get(job_id)
    lines = answer.data.get("lines") or []
    marked = await context.run(_marked, lines, () if kept is None else kept.glance.quotes)
    begin = max(0, len(marked) - _SHOWN)
    return {
        "problem": answer.problem,
        "excerpts": excerpts(marked[:begin]),
        "lines": marked[begin:],
        "left_out": begin,
    }


def _marked(lines: Sequence[str], quotes: Sequence[Quote]) -> list[Line]:
    sought = [quote for quote in quotes if len(quote.text) >= _LEAST]
    return [
        Line(text=line, code=next((each.code for each in sought if each.text in line), None))
        for line in lines
    ]


def excerpts(lines: Sequence[Line]) -> list[Sequence[Line]]:
    """Return the first marked lines with those around them, joined where they touch."""
    found: list[tuple[int, int]] = []
    for index in [index for index, line in enumerate(lines) if line.code is not None][:_EXCERPTS]:
        begin, end = max(0, index - _AROUND), min(len(lines), index + _AROUND + 1)
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return [lines[begin:end] for begin, end in found]
