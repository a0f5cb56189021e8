"""run-training-with-guardrails on the embedded backend's genuine trainer."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from attrs import frozen

from aitk_core.application import Application
from aitk_core.backend.client import AiToolkitBackend
from aitk_core.context import Session
from aitk_core.errors import ConflictError, InvalidArgumentsError, NotFoundError
from aitk_core.settings import SettingsSource
from aitk_sandbox.demo import demo_config
from aitk_sandbox.server import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.timeout(180)
RUN = "run-training-with-guardrails"


@frozen(kw_only=True)
class Desk:
    """A server on a sandbox, and what its user does."""

    application: Application
    backend: AiToolkitBackend
    configs: Path
    folders: dict[str, str]

    def save(self, name: str, *, steps: int = 4000, delay_s: float = 0.02, **train: Any) -> None:
        config = demo_config(
            name,
            steps=steps,
            training_folder=self.folders["training"],
            datasets_folder=self.folders["datasets"],
        )
        process = config["config"]["process"][0]
        process["train"].update(train)
        process["sandbox"] = {"step_delay_s": delay_s}
        (self.configs / f"{name}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    async def call(self, tool: str, *, timeout_s: float = 60, **arguments: Any) -> dict[str, Any]:
        session = Session(request_id="desk", policy=self.application.policy, timeout_s=timeout_s)
        answer = await self.application.dispatcher.call(tool, arguments, session)
        assert answer.data is not None
        return dict(answer.data)

    async def run(self, name: str, **arguments: Any) -> dict[str, Any]:
        usual: dict[str, Any] = {
            "check_dataset": False,
            "poll_interval_seconds": 2,
            "min_free_disk_gb": 0,
        }
        return await self.call(RUN, config_name=name, **usual | arguments)


@asynccontextmanager
async def desk(folder: Path, **environment: str) -> AsyncIterator[Desk]:
    async with (
        running(folder / "backend", worker_interval_s=0.05) as sandbox,
        AiToolkitBackend(sandbox.url) as backend,
    ):
        configs = folder / "configs"
        configs.mkdir()
        settings = {
            "AITK_HOME": str(folder / "home"),
            "AITK_CONFIGS_DIR": str(configs),
            "AITK_OUTPUTS_DIR": str(sandbox.training_folder),
            **environment,
        }
        application = Application(source=SettingsSource(environment=settings), backend=backend)
        async with application:
            yield Desk(
                application=application,
                backend=backend,
                configs=configs,
                folders={
                    "training": str(sandbox.training_folder),
                    "datasets": str(sandbox.datasets_folder),
                },
            )


def test_a_config_with_errors_never_starts(tmp_path: Path) -> None:
    async def work() -> None:
        async with desk(tmp_path) as user:
            user.save("broken", lr="fast")
            data = await user.run("broken")
            assert (data["started"], data["status"]) == (False, "blocked_by_validation")
            codes = {each["code"] for each in data["validation"]["errors"]}
            assert "INVALID_LEARNING_RATE" in codes
            assert len(data["guardrails"]) == 9
            assert (await user.backend.jobs()).jobs == ()
            assert (await user.call("list-watches"))["count"] == 0

    asyncio.run(work())


def test_a_run_to_its_end_is_reported_as_ended_with_what_was_seen(tmp_path: Path) -> None:
    async def work() -> None:
        async with desk(tmp_path) as user:
            user.save("short", steps=40)
            data = await user.run("short", monitor_seconds=60)
            assert (data["started"], data["status"]) == (True, "job_completed")
            assert data["final_status"]["current_step"] == 40
            assert data["triggered_guardrails"] == []
            assert data["stop_result"] is None
            snapshots = data["monitor"]["snapshots"]
            assert data["monitor"]["snapshot_count"] == len(snapshots) > 0
            assert snapshots[-1]["status"] == "completed"

    asyncio.run(work())


def test_a_run_that_diverges_is_stopped_and_the_stop_is_verified(tmp_path: Path) -> None:
    async def work() -> None:
        async with desk(tmp_path) as user:
            user.save("hot", lr=50.0)
            data = await user.run("hot", monitor_seconds=60, block_on_validation_fail=False)
            assert data["status"] == "stopped_by_guardrail"
            assert data["stop_result"]["success"] is True
            assert data["final_status"]["status"] == "stopped"
            (trigger,) = data["triggered_guardrails"]
            assert trigger["code"] in ("TRAINING_DIVERGED", "TRAINING_NAN_LOSS")
            assert trigger["severity"] == "critical"
            assert trigger["evidence"]["findings"][0]["method"]
            assert data["proposal"]["how"].endswith("Nothing of this was done.")

    asyncio.run(work())


def test_pitfall_37_44_the_call_answers_before_its_limit_and_the_watch_goes_on(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with desk(tmp_path) as user:
            user.save("long")
            # Past its limit the call would be an error.
            data = await user.run("long", monitor_seconds=3600, timeout_s=12)
            assert data["status"] == "monitor_window_complete"
            assert data["monitor"]["ended_by_call_limit"] is True
            assert data["monitor"]["snapshots"]
            watch_id = data["watch"]["watch_id"]
            assert data["watch"]["goes_on"] is False
            assert "aitk watch" in data["watch"]["note"]
            async with user.application.background.running("http", settle_s=0):
                seen = data["monitor"]["snapshot_count"]
                async with asyncio.timeout(30):
                    while (await user.call("inspect-watch", watch_id=watch_id))["looks"] <= seen:
                        await asyncio.sleep(0.2)
                shown = await user.call("inspect-watch", watch_id=watch_id)
                assert shown["owned"] is True
                assert shown["home"]["goes_on"] is True
            await user.backend.stop_job(str(data["job_id"]))

    asyncio.run(work())


def test_a_call_that_is_cancelled_lets_go_of_its_watch_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with desk(tmp_path) as user:
            user.save("left")
            call = asyncio.create_task(user.run("left", monitor_seconds=50))
            async with asyncio.timeout(30):
                while not (await user.call("list-watches"))["watches"]:
                    await asyncio.sleep(0.1)
                while not (await user.call("list-watches"))["watches"][0]["looks"]:
                    await asyncio.sleep(0.1)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            (watch,) = (await user.call("list-watches"))["watches"]
            assert (watch["state"], watch["owned"]) == ("active", False)
            await user.backend.stop_job(watch["job_id"])

    asyncio.run(work())


def test_monitor_zero_starts_and_answers_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with desk(tmp_path) as user:
            user.save("quick")
            data = await user.run("quick", monitor_seconds=0)
            assert data["status"] == "started"
            assert data["monitor"]["snapshot_count"] == 0
            assert (await user.call("list-watches"))["count"] == 1
            with pytest.raises(ConflictError):
                await user.call("guard-training-job", job_id=data["job_id"])
            await user.backend.stop_job(str(data["job_id"]))

    asyncio.run(work())


def test_a_job_that_cannot_be_started_is_no_run_and_has_no_watch(tmp_path: Path) -> None:
    async def work() -> None:
        async with desk(tmp_path) as user:
            user.save("twice")
            first = await user.run("twice", monitor_seconds=0)
            data = await user.run("twice", monitor_seconds=0, block_on_validation_fail=False)
            assert (data["started"], data["status"]) == (False, "start_failed")
            assert data["error_details"]["code"] == "CONFLICT"
            listed = await user.call("list-watches")
            assert [each["watch_id"] for each in listed["watches"]] == [first["watch"]["watch_id"]]
            await user.backend.stop_job(str(first["job_id"]))

    asyncio.run(work())


def test_wrong_rules_and_unknown_watches_are_refused(tmp_path: Path) -> None:
    async def work() -> None:
        async with desk(tmp_path) as user:
            user.save("any")
            with pytest.raises(InvalidArgumentsError):
                await user.run("any", rules={"nan": "perhaps"})
            with pytest.raises(InvalidArgumentsError):
                await user.run("any", max_cost=5)
            with pytest.raises(NotFoundError):
                await user.call("inspect-watch", watch_id="w-none")
            with pytest.raises(InvalidArgumentsError):
                await user.call("inspect-watch")
            with pytest.raises(NotFoundError):
                await user.call("end-watch", watch_id="w-none")
            assert (await user.backend.jobs()).jobs == ()

    asyncio.run(work())


def test_a_read_only_server_owns_no_watch_so_that_others_may_stop(tmp_path: Path) -> None:
    async def work() -> None:
        async with desk(tmp_path) as user:
            user.save("kept")
            data = await user.run("kept", monitor_seconds=0)
            settings = {"AITK_HOME": str(tmp_path / "home"), "AITK_READ_ONLY": "1"}
            second = Application(source=SettingsSource(environment=settings), backend=user.backend)
            async with second, second.background.running("http", settle_s=0):
                service = second.background._services["watches"]
                for _ in range(3):  # turns of its loop
                    before = service.beaten
                    async with asyncio.timeout(20):
                        while service.beaten == before:
                            await asyncio.sleep(0.05)
                assert all(state.ok for state in second.background.states())
            (watch,) = (await user.call("list-watches"))["watches"]
            assert (watch["owned"], watch["looks"]) == (False, 0)
            await user.backend.stop_job(str(data["job_id"]))

    asyncio.run(work())
