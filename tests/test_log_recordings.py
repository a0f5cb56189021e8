"""The scanner against the complete logs of real trainer runs, carriage returns included."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from aitk_core.evidence.logevents import LogEventKind
from aitk_core.evidence.logscan import scan_log

if TYPE_CHECKING:
    from aitk_core.evidence.logscan import LogScan

LOGS: Final = Path(__file__).parent / "recordings" / "logs"
EXPECTED: Final[dict[str, dict[str, Any]]] = json.loads(
    (LOGS / "expected.json").read_text(encoding="utf-8")
)
RUNS: Final = sorted(EXPECTED)

# First and last count of the training bar, read off the logs; None where no bar was drawn.
STEPS: Final = {
    "corrupt_image": (0, 60),
    "dataset_removed_midway": (0, 69),
    "fail_missing_dataset": (None, None),
    "fail_missing_model_path": (None, None),
    "fail_missing_repo_offline": (None, None),
    "hang_midway": (0, 71),
    "high_lr_divergence": (0, 200),
    "kill9_midway": (0, 114),
    "kill9_worker_alive": (0, 114),
    "mark_stopped_midway": (0, 65),
    "nan_loss": (0, 150),
    "no_ui_logger": (0, 60),
    "ok_200_steps": (0, 200),
    "ok_with_validation": (0, 150),
    "overfit": (0, 420),
    "resume_after_stop": (40, 160),
    "slow_down": (0, 160),
    "stop_midway": (0, 96),
}
SAVED_STEPS: Final = {
    "corrupt_image": [30, 60],
    "dataset_removed_midway": [40],
    "hang_midway": [50],
    "high_lr_divergence": [100, 200],
    "kill9_midway": [50, 100],
    "kill9_worker_alive": [50, 100],
    "mark_stopped_midway": [40],
    "nan_loss": [75, 150],
    "no_ui_logger": [30, 60],
    "ok_200_steps": [50, 100, 150, 200],
    "ok_with_validation": [75, 150],
    "overfit": [200, 400, 420],
    "resume_after_stop": [80, 120, 160],
    "slow_down": [160],
    "stop_midway": [40, 80],
}


def log_text(name: str) -> str:
    return (LOGS / f"{name}.txt").read_bytes().decode("utf-8")


def scan(run: str) -> LogScan:
    return scan_log(log_text(run), bar_name=run)


def kinds(scanned: LogScan) -> list[LogEventKind]:
    return [event.kind for event in scanned.events]


@pytest.mark.parametrize("run", RUNS)
def test_the_steps_of_the_training_bar_are_read(run: str) -> None:
    scanned = scan(run)
    first, last = STEPS[run]
    assert (scanned.first_step, scanned.last_step) == (first, last)
    if first is None or last is None:
        assert scanned.total_steps is None
        assert len(scanned.readings) == 0
    else:
        assert scanned.total_steps == EXPECTED[run]["steps_configured"]
        assert list(scanned.readings.step) == list(range(first, last + 1))


@pytest.mark.parametrize("run", RUNS)
def test_non_finite_losses_are_counted_as_the_trainer_printed_them(run: str) -> None:
    scanned = scan(run)
    assert scanned.nan_count == EXPECTED[run]["nan_messages_in_log"]
    assert len(scanned.nan_lines) == scanned.nan_count


@pytest.mark.parametrize("run", RUNS)
def test_every_loss_is_the_one_that_the_loss_table_holds_for_its_step(run: str) -> None:
    readings = scan(run).readings
    table = EXPECTED[run]["loss_table"]
    # The step a resumed run starts at is computed again and its table keeps the old value.
    resumed_at = 40 if run == "resume_after_stop" else -1
    shown = {
        str(step): f"{loss:.3e}"
        for step, loss in zip(readings.step, readings.loss, strict=True)
        if str(step) in table and step != resumed_at
    }
    assert shown == {step: loss for step, loss in table.items() if int(step) > resumed_at and shown}


@pytest.mark.parametrize("run", [run for run in RUNS if STEPS[run][0] is not None])
def test_the_last_count_of_a_run_has_no_loss_of_its_own(run: str) -> None:
    readings = scan(run).readings
    assert math.isnan(readings.loss[-1])
    assert not math.isnan(readings.loss[-2])
    assert not readings.nonfinite_steps


@pytest.mark.parametrize("run", RUNS)
def test_saves_are_found_with_their_steps(run: str) -> None:
    saved = [event for event in scan(run).events if event.kind is LogEventKind.SAVED]
    assert [event.step for event in saved] == SAVED_STEPS.get(run, [])
    assert all(event.path and event.path.endswith(".safetensors") for event in saved)


@pytest.mark.parametrize("run", RUNS)
def test_bars_are_never_messages_and_a_line_is_never_kept_as_both(run: str) -> None:
    scanned = scan(run)
    assert not any(re.search(r"[0-9?](it/s|s/it)", line.text) for line in scanned.messages)
    assert scanned.messages == tuple(line for line in scanned.lines if not line.bar)
    assert [line.number for line in scanned.lines] == sorted(line.number for line in scanned.lines)


@pytest.mark.parametrize("run", RUNS)
def test_line_numbers_are_those_of_the_file(run: str) -> None:
    raw = log_text(run).split("\n")
    for line in scan(run).messages:
        assert line.text in raw[line.number - 1].replace("\x1b[A", "")


@pytest.mark.parametrize("run", RUNS)
def test_nothing_is_cut_and_no_restart_is_seen_in_the_log_of_one_run(run: str) -> None:
    scanned = scan(run)
    assert scanned.truncated_lines == 0
    assert scanned.restarts == ()
    assert scanned.run_first_line == 1
    assert kinds(scanned).count(LogEventKind.RUN_STARTED) == 1
    assert scanned.bytes_seen == len(log_text(run))


@pytest.mark.parametrize("run", RUNS)
def test_without_a_name_the_bar_that_carries_a_loss_is_the_training_bar(run: str) -> None:
    assert scan_log(log_text(run), bar_name=None).readings == scan(run).readings


@pytest.mark.parametrize("run", RUNS)
def test_limits_too_small_for_the_fast_path_change_nothing(run: str) -> None:
    assert scan_log(log_text(run), bar_name=run, max_line_chars=1000) == scan(run)


def test_the_loss_turns_non_finite_at_the_step_the_recording_says() -> None:
    scanned = scan("nan_loss")
    assert scanned.nan_lines[0] == 137
    assert scanned.readings.loss[32] > 0
    assert scanned.readings.loss[33] == 0.0


def test_a_stop_leaves_its_banner_and_no_traceback() -> None:
    for text in (log_text("stop_midway"), log_text("resume_after_stop.0")):
        scanned = scan_log(text, bar_name=None)
        assert kinds(scanned)[-1] is LogEventKind.JOB_STOPPED
        assert scanned.tracebacks == ()


def test_a_stop_through_the_database_is_a_benign_traceback() -> None:
    scanned = scan("mark_stopped_midway")
    (traceback,) = scanned.tracebacks
    assert traceback.benign
    assert not traceback.handled
    assert (traceback.exception_type, traceback.exception_message) == ("Exception", "Job stopped")
    assert kinds(scanned)[-3:] == [
        LogEventKind.JOB_STOPPED,
        LogEventKind.RESULT_FAILURE,
        LogEventKind.PROCESS_TERMINATED,
    ]
    assert scanned.events[-1].exit_code == 1


def test_a_killed_process_is_named_with_its_signal_where_the_worker_saw_it() -> None:
    last = scan("kill9_worker_alive").events[-1]
    assert (last.kind, last.signal, last.exit_code, last.step) == (
        LogEventKind.PROCESS_TERMINATED,
        "SIGKILL",
        None,
        114,
    )
    assert LogEventKind.PROCESS_TERMINATED not in kinds(scan("kill9_midway"))


@pytest.mark.parametrize(
    ("run", "innermost", "cause"),
    [
        ("fail_missing_dataset", "FileNotFoundError", "FileNotFoundError"),
        ("fail_missing_model_path", "ValueError", "ValueError"),
        ("fail_missing_repo_offline", "OSError", "httpcore.ConnectError"),
    ],
)
def test_a_failed_start_leaves_one_traceback_with_its_first_cause(
    run: str, innermost: str, cause: str
) -> None:
    scanned = scan(run)
    (traceback,) = scanned.tracebacks
    assert (traceback.exception_type, traceback.cause_type) == (innermost, cause)
    assert not traceback.benign
    assert not traceback.handled
    error = next(e for e in scanned.events if e.kind is LogEventKind.ERROR_RUNNING_JOB)
    assert traceback.exception_message in error.text
    assert traceback.first_line < traceback.last_line < scanned.events[-1].number


def test_a_chain_from_a_data_loader_worker_is_one_traceback() -> None:
    scanned = scan("dataset_removed_midway")
    in_message, raised = scanned.tracebacks
    for traceback in (in_message, raised):
        assert traceback.exception_type == traceback.cause_type == "UnboundLocalError"
        assert traceback.exception_message.startswith("cannot access local variable 'img'")
        assert traceback.cause_message.startswith("cannot access local variable 'img'")
        assert "lines left out]" in traceback.text
        # A redraw of the same count follows; that is not the run going on.
        assert not traceback.handled
    assert raised.first_line == 380


def test_tracebacks_of_corrupt_images_are_handled() -> None:
    scanned = scan("corrupt_image")
    assert [(t.exception_type, t.handled, t.benign) for t in scanned.tracebacks] == [
        ("OSError", True, False),
        ("PIL.UnidentifiedImageError", True, False),
    ]
    found = next(e for e in scanned.events if e.kind is LogEventKind.DATASET_FOUND)
    assert found.count == 4


def test_a_resumed_run_says_where_it_starts() -> None:
    scanned = scan("resume_after_stop")
    resume = next(event for event in scanned.events if event.kind is LogEventKind.RESUME)
    assert resume.step == 40


def test_two_runs_in_one_text_are_told_apart_and_the_later_readings_win() -> None:
    former, later = log_text("resume_after_stop.0"), log_text("resume_after_stop")
    scanned = scan_log(former + "\n" + later, bar_name="resume_after_stop")
    assert scanned.restarts == (former.count("\n") + 2,)
    assert list(scanned.readings.step) == list(range(161))
    assert scanned.readings.line[39] < scanned.run_first_line < scanned.readings.line[40]
    table = EXPECTED["resume_after_stop"]["loss_table"]
    shown = [f"{loss:.3e}" for loss in scanned.readings.loss]
    assert [shown[step] for step in range(1, 160) if step != 40] == [
        table[str(step)] for step in range(1, 160) if step != 40
    ]


def test_other_bars_are_kept_with_their_last_state() -> None:
    bars = scan("ok_200_steps").other_bars
    assert {name: bar.percent for name, bar in bars.items()} == {
        "Loading weights": 100,
        "Loading pipeline components...": 100,
        "": 100,
        "Generating Images": 100,
    }
    assert bars["Generating Images"].text.startswith("Generating Images: 100%|")


def test_the_rate_is_the_smoothed_one_and_not_the_overall_rate_of_the_closing_redraw() -> None:
    readings = scan("corrupt_image").readings
    assert readings.rate_it_per_s[-1] == pytest.approx(6.15)
    assert readings.elapsed_s[-1] == 12
    assert list(readings.elapsed_s) == sorted(readings.elapsed_s)


def test_the_lines_that_the_catalogue_calls_harmless_are_no_failures() -> None:
    harmless = json.loads((LOGS / "harmless_lines.json").read_text(encoding="utf-8"))
    scanned = scan_log("\n".join(harmless) + "\n", bar_name="my_lora")
    assert scanned.nan_count == 0
    assert scanned.tracebacks == ()
    assert set(kinds(scanned)) == {
        LogEventKind.RUN_STARTED,
        LogEventKind.DATASET_FOUND,
        LogEventKind.CACHING,
        LogEventKind.BASELINE_SAMPLING,
        LogEventKind.SAVING,
        LogEventKind.SAVED,
        LogEventKind.OPTIMIZER_SAVED,
        LogEventKind.RESULT_COMPLETED,
    }
