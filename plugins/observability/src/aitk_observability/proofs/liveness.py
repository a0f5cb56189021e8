"""Runs that stand still or are gone, and runs that are silent for a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from attrs import evolve

from aitk_core.proving.build import job_config, job_row, log_facts, run_evidence, series_of
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.generate import noise_losses, step_times
from aitk_core.proving.recorded import evidence_of, recorded_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.evidence.records import RunEvidence

_SEED: Final = 13
_STEPS: Final = 400
_LATER_S: Final = 3600.0


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of liveness is to be shown."""
    runs = recorded_runs()
    for silence_s, pace_s in ((400.0, 1.0), (2000.0, 30.0)):
        yield ProofCase(
            name=f"{pace_s:g} s per step, then none for {silence_s:g} s",
            evidence=_running("Training", silence_s, pace_s=pace_s),
            must_find=("NO_PROGRESS",),
        )
    for name, what in (("hang_midway", "hangs"), ("kill9_midway", "killed unseen")):
        yield ProofCase(
            name=f"recorded: {what}, an hour later",
            evidence=evidence_of(runs[name], silence_s=_LATER_S),
            must_find=("NO_PROGRESS",),
        )
    yield ProofCase(
        name="the row says running, the log ends with SIGKILL",
        evidence=evolve(
            _running("Training", 120.0),
            log=log_facts("Running 1 job\nJob process terminated with signal SIGKILL.\n"),
        ),
        must_find=("PROCESS_GONE",),
    )
    for info, silence_s in (
        ("Training", 250.0),
        ("Generating images - 3/8", 1500.0),
        ("Saving model", 600.0),
    ):
        yield ProofCase(
            name=f"{info}, silent for {silence_s:g} s", evidence=_running(info, silence_s)
        )
    yield ProofCase(
        name="recorded: 30 s into a hang nobody can tell",
        evidence=evidence_of(runs["hang_midway"], silence_s=30.0),
    )
    yield ProofCase(
        name="recorded: completed a day ago",
        evidence=evidence_of(runs["ok_200_steps"], silence_s=24 * _LATER_S),
    )


def _running(info: str, silence_s: float, *, pace_s: float = 1.0) -> RunEvidence:
    rng = np.random.default_rng(_SEED)
    paces = step_times(rng, _STEPS, pace_s=pace_s)
    loss = series_of(noise_losses(rng, _STEPS).tolist(), seconds_per_step=paces.tolist())
    job = job_row(status="running", info=info, step=_STEPS, config=job_config())
    return run_evidence(loss, job=job, collected_at=loss.wall_times[-1] + silence_s)
