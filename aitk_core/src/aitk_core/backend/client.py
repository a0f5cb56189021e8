"""The client of the AI Toolkit's REST API (backend 0.12.26)."""

from __future__ import annotations

import json
from array import array
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aitk_core.backend import datasets
from aitk_core.backend.answers import Ask, unknown_job
from aitk_core.backend.exchange import Exchange
from aitk_core.backend.files import read_range
from aitk_core.backend.ids import (
    bad_config,
    checked_config,
    checked_gpu_ids,
    checked_job_id,
    checked_job_name,
    checked_metric_key,
    checked_word,
    segment,
)
from aitk_core.backend.logs import read_log
from aitk_core.backend.parsing import (
    parse_cpu,
    parse_files,
    parse_gpus,
    parse_job,
    parse_jobs,
    parse_metric_page,
    parse_queue,
    parse_queues,
    parse_samples,
    parse_settings,
)
from aitk_core.backend.protocol import LOG_TAIL_BYTES, PAGE_POINTS, SERIES_POINTS
from aitk_core.backend.records import MetricPage
from aitk_core.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    import httpx

    from aitk_core.backend.records import (
        BackendSettings,
        CpuInfo,
        FileEntry,
        FileRange,
        GpuAnswer,
        JobList,
        JobRow,
        LogChunk,
        Queue,
    )

T = TypeVar("T")

_MAX_RESPONSE_BYTES: Final = 64 * 1024 * 1024
"""A list of 20,000 jobs as large as the recorded ones; our own."""

_BACKOFF_S: Final = (0.1, 0.4)
"""Two more attempts of a read; together well below any deadline. Our own."""


class AiToolkitBackend:
    """A `Backend` over HTTP; see the protocol for what each method does.

    One object has one pool of connections and belongs to the event loop of its first
    request. It may be used by many tasks at once, and each may be cancelled.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout_s: float = 10.0,
        connect_timeout_s: float = 3.0,
        max_response_bytes: int = _MAX_RESPONSE_BYTES,
        backoff_s: tuple[float, ...] = _BACKOFF_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Check address and token; connects nowhere.

        Args:
            url: Such as `http://127.0.0.1:8675`.
            token: The backend's `AI_TOOLKIT_AUTH`, or None where it has none.
            timeout_s: For one answer, all attempts together.
            connect_timeout_s: For one connection.
            max_response_bytes: Largest answer that is read into memory; logs are streamed.
            backoff_s: Pauses between the attempts of a read; empty means one attempt.
            transport: In place of the network.

        Raises:
            InvalidSettingError: Address or token cannot be used.
        """
        self._exchange = Exchange(
            url,
            token=token,
            timeout_s=timeout_s,
            connect_timeout_s=connect_timeout_s,
            max_response_bytes=max_response_bytes,
            backoff_s=backoff_s,
            transport=transport,
        )

    @property
    def url(self) -> str:
        """Return the address."""
        return self._exchange.url

    async def __aenter__(self) -> Self:
        """Return the backend; no request is made."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close connections; harmless to repeat."""
        await self._exchange.aclose()

    async def _read(self, path: str, parse: Callable[[Any], T], **more: Any) -> T:
        ask = Ask(method="GET", path=path, repeatable=True, **more)
        return await self._exchange.json(ask, parse)

    async def _read_of(self, job_id: str, route: str, parse: Callable[[Any], T], **more: Any) -> T:
        checked_job_id(job_id)
        path = f"/api/jobs/{segment(job_id)}/{route}"
        return await self._read(path, parse, job_id=job_id, **more)

    async def _change(self, job_id: str, route: str) -> JobRow:
        # These are GET requests that change something, so they are sent once.
        checked_job_id(job_id)
        path = f"/api/jobs/{segment(job_id)}/{route}"
        return await self._exchange.json(Ask(method="GET", path=path, job_id=job_id), parse_job)

    async def _change_known(self, job_id: str, route: str) -> JobRow:
        """Change a job by a route that answers an unknown id with an empty 500."""
        try:
            return await self._change(job_id, route)
        except BackendError as error:
            unexplained = not error.details.get("answer")
            if unexplained and error.details.get("status") == HTTPStatus.INTERNAL_SERVER_ERROR:
                await self.job(job_id)  # raises JobNotFoundError where that was the reason
            raise

    async def probe(self) -> None:
        """Return if the backend is up and accepts our token, and raise otherwise."""

        def check(answer: Any) -> None:
            if not isinstance(answer, dict) or answer.get("isAuthenticated") is not True:
                fault = "isAuthenticated is not true"
                raise ValueError(fault)

        await self._read("/api/auth", check)

    async def jobs(self, *, only_active: bool = False, job_type: str | None = None) -> JobList:
        """Return all jobs, newest first."""
        query: dict[str, str | int] = {}
        if only_active:
            query["only_active"] = "true"
        if job_type is not None:
            query["job_type"] = checked_word(job_type, "job_type")
        return await self._read("/api/jobs", parse_jobs, query=query)

    async def job(self, job_id: str) -> JobRow:
        """Return one job as it is now."""
        checked_job_id(job_id)

        def parse(answer: Any) -> JobRow | None:
            if answer is None:  # how this route says not found
                return None
            row = parse_job(answer)
            if row.id != job_id:
                fault = "the row of another job"
                raise ValueError(fault)
            return row

        row = await self._read("/api/jobs", parse, query={"id": job_id}, job_id=job_id)
        if row is None:
            raise unknown_job(job_id)
        return row

    async def create_job(self, name: str, gpu_ids: str, config: Mapping[str, Any]) -> JobRow:
        """Create a stopped job and return it."""
        body = {
            "name": checked_job_name(name),
            "gpu_ids": checked_gpu_ids(gpu_ids),
            "job_config": checked_config(config),
        }
        return await self._post_job(body, None)

    async def update_job(
        self,
        job_id: str,
        *,
        name: str | None = None,
        gpu_ids: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> JobRow:
        """Change what is given and return the changed row."""
        body: dict[str, Any] = {"id": checked_job_id(job_id)}
        if name is not None:
            body["name"] = checked_job_name(name)
        if gpu_ids is not None:
            body["gpu_ids"] = checked_gpu_ids(gpu_ids)
        if config is not None:
            body["job_config"] = checked_config(config)
        return await self._post_job(body, job_id)

    async def _post_job(self, body: Mapping[str, Any], job_id: str | None) -> JobRow:
        try:
            content = json.dumps(body, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise bad_config(f"cannot be written as JSON: {error}") from error
        ask = Ask(method="POST", path="/api/jobs", body=content, job_id=job_id)
        return await self._exchange.json(ask, parse_job)

    async def start_job(self, job_id: str) -> JobRow:
        """Queue the job; returns the row as it was before."""
        return await self._change(job_id, "start")

    async def stop_job(self, job_id: str) -> JobRow:
        """Signal the trainer of a running job; returns the row as it was before."""
        return await self._change(job_id, "stop")

    async def mark_stopped(self, job_id: str) -> JobRow:
        """Set the row to stopped; returns the row as it was before."""
        return await self._change_known(job_id, "mark_stopped")

    async def delete_job(self, job_id: str) -> JobRow:
        """Delete the row and the job's folder; returns the row as it was before."""
        return await self._change(job_id, "delete")

    async def save_now(self, job_id: str) -> JobRow:
        """Ask for a checkpoint after the current step and return the changed row."""
        return await self._change_known(job_id, "save_now")

    async def sample_now(self, job_id: str) -> JobRow:
        """Ask for samples after the current step and return the changed row."""
        return await self._change_known(job_id, "sample_now")

    async def log_tail(self, job_id: str, *, max_bytes: int = LOG_TAIL_BYTES) -> LogChunk:
        """Return the end of the log."""
        return await read_log(self._exchange, job_id, None, max_bytes)

    async def log_since(
        self, job_id: str, offset: int, *, max_bytes: int = LOG_TAIL_BYTES
    ) -> LogChunk:
        """Return what was written to the log since an earlier answer."""
        return await read_log(self._exchange, job_id, offset, max_bytes)

    async def metric(
        self, job_id: str, key: str, *, since_step: int | None = None, limit: int = PAGE_POINTS
    ) -> MetricPage:
        """Return one page of a metric, the oldest points first."""
        if not 1 <= limit <= PAGE_POINTS:
            fault = f"limit must be 1 to {PAGE_POINTS}, not {limit!r}"
            raise ValueError(fault)
        query: dict[str, str | int] = {"key": checked_metric_key(key), "limit": limit}
        if since_step is not None:
            query["since_step"] = int(since_step)
        page = await self._read_of(
            job_id, "loss", lambda answer: parse_metric_page(answer, key), query=query
        )
        return MetricPage(
            key=key,
            keys=page.keys,
            steps=page.steps[:limit],
            wall_times=page.wall_times[:limit],
            values=page.values[:limit],
            skipped=page.skipped,
            truncated=len(page) + page.skipped >= limit,
        )

    async def metric_series(
        self,
        job_id: str,
        key: str,
        *,
        since_step: int | None = None,
        max_points: int = SERIES_POINTS,
    ) -> MetricPage:
        """Return a metric as a whole, as many pages as it takes."""
        steps, wall_times, values = array("q"), array("d"), array("d")
        skipped = 0
        while True:
            limit = min(PAGE_POINTS, max_points - len(steps))
            page = await self.metric(job_id, key, since_step=since_step, limit=limit)
            if len(page) and since_step is not None and page.steps[0] <= since_step:
                path = f"/api/jobs/{segment(job_id)}/loss"
                fault = f"step {page.steps[0]} where only later ones than {since_step} were asked"
                raise self._exchange.unfit(Ask(method="GET", path=path), fault)
            steps.extend(page.steps)
            wall_times.extend(page.wall_times)
            values.extend(page.values)
            skipped += page.skipped
            # A full page without a usable step would be asked for again and again.
            if not page.truncated or not len(page) or len(steps) >= max_points:
                break
            since_step = steps[-1]
        return MetricPage(
            key=key,
            keys=page.keys,
            steps=steps,
            wall_times=wall_times,
            values=values,
            skipped=skipped,
            truncated=page.truncated,
        )

    async def files(self, job_id: str) -> tuple[FileEntry, ...]:
        """Return checkpoints and optimizer state, sorted by path."""
        return await self._read_of(job_id, "files", parse_files)

    async def samples(self, job_id: str) -> tuple[str, ...]:
        """Return paths of sample media, oldest first."""
        return await self._read_of(job_id, "samples", parse_samples)

    async def queues(self) -> tuple[Queue, ...]:
        """Return the queues."""
        return await self._read("/api/queue", parse_queues)

    async def start_queue(self, gpu_ids: str) -> Queue:
        """Let the queue run; returns the row as it was before, unless it is new."""
        return await self._change_queue(gpu_ids, "start")

    async def stop_queue(self, gpu_ids: str) -> Queue:
        """Stop the queue; returns the row as it was before."""
        return await self._change_queue(gpu_ids, "stop")

    async def _change_queue(self, gpu_ids: str, route: str) -> Queue:
        path = f"/api/queue/{segment(checked_gpu_ids(gpu_ids))}/{route}"
        return await self._exchange.json(Ask(method="GET", path=path), parse_queue)

    async def gpu(self) -> GpuAnswer:
        """Return the GPUs of the backend's machine."""
        return await self._read("/api/gpu", parse_gpus)

    async def cpu(self) -> CpuInfo:
        """Return processor and memory of the backend's machine."""
        return await self._read("/api/cpu", parse_cpu)

    async def settings(self) -> BackendSettings:
        """Return the backend's folders."""
        return await self._read("/api/settings", parse_settings, secret=True)

    async def datasets(self) -> tuple[str, ...]:
        """Return the names of the dataset folders."""
        return await datasets.list_datasets(self._exchange)

    async def dataset_media(self, name: str) -> tuple[str, ...]:
        """Return the paths of a dataset's media."""
        return await datasets.list_media(self._exchange, name)

    async def captions(self, paths: Sequence[str], extension: str | None = None) -> dict[str, str]:
        """Return the captions of media by path."""
        return await datasets.read_captions(self._exchange, paths, extension)

    async def upload(self, name: str, files: Sequence[tuple[str, bytes]]) -> tuple[str, ...]:
        """Save files in a dataset's folder."""
        return await datasets.upload(self._exchange, name, files)

    async def read_file(self, path: str, start: int = 0, end: int | None = None) -> FileRange:
        """Return bytes of a file below the backend's training or datasets folder."""
        return await read_range(self._exchange, path, start, end)
