"""The fixed lines of a trainer log, as events (API.md section 12.1, RUNBOOK sections 5 to 7)."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

import attrs


class LogEventKind(StrEnum):
    """What a fixed line of the trainer says."""

    RUN_STARTED = "run_started"
    DATASET_FOUND = "dataset_found"
    CACHING = "caching"
    BASELINE_SAMPLING = "baseline_sampling"
    RESUME = "resume"
    SAVING = "saving"
    SAVED = "saved"
    OPTIMIZER_SAVED = "optimizer_saved"
    REMOVED_SAVE = "removed_save"
    OOM_STEP_SKIPPED = "oom_step_skipped"
    JOB_STOPPED = "job_stopped"
    JOB_RETURNING = "job_returning"
    PROCESS_TERMINATED = "process_terminated"
    RESULT_COMPLETED = "result_completed"
    RESULT_FAILURE = "result_failure"
    ERROR_RUNNING_JOB = "error_running_job"


ENDING_KINDS: Final = frozenset(
    {
        LogEventKind.JOB_STOPPED,
        LogEventKind.JOB_RETURNING,
        LogEventKind.PROCESS_TERMINATED,
        LogEventKind.RESULT_COMPLETED,
        LogEventKind.RESULT_FAILURE,
        LogEventKind.ERROR_RUNNING_JOB,
    }
)
"""Events after which the run does not go on."""


@attrs.frozen(kw_only=True)
class LogEvent:
    """One fixed line of the trainer."""

    kind: LogEventKind
    number: int
    """Physical line."""
    step: int | None
    """The step the line names, else the last one the training bar showed before it."""
    text: str
    """The line itself."""
    count: int | None = None
    """Images found, jobs in the result, or which skipped batch in a row this is."""
    path: str | None = None
    """File saved or removed, as the trainer printed it."""
    exit_code: int | None = None
    signal: str | None = None
    """Name of the signal that ended the process, `SIGKILL`."""


_INT: Final = r"-?[0-9]{1,18}"
_CHECKPOINT_STEP: Final = re.compile(r"_([0-9]{9})(?:\.[A-Za-z0-9]{1,20})?$")
"""Nine digits before the extension (API.md section 12.4)."""

# By the first word of the line without its indentation, so that other lines cost one look-up.
# "Error running job: Job stopped" is how a stop through the database ends; it is not an error
# (RUNBOOK section 5), hence the order.
_LINES: Final[dict[str, tuple[tuple[LogEventKind, re.Pattern[str]], ...]]] = {
    head: tuple((kind, re.compile(pattern, re.DOTALL)) for kind, pattern in rows)
    for head, rows in {
        "Running": ((LogEventKind.RUN_STARTED, r"Running [0-9]{1,6} jobs?"),),
        "#": (
            (LogEventKind.RUN_STARTED, r"# Running job: .*"),
            (
                LogEventKind.OOM_STEP_SKIPPED,
                rf"# OOM during training step, skipping batch (?P<count>{_INT})/{_INT} #",
            ),
        ),
        "-": (
            (LogEventKind.DATASET_FOUND, rf"-\s+Found (?P<count>{_INT}) images"),
            (LogEventKind.RESULT_COMPLETED, rf"- (?P<count>{_INT}) completed jobs?"),
            (LogEventKind.RESULT_FAILURE, rf"- (?P<count>{_INT}) failures?"),
        ),
        "Caching": ((LogEventKind.CACHING, r"Caching .*"),),
        "Generating": (
            (LogEventKind.BASELINE_SAMPLING, r"Generating baseline samples before training"),
        ),
        "Found": (
            (LogEventKind.RESUME, rf"Found step (?P<step>{_INT}) in metadata, starting from there"),
        ),
        "Saving": ((LogEventKind.SAVING, rf"Saving at step (?P<step>{_INT})"),),
        "Saved": (
            (LogEventKind.SAVED, r"Saved checkpoint to (?P<path>.*)"),
            (LogEventKind.OPTIMIZER_SAVED, r"Saved optimizer to (?P<path>.*)"),
        ),
        "Removing": ((LogEventKind.REMOVED_SAVE, r"Removing old save: (?P<path>.*)"),),
        "Error": (
            (LogEventKind.JOB_STOPPED, r"Error running job: Job stopped"),
            (LogEventKind.JOB_RETURNING, r"Error running job: Job returning to queue"),
            (LogEventKind.ERROR_RUNNING_JOB, r"Error running job: .*"),
        ),
        "Job": (
            (LogEventKind.JOB_STOPPED, r"Job stopped"),
            (LogEventKind.JOB_RETURNING, r"Job returning to queue"),
            (
                LogEventKind.PROCESS_TERMINATED,
                (
                    r"Job process terminated with (?:exit code (?P<exit_code>-?[0-9]{1,18})\b|"
                    r"signal (?P<signal>[A-Z0-9]{1,20})\b)?.*"
                ),
            ),
        ),
    }.items()
}
_RESULT_KINDS: Final = frozenset({LogEventKind.RESULT_COMPLETED, LogEventKind.RESULT_FAILURE})


class EventReader:
    """Recognises fixed lines; remembers only whether a `Result:` block is open."""

    def __init__(self) -> None:
        """Start outside a result block."""
        self._in_result = False

    def read(self, number: int, text: str, step: int | None) -> LogEvent | None:
        """Return the event that a message is, or None.

        Args:
            number: Physical line of the message.
            text: The message.
            step: Last step the training bar showed.
        """
        line = text.strip()
        head = line.partition(" ")[0]
        in_result = self._in_result
        self._in_result = line == "Result:" or (in_result and head == "-")
        for kind, pattern in _LINES.get(head, ()):
            matched = pattern.fullmatch(line)
            if matched is not None:
                event = _event(kind, matched, number, step)
                # " - 0 completed jobs" says that nothing was completed (PITFALLS 24).
                if kind in _RESULT_KINDS and not (in_result and event.count):
                    return None
                return event
        return None


def _event(kind: LogEventKind, matched: re.Match[str], number: int, step: int | None) -> LogEvent:
    fields = matched.groupdict()
    path = fields.get("path")
    named = fields.get("step")
    if path is not None and named is None:
        in_name = _CHECKPOINT_STEP.search(path)
        named = None if in_name is None else in_name[1]
    return LogEvent(
        kind=kind,
        number=number,
        step=step if named is None else int(named),
        text=matched.string,
        count=_optional_int(fields.get("count")),
        path=path,
        exit_code=_optional_int(fields.get("exit_code")),
        signal=fields.get("signal"),
    )


def _optional_int(text: str | None) -> int | None:
    return None if text is None else int(text)
