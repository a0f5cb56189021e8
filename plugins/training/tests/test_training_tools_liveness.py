"""Liveness on recorded runs of the real trainer, of which is known how they went.

`recordings/polls.json` has each run's row about every three seconds and at every change:
[seconds since creation, status, step, info, stop, bytes of log, updated_at].
"""

from __future__ import annotations

import functools
import json
from array import array
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from aitk_core.backend.parsing import parse_job
from aitk_core.backend.records import Queue
from aitk_core.evidence.liveness import Observation, assess_liveness
from aitk_core.evidence.logscan import scan_log
from aitk_core.evidence.records import LOSS, LogFacts, Series
from aitk_core.testing.recorded import recorded_runs

if TYPE_CHECKING:
    from aitk_core.backend.records import JobRow
    from aitk_core.evidence.liveness import Liveness
    from aitk_core.testing.recorded import Recording

RUNS = recorded_runs()
POLLS = json.loads(
    (Path(__file__).parent / "recordings" / "polls.json").read_text(encoding="utf-8")
)
LONG_S = 7200.0
ALIVE = {"training", "sampling", "saving", "loading", "downloading"}

# What is to be said long after, where nobody touched the job any more.
LONG_AFTER = {
    "hang_midway": ("stuck", True),
    "kill9_midway": ("stuck", True),
    "kill9_worker_alive": ("dead", True),
    "dataset_removed_midway": ("finished", True),
    "fail_missing_dataset": ("finished", True),
    "fail_missing_model_path": ("finished", True),
    "fail_missing_repo_offline": ("finished", True),
}


@functools.cache
def facts(text: str, name: str) -> LogFacts:
    scan = scan_log(text, bar_name=name, keep_lines=20)
    return LogFacts(scan=scan, size_bytes=len(text.encode()), truncated=False)


def points(run: Recording, until: float) -> Series | None:
    rows = [row for row in run.metrics.get(LOSS, []) if row[1] <= until]
    if not rows:
        return None
    return Series(
        key=LOSS,
        steps=array("q", [row[0] for row in rows]),
        wall_times=array("d", [row[1] for row in rows]),
        values=array("d", [row[2] for row in rows]),
        source="metrics",
    )


def job_of(run: Recording, **changes: Any) -> JobRow:
    return attrs.evolve(parse_job(dict(run.row)), **changes)


def at_the_end(run: Recording, after_s: float) -> Liveness:
    """Judge the last state of a recording, so many seconds after its last sign."""
    last = run.last_wall_time or datetime.fromisoformat(run.row["updated_at"]).timestamp()
    now = last + after_s
    return assess_liveness(
        job_of(run), now=now, loss=points(run, now), log=facts(run.log, run.name)
    )


def at_a_poll(run: Recording, poll: list[Any]) -> Liveness:
    seconds, status, step, info, stop, log_bytes, updated = poll
    now = datetime.fromisoformat(run.row["created_at"]).timestamp() + seconds
    job = job_of(
        run, status=status, step=step, info=info, stop=bool(stop), updated_at=updated, pid=None
    )
    # The recorded log of a run that was started twice is the second one.
    is_former = updated < run.row["updated_at"]
    text = "" if is_former else run.log.encode()[:log_bytes].decode("utf-8", "replace")
    log = None if is_former and log_bytes else facts(text, run.name)
    return assess_liveness(job, now=now, loss=points(run, now), log=log)


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_run_is_judged_right_long_after(name: str) -> None:
    verdict = at_the_end(RUNS[name], LONG_S)
    assert (verdict.verdict, verdict.failed) == LONG_AFTER.get(name, ("finished", False))


@pytest.mark.parametrize("name", ["hang_midway", "kill9_midway"])
def test_a_run_that_just_fell_silent_is_not_called_stuck(name: str) -> None:
    verdict = at_the_end(RUNS[name], 10.0)
    assert verdict.verdict == "training"
    assert verdict.silence_s == pytest.approx(10.0)
    assert verdict.limit_s is not None
    assert verdict.limit_s >= 300


def test_a_stuck_run_says_since_when_and_how_long_is_allowed() -> None:
    verdict = at_the_end(RUNS["hang_midway"], LONG_S)
    assert verdict.silence_s == pytest.approx(LONG_S)
    assert verdict.last_progress == "step 68 in the metrics database"
    assert "cannot be seen from here" in verdict.reason
    assert verdict.causes


def test_a_second_look_that_shows_growth_clears_a_silent_run() -> None:
    run = RUNS["hang_midway"]
    now = (run.last_wall_time or 0.0) + LONG_S
    grown = Observation(seconds=2.0, steps=0, log_bytes=10)
    verdict = assess_liveness(job_of(run), now=now, loss=points(run, now), observation=grown)
    assert verdict.verdict == "training"


@pytest.mark.parametrize("name", sorted(POLLS))
def test_no_recorded_moment_is_called_stuck_or_dead_before_its_time(name: str) -> None:
    run = RUNS[name]
    for poll in POLLS[name]:
        verdict = at_a_poll(run, poll)
        match poll[1]:
            case "queued":
                assert verdict.verdict == "waiting", poll
            case "running":
                assert verdict.verdict in ALIVE, (poll, verdict)
            case "error":
                assert verdict.failed, poll
            case _:
                assert verdict.verdict == "finished", poll


@pytest.mark.parametrize("name", sorted(POLLS))
def test_the_phase_of_a_running_job_is_the_backends_word(name: str) -> None:
    expected = {
        "Starting job...": "loading",
        "Loading model": "loading",
        "Loading dataset": "loading",
        "Training": "training",
        "Saving model": "saving",
        "Generating images - 0/2": "sampling",
    }
    for poll in POLLS[name]:
        if poll[1] == "running" and poll[3] in expected:
            assert at_a_poll(RUNS[name], poll).verdict == expected[poll[3]], poll


def test_a_resumed_run_that_loads_is_not_stuck_by_the_former_runs_metrics() -> None:
    run = RUNS["stop_midway"]
    last = run.last_wall_time or 0.0
    launched = datetime.fromtimestamp(last + 86_400).astimezone().isoformat()
    job = job_of(run, status="running", info="Loading model", stop=False, updated_at=launched)
    now = last + 86_400 + 60
    verdict = assess_liveness(job, now=now, loss=points(run, now))
    assert verdict.verdict == "loading"
    assert verdict.silence_s == pytest.approx(60, abs=1)


def test_an_edited_row_does_not_hide_a_silent_run() -> None:
    """`updated_at` moves with any write of the server, such as save_now."""
    run = RUNS["hang_midway"]
    now = (run.last_wall_time or 0.0) + LONG_S
    edited = datetime.fromtimestamp(now - 5).astimezone().isoformat()
    verdict = assess_liveness(
        job_of(run, updated_at=edited),
        now=now,
        loss=points(run, now),
        log=facts(run.log, run.name),
    )
    assert verdict.verdict == "stuck"


def test_hours_at_starting_job_without_a_log_are_stuck() -> None:
    """REQUESTS 1: `Starting job` for hours, no log, no error."""
    run = RUNS["ok_200_steps"]
    launched = datetime.fromisoformat(run.row["updated_at"]).timestamp()
    job = job_of(run, status="running", info="Starting job...", step=0)
    verdict = assess_liveness(job, now=launched + 3 * 3600, log=facts("", run.name))
    assert verdict.verdict == "stuck"
    assert "the backend's worker or environment is broken" in " ".join(verdict.causes)


def test_a_log_that_ended_makes_a_running_row_dead() -> None:
    run = RUNS["kill9_worker_alive"]
    job = job_of(run, status="running", info="Training")
    now = (run.last_wall_time or 0.0) + 120
    verdict = assess_liveness(job, now=now, loss=points(run, now), log=facts(run.log, run.name))
    assert verdict.verdict == "dead"
    assert "signal SIGKILL" in verdict.reason


def test_the_former_runs_log_does_not_kill_a_run_that_was_just_launched() -> None:
    run = RUNS["kill9_worker_alive"]
    launched = datetime.fromisoformat(run.row["updated_at"]).timestamp()
    job = job_of(run, status="running", info="Starting job...")
    verdict = assess_liveness(job, now=launched + 1, log=facts(run.log, run.name))
    assert verdict.verdict == "loading"


@pytest.mark.parametrize(
    "line",
    [
        "Fetching 5 files:  40%|####      | 2/5 [00:10<00:15,  5.20s/it]",
        "model.safetensors:  12%|#2        | 1.2G/9.8G [01:00<07:00, 20.3MB/s]",
    ],
)
def test_a_download_is_told_from_loading(line: str) -> None:
    run = RUNS["ok_200_steps"]
    launched = datetime.fromisoformat(run.row["updated_at"]).timestamp()
    job = job_of(run, status="running", info="Loading model", step=0)
    verdict = assess_liveness(job, now=launched + 600, log=facts(line, run.name))
    assert verdict.verdict == "downloading"


def test_a_queued_job_says_what_it_waits_for() -> None:
    run = RUNS["ok_200_steps"]
    queued = datetime.fromisoformat(run.row["updated_at"]).timestamp()
    job = job_of(run, status="queued", info="Job queued")
    on, off = (Queue(id=1, gpu_ids="0", is_running=each) for each in (True, False))
    stopped = assess_liveness(job, now=queued + 5, queues=(off,))
    assert "switched off: start it" in stopped.reason
    behind = assess_liveness(job, now=queued + 5, queues=(on,), ahead=("'first' (running)",))
    assert behind.reason == "queued behind 1: 'first' (running)"
    late = assess_liveness(job, now=queued + 90, queues=(on,))
    assert late.causes[0] == "the backend's worker is not running"
    assert not assess_liveness(job, now=queued + 1, queues=(on,)).causes


def test_a_stop_that_nobody_heeds_becomes_stuck_by_the_limit_of_training() -> None:
    run = RUNS["kill9_midway"]
    now = (run.last_wall_time or 0.0) + 600
    job = job_of(run, stop=True, info="Stopping job...")
    verdict = assess_liveness(job, now=now, loss=points(run, now), log=facts(run.log, run.name))
    assert (verdict.verdict, verdict.phase) == ("stuck", "training")


def test_an_undocumented_status_is_undetermined() -> None:
    job = job_of(RUNS["ok_200_steps"], status="hibernating")
    assert assess_liveness(job, now=0.0).verdict == "undetermined"
