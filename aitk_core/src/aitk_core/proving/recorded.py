"""Recorded runs of the real AI Toolkit, of which it is known how they went.

A recording is a folder with `run.json` and `log.txt`:

{"row": <job row as the backend answers it>,
 "metrics": {key: [[step, wall_time, value], ...]},
 "files": [{"path", "size"}], "samples": [path], "expected": {...}}
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping
from importlib.resources import files
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from aitk_core.backend.parsing import parse_job
from aitk_core.evidence.collector import add_from_bars
from aitk_core.evidence.config import read_config
from aitk_core.evidence.logscan import scan_log
from aitk_core.evidence.records import LOSS, VALIDATION_LOSS, LogFacts, RunEvidence, Series
from aitk_core.proving.build import START_S

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


@frozen(kw_only=True)
class Recording:
    """One run as it stood at the end of its recording."""

    name: str
    row: Mapping[str, Any]
    metrics: Mapping[str, list[list[Any]]]
    log: str
    files: list[Mapping[str, Any]]
    samples: list[str]
    expected: Mapping[str, Any]
    """What really happened."""

    @property
    def job_id(self) -> str:
        """Return the backend's id of the job."""
        return str(self.row["id"])

    @property
    def last_wall_time(self) -> float | None:
        """Return the wall time of the newest metric, Unix seconds, or None."""
        times = [point[1] for points in self.metrics.values() for point in points]
        return max(times, default=None)

    def without(self, *, log: bool = False, metrics: bool = False) -> Recording:
        """Return the same run with its log or its metrics gone."""
        return evolve(self, log="" if log else self.log, metrics={} if metrics else self.metrics)


def recorded_runs() -> dict[str, Recording]:
    """Return the runs that ship with the core, by name."""
    return load_recordings(files("aitk_core") / "proving" / "runs")


def load_recordings(folder: Traversable) -> dict[str, Recording]:
    """Return the recordings below a folder, by name."""
    found = {}
    for path in sorted(folder.iterdir(), key=attrgetter("name")):
        run = json.loads((path / "run.json").read_text("utf-8"))
        log = (path / "log.txt").read_bytes().decode("utf-8", "replace")
        found[path.name] = Recording(name=path.name, log=log, **run)
    return found


def evidence_of(recording: Recording, *, silence_s: float = 5.0) -> RunEvidence:
    """Return what the collector would have read of a recorded run.

    Args:
        recording: The run.
        silence_s: Seconds from its newest metric to the look.
    """
    row = parse_job(recording.row)
    config = read_config(row.config)
    series = {
        key: _series(key, points)
        for key, points in recording.metrics.items()
        if key in (LOSS, VALIDATION_LOSS) and points
    }
    scan = scan_log(recording.log, bar_name=config.name or row.name)
    add_from_bars(series, scan)
    log = LogFacts(scan=scan, size_bytes=len(recording.log.encode("utf-8")), truncated=False)
    last = recording.last_wall_time
    return RunEvidence(
        job=row,
        config=config,
        series=series,
        metric_keys=tuple(sorted(recording.metrics)),
        log=log,
        collected_at=(START_S if last is None else last) + silence_s,
    )


def _series(key: str, points: list[list[Any]]) -> Series:
    return Series(
        key=key,
        steps=array("q", [point[0] for point in points]),
        wall_times=array("d", [math.nan if point[1] is None else point[1] for point in points]),
        values=array("d", [math.nan if point[2] is None else point[2] for point in points]),
        source="metrics",
    )
