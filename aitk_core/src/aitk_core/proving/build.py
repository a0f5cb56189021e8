"""Evidence of runs, built by hand: for the proofs of analyzers, and for tests.

evidence = run_evidence([0.5, 0.4, 0.3], job=job_row(status="running"))
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Any, Final

from aitk_core.backend.records import JobRow
from aitk_core.evidence.collector import failures_of
from aitk_core.evidence.config import read_config
from aitk_core.evidence.failures import FailureCatalogue
from aitk_core.evidence.logscan import scan_log
from aitk_core.evidence.records import LOSS, VALIDATION_LOSS, LogFacts, RunEvidence, Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

NAME: Final = "my_lora"
START_S: Final = 1_700_000_000.0
"""Wall time of the first step of built runs, Unix seconds."""


def job_config(**train: Any) -> dict[str, Any]:
    """Return a job's config in the backend's shape.

    Args:
        train: Keys of `process[0].train`, in place of or beside the usual ones.
    """
    usual = {"steps": 2000, "lr": 1e-4, "batch_size": 1, "noise_scheduler": "ddpm"}
    process = {
        "type": "diffusion_trainer",
        "network": {"type": "lora", "linear": 16, "linear_alpha": 16},
        "datasets": [{"folder_path": "/toolkit/datasets/shapes", "resolution": [512]}],
        "train": usual | train,
        "model": {"name_or_path": "/toolkit/models/tiny-sd", "arch": "sd1"},
        "logging": {"use_ui_logger": True},
    }
    return {"job": "extension", "config": {"name": NAME, "process": [process]}}


def job_row(**fields: Any) -> JobRow:
    """Return the row of a completed job, with the given fields in place of the usual ones."""
    usual = {"id": "job-1", "name": NAME, "status": "completed", "config": job_config()}
    return JobRow(**(usual | fields))


def series_of(
    values: Sequence[float | None],
    *,
    key: str = LOSS,
    steps: Sequence[int] | None = None,
    seconds_per_step: Sequence[float] | float = 1.0,
) -> Series:
    """Return a series as the metrics database gives it.

    Args:
        values: (steps,) values; None where a step has none.
        key: Of the metric.
        steps: (steps,) ascending; 0, 1, 2, ... if not given.
        seconds_per_step: One figure, or (steps,) of them.
    """
    at = range(len(values)) if steps is None else steps
    paces = (
        [seconds_per_step] * len(at) if isinstance(seconds_per_step, float) else seconds_per_step
    )
    wall_times, now = array("d"), START_S
    for pace in paces:
        now += pace
        wall_times.append(now)
    return Series(
        key=key,
        steps=array("q", at),
        wall_times=wall_times,
        values=array("d", [math.nan if value is None else value for value in values]),
        source="metrics",
    )


def log_facts(text: str, *, bar_name: str | None = NAME) -> LogFacts:
    """Return what a whole log says."""
    scan = scan_log(text, bar_name=bar_name)
    return LogFacts(scan=scan, size_bytes=len(text.encode()), truncated=False)


def run_evidence(
    losses: Sequence[float | None] | Series = (),
    *,
    validation: Series | None = None,
    log: str | None = "Running 1 job\n",
    job: JobRow | None = None,
    collected_at: float | None = None,
    catalogue: FailureCatalogue | None = None,
    **more: Any,
) -> RunEvidence:
    """Return the evidence of a run.

    Args:
        losses: The training loss; empty for a run without one.
        validation: The validation loss.
        log: Text of the log; None where it could not be read.
        job: The row; a completed job's if not given.
        collected_at: Unix seconds; 5 s after the newest loss if not given.
        catalogue: Failures to look for in log and row; none if not given.
        more: Further fields of the record.
    """
    loss = losses if isinstance(losses, Series) else series_of(losses)
    row = job or job_row()
    found = {one.key: one for one in (loss, validation) if one is not None and len(one)}
    times = [time_s for time_s in loss.wall_times if math.isfinite(time_s)]
    facts = None if log is None else log_facts(log)
    known = FailureCatalogue() if catalogue is None else catalogue
    return RunEvidence(
        job=row,
        config=more.pop("config", None) or read_config(row.config),
        series=found,
        metric_keys=tuple(sorted(found)),
        log=facts,
        hits=failures_of(known, row, facts).hits,
        collected_at=max(times, default=START_S) + 5.0 if collected_at is None else collected_at,
        **more,
    )


def generated_run(
    losses: NDArray[np.float64],
    *,
    times: NDArray[np.float64] | None = None,
    validation: NDArray[np.float64] | None = None,
    validate_every: int = 100,
    batch: int = 1,
    is_flow: bool = False,
) -> RunEvidence:
    """Return the evidence of a completed run with these losses.

    Args:
        losses: (steps,) training losses, 0 where the loss was not finite.
        times: (steps,) seconds before each step; one second each if not given.
        validation: (evaluations,) validation losses, the first after `validate_every` steps.
        validate_every: Steps between two of them.
        batch: Batch size of the config.
        is_flow: Whether the config trains by flow matching.
    """
    steps = len(losses)
    config = job_config(
        steps=steps, batch_size=batch, noise_scheduler="flowmatch" if is_flow else "ddpm"
    )
    curve = None
    if validation is not None:
        at = [validate_every * (index + 1) for index in range(len(validation))]
        curve = series_of(
            validation.tolist(),
            key=VALIDATION_LOSS,
            steps=at,
            seconds_per_step=float(validate_every),
        )
    paces = 1.0 if times is None else times.tolist()
    return run_evidence(
        series_of(losses.tolist(), seconds_per_step=paces),
        validation=curve,
        job=job_row(config=config, step=steps),
    )
