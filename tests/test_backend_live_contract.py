"""What holds for every server that speaks the AI Toolkit's API; run against a live one.

    AITK_CONTRACT_URL=http://127.0.0.1:8675 AITK_CONTRACT_TOKEN=... pytest tests/<this file>

It needs no GPU and starts no training: jobs get names and a queue of their own, the queue
is never left running, and every job is deleted again. Skipped without `AITK_CONTRACT_URL`.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core import errors
from aitk_core.backend.client import AiToolkitBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aitk_core.backend.protocol import Backend
    from aitk_core.backend.records import JobRow

URL = os.environ.get("AITK_CONTRACT_URL", "")
TOKEN = os.environ.get("AITK_CONTRACT_TOKEN") or None
GPU_IDS = "77"
"""A queue that no machine has, so that nothing of the server's owner runs or stops."""

pytestmark = pytest.mark.skipif(
    not URL, reason="set AITK_CONTRACT_URL to the address of a live backend to run these"
)


def run(check: Callable[[Backend], Awaitable[None]]) -> None:
    async def connected() -> None:
        async with AiToolkitBackend(URL, token=TOKEN) as backend:
            await check(backend)

    asyncio.run(connected())


async def new_config(backend: Backend, name: str) -> dict[str, Any]:
    settings = await backend.settings()
    process: dict[str, Any] = {
        "type": "diffusion_trainer",
        "training_folder": settings.training_folder,
        "device": "cpu",
        "trigger_word": "p3rson ünï",
        "network": {"type": "lora", "linear": 4, "linear_alpha": 4},
        "save": {"save_every": 50, "save_format": "diffusers"},
        "datasets": [{"folder_path": f"{settings.datasets_folder}/none", "resolution": [128]}],
        "train": {"steps": 123, "batch_size": 1, "lr": 0.0001},
        "logging": {"log_every": 1, "use_ui_logger": True},
        "model": {"name_or_path": "/nowhere", "arch": "sd1"},
        "sample": {"samples": []},
    }
    return {"job": "extension", "config": {"name": name, "process": [process]}, "meta": {}}


@asynccontextmanager
async def new_job(backend: Backend) -> AsyncIterator[JobRow]:
    name = f"contract_{uuid.uuid4().hex}"
    job = await backend.create_job(name, GPU_IDS, await new_config(backend, name))
    try:
        yield job
    finally:
        await backend.delete_job(job.id)


def test_the_backend_is_up_and_takes_our_token() -> None:
    run(lambda backend: backend.probe())


@pytest.mark.skipif(TOKEN is None, reason="set AITK_CONTRACT_TOKEN to test a protected backend")
@pytest.mark.parametrize("token", [None, "not-the-token"])
def test_a_protected_backend_refuses_another_token(token: str | None) -> None:
    async def check() -> None:
        async with AiToolkitBackend(URL, token=token) as backend:
            for call in (backend.probe(), backend.jobs(), backend.settings()):
                with pytest.raises(errors.BackendUnauthorizedError):
                    await call

    asyncio.run(check())


def test_a_created_job_is_stopped_and_has_the_config_as_sent() -> None:
    async def check(backend: Backend) -> None:
        async with new_job(backend) as created:
            job = await backend.job(created.id)
            assert job.faults == ()
            assert (job.status, job.step, job.gpu_ids) == ("stopped", 0, GPU_IDS)
            assert (job.job_type, job.pid, job.stop) == ("train", None, False)
            assert job.config == await new_config(backend, str(created.name))
            assert job.configured_steps == 123
            assert job.is_terminal
            assert created.id == job.id
            assert job.id in [row.id for row in (await backend.jobs()).jobs]

    run(check)


def test_the_newest_job_is_the_first_of_the_list_and_filters_hold() -> None:
    async def check(backend: Backend) -> None:
        async with new_job(backend) as first, new_job(backend) as second:
            listed = [row.id for row in (await backend.jobs(job_type="train")).jobs]
            assert listed.index(second.id) < listed.index(first.id)
            assert first.queue_position is not None
            assert second.queue_position is not None
            assert second.queue_position > first.queue_position
            assert first.id not in [row.id for row in (await backend.jobs(only_active=True)).jobs]
            assert first.id not in [row.id for row in (await backend.jobs(job_type="caption")).jobs]

    run(check)


def test_a_name_is_given_once() -> None:
    async def check(backend: Backend) -> None:
        async with new_job(backend) as first, new_job(backend) as second:
            config = await new_config(backend, str(first.name))
            with pytest.raises(errors.ConflictError):
                await backend.create_job(str(first.name), GPU_IDS, config)
            with pytest.raises(errors.ConflictError):
                await backend.update_job(second.id, name=first.name)
            assert (await backend.job(second.id)).name == second.name

    run(check)


def test_an_update_changes_what_is_given_and_nothing_else() -> None:
    async def check(backend: Backend) -> None:
        async with new_job(backend) as job:
            name = f"{job.name}_renamed"
            changed = await backend.update_job(job.id, name=name)
            assert (changed.name, changed.gpu_ids, changed.config) == (name, GPU_IDS, job.config)
            config = await new_config(backend, name)
            config["config"]["process"][0]["train"]["steps"] = 7
            changed = await backend.update_job(job.id, config=config)
            assert (changed.name, changed.configured_steps) == (name, 7)
            assert await backend.job(job.id) == changed

    run(check)


def test_an_update_of_an_unknown_job_fails_and_creates_none() -> None:
    async def check(backend: Backend) -> None:
        unknown = str(uuid.uuid4())
        with pytest.raises(errors.BackendError):
            await backend.update_job(unknown, name=f"contract_{unknown}")
        with pytest.raises(errors.JobNotFoundError):
            await backend.job(unknown)

    run(check)


def test_an_unknown_job_is_not_found_by_any_route() -> None:
    async def check(backend: Backend) -> None:
        unknown = str(uuid.uuid4())
        for call in (
            backend.job(unknown),
            backend.start_job(unknown),
            backend.stop_job(unknown),
            backend.mark_stopped(unknown),
            backend.delete_job(unknown),
            backend.save_now(unknown),
            backend.sample_now(unknown),
            backend.log_tail(unknown),
            backend.log_since(unknown, 10),
            backend.metric(unknown, "loss/loss"),
            backend.files(unknown),
            backend.samples(unknown),
        ):
            with pytest.raises(errors.JobNotFoundError):
                await call

    run(check)


def test_a_deleted_job_is_gone() -> None:
    async def check(backend: Backend) -> None:
        async with new_job(backend) as job:
            pass
        with pytest.raises(errors.JobNotFoundError):
            await backend.job(job.id)

    run(check)


def test_a_started_job_waits_for_its_queue_and_leaves_it_when_marked_stopped() -> None:
    async def check(backend: Backend) -> None:
        async with new_job(backend) as job:
            before = await backend.start_job(job.id)
            assert before.status == "stopped"  # the row as it was
            queued = await backend.job(job.id)
            assert (queued.status, queued.info, queued.stop) == ("queued", "Job queued", False)
            [queue] = [entry for entry in await backend.queues() if entry.gpu_ids == GPU_IDS]
            assert queue.is_running is False
            # Stopping does not take a job out of the queue, marking does.
            await backend.stop_job(job.id)
            stopped = await backend.job(job.id)
            assert (stopped.status, stopped.stop) == ("queued", True)
            await backend.mark_stopped(job.id)
            marked = await backend.job(job.id)
            assert (marked.status, marked.info, marked.pid) == ("stopped", "Job stopped", None)

    run(check)


def test_a_queue_starts_and_stops_and_an_unknown_one_is_not_found() -> None:
    async def check(backend: Backend) -> None:
        await backend.start_queue(GPU_IDS)
        queue = await backend.stop_queue(GPU_IDS)
        assert queue.gpu_ids == GPU_IDS
        [queue] = [entry for entry in await backend.queues() if entry.gpu_ids == GPU_IDS]
        assert queue.is_running is False
        with pytest.raises(errors.NotFoundError):
            await backend.stop_queue("7777,7778")

    run(check)


def test_requests_to_save_and_sample_are_in_the_row_that_comes_back() -> None:
    async def check(backend: Backend) -> None:
        async with new_job(backend) as job:
            assert (await backend.save_now(job.id)).save_now is True
            assert (await backend.sample_now(job.id)).sample_now is True
            again = await backend.job(job.id)
            assert (again.save_now, again.sample_now) == (True, True)

    run(check)


def test_a_job_that_never_ran_has_nothing_to_show() -> None:
    async def check(backend: Backend) -> None:
        async with new_job(backend) as job:
            for log in (await backend.log_tail(job.id), await backend.log_since(job.id, 100)):
                assert (log.text, log.offset, log.reset, log.truncated) == ("", 0, True, False)
            series = await backend.metric_series(job.id, "loss/loss")
            assert (len(series), series.keys, series.truncated) == (0, (), False)
            assert await backend.files(job.id) == ()
            assert await backend.samples(job.id) == ()

    run(check)


def test_settings_name_the_folders_and_datasets_are_names() -> None:
    async def check(backend: Backend) -> None:
        settings = await backend.settings()
        assert settings.training_folder
        assert settings.datasets_folder
        assert all("/" not in name for name in await backend.datasets())

    run(check)


def test_the_machine_is_described() -> None:
    async def check(backend: Backend) -> None:
        cpu, gpu = await backend.cpu(), await backend.gpu()
        assert cpu.faults == ()
        assert cpu.cores is not None
        assert cpu.cores > 0
        assert gpu.skipped == ()
        assert gpu.gpus or gpu.error or gpu.is_mac

    run(check)


def test_files_outside_the_folders_are_not_served_and_missing_ones_not_found() -> None:
    async def check(backend: Backend) -> None:
        settings = await backend.settings()
        with pytest.raises(errors.PathOutsideRootsError):
            await backend.read_file("/etc/passwd")
        missing = f"{settings.datasets_folder}/{uuid.uuid4().hex}/a.txt"
        with pytest.raises(errors.FileMissingError):
            await backend.read_file(missing)

    run(check)


def test_what_a_finished_job_has_written_can_be_read_in_parts() -> None:
    """Looks at whatever jobs the server has; a server without a finished one is skipped."""

    async def check(backend: Backend) -> None:
        done = [job for job in (await backend.jobs()).jobs if job.status == "completed"]
        if not done:
            pytest.skip("the backend has no completed job to look at")
        job = done[0]
        log = await backend.log_tail(job.id)
        assert log.text
        assert log.reset
        half = await backend.log_tail(job.id, max_bytes=max(1, len(log.text.encode()) // 2))
        assert log.text.endswith(half.text)
        assert half.truncated
        after = await backend.log_since(job.id, log.offset)
        assert (after.text, after.offset, after.reset) == ("", log.offset, False)
        files = await backend.files(job.id)
        if files:
            size = files[0].size_bytes or 0
            part = await backend.read_file(files[0].path, max(0, size - 5), size + 1000)
            assert (len(part.data), part.size_bytes) == (min(5, size), size)
        series = await backend.metric_series(job.id, "loss/loss")
        if len(series) > 1:
            later = await backend.metric(job.id, "loss/loss", since_step=series.steps[0])
            assert list(later.steps) == list(series.steps[1:])
            first = await backend.metric(job.id, "loss/loss", limit=1)
            assert list(first.steps) == [series.steps[0]]

    run(check)
