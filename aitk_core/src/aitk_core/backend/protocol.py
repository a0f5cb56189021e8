"""What the rest of the server may ask of a training backend.

Every method raises `BackendUnreachableError`, `BackendTimeoutError`,
`BackendUnauthorizedError`, `BackendProtocolError` or another `BackendError` where the
backend does not answer as it should; an absent backend is never an empty list. Methods
that take an id raise `InvalidArgumentsError` for one that is malformed, before anything
is asked, and `JobNotFoundError` for one that is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from aitk_core.backend.records import (
        BackendSettings,
        CpuInfo,
        FileEntry,
        FileRange,
        GpuAnswer,
        JobList,
        JobRow,
        LogChunk,
        MetricPage,
        Queue,
    )

LOG_TAIL_BYTES: Final = 5 * 1024 * 1024
"""What the log route gives without an offset (API.md section 4.8)."""

PAGE_POINTS: Final = 20_000
"""The loss route's cap on `limit` (API.md section 4.9)."""

SERIES_POINTS: Final = 200_000
"""Points of one metric read at most unless asked otherwise, ten pages; our own."""


class Backend(Protocol):
    """A training backend.

    Every mutation but `create_job`, `update_job`, `save_now` and `sample_now` returns the
    row **as it was before**; ask `job` to see the effect. A mutation is sent once: after a
    timeout it may or may not have happened.
    """

    @property
    def url(self) -> str:
        """Return the address, without credentials."""
        ...

    async def __aenter__(self) -> Self:
        """Return the backend; no request is made."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close connections."""
        ...

    async def aclose(self) -> None:
        """Close connections; harmless to repeat."""
        ...

    async def probe(self) -> None:
        """Return if the backend is up and accepts our token, and raise otherwise."""
        ...

    async def jobs(self, *, only_active: bool = False, job_type: str | None = None) -> JobList:
        """Return all jobs, newest first.

        Args:
            only_active: Only those that run or wait; the backend caches these for 5 s.
            job_type: `train` or `caption`.
        """
        ...

    async def job(self, job_id: str) -> JobRow:
        """Return one job as it is now."""
        ...

    async def create_job(self, name: str, gpu_ids: str, config: Mapping[str, Any]) -> JobRow:
        """Create a stopped job and return it.

        Args:
            name: Becomes a folder; must equal `config.name` in the config, or samples,
                checkpoints and metrics will look empty.
            gpu_ids: The queue, such as `0` or `0,1`.
            config: With a list `config.process` that is not empty.

        Raises:
            InvalidArgumentsError: The backend would take it and then break on it.
            ConflictError: The name is taken.
        """
        ...

    async def update_job(
        self,
        job_id: str,
        *,
        name: str | None = None,
        gpu_ids: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> JobRow:
        """Change what is given and return the changed row.

        A run that is under way goes on with the old config. A new name does not move the
        folder.

        Raises:
            InvalidArgumentsError: The backend would take it and then break on it.
            ConflictError: The name is taken.
        """
        ...

    async def start_job(self, job_id: str) -> JobRow:
        """Queue the job; it runs once its queue does. Never for a job that runs."""
        ...

    async def stop_job(self, job_id: str) -> JobRow:
        """Signal the trainer of a running job; on others it does harm or nothing."""
        ...

    async def mark_stopped(self, job_id: str) -> JobRow:
        """Set the row to stopped: to leave the queue, or where the process is gone."""
        ...

    async def delete_job(self, job_id: str) -> JobRow:
        """Delete the row and, for good, the job's folder; stops nothing."""
        ...

    async def save_now(self, job_id: str) -> JobRow:
        """Ask for a checkpoint after the current step and return the changed row."""
        ...

    async def sample_now(self, job_id: str) -> JobRow:
        """Ask for samples after the current step and return the changed row."""
        ...

    async def log_tail(self, job_id: str, *, max_bytes: int = LOG_TAIL_BYTES) -> LogChunk:
        """Return the end of the log.

        Args:
            job_id: The job.
            max_bytes: Of UTF-8 text, at most; what is cut begins at a line.
        """
        ...

    async def log_since(
        self, job_id: str, offset: int, *, max_bytes: int = LOG_TAIL_BYTES
    ) -> LogChunk:
        """Return what was written to the log since an earlier answer.

        Args:
            job_id: The job.
            offset: The `offset` of that answer, in bytes, 0 or more.
            max_bytes: Of UTF-8 text, at most; the newest is kept.
        """
        ...

    async def metric(
        self, job_id: str, key: str, *, since_step: int | None = None, limit: int = PAGE_POINTS
    ) -> MetricPage:
        """Return one page of a metric, the oldest points first.

        Args:
            job_id: The job.
            key: Such as `loss/loss`; one that is unknown has no points.
            since_step: Only later steps.
            limit: 1 to 20,000 points.
        """
        ...

    async def metric_series(
        self,
        job_id: str,
        key: str,
        *,
        since_step: int | None = None,
        max_points: int = SERIES_POINTS,
    ) -> MetricPage:
        """Return a metric as a whole, as many pages as it takes.

        Args:
            job_id: The job.
            key: Such as `loss/loss`.
            since_step: Only later steps.
            max_points: Where to stop; the oldest are kept and `truncated` is set.
        """
        ...

    async def files(self, job_id: str) -> tuple[FileEntry, ...]:
        """Return checkpoints and optimizer state, sorted by path."""
        ...

    async def samples(self, job_id: str) -> tuple[str, ...]:
        """Return paths of sample media, oldest first."""
        ...

    async def queues(self) -> tuple[Queue, ...]:
        """Return the queues."""
        ...

    async def start_queue(self, gpu_ids: str) -> Queue:
        """Let the queue run, creating it where needed; after the job, not before."""
        ...

    async def stop_queue(self, gpu_ids: str) -> Queue:
        """Stop the queue, which sends its running job back to it.

        Raises:
            NotFoundError: There is no such queue.
        """
        ...

    async def gpu(self) -> GpuAnswer:
        """Return the GPUs of the backend's machine."""
        ...

    async def cpu(self) -> CpuInfo:
        """Return processor and memory of the backend's machine."""
        ...

    async def settings(self) -> BackendSettings:
        """Return the backend's folders."""
        ...

    async def datasets(self) -> tuple[str, ...]:
        """Return the names of the dataset folders."""
        ...

    async def dataset_media(self, name: str) -> tuple[str, ...]:
        """Return absolute paths of a dataset's media, sub-folders included, sorted.

        Args:
            name: Of a folder directly below the datasets folder.

        Raises:
            NotFoundError: There is no such dataset.
        """
        ...

    async def captions(self, paths: Sequence[str], extension: str | None = None) -> dict[str, str]:
        """Return the captions of media by path; empty where there is no caption file.

        Args:
            paths: Absolute, on the backend's machine; what lies outside the datasets folder is
                left out of the answer.
            extension: Of the caption files; `.txt` where it is not given.
        """
        ...

    async def upload(self, name: str, files: Sequence[tuple[str, bytes]]) -> tuple[str, ...]:
        """Save files in a dataset's folder, which is made where there is none.

        A file that is there under the same name is overwritten: look first.

        Args:
            name: Of the folder, directly below the datasets folder.
            files: Name and content; all in one request, so within the memory of both sides.

        Raises:
            InvalidArgumentsError: A name that the backend would change, or twice the same.
            BackendError: In its kinds; some of the files may be there then.
        """
        ...

    async def read_file(self, path: str, start: int = 0, end: int | None = None) -> FileRange:
        """Return bytes of a file below the backend's training or datasets folder.

        Args:
            path: Absolute, on the backend's machine.
            start: Offset of the first byte.
            end: Offset after the last one; beyond the file's end means the end, as None.

        Raises:
            FileMissingError: There is no such file.
            PathOutsideRootsError: The backend does not serve it.
            TooLargeError: The range is larger than what is read into memory.
        """
        ...
