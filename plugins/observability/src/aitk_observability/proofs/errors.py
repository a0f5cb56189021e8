"""Failures that row and log state, and logs that only look like one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.proving.build import job_row, run_evidence
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.recorded import evidence_of, recorded_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

_RECORDED: Final = {
    "fail_missing_dataset": "PATH_NOT_FOUND",
    "fail_missing_model_path": "MODEL_FILE_MISSING",
    "fail_missing_repo_offline": "NET_DNS",
    "kill9_worker_alive": "PROC_SIGNAL",
    "dataset_removed_midway": "DATASET_FILES_GONE",
    "corrupt_image": "IMAGE_UNREADABLE",
}
_QUIET: Final = ("stop_midway", "mark_stopped_midway", "resume_after_stop", "high_lr_divergence")
"""Stops that a person asked for leave through an exception."""

_OOM: Final = "CUDA out of memory. Tried to allocate 2.00 GiB."
_TRACEBACK: Final = (
    "Traceback (most recent call last):\n"
    '  File "/toolkit/run.py", line 90, in main\n'
    "    job.run()\n"
    "ValueError: expected 4 channels, got 3\n"
)
_PROMPTS: Final = (
    "Running 1 job\n"
    "{\n"
    '    "prompts": [\n'
    f'        "a poster that says {_OOM}"\n'
    "    ]\n"
    "}\n"
    "a photo of an error message, Traceback of a killed process\n"
)


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of errors is to be shown."""
    runs = recorded_runs()
    for name, code in _RECORDED.items():
        yield ProofCase(
            name=f"recorded: {name}", evidence=evidence_of(runs[name]), must_find=(code,)
        )
    yield ProofCase(
        name="the row says that GPU memory ran out",
        evidence=run_evidence(job=job_row(status="error", info=_OOM)),
        must_find=("CUDA_OOM",),
    )
    yield ProofCase(
        name="the row says what no signature knows",
        evidence=run_evidence(job=job_row(status="error", info="expected 4 channels, got 3")),
        must_find=("RUN_FAILED",),
    )
    yield ProofCase(
        name="an exception in the log of a run that completed",
        evidence=run_evidence(log=f"Running 1 job\n{_TRACEBACK}"),
        must_find=("EXCEPTION_IN_LOG",),
    )
    for name in _QUIET:
        yield ProofCase(name=f"recorded: {name}", evidence=evidence_of(runs[name]))
    yield ProofCase(name="prompts that quote errors", evidence=run_evidence(log=_PROMPTS))
    yield ProofCase(
        name="an exception of the run before this one",
        evidence=run_evidence(log=f"Running 1 job\n{_TRACEBACK}Running 1 job\nSaving at step 9\n"),
    )
