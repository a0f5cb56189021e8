"""The trainer: one process per run, started by the worker with the job's config file.

It trains the sandbox's small network on the pictures of the config's datasets and leaves what
the AI Toolkit trainer leaves: log, loss table, checkpoints, samples, and its own job row, written
straight into the database. Phases and their texts follow `DiffusionTrainer.py` and
`BaseSDTrainProcess.py` there.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from aitk_sandbox.control import Control, InterruptedRunError, JobRow, LeaveRunError
from aitk_sandbox.jobconfig import TRAINER_TYPES, read_plan
from aitk_sandbox.state import State
from aitk_sandbox.trainlog import TrainLog
from aitk_sandbox.yamltext import to_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_RULE: Final = "=" * 40
_BANNER: Final = "#" * 45


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job of a config file.

    Args:
        arguments: One path, that of the job's `.job_config.json`.

    Returns:
        The exit code: 0 for a finished or interrupted run, 1 for any other end.
    """
    interrupted = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    (path,) = sys.argv[1:] if arguments is None else arguments
    logging.basicConfig(stream=sys.stderr)
    job_config = json.loads(Path(path).read_text(encoding="utf-8"))
    with _utf8_stdout() as stream:
        return run_job(
            job_config,
            TrainLog(stream),
            job_id=os.environ.get("AITK_JOB_ID"),
            interrupted=interrupted,
        )


def _utf8_stdout() -> TextIO:
    # A copy of the descriptor, so that what the C level or a warning prints stays in order.
    return os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="")


def run_job(
    job_config: Mapping[str, Any],
    log: TrainLog,
    *,
    job_id: str | None,
    interrupted: threading.Event,
) -> int:
    """Run a job to its end, reporting to the log and to its row.

    Args:
        job_config: The job config as launched.
        log: The run's log.
        job_id: The row to report to, or None.
        interrupted: Once set, the run ends at its next check.

    Returns:
        The exit code.
    """
    process = _substituted(job_config)["config"]["process"][0]
    known = process.get("type") in TRAINER_TYPES
    database = process.get("sqlite_db_path")
    # Only the UI's process types know of the row (API of the backend, section 11.3).
    state = State(Path(database)) if known and database and job_id else None
    control = Control(JobRow(state, job_id), interrupted)
    _announce(job_config, process, log, job_id=job_id)
    try:
        control.row.write(info="Starting")
        _train(job_config, log, control)
    except InterruptedRunError:
        control.row.write(status="stopped", info="Job stopped", step=control.saved_step)
        log.line(f"\n{_RULE}\nJob stopped\n{_RULE}")
        return 0
    except LeaveRunError as error:
        _report(error, log, kind="Exception")
    except Exception as error:  # noqa: BLE001 - whatever ends a run ends up in its row
        control.row.write(status="error", info=str(error), step=control.saved_step)
        _report(error, log, kind=type(error).__name__)
    else:
        return 0
    # The bar of a failed run is redrawn below the traceback, as it is there.
    log.close_bars()
    return 1


def _announce(
    job_config: Mapping[str, Any], process: Mapping[str, Any], log: TrainLog, *, job_id: str | None
) -> None:
    log.line("Running 1 job")
    log.line(json.dumps(process, indent=4))
    log.line(f"Using SQLite database at {process.get('sqlite_db_path')}")
    log.line(f"Job ID: {json.dumps(job_id)}")
    name = job_config["config"]["name"]
    log.line(f"\n{_BANNER}\n# Running job: {name}\n{_BANNER}\n\n\nRunning  1 process")


def _train(job_config: Mapping[str, Any], log: TrainLog, control: Control) -> None:
    # Imported late: numpy takes a while, and SIGINT must find its handler before.
    from aitk_sandbox.training import TrainingRun

    config = _substituted(job_config)
    process_type = config["config"]["process"][0].get("type")
    if process_type not in TRAINER_TYPES:
        raise ValueError(f"Unknown process type: {process_type}")
    data_folder = Path(config["config"]["process"][0]["sqlite_db_path"]).parent
    plan = read_plan(config)
    if not plan.job_folder.resolve().is_relative_to(data_folder.resolve()):
        raise ValueError(f"{plan.job_folder} is not in the sandbox's data folder {data_folder}")
    plan.job_folder.mkdir(parents=True, exist_ok=True)
    (plan.job_folder / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    run = TrainingRun(plan, log, control, cache_folder=data_folder / "models")
    try:
        run.run()
    finally:
        run.close()


def _substituted(job_config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace `[name]` everywhere, as the real loader does."""
    name = json.dumps(job_config["config"]["name"])[1:-1]
    replaced: Mapping[str, Any] = json.loads(json.dumps(job_config).replace("[name]", name))
    return replaced


def _report(error: Exception, log: TrainLog, *, kind: str) -> None:
    log.line(f"Error running job: {error}")
    log.line(f"\n{_RULE}\nResult:\n - 0 completed jobs\n - 1 failure\n{_RULE}")
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.line(f"Traceback (most recent call last):\n{frames}{kind}: {error}")


if __name__ == "__main__":
    sys.exit(main())
