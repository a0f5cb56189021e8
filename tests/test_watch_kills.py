"""Servers that watch are killed with -9 again and again: the watch goes on, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from aitk_core.backend.client import AiToolkitBackend
from aitk_core.services.store import Store
from aitk_guardrails.rules.memory import Memory
from aitk_guardrails.rules.settings import Guardrails
from aitk_guardrails.watch.records import Decision, Watch
from aitk_guardrails.watch.store import WatchStore
from aitk_sandbox.demo import demo_config
from aitk_sandbox.server import running

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 4

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.name != "posix", reason="signals"),
]


@frozen(kw_only=True)
class Seen:
    """What came of a run whose watchers were killed."""

    taken_s: tuple[float, ...]
    """From each start of a server until it owned the watch."""
    owners: tuple[str, ...]
    watch: Watch
    alerts: tuple[dict[str, Any], ...]
    lines: tuple[dict[str, Any], ...]
    stops: int
    final_status: str


async def server(folder: Path, url: str) -> asyncio.subprocess.Process:
    """Start `aitk watch` on the shared store."""
    environment = {
        **os.environ,
        "AI_TOOLKIT_SERVER_URL": url,
        "AITK_HOME": str(folder / "home"),
        "AITK_OUTPUTS_DIR": str(folder / "out"),
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "aitk_core",
        "watch",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def killed_watchers(folder: Path, kills: int, seconds: tuple[float, ...]) -> Seen:
    """Watch a run with servers that are killed; the last one is let live until the watch ends."""
    (folder / "out").mkdir()
    loop = asyncio.get_running_loop()
    async with (
        running(folder / "backend", worker_interval_s=0.05) as sandbox,
        AiToolkitBackend(sandbox.url) as backend,
    ):
        store, rules, job_id = await _begun(folder, sandbox, backend)
        taken: list[float] = []
        owners: list[str] = []
        process = None
        for number in range(kills + 1):
            if number == kills:
                # Only now: whatever was killed before, this one stops the run.
                limited = Guardrails.from_json(rules.to_json() | {"max_steps": 1})
                _change(store, limited)
            began = loop.time()
            process = await server(folder, sandbox.url)
            before = owners[-1] if owners else None
            owners.append(await _owned(store, before))
            taken.append(loop.time() - began)
            if number < kills:
                await asyncio.sleep(seconds[number % len(seconds)])
                process.send_signal(signal.SIGKILL)
                await process.wait()
        async with asyncio.timeout(60):
            while (kept := store.get("w-kept")) is None or kept.state != "ended":
                await asyncio.sleep(0.1)
            while any(each["taken_at"] is None for each in store.alerts("w-kept")):
                await asyncio.sleep(0.1)
            file = folder / "out" / "alerts"
            wanted = {each["alert_id"] for each in store.alerts("w-kept")}
            while not wanted <= {line["alert"]["alert_id"] for line in _lines(file)}:
                await asyncio.sleep(0.1)
        assert process is not None
        process.terminate()
        await process.wait()
        row = await backend.job(job_id)
        decisions = store.decisions("w-kept", 10_000)
        return Seen(
            taken_s=tuple(taken),
            owners=tuple(owners),
            watch=kept,
            alerts=tuple(store.alerts("w-kept")),
            lines=tuple(_lines(file)),
            stops=sum(each.action == "stop" for each in decisions),
            final_status=str(row.status),
        )


async def _begun(
    folder: Path, sandbox: Any, backend: AiToolkitBackend
) -> tuple[WatchStore, Guardrails, str]:
    """Start a run that would train for an hour, and a watch over it that nobody owns."""
    config = demo_config(
        "kept",
        steps=100_000,
        training_folder=sandbox.training_folder,
        datasets_folder=sandbox.datasets_folder,
    )
    config["config"]["process"][0]["sandbox"] = {"step_delay_s": 0.02}
    job = await backend.create_job("kept", "0", config)
    await backend.start_job(job.id)
    await backend.start_queue("0")
    store = WatchStore(Store(folder / "home" / "state"))
    rules = Guardrails(poll_interval_seconds=2, min_free_disk_gb=10**9, max_hours=10**6)
    watch = Watch(
        id="w-kept",
        job_id=job.id,
        job_name="kept",
        config_name=None,
        guardrails=rules,
        memory=Memory(),
        state="active",
        created_at=0.0,
        next_at=0.0,
    )
    store.add(watch, Decision(at=0.0, action="begin"))
    return store, rules, job.id


def _change(store: WatchStore, guardrails: Guardrails) -> None:
    with store._session() as database:
        database.execute(
            "UPDATE watches SET guardrails = ?, next_at = 0", (json.dumps(guardrails.to_json()),)
        )


async def _owned(store: WatchStore, before: str | None) -> str:
    """Wait until another server than before has the watch and has looked."""
    async with asyncio.timeout(60):
        while True:
            watch = store.get("w-kept")
            if watch is not None and watch.owner not in (None, before):
                return str(watch.owner)
            await asyncio.sleep(0.05)


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]


def test_a_watch_is_resumed_after_each_kill_and_every_alert_arrives(tmp_path: Path) -> None:
    seen = asyncio.run(killed_watchers(tmp_path, KILLS, (0.0, 1.1, 0.3, 2.0)))
    assert len(set(seen.owners)) == KILLS + 1
    assert seen.watch.ended_as == "stopped_by_guardrail"
    assert (seen.stops, seen.final_status) == (1, "stopped")
    codes = [each["code"] for each in seen.alerts]
    # The disk warning came before the kills, and is one alert whatever happened after it.
    assert sorted(codes) == ["DISK_NEARLY_FULL", "LIMIT_STEPS", "RUN_STOPPED_BY_GUARDRAIL"]
    arrived = [(line["alert"]["alert_id"], line["message_id"]) for line in seen.lines]
    assert {id_ for id_, _ in arrived} == {each["alert_id"] for each in seen.alerts}
    assert len(arrived) - len(set(arrived)) <= KILLS
    assert len(set(arrived)) == len({id_ for id_, _ in arrived})


def test_a_server_that_slept_past_its_lease_does_nothing_in_its_old_name(tmp_path: Path) -> None:
    """SIGSTOP, another server stops the run, SIGCONT: one stop (peers.md, promise 4)."""

    async def work() -> None:
        (tmp_path / "out").mkdir()
        async with (
            running(tmp_path / "backend", worker_interval_s=0.05) as sandbox,
            AiToolkitBackend(sandbox.url) as backend,
        ):
            store, rules, job_id = await _begun(tmp_path, sandbox, backend)
            first = await server(tmp_path, sandbox.url)
            owner = await _owned(store, None)
            first.send_signal(signal.SIGSTOP)
            _change(store, Guardrails.from_json(rules.to_json() | {"max_steps": 1}))
            second = await server(tmp_path, sandbox.url)
            await _owned(store, owner)
            async with asyncio.timeout(60):
                while (await backend.job(job_id)).status != "stopped":
                    await asyncio.sleep(0.1)
            first.send_signal(signal.SIGCONT)
            async with asyncio.timeout(60):
                while (kept := store.get("w-kept")) is None or kept.state != "ended":
                    await asyncio.sleep(0.1)
            for process in (first, second):
                process.terminate()
                await process.wait()
            decisions = store.decisions("w-kept", 10_000)
            assert [each.action for each in decisions].count("ask") == 1
            assert kept.ended_as == "stopped_by_guardrail"

    asyncio.run(work())
