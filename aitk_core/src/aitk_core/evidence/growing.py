"""What a run writes, read on from where the last look ended: its metrics and its log."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.backend.protocol import LOG_TAIL_BYTES
from aitk_core.evidence.collector import is_tail
from aitk_core.evidence.logscan import LogScanner
from aitk_core.evidence.records import LogFacts, Series

if TYPE_CHECKING:
    from aitk_core.backend.protocol import Backend
    from aitk_core.backend.records import LogChunk, MetricPage

_BACK_FACTOR: Final = 16
"""Ours: a resume loses at most the steps since the last save, so two or three requests find its
step, and each answer is at most this many times what was lost."""
_BROKEN: Final = "\N{REPLACEMENT CHARACTER}"


@frozen(kw_only=True)
class Growth:
    """What one look at a metric changed."""

    added: int
    """Points that were not known before."""
    dropped: int
    """Known points that the backend no longer has, or has others in place of."""
    keys: tuple[str, ...]
    """All keys the job has points of."""


class GrowingSeries:
    """One metric, read on from its newest known point.

    When a run resumes, the trainer deletes the rows beyond the resume step and writes others
    under the same steps (backend/API.md section 12.3). So every look asks for the newest known
    point once more. Where it is gone, or has another wall time or value, older ones are asked
    for until one agrees; what came after that is dropped.
    """

    def __init__(self, key: str) -> None:
        """Start without points."""
        self.key = key
        self._steps = array("q")
        self._wall_times = array("d")
        self._values = array("d")
        self._truncated = False

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self._steps)

    async def advance(self, backend: Backend, job_id: str) -> Growth:
        """Ask for what is new, all of it at the first look, within the client's limits.

        Raises:
            BackendError: Nothing was changed.
        """
        back = 1
        while True:
            start = max(0, len(self) - back)
            # From the beginning where nothing known may be left: there may be earlier steps now.
            since = self._steps[start] - 1 if start or (back == 1 and len(self)) else None
            page = await backend.metric_series(job_id, self.key, since_step=since)
            same = self._agreeing(page, start)
            if same or since is None:
                return self._splice(page, start, same)
            back *= _BACK_FACTOR

    def last(self, points: int) -> Series | None:
        """Return the newest points, or None where there are none."""
        start = max(0, len(self) - points)
        if start == len(self):
            return None
        return Series(
            key=self.key,
            steps=self._steps[start:],
            wall_times=self._wall_times[start:],
            values=self._values[start:],
            source="metrics",
            truncated=self._truncated,
        )

    def _agreeing(self, page: MetricPage, start: int) -> int:
        """Return how many points, from `start` on, are those at the head of the page."""
        known = min(len(page), len(self) - start)
        for index in range(known):
            at = start + index
            if (
                page.steps[index] != self._steps[at]
                or _differ(page.wall_times[index], self._wall_times[at])
                or _differ(page.values[index], self._values[at])
            ):
                return index
        return known

    def _splice(self, page: MetricPage, start: int, same: int) -> Growth:
        kept = start + same
        growth = Growth(added=len(page) - same, dropped=len(self) - kept, keys=page.keys)
        for known in (self._steps, self._wall_times, self._values):
            del known[kept:]
        self._steps.extend(page.steps[same:])
        self._wall_times.extend(page.wall_times[same:])
        self._values.extend(page.values[same:])
        self._truncated = page.truncated
        return growth


def _differ(one: float, other: float) -> bool:
    """Compare, NaN being the same as NaN."""
    return one != other and not (math.isnan(one) and math.isnan(other))


class GrowingLog:
    """A log, read on from where the last answer ended."""

    def __init__(self, *, bar_name: str | None, keep_lines: int) -> None:
        """Start at its beginning.

        Args:
            bar_name: Description of the training bar.
            keep_lines: Logical lines to keep, 0 or more.
        """
        self._scanner = LogScanner(bar_name=bar_name, keep_lines=keep_lines)
        self._keep_lines = keep_lines
        self._truncated = False
        self.size_bytes = 0
        """Size of the log at the newest answer."""
        self.offset = 0
        """Byte to ask from next; below the size where a character was cut in two."""

    def take(self, chunk: LogChunk) -> None:
        """Read an answer that begins at `offset`, or the first one, which may be a tail.

        Costs time proportional to its text.
        """
        if not self.size_bytes:
            self._truncated = is_tail(chunk)
        text, self.offset = self._whole_characters(chunk)
        self.size_bytes = chunk.offset
        self._scanner.feed(text)

    def facts(self, readings: int) -> LogFacts:
        """Return what was found so far; the cost does not depend on what was read.

        Args:
            readings: Steps of the training bar to return.
        """
        return LogFacts(
            scan=self._scanner.snapshot(lines=self._keep_lines, readings=readings),
            size_bytes=self.size_bytes,
            truncated=self._truncated,
        )

    def _whole_characters(self, chunk: LogChunk) -> tuple[str, int]:
        """Return the text to read now, and where to ask from next.

        The route decodes each answer by itself, so a character that was half written becomes
        replacement marks on both sides (backend/API.md section 4.8). How many bytes stood for
        the mark is not told, so the line it ends is left for the next answer.
        """
        text = chunk.text
        # Where an answer leaves older text out, its first byte is not told either.
        if not text.endswith(_BROKEN) or chunk.offset > LOG_TAIL_BYTES + self.offset:
            return text, chunk.offset
        whole = text[: max(text.rfind("\r"), text.rfind("\n")) + 1]
        if _BROKEN in whole:
            return text, chunk.offset
        return whole, self.offset + len(whole.encode("utf-8", "surrogatepass"))
