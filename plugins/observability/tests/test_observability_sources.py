"""Two sources that disagree, checkpoints that are gone, and the software of a run."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.evidence.environment import read_environment
from aitk_core.evidence.logscan import scan_log
from aitk_core.testing.evidence import (
    NAME,
    job_config,
    job_row,
    run_evidence,
    run_evidences,
    series_of,
)
from aitk_core.testing.recorded import recorded_runs
from aitk_observability.analyzers import checkpoints, sources

RUNS = recorded_runs()


def log_of(losses: list[float], *, total: int = 2000) -> str:
    bars = "".join(
        f"\r{NAME}:   1%|1         | {i}/{total} [00:{i % 60:02}<10:00,  1.00it/s, "
        f"lr: 1.0e-04 loss: {loss:.3e}]"
        for i, loss in enumerate(losses)
    )
    return f"Running 1 job\n{bars}\n"


LOSSES = [0.3 + 0.1 * (i % 5) for i in range(60)]


def codes(analysis: Any) -> list[str]:
    return [finding.code for finding in analysis.findings]


def test_metrics_and_log_that_show_the_same_losses_agree() -> None:
    analysis = sources.analyze(run_evidence(LOSSES, log=log_of(LOSSES)))
    assert codes(analysis) == []
    assert analysis.facts["shared_steps"] == 60
    assert analysis.facts["different_steps"] == 0


def test_losses_that_differ_between_metrics_and_log_are_told_with_the_steps() -> None:
    other = [loss * (1.2 if i >= 40 else 1.0) for i, loss in enumerate(LOSSES)]
    (finding,) = sources.analyze(run_evidence(LOSSES, log=log_of(other))).findings
    assert finding.code == "SOURCES_DISAGREE"
    assert finding.n == 60
    assert finding.estimate is not None
    assert finding.estimate.value == pytest.approx(20 / 60)
    assert {reference.source for reference in finding.evidence} == {"metrics", "log"}
    assert finding.evidence[0].first_step == 40


def test_one_step_of_a_resume_is_no_disagreement() -> None:
    other = [*LOSSES[:30], LOSSES[30] * 2, *LOSSES[31:]]
    assert codes(sources.analyze(run_evidence(LOSSES, log=log_of(other)))) == []


def test_metrics_that_end_long_before_the_log_are_told() -> None:
    losses = [0.3] * 1000
    analysis = sources.analyze(run_evidence(losses[:100], log=log_of(losses)))
    assert codes(analysis) == ["METRICS_BEHIND_LOG"]
    assert analysis.facts["metrics_behind_log_steps"] == 900


def test_a_config_changed_after_the_start_is_told() -> None:
    analysis = sources.analyze(run_evidence(LOSSES, log=log_of(LOSSES, total=1500)))
    assert codes(analysis) == ["CONFIG_CHANGED_SINCE_START"]
    assert "2000" in analysis.findings[0].message
    assert "1500" in analysis.findings[0].message


@given(run_evidences())
def test_any_evidence_is_compared_without_an_error(evidence: Any) -> None:
    for analyzer in (sources, checkpoints):
        analysis = analyzer.analyze(evidence)
        assert analysis.assessed or analysis.reason


def validated(best: int, *, steps: int, done: int, **save: Any) -> Any:
    config = copy.deepcopy(job_config(steps=steps))
    config["config"]["process"][0]["save"] = {"save_every": 100, "max_step_saves_to_keep": 4} | save
    values = [1.0 + abs(step - best) / 1000 for step in range(0, done + 1, 50)]
    series = series_of(values, key="val/loss", steps=list(range(0, done + 1, 50)))
    status = "completed" if done == steps else "running"
    row = job_row(config=config, step=done, status=status)
    return run_evidence([0.3] * done, validation=series, job=row)


def test_a_best_checkpoint_that_retention_deleted_is_told() -> None:
    analysis = checkpoints.analyze(validated(300, steps=2000, done=2000))
    (finding,) = analysis.findings
    assert finding.code == "BEST_CHECKPOINT_DELETED"
    assert finding.remedies[0].path == "config.process.0.save.max_step_saves_to_keep"
    assert analysis.facts["kept_steps"] == [1600, 1700, 1800, 1900]
    assert analysis.facts["deleted_count"] == 15


def test_a_best_checkpoint_that_will_be_deleted_is_told_while_it_can_still_be_saved() -> None:
    analysis = checkpoints.analyze(validated(500, steps=2000, done=650))
    (finding,) = analysis.findings
    assert finding.code == "BEST_CHECKPOINT_AT_RISK"
    assert 500 in analysis.facts["will_be_deleted_steps"]


@pytest.mark.parametrize(
    "evidence",
    [
        validated(1900, steps=2000, done=2000),
        validated(2000, steps=2000, done=2000),
        validated(300, steps=2000, done=2000, max_step_saves_to_keep=0),
        validated(640, steps=2000, done=650),
    ],
)
def test_a_best_checkpoint_that_is_there_raises_nothing(evidence: Any) -> None:
    assert codes(checkpoints.analyze(evidence)) == []


def test_without_a_save_setting_nothing_is_said_of_checkpoints() -> None:
    assert checkpoints.analyze(run_evidence([0.3] * 10)).assessed is False


def environment(text: str) -> dict[str, str]:
    return read_environment(scan_log(text, bar_name=NAME).messages)


def test_versions_are_read_from_lines_that_state_them() -> None:
    text = (
        "PyTorch version: 2.7.1+cu128\nCUDA version: 12.8\ndiffusers==0.36.0\n"
        "Driver Version: 570.133.07\nai-toolkit version 0.12.26\n"
        '  File "/venv/lib/python3.12/site-packages/torch/x.py", line 1, in f\n'
    )
    assert environment(text) == {
        "torch": "2.7.1+cu128",
        "cuda": "12.8",
        "diffusers": "0.36.0",
        "driver": "570.133.07",
        "trainer": "0.12.26",
        "python": "3.12",
    }


@pytest.mark.parametrize(
    "line",
    [
        "prompt: a poster that says torch 2.1 and CUDA version: 9.9",
        '    "caption": "PyTorch version: 1.0",',
        "my torch 2.1 lora",
        "Loading torch.safetensors",
    ],
)
def test_prompts_and_captions_name_no_versions(line: str) -> None:
    assert environment(line + "\n") == {}


def test_recorded_logs_give_no_version_they_do_not_hold() -> None:
    found = {name: environment(run.log) for name, run in RUNS.items()}
    assert found["ok_200_steps"] == {}
    assert found["corrupt_image"] == {"python": "3.11"}


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert isinstance(environment(text), dict)


def test_the_recorded_runs_sources_agree() -> None:
    from aitk_core.evidence.records import LogFacts

    for name, run in RUNS.items():
        points = run.metrics.get("loss/loss", [])
        if len(points) < 20:
            continue
        log = LogFacts(
            scan=scan_log(run.log, bar_name=name), size_bytes=len(run.log), truncated=False
        )
        evidence = run_evidence(
            series_of([p[2] for p in points], steps=[p[0] for p in points]), log=None
        )
        analysis = sources.analyze(evolve(evidence, log=log))
        assert "SOURCES_DISAGREE" not in codes(analysis), name
        assert analysis.facts["shared_steps"] >= 20, name
