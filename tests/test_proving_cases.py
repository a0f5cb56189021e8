"""What a case may be, and a run as it stood earlier."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.errors import InvalidSpecError
from aitk_core.evidence.collector import collect_run
from aitk_core.evidence.failures import FailureCatalogue
from aitk_core.proving.build import generated_run, run_evidence
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.growth import as_it_stood, looks_of
from aitk_core.proving.recorded import evidence_of
from aitk_core.proving.shared import failures, quiet_runs
from aitk_core.testing.evidence import run_evidences
from aitk_core.testing.recorded import recorded_backend, recorded_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.evidence.records import RunEvidence


RUNS = recorded_runs()


def generated_run_of(steps: int) -> RunEvidence:
    return generated_run(np.full(steps, 0.1))


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "a" * 101},
        {"name": "\x1b[31m"},
        {"must_find": ["LOSS_NONFINITE"]},
        {"must_find": ("loss is nan",)},
        {"onset_step": -1, "must_find": ("X",)},
        {"onset_step": 1.5, "must_find": ("X",)},
        {"onset_step": 10},
    ],
)
def test_an_impossible_case_is_refused_where_it_is_made(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpecError):
        ProofCase(**{"name": "case", "evidence": None, **fields})


def test_a_sound_run_is_looked_at_every_250_steps() -> None:
    case = ProofCase(name="sound", evidence=generated_run_of(2001))
    assert looks_of(case) == tuple(range(250, 2000, 250))


def test_a_fault_is_looked_for_every_ten_steps_from_the_step_before_it() -> None:
    case = ProofCase(
        name="fault", evidence=generated_run_of(2001), must_find=("X",), onset_step=1000
    )
    looks = looks_of(case)
    near = [step for step in looks if 999 <= step < 1100 and step % 250]
    assert near == [999, 1009, 1019, 1029, 1039, 1049, 1059, 1069, 1079, 1089, 1099]
    assert looks[0] == 250


def test_only_the_end_counts_where_no_onset_is_named_or_no_loss_is_there() -> None:
    run = generated_run_of(2001)
    assert looks_of(ProofCase(name="fault", evidence=run, must_find=("X",))) == ()
    assert looks_of(ProofCase(name="empty", evidence=run_evidence())) == ()
    assert looks_of(ProofCase(name="config", evidence={"lr": 1e-4})) == ()


@given(run_evidences(), st.integers(0, 400))
def test_nothing_later_is_left_in_a_run_as_it_stood(evidence: RunEvidence, step: int) -> None:
    loss = evidence.loss
    if loss is None or step < loss.steps[0]:
        return
    earlier = as_it_stood(evidence, step)
    for series in earlier.series.values():
        assert series.steps[-1] <= step
        assert len(series.steps) == len(series.wall_times) == len(series.values)
    assert earlier.job.status == "running"
    assert earlier.collected_at > max(earlier.series["loss/loss"].wall_times)
    again = as_it_stood(earlier, step)
    assert {key: len(one) for key, one in again.series.items()} == {
        key: len(one) for key, one in earlier.series.items()
    }
    assert (again.job, again.collected_at, again.log) == (
        earlier.job, earlier.collected_at, earlier.log,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["ok_with_validation", "nan_loss", "overfit", "corrupt_image"])
def test_a_recorded_log_ends_before_the_next_step_s_bar(name: str) -> None:
    whole = evidence_of(RUNS[name])
    earlier = as_it_stood(whole, 40)
    assert earlier.log is not None
    assert whole.log is not None
    scan = earlier.log.scan
    assert scan.last_step == 40
    assert scan.nan_count == sum(line <= scan.line_count for line in whole.log.scan.nan_lines)
    assert all(event.number <= scan.line_count for event in scan.events)
    assert scan.event_count < whole.log.scan.event_count


@pytest.mark.parametrize("name", sorted(RUNS))
def test_recorded_evidence_is_what_the_collector_reads(name: str) -> None:
    class Context:
        def __init__(self, backend: Any) -> None:
            self.backend = backend

        async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
            return function(*arguments)

        def now(self) -> float:
            return 0.0

        async def failure_catalogue(self) -> FailureCatalogue:
            return FailureCatalogue()

    async def collect() -> RunEvidence:
        async with recorded_backend([RUNS[name]]) as backend:
            context: Any = Context(backend)
            return await collect_run(context, RUNS[name].job_id, with_system=False)

    collected, ours = asyncio.run(collect()), evidence_of(RUNS[name])
    assert (ours.job, ours.config, ours.metric_keys) == (
        collected.job, collected.config, collected.metric_keys,
    )  # fmt: skip
    assert ours.log is not None
    assert collected.log is not None
    assert ours.log.scan == collected.log.scan
    assert {key: (one.source, list(one.values)) for key, one in ours.series.items()} == {
        key: (one.source, list(one.values)) for key, one in collected.series.items()
    }


def test_every_recorded_run_is_shown_as_sound_or_as_a_failure() -> None:
    sound = {case.name.removeprefix("recorded: ") for case in quiet_runs()}
    broken = {failure.name for failure in failures()}
    assert sound | broken == set(RUNS)
    assert not sound & broken
