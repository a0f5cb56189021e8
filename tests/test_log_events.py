"""Fixed lines and tracebacks that no recording holds, or not in every form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aitk_core.evidence.logevents import LogEventKind
from aitk_core.evidence.logscan import scan_log

if TYPE_CHECKING:
    from aitk_core.evidence.logevents import LogEvent
    from aitk_core.evidence.logtraceback import Traceback

FRAME = '  File "/toolkit/run.py", line 1, in main\n    run()\n'
HEADER = "Traceback (most recent call last):\n"


def bar(step: int) -> str:
    return f"\rn:  5%|#    | {step}/99 [00:01<00:01,  1.00it/s, lr: 1.0e-03 loss: 0.{step}]"


def event(line: str) -> LogEvent:
    (found,) = scan_log(line, bar_name="n").events
    return found


def traceback(log: str) -> Traceback:
    (found,) = scan_log(log, bar_name="n").tracebacks
    return found


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Running 1 job", LogEventKind.RUN_STARTED),
        ("# Running job: any name", LogEventKind.RUN_STARTED),
        ("Caching latents for /data/a", LogEventKind.CACHING),
        ("Generating baseline samples before training", LogEventKind.BASELINE_SAMPLING),
        ("Job returning to queue", LogEventKind.JOB_RETURNING),
        ("Error running job: Job returning to queue", LogEventKind.JOB_RETURNING),
        ("Error running job: CUDA out of memory.", LogEventKind.ERROR_RUNNING_JOB),
        ("Job process terminated with something new", LogEventKind.PROCESS_TERMINATED),
    ],
)
def test_a_fixed_line_is_an_event(line: str, kind: LogEventKind) -> None:
    assert (event(line).kind, event(line).text, event(line).number) == (kind, line, 1)


def test_an_oom_that_is_skipped_says_which_in_a_row_it_is() -> None:
    found = event("# OOM during training step, skipping batch 2/3 #")
    assert (found.kind, found.count) == (LogEventKind.OOM_STEP_SKIPPED, 2)


def test_a_removed_save_has_its_path_and_the_step_in_its_name() -> None:
    found = event(r"Removing old save: D:\out\n\n_000000250.safetensors")
    assert (found.kind, found.step) == (LogEventKind.REMOVED_SAVE, 250)
    assert found.path == r"D:\out\n\n_000000250.safetensors"


def test_an_event_without_a_step_has_the_one_of_the_bar() -> None:
    scanned = scan_log(f"{bar(7)}\nSaved checkpoint to /out/n.safetensors\n", bar_name="n")
    assert scanned.events[0].step == 7


@pytest.mark.parametrize(
    "line",
    [
        "Running  1 process",
        '        "prompt": "loss is nan"',
        "I said: Job stopped",
        "Saving at step many",
        " - 1 failure",
        "Result: fine",
    ],
)
def test_a_line_that_only_resembles_one_is_none(line: str) -> None:
    scanned = scan_log(line, bar_name="n")
    assert scanned.events == ()
    assert scanned.nan_count == 0


def test_a_result_counts_what_is_not_zero() -> None:
    scanned = scan_log("Result:\n - 2 completed jobs\n - 0 failures\n", bar_name="n")
    assert [(e.kind, e.count) for e in scanned.events] == [(LogEventKind.RESULT_COMPLETED, 2)]


def test_more_events_than_are_kept_are_counted() -> None:
    scanned = scan_log("Saving at step 1\n" * 3000 + "loss is nan\n" * 3000, bar_name="n")
    assert (scanned.event_count, len(scanned.events)) == (3000, 2000)
    assert (scanned.nan_count, len(scanned.nan_lines)) == (3000, 1000)
    assert (scanned.nan_lines[0], scanned.nan_lines[-1]) == (3001, 6000)


def test_two_starts_are_one_restart_and_both_heads_one_event() -> None:
    run = "Running 1 job\n{\n}\n# Running job: n\n"
    scanned = scan_log(run + run, bar_name="n")
    assert [e.number for e in scanned.events] == [1, 5]
    assert scanned.restarts == (5,)


def test_the_second_job_of_one_call_is_another_run() -> None:
    log = f"Running 2 jobs\n# Running job: a\n{bar(1)}\n# Running job: b\n{bar(1)}\n"
    assert scan_log(log, bar_name="n").restarts == (4,)


def test_a_run_that_goes_on_for_two_steps_has_handled_its_traceback() -> None:
    failed = f"{bar(5)}{HEADER}{FRAME}ValueError: no\n"
    assert not traceback(failed + bar(6)).handled
    assert traceback(failed + bar(6) + bar(7)).handled


def test_steps_of_a_later_run_do_not_handle_the_traceback_of_an_earlier_one() -> None:
    failed = f"{bar(5)}{HEADER}{FRAME}ValueError: no\n"
    assert not traceback(f"{failed}Running 1 job\n{bar(6)}{bar(7)}{bar(8)}").handled
    assert not traceback(f"{failed}{bar(1)}{bar(2)}{bar(3)}").handled


def test_a_message_that_an_image_was_skipped_handles_the_traceback_above_it() -> None:
    log = f"{HEADER}{FRAME}OSError: cut\n"
    assert traceback(f"{log}Error processing image: /data/a.jpg\n").handled
    assert not traceback(f"{log}\n\n\n\nError processing image: /data/a.jpg\n").handled


def test_a_chain_has_its_first_cause_and_its_last_exception() -> None:
    middle = "\nThe above exception was the direct cause of the following exception:\n\n"
    other = "\nDuring handling of the above exception, another exception occurred:\n\n"
    log = (
        f"{HEADER}{FRAME}a.First: 1\n{middle}{HEADER}{FRAME}Second\n{other}{HEADER}{FRAME}Third: 3"
    )
    found = traceback(log)
    assert (found.cause_type, found.cause_message) == ("a.First", "1")
    assert (found.exception_type, found.exception_message) == ("Third", "3")
    assert (found.first_line, found.last_line) == (1, 18)
    assert found.text == log


def test_two_tracebacks_in_a_row_are_two() -> None:
    scanned = scan_log(f"{HEADER}{FRAME}A: 1\n{HEADER}{FRAME}B: 2\n", bar_name="n")
    assert [t.exception_type for t in scanned.tracebacks] == ["A", "B"]


def test_a_traceback_that_the_log_cuts_off_has_no_exception() -> None:
    found = traceback(HEADER + FRAME)
    assert (found.exception_type, found.exception_message) == (None, "")
    assert (found.cause_type, found.last_line) == (None, 3)


def test_a_traceback_that_output_breaks_into_has_no_exception() -> None:
    found = traceback(f"{HEADER}{FRAME}\nResult:\n")
    assert (found.exception_type, found.last_line) == (None, 3)


def test_a_long_traceback_keeps_both_ends() -> None:
    frames = "".join(f'  File "f.py", line {n}, in g\n' for n in range(1000))
    found = traceback(f"{HEADER}{frames}RecursionError: deep\n")
    rows = found.text.split("\n")
    assert (rows[0], rows[-1]) == (HEADER.strip(), "RecursionError: deep")
    assert rows[60] == "… [882 lines left out]"
    assert len(rows) == 121


def test_very_many_tracebacks_are_counted_and_both_ends_are_kept() -> None:
    log = "".join(f"{HEADER}{FRAME}Error{n}: x\n\n" for n in range(300))
    scanned = scan_log(log, bar_name="n")
    assert (scanned.traceback_count, len(scanned.tracebacks)) == (300, 100)
    assert scanned.tracebacks[-1].exception_type == "Error299"


def test_an_empty_log_has_nothing_in_it() -> None:
    scanned = scan_log("", bar_name="n")
    assert (scanned.line_count, scanned.lines, scanned.first_step) == (0, (), None)
    assert (scanned.last_step, scanned.total_steps, len(scanned.readings)) == (None, None, 0)


@pytest.mark.parametrize(
    ("log", "numbers"),
    [("a\n\nb\n", [1, 2, 3]), ("a\r\n\r\nb", [1, 2, 3]), ("\n\n", [1, 2]), ("a\rb\n", [1, 1])],
)
def test_blank_lines_are_lines(log: str, numbers: list[int]) -> None:
    scanned = scan_log(log, bar_name="n")
    assert [line.number for line in scanned.lines] == numbers
    assert scanned.line_count == numbers[-1]
