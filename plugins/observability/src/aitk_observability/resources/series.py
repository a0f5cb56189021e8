"""Every metric of a run as one CSV table: whole, or refused."""

from __future__ import annotations

import asyncio
import csv
import io
import math
from typing import TYPE_CHECKING, Final

from aitk_core.backend.ids import checked_metric_key
from aitk_core.errors import InvalidArgumentsError, TooLargeError
from aitk_core.evidence.collector import add_from_bars, bar_name, is_tail
from aitk_core.evidence.logscan import scan_log
from aitk_core.evidence.records import LOSS, Series
from aitk_core.records.results import ResourceContent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_core.backend.protocol import Backend
    from aitk_core.backend.records import MetricPage
    from aitk_core.protocols import ToolContext

_OWN_COLUMNS: Final = ("step", "wall_time")
_SOURCE: Final = "loss_source"
_MOST_KEYS: Final = 32
"""Ours: the trainer logs three; each key is a request."""
_MOST_VALUES: Final = 200_000
"""Ours: 100,000 steps of loss and learning rate, 6 MB; longer than any LoRA run we know of."""
_MARKED: Final = ("=", "+", "-", "@", "\t", "\r", "'")
"""What begins a formula in a spreadsheet (OWASP, CSV Injection), and our mark against it."""


async def read_series(_uri: str, parts: Mapping[str, str], context: ToolContext) -> ResourceContent:
    """Return all metrics of a job as CSV (RFC 4180): a row for each step, a column for each key.

    Columns are `step` (0-based), `wall_time` (Unix seconds), `loss/loss` and the other keys by
    name, and last `loss_source`: `metrics`, `log`, or empty where the row has no loss. A cell is
    empty where the backend has no finite number; numbers are written so that they read back
    exactly. The trainer stores a loss that was not finite as 0.

    Where no losses were recorded, they are those of the log's progress bars: rounded as printed,
    without wall time, and empty where one was not finite. A job that has none there either has
    the headings that are not a metric's, and no row.

    Raises:
        JobNotFoundError: There is no such job.
        InvalidArgumentsError: The id is malformed.
        TooLargeError: There are more metrics, or more of a log, than are read; a table is never
            cut.
        BackendError: A metric, or the log where it is needed, could not be read.
    """
    job_id = parts["job_id"]
    columns: list[MetricPage | Series] = list(await _pages(context.backend, job_id))
    if not any(page.key == LOSS and len(page) for page in columns):
        others = [page for page in columns if page.key != LOSS]
        columns = [*await _logged(context, job_id, read=sum(map(len, others))), *others]
    return ResourceContent(mime_type="text/csv", text=await context.run(to_csv, columns))


async def _logged(context: ToolContext, job_id: str, *, read: int) -> list[Series]:
    """Return the losses that the log's bars show, or none, after `read` values of metrics."""
    job, chunk = await asyncio.gather(context.backend.job(job_id), context.backend.log_tail(job_id))

    def scan() -> list[Series]:
        found: dict[str, Series] = {}
        add_from_bars(found, scan_log(chunk.text, bar_name=bar_name(job)))
        return [series for key, series in found.items() if key == LOSS]

    found = await context.run(scan)
    if found and is_tail(chunk):
        raise _too_large("losses only in its log, whose beginning is not read", job_id)
    if read + sum(map(len, found)) >= _MOST_VALUES:
        raise _too_large(f"{_MOST_VALUES} logged values or more", job_id)
    return found


async def _pages(backend: Backend, job_id: str) -> list[MetricPage]:
    pages: list[MetricPage] = []

    async def read(key: str) -> None:
        left = _MOST_VALUES - sum(map(len, pages))
        page = await backend.metric_series(job_id, key, max_points=left)
        if page.truncated or len(page) >= left:
            raise _too_large(f"{_MOST_VALUES} logged values or more", job_id)
        pages.append(page)

    await read(LOSS)
    known = {key for key in pages[0].keys if _can_be_asked_for(key)}
    if len(known) > _MOST_KEYS:
        raise _too_large(f"more than {_MOST_KEYS} metrics", job_id)
    for key in sorted(known - {LOSS}):
        await read(key)
    return pages if LOSS in known else pages[1:]


def _can_be_asked_for(key: str) -> bool:
    try:
        checked_metric_key(key)
    except InvalidArgumentsError:
        return False
    return True


def _too_large(what: str, job_id: str) -> TooLargeError:
    return TooLargeError(
        f"job {job_id!r} has {what}, and a table is never cut",
        remedy="read the run's report, or the metrics from the backend itself",
        job_id=job_id,
        limit_values=_MOST_VALUES,
        limit_metrics=_MOST_KEYS,
    )


def to_csv(pages: Sequence[MetricPage | Series]) -> str:
    """Return series of one run as CSV, a row for each step that any of them has.

    Args:
        pages: One for each key; the wall time of a step is that of the first which knows it.
            A loss is of the metrics unless its series says otherwise.
    """
    wall_times: dict[int, float] = {}
    for page in reversed(pages):
        wall_times |= _finite(page.steps, page.wall_times)
    values = [_finite(page.steps, page.values) for page in pages]
    sources: dict[int, str] = {}
    for page, known in zip(pages, values, strict=True):
        if page.key == LOSS:
            sources = dict.fromkeys(known, page.source if isinstance(page, Series) else "metrics")
    columns: list[Mapping[int, float | str]] = [wall_times, *values, sources]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow((*_OWN_COLUMNS, *(heading_of(page.key) for page in pages), _SOURCE))
    writer.writerows(
        (step, *(column.get(step) for column in columns))
        for step in sorted(set().union(*(page.steps for page in pages)))
    )
    return text.getvalue()


def _finite(steps: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    return {s: value for s, value in zip(steps, values, strict=True) if math.isfinite(value)}


def heading_of(key: str) -> str:
    """Return the heading of a metric's column.

    One that a spreadsheet would take as a formula, or that is one of our own headings, has an
    apostrophe in front; so has one that begins with an apostrophe. Take one off to have the key.
    """
    return f"'{key}" if key in (*_OWN_COLUMNS, _SOURCE) or key.startswith(_MARKED) else key
