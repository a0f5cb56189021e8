"""Planted folders, asked about through inspect-dataset as a client asks, for the measurement.

What the tool answers names ten files of a finding at most. So the evidence that it collected is
kept as it passes, and every picture is judged once more alone, by the installed analyzers: what
they say of evidence narrowed to one picture is what they say of that picture. The counts of both
must agree, or the measurement stops.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from attrs import evolve, frozen
from PIL import Image

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.evidence.dataset import DatasetEvidence
from aitk_core.protocols import Outcomes
from aitk_core.proving.build import job_row
from aitk_core.proving.pictures import natural_picture
from aitk_core.registry import load_registry
from aitk_core.settings import SettingsSource
from aitk_datasets.report import inspection
from aitk_datasets.said import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aitk_core.backend.records import JobRow
    from aitk_core.records.findings import Finding
    from aitk_core.testing.planted import Truth

RESOLUTION: Final = 256
"""Of the jobs: below the sides of planted pictures, so that only small ones are smaller."""
ALONE: Final = ("buckets", "captions", "counts", "files", "looks")
"""Analyzers that judge pictures one by one; that of duplicates judges pairs."""
TOGETHER: Final = frozenset({"CAPTION_DUPLICATE", "CAPTION_STEM_SHARED"})
"""Codes on several pictures at once: the finding's own list is taken, which must be whole."""
_JOBS: Final[Mapping[str, tuple[str, bool]]] = {"clip": ("sd1", True), "t5": ("flux", False)}
"""Architecture of the job of each reading, and whether it has the trigger word."""


@frozen(kw_only=True)
class Asked:
    """What inspect-dataset collected and found in one folder, for one job."""

    evidence: DatasetEvidence
    outcomes: Outcomes

    @property
    def findings(self) -> list[Finding]:
        """Return all findings."""
        return [one for each in self.outcomes.analyses.values() for one in each.findings]

    def finding(self, code: str) -> Finding | None:
        """Return the finding of a code."""
        return next((finding for finding in self.findings if finding.code == code), None)


class _Jobs:
    """As much of a backend as inspect-dataset asks for."""

    def __init__(self, folder: Path, trigger: str) -> None:
        self._folder, self._trigger = folder, trigger

    async def job(self, job_id: str) -> JobRow:
        """Return the row of a job that trains the folder."""
        arch, has_trigger = _JOBS[job_id]
        process = {
            "datasets": [{"folder_path": str(self._folder), "resolution": [RESOLUTION]}],
            "train": {"steps": 2000, "batch_size": 1},
            "model": {"arch": arch},
            "trigger_word": self._trigger if has_trigger else None,
        }
        config = {"job": "extension", "config": {"name": job_id, "process": [process]}}
        return job_row(id=job_id, name=job_id, config=config)

    async def close(self) -> None:
        """Nothing is open."""

    aclose = close


def ask(truth: Truth, *, home: Path) -> dict[str, Asked]:
    """Return what inspect-dataset says of `train/`, against `val/`, by reading.

    Args:
        truth: Of the planted folder.
        home: For the server's store; the second reading knows the pictures from it.
    """
    environment = {
        "AITK_HOME": str(home),
        "AITK_DATASETS_DIR": str(truth.root),
        "AITK_PARALLEL": "threads",
    }
    backend: Any = _Jobs(truth.root / "train", truth.trigger)
    application = Application(source=SettingsSource(environment=environment), backend=backend)

    async def each() -> dict[str, Asked]:
        found = {}
        async with application:
            for reading in _JOBS:
                arguments = {
                    "dataset_path": "train",
                    "job_id": reading,
                    "compare_with": ["val"] if reading == "clip" else [],
                }
                session = Session(request_id=reading, policy=application.policy)
                with _kept() as passed:
                    await application.dispatcher.call("inspect-dataset", arguments, session)
                found[reading] = passed[0]
        return found

    return asyncio.run(each())


@contextmanager
def _kept() -> Iterator[list[Asked]]:
    """Keep what reaches the report."""
    passed: list[Asked] = []
    build = inspection.build

    def keeping(target: Any, evidence: DatasetEvidence, outcomes: Outcomes) -> dict[str, Any]:
        passed.append(Asked(evidence=evidence, outcomes=outcomes))
        return build(target, evidence, outcomes)

    inspection.build = keeping
    try:
        yield passed
    finally:
        inspection.build = build


def named(asked: Asked) -> dict[str, set[str]]:
    """Return which pictures each code names.

    Raises:
        RuntimeError: Judged alone the pictures do not add up to what the tool said of all.
    """
    registry = load_registry().analyzers
    analyzers = [registry[name].spec.analyze.load() for name in ALONE]
    found: dict[str, set[str]] = {}
    for image in asked.evidence.images:
        own = asked.evidence.captions.get(image.path)
        alone = evolve(
            asked.evidence,
            images=(image,),
            captions={} if own is None else {image.path: own},
            videos=(),
            unsupported=(),
            orphans=(),
            wrong_case=(),
            duplicates=None,
            found_images=1,
        )
        for analyze in analyzers:
            for finding in analyze(alone).findings:
                found.setdefault(finding.code, set()).add(image.path)
    for code in TOGETHER:
        found[code] = _listed(asked, code)
    _compare(asked, found)
    return found


def _listed(asked: Asked, code: str) -> set[str]:
    finding = asked.finding(code)
    if finding is None:
        return set()
    by_name = {shown(image.path): image.path for image in asked.evidence.images}
    paths = {by_name[name] for ref in finding.evidence for name in ref.files}
    if len(paths) != _count(finding):
        raise RuntimeError(f"{code} names {len(paths)} of {_count(finding)} pictures")
    return paths


def _compare(asked: Asked, found: Mapping[str, set[str]]) -> None:
    for finding in asked.findings:
        estimate = finding.estimate
        if estimate is None or estimate.unit != "share of the pictures":
            continue
        if finding.code.startswith(("IMAGE_DUPLICATE", "DATASET_", "CAPTION_STYLE", "CAPTION_PHR")):
            continue
        alone = len(found.get(finding.code, ()))
        if alone != _count(finding):
            raise RuntimeError(
                f"{finding.code}: {_count(finding)} of all pictures, {alone} of them alone"
            )


def _count(finding: Finding) -> int:
    assert finding.estimate is not None
    return round((finding.estimate.value or 0.0) * (finding.n or 0))


def other_pictures(folder: Path, count: int, *, seed: int) -> list[Path]:
    """Write base pictures by another generator than the planted folders' own.

    `natural_picture` promises no sharp edge and no range of levels, and grain in some only, as
    photographs do; no threshold was chosen on its pictures at these seeds.
    """
    folder.mkdir(parents=True)
    made = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        long, ratio = int(rng.integers(384, 641)), rng.uniform(0.6, 0.85)
        sides = (long, round(long * ratio))
        width, height = sides if rng.random() < 0.5 else sides[::-1]
        pixels = natural_picture(rng, width=width, height=height)
        path = folder / f"{number:04d}.png"
        Image.fromarray(pixels).save(path, compress_level=1)
        made.append(path)
    return made
