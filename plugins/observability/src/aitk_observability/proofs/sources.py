"""Recorded runs whose metrics and log agree, and the same with metrics of another run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from aitk_core.evidence.records import LOSS
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.recorded import evidence_of, recorded_runs

if TYPE_CHECKING:
    from collections.abc import Iterator


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of sources is to be shown."""
    runs = recorded_runs()
    run, other = evidence_of(runs["ok_200_steps"]), evidence_of(runs["high_lr_divergence"])
    if run.loss is None or other.loss is None:
        raise ValueError("a recorded run has lost its metrics")
    yield ProofCase(
        name="recorded: log of one run, metrics of another",
        evidence=evolve(run, series={LOSS: other.loss}),
        must_find=("SOURCES_DISAGREE",),
    )
    values = [1.05 * value for value in run.loss.values]
    yield ProofCase(
        name="recorded: metrics 5 % above the log",
        evidence=evolve(run, series={LOSS: evolve(run.loss, values=values)}),
        must_find=("SOURCES_DISAGREE",),
    )
    for name in ("overfit", "nan_loss", "resume_after_stop"):
        yield ProofCase(
            name=f"recorded: {name}, log and metrics of one run", evidence=evidence_of(runs[name])
        )
