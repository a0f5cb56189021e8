"""What the backend answers, as records. `aitk_core.backend.parsing` makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

ACTIVE_STATUSES: Final = frozenset({"queued", "running", "stopping"})
"""What the backend's own `only_active` filter means (API.md section 4.1)."""

TERMINAL_STATUSES: Final = frozenset({"completed", "error", "stopped"})
"""From here only `start` leads on (API.md section 11.2)."""


@attrs.frozen(kw_only=True)
class JobRow:
    """One row of the backend's job table (API.md section 11.1).

    A field that was missing or of the wrong type is None, and `faults` names it.
    """

    id: str
    """UUID; also the key of every job route."""
    name: str | None = None
    """Unique; the name of the folder under the training folder."""
    gpu_ids: str | None = None
    """Key of the queue, such as `0` or `0,1`."""
    status: str | None = None
    """`queued`, `running`, `stopped`, `completed` or `error`; see `shown_status`."""
    step: int | None = None
    """Completed optimizer steps; falls back to the last save at stop or error."""
    total_steps: int | None = None
    """Set for caption jobs only; for training see `configured_steps`."""
    info: str | None = None
    """Phase, or the text of the error, which may have many lines."""
    speed_string: str | None = None
    """`1.25 sec/iter` or `2.61 iter/sec`; stays after the end of a run."""
    stop: bool | None = None
    """A stop was asked for."""
    return_to_queue: bool | None = None
    """The trainer is to leave and become queued again."""
    queue_position: int | None = None
    """Lower is earlier."""
    pid: int | None = None
    """Of the last trainer; stays after the end of a run, so it is no sign of life."""
    job_type: str | None = None
    """`train` or `caption`."""
    job_ref: str | None = None
    """Free reference; the dataset's path for caption jobs."""
    created_at: str | None = None
    """ISO 8601, UTC."""
    updated_at: str | None = None
    """ISO 8601, UTC; the trainer does not move it, so it is no heartbeat."""
    save_now: bool | None = None
    """A save after the current step was asked for."""
    sample_now: bool | None = None
    """Samples after the current step were asked for."""
    config: Mapping[str, Any] | None = None
    """The job's config, parsed."""
    faults: tuple[str, ...] = ()
    """A sentence for each field that is not what the backend promises."""

    @property
    def configured_steps(self) -> int | None:
        """Return `process[0].train.steps`, or None where that is not a positive integer."""
        value: Any = self.config
        for key in ("config", "process", 0, "train", "steps"):
            if isinstance(key, str) and isinstance(value, Mapping):
                value = value.get(key)
            elif key == 0 and isinstance(value, list) and value:
                value = value[0]
            else:
                return None
        return value if type(value) is int and value > 0 else None

    @property
    def planned_steps(self) -> int | None:
        """Return the steps to do: configured, or told by a caption job's row."""
        return self.configured_steps or (self.total_steps or None)

    @property
    def progress_percent(self) -> int | None:
        """Return whole percent done, 0 to 100; None where step or plan is not known."""
        planned = self.planned_steps
        if self.step is None or planned is None or planned < 0:
            return None
        return min(100, max(0, 100 * self.step // planned))

    @property
    def is_active(self) -> bool:
        """Tell whether the job runs or waits to run."""
        return self.status in ACTIVE_STATUSES

    @property
    def is_terminal(self) -> bool:
        """Tell whether nothing happens any more unless someone starts the job."""
        return self.status in TERMINAL_STATUSES

    @property
    def shown_status(self) -> str | None:
        """Return the status for people: `stopping` while a running job was asked to stop.

        Nothing in the backend writes that status (API.md section 11.2).
        """
        return "stopping" if self.status == "running" and self.stop else self.status


@attrs.frozen(kw_only=True)
class JobList:
    """The jobs that could be read, newest first."""

    jobs: tuple[JobRow, ...]
    skipped: tuple[str, ...] = ()
    """A sentence for each record that is no job at all."""


@attrs.frozen(kw_only=True)
class MetricPage:
    """Points of one metric, as columns of equal length, step strictly ascending."""

    key: str
    """The key that was asked for."""
    keys: tuple[str, ...]
    """All keys this job has points of."""
    steps: Sequence[int]
    """`array("q")`; 0-based steps."""
    wall_times: Sequence[float]
    """`array("d")`; Unix seconds, NaN where unknown."""
    values: Sequence[float]
    """`array("d")`; NaN where the backend has null or no number. A loss that was not
    finite is stored as 0.0 by the trainer (API.md section 12.3)."""
    skipped: int = 0
    """Points without a usable step, and all but the last of those with the same one."""
    truncated: bool = False
    """The limit was reached: there may be newer points."""

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.steps)


@attrs.frozen(kw_only=True)
class LogChunk:
    """A part of a job's log."""

    text: str
    """Lines end in `\\n` or, for progress bars, in `\\r`."""
    offset: int
    """Size of the log in bytes; what to pass to the next `log_since`."""
    reset: bool
    """The text does not continue what was read before: throw that away."""
    truncated: bool
    """Older text of this answer was left out, to keep to `max_bytes`."""
    start_offset: int | None = None
    """Byte of the log at which `text` begins, or None where that cannot be told."""


@attrs.frozen(kw_only=True)
class Queue:
    """One queue; there is one for each distinct `gpu_ids`."""

    id: int | None
    gpu_ids: str
    is_running: bool | None
    """The worker switches it off by itself when no job is left."""


@attrs.frozen(kw_only=True)
class GpuInfo:
    """One GPU; None where the driver has no such sensor."""

    index: int | None = None
    """In PCI bus order, as in `gpu_ids`."""
    name: str | None = None
    driver_version: str | None = None
    temperature_c: float | None = None
    utilization_percent: float | None = None
    memory_utilization_percent: float | None = None
    """Share of time in which memory was read or written, not how full it is."""
    memory_total_mib: float | None = None
    memory_free_mib: float | None = None
    memory_used_mib: float | None = None
    power_draw_w: float | None = None
    power_limit_w: float | None = None
    graphics_clock_mhz: float | None = None
    memory_clock_mhz: float | None = None
    fan_speed_percent: float | None = None
    """0 also where there is no fan sensor."""
    faults: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class GpuAnswer:
    """The GPUs of the backend's machine; the backend caches the answer for 5 s."""

    has_nvidia_smi: bool | None
    is_mac: bool | None
    gpus: tuple[GpuInfo, ...]
    error: str | None = None
    """Why there are none, in the backend's words."""
    skipped: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class CpuInfo:
    """Processor and memory of the backend's machine; cached there for 5 s."""

    name: str | None = None
    cores: int | None = None
    temperature_c: float | None = None
    memory_total_mib: float | None = None
    memory_free_mib: float | None = None
    memory_available_mib: float | None = None
    load_percent: float | None = None
    faults: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class FileEntry:
    """A file the job has written."""

    path: str
    """Absolute, on the backend's machine."""
    size_bytes: int | None


@attrs.frozen(kw_only=True)
class FileRange:
    """Some bytes of a file on the backend's machine."""

    path: str
    start: int
    """Offset of the first byte of `data`."""
    data: bytes = attrs.field(repr=False)
    size_bytes: int
    """Of the whole file when it was asked for."""


@attrs.frozen(kw_only=True)
class BackendSettings:
    """The settings of the backend that concern others. The hub token is never kept."""

    training_folder: str | None
    datasets_folder: str | None
    models_path: str | None
    hub_token_set: bool
