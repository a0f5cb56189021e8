"""Recorded runs of the real AI Toolkit, of which it is known how they went.

A recording is a folder with `run.json` and `log.txt`:

{"row": <job row as the backend answers it>,
 "metrics": {key: [[step, wall_time, value], ...]},
 "files": [{"path", "size"}], "samples": [path], "expected": {...}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

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
