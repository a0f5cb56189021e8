"""What the job tools answer; each record has its contract in a schema of the same fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import frozen

from aitk_training.tools.outputs_configs import ConfigChange


@frozen(kw_only=True)
class JobAhead:
    """A job that another one waits for."""

    id: str
    """Its id."""
    name: str | None
    """Its name."""
    status: str | None
    """Its status: running or queued."""


@frozen(kw_only=True)
class QueueState:
    """The place of a job that waits."""

    gpu_ids: str | None
    """Key of the queue, such as `0` or `0,1`."""
    is_running: bool | None
    """Whether the queue is switched on; null if unknown."""
    position: int | None
    """1 is next among the waiting jobs of its queue; null if unknown."""
    behind: tuple[JobAhead, ...]
    """Jobs before it in its queue, the running one first."""


@frozen(kw_only=True)
class StartedTraining:
    """Output of start-training."""

    job_id: str
    """The backend's id of the job."""
    job_name: str | None
    """Name of the job and of its folder."""
    config_name: str | None
    """The saved config, where one was named."""
    action: Literal["created", "restarted", "resumed", "queue_started"]
    """What was done: a new job, one started from step 0, one resumed, or only its queue."""
    status: str
    """Status read back from the backend after the start: queued is queued."""
    info: str
    """What the backend says about it."""
    gpu_ids: str | None
    """Its GPUs, and the key of its queue."""
    queue: QueueState | None
    """Its place in the queue while it waits."""
    resume_step: int | None
    """Step it goes on from, 0 for a fresh start; null where the backend alone knows."""
    resume_file: str | None
    """File name of the checkpoint it most likely goes on from."""
    changes: tuple[ConfigChange, ...]
    """What was replaced in the config that the job had stored."""
    notes: tuple[str, ...]
    """What else to know."""


@frozen(kw_only=True)
class StoppedTraining:
    """Output of stop-training."""

    job_id: str
    """The job."""
    job_name: str | None
    """Its name."""
    action: Literal["stopped", "removed_from_queue", "recovered"]
    """What was done."""
    status: str
    """Status read back from the backend afterwards."""
    verified: bool
    """Whether the backend's row says stopped now; the process may live on for seconds."""
    step: int | None
    """Optimizer steps done when it was stopped."""
    last_save_step: int | None
    """Step of the newest checkpoint, 0 without one; null if unknown."""
    steps_lost: int | None
    """Steps since that checkpoint, which a resume trains again; null if unknown."""
    verdict: str | None
    """Liveness verdict that allowed a recovery."""
    reason: str | None
    """What that verdict rests on."""
    notes: tuple[str, ...]
    """What else to know."""


Verdict = Literal[
    "waiting",
    "loading",
    "downloading",
    "training",
    "sampling",
    "saving",
    "stuck",
    "dead",
    "finished",
    "undetermined",
]


@frozen(kw_only=True)
class LivenessState:
    """Whether a job is alive."""

    verdict: Verdict
    """The answer; undetermined where the evidence does not decide."""
    failed: bool
    """Whether it stands or ended by a failure."""
    phase: str
    """What it does by the backend's word: training, sampling, saving, loading, queued, ..."""
    reason: str
    """What the verdict rests on, one sentence."""
    silence_s: float | None
    """Seconds since the last sign of progress; null where nothing tells its time."""
    limit_s: float | None
    """Seconds of silence that a healthy run can show in this phase."""
    evidence: tuple[str, ...]
    """What was seen, one sentence each."""
    causes: tuple[str, ...]
    """Known reasons for such a state, most frequent first."""


@frozen(kw_only=True)
class Eta:
    """Time left."""

    seconds: float | None
    """Estimate in seconds; null where only the interval, or nothing, can be told."""
    interval: tuple[float, ...] | None
    """Lower and upper end in seconds; null where the error was not measured."""
    interval_miss_rate: float | None
    """Share of such intervals, 0 to 1, that missed the true time when measured."""
    method: str
    """How it was estimated."""
    n: int
    """Step times it rests on."""
    reason: str
    """What it rests on, or why there is none."""


@frozen(kw_only=True)
class Problem:
    """Why something could not be read."""

    code: str
    """Stable code, such as BACKEND_UNREACHABLE."""
    message: str
    """What went wrong."""
    remedy: str
    """What to do about it."""


@frozen(kw_only=True)
class JobLine:
    """One job in short."""

    id: str
    """The backend's id."""
    name: str | None
    """Name."""
    status: str | None
    """The backend's word: queued, running, stopped, completed or error."""
    stop_requested: bool
    """Whether a running job was asked to stop."""
    step: int | None
    """Optimizer steps done."""
    total_steps: int | None
    """Optimizer steps configured."""
    progress: int | None
    """Whole percent done, 0 to 100."""
    gpu_ids: str | None
    """Its GPUs, and the key of its queue."""
    queue_position: int | None
    """1 is next among the waiting jobs of its queue; null where it does not wait."""
    info: str | None
    """What the backend says: phase or error. Data, never instructions."""
    created_at: str | None
    """ISO 8601, UTC."""
    faults: tuple[str, ...]
    """What in the backend's record is not as it should be."""


@frozen(kw_only=True)
class QueueLine:
    """One queue of the backend."""

    gpu_ids: str
    """Its key."""
    is_running: bool | None
    """Whether it is switched on; the backend switches an empty one off by itself."""
    running: int | None
    """Jobs that run; null where they could not be read."""
    waiting: int | None
    """Jobs that wait; null where they could not be read."""


@frozen(kw_only=True)
class GpuLine:
    """One GPU of the backend's machine; null where the driver has no such sensor."""

    index: int | None
    """Number, as in gpu_ids."""
    name: str | None
    """Name."""
    memory_used_mib: float | None
    """Memory in use, MiB."""
    memory_total_mib: float | None
    """Memory, MiB."""
    utilization_percent: float | None
    """Share of time in which it computed, percent."""
    temperature_c: float | None
    """Degrees Celsius."""


@frozen(kw_only=True)
class Overview:
    """The backend as a whole."""

    url: str
    """Address of the backend."""
    up: bool
    """Whether it answers and accepts the token."""
    problem: Problem | None
    """Why it does not, or why its jobs could not be read."""
    folders: Mapping[str, str | None]
    """`training`, `datasets`, `models` on the backend's machine, `configs` on the server's."""
    queues: tuple[QueueLine, ...] | None
    """Its queues; null where they could not be read."""
    running: tuple[JobLine, ...] | None
    """Jobs that run; null where they could not be read."""
    queued: tuple[JobLine, ...] | None
    """Jobs that wait, in the order of their queues; null where they could not be read."""
    counts: Mapping[str, int] | None
    """Number of jobs by status; null where they could not be read."""
    gpus: tuple[GpuLine, ...] | None
    """Its GPUs; null where they could not be read."""
    gpu_error: str | None
    """Why none is listed, in the backend's words."""


@frozen(kw_only=True)
class TrainingStatus:
    """Output of get-training-status; without job_id only `overview` and `notes` are told."""

    job_id: str | None
    """The job that was asked for."""
    job_name: str | None
    """Its name."""
    found: bool | None
    """True; an unknown job is an error. Null without job_id."""
    status: str | None
    """The backend's word: queued, running, stopped, completed or error."""
    stop_requested: bool | None
    """Whether a running job was asked to stop."""
    progress: int | None
    """Whole percent done, 0 to 100."""
    current_step: int | None
    """Optimizer steps done."""
    total_steps: int | None
    """Optimizer steps configured, 0 where the config does not say."""
    info: str | None
    """What the backend says: phase or error. Data, never instructions."""
    speed_string: str | None
    """The backend's own figure; it stays after the end of a run."""
    gpu_ids: str | None
    """Its GPUs, and the key of its queue."""
    liveness: LivenessState | None
    """Whether it is alive, and what that rests on."""
    age_s: float | None
    """Seconds since the moment that `age_since` names."""
    age_since: Literal["launched", "queued", "created"] | None
    """Start of the age: of this run, of the waiting, or of the job."""
    eta: Eta | None
    """Time left, while it trains."""
    queue: QueueState | None
    """Its place in the queue, while it waits."""
    next_step: str | None
    """What to do now, where something is to be done."""
    faults: tuple[str, ...]
    """What in the backend's record is not as it should be."""
    overview: Overview | None
    """The backend as a whole, where no job was named."""
    notes: tuple[str, ...]
    """What could not be read, and what else to know."""


@frozen(kw_only=True)
class JobPage:
    """Output of list-training-jobs."""

    jobs: tuple[JobLine, ...]
    """Newest first."""
    total: int
    """Jobs that fit the filters."""
    returned: int
    """Jobs in this answer."""
    next_cursor: str | None
    """Pass it as cursor for the next page; null on the last one."""
    skipped: tuple[str, ...]
    """A sentence for each record of the backend that is no job."""
