"""Recorded runs under watch: what is broken is stopped and told, what is well is left alone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from aitk_core.backend.records import GpuAnswer, GpuInfo
from aitk_core.testing.evidence import changed
from support.guarding import RUNS, guarding, polls_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from aitk_core.testing.recorded import Recording
    from support.guarding import Guard

OK = RUNS["ok_200_steps"]


def guarded(folder: Path, work: Callable[[Guard], Awaitable[None]]) -> None:
    """Run a piece of work with a guard."""

    async def run() -> None:
        async with guarding(folder) as guard:
            await work(guard)

    asyncio.run(run())


def training(at: int, *, now: float, pace_s: float = 1.0, level: float = 0.5) -> Recording:
    """A run in its training loop at a step, whose newest step is as old as its pace."""
    points = [
        [step, now - pace_s * (at - step), level + (step * 7919 % 97 - 48) / 1000]
        for step in range(1, at)
    ]
    run = evolve(OK, metrics={"loss/loss": points}, log="Running 1 job\n")
    row = {"status": "running", "info": "Training", "step": at}
    return changed(run, **row, updated_at="1970-01-01T00:00:01.000Z")


@pytest.mark.parametrize(
    ("name", "ended"),
    [
        ("ok_200_steps", "completed"),
        ("ok_with_validation", "completed"),
        ("resume_after_stop", "stopped"),  # by a person, near step 70
    ],
)
def test_a_healthy_recorded_run_is_watched_to_its_end_and_left_alone(
    tmp_path: Path, name: str, ended: str
) -> None:
    async def work(guard: Guard) -> None:
        assert await guard.play(name) is None
        assert guard.watch.ended_as == f"job_{ended}"
        assert not guard.watch.memory.triggered
        assert guard.alerts == [f"RUN_{ended.upper()}"]

    guarded(tmp_path, work)


def test_a_run_whose_loss_is_nan_is_stopped_by_the_next_reading(tmp_path: Path) -> None:
    async def work(guard: Guard) -> None:
        stopped_at = await guard.play("nan_loss")
        bad = [step for step, _, value in RUNS["nan_loss"].metrics["loss/loss"] if value == 0]
        third = bad[2]  # three of them are critical (STATS.md section 1)
        assert stopped_at is not None
        seen = [int(run.row["step"]) for _, run in polls_of("nan_loss")]
        assert stopped_at == next(step for step in seen if step > third)
        assert guard.stops == ["stop"]
        (trigger,) = [
            each for each in guard.watch.memory.triggered if each["code"] == "TRAINING_NAN_LOSS"
        ]
        assert trigger["evidence"]["flags"] == ["loss_nan_detected"]
        assert trigger["evidence"]["findings"][0]["steps"][0][0] == bad[0]

    guarded(tmp_path, work)


def test_a_stop_counts_once_the_row_says_so_and_two_looks_saw_nothing_move(
    tmp_path: Path,
) -> None:
    async def work(guard: Guard) -> None:
        await guard.play("nan_loss")
        assert guard.watch.state == "active"
        assert guard.watch.memory.stop["state"] == "asked"
        for _ in range(2):
            await guard.look(guard.stage.shown)
        assert guard.watch.memory.stop["state"] == "verified" or not guard.attendant.is_over
        await guard.look(guard.stage.shown)
        assert guard.watch.ended_as == "stopped_by_guardrail"
        assert guard.alerts[-1] == "RUN_STOPPED_BY_GUARDRAIL"
        assert guard.stops == ["stop"]

    guarded(tmp_path, work)


def test_a_run_that_hangs_is_stopped_only_after_what_a_healthy_one_shows(tmp_path: Path) -> None:
    async def work(guard: Guard) -> None:
        assert await guard.play("hang_midway") is None
        last = guard.stage.shown
        last_step = RUNS["hang_midway"].last_wall_time or 0.0
        while not guard.stops:
            await guard.look(last)
            assert guard.time - last_step < 700
        (trigger,) = guard.watch.memory.triggered
        assert trigger["code"] == "TRAINING_STALLED_PROGRESS"
        evidence = trigger["evidence"]
        assert evidence["seconds_since_progress"] > evidence["phase_limit_seconds"]
        assert evidence["seconds_since_progress"] >= evidence["stall_window_seconds"]

    guarded(tmp_path, work)


def test_pitfall_36_throughput_that_collapses_fires_after_the_configured_number_of_polls(
    tmp_path: Path,
) -> None:
    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        guard.begin(training(50, now=guard.time, pace_s=1000), low_speed_consecutive_polls=3)
        for look in (1, 2, 3):
            assert not guard.stops, look
            await guard.look(training(50 + look, now=guard.time, pace_s=1000), after_s=900)
        assert guard.stops
        (trigger,) = guard.watch.memory.triggered
        assert trigger["code"] == "TRAINING_THROUGHPUT_COLLAPSE"
        assert trigger["evidence"]["consecutive_low_speed_polls"] == 3
        assert 0 < trigger["evidence"]["latest_iter_per_sec"] <= 0.02
        assert guard.watch.memory.snapshots[-1]["iter_per_sec_latest"] is not None

    guarded(tmp_path, work)


def test_pitfall_39_words_of_a_file_name_or_a_prompt_stop_nothing(tmp_path: Path) -> None:
    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        lines = "Running 1 job\nLoading banana.safetensors\n" + "a living room\n" * 5
        guard.begin(evolve(training(50, now=guard.time), log=lines))
        for step in range(51, 60):
            run = training(step, now=guard.time + 2)
            await guard.look(evolve(run, log=lines))
        assert not guard.stops
        assert not guard.watch.memory.triggered
        assert guard.alerts == []

    guarded(tmp_path, work)


def test_pitfall_38_what_an_earlier_launch_logged_stops_nothing(tmp_path: Path) -> None:
    async def work(guard: Guard) -> None:
        guard.time = (RUNS["nan_loss"].last_wall_time or 0.0) + 60
        earlier = evolve(
            RUNS["nan_loss"], row={**RUNS["nan_loss"].row, "status": "queued", "info": "Queued"}
        )
        guard.begin(earlier)
        for _ in range(5):
            await guard.look(earlier)
        assert not guard.stops
        assert guard.alerts == []
        fresh = {**earlier.row, "status": "running", "step": 0, "info": "Loading model"}
        fresh["updated_at"] = datetime.fromtimestamp(guard.time, UTC).isoformat()
        for _ in range(5):
            await guard.look(evolve(earlier, row=fresh, log=""))
        assert not guard.stops

    guarded(tmp_path, work)


def test_pitfall_40_a_job_that_waits_has_no_stall_clock(tmp_path: Path) -> None:
    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        waiting = changed(
            evolve(OK, metrics={}, log=""), status="queued", step=0, info="", pid=None
        )
        guard.begin(waiting, stall_window_seconds=10)
        for _ in range(20):
            await guard.look(waiting, after_s=600)
        assert not guard.stops
        assert guard.watch.state == "active"

    guarded(tmp_path, work)


def test_pitfall_41_a_watch_that_sees_nothing_says_so_once_and_when_it_sees_again(
    tmp_path: Path,
) -> None:
    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        guard.begin(training(50, now=guard.time))
        await guard.look(training(51, now=guard.time + 2))
        guard.stage.faults["job"] = 500
        for _ in range(10):
            await guard.look()
        assert guard.alerts == ["BACKEND_LOST"]
        snapshot = guard.watch.memory.snapshots[-1]
        assert (snapshot["status"], snapshot["current_step"], snapshot["error"]) == (
            None,
            None,
            "BACKEND_ERROR",
        )
        guard.stage.faults.clear()
        for step in (70, 71):
            await guard.look(training(step, now=guard.time + 2))
        assert guard.alerts == ["BACKEND_LOST", "BACKEND_LOST:resolved"]
        assert guard.watch.memory.failed_looks == 10
        assert guard.watch.state == "active"

    guarded(tmp_path, work)


def test_pitfall_42_a_log_that_is_junk_costs_that_look_its_log_only(tmp_path: Path) -> None:
    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        guard.begin(training(50, now=guard.time))
        guard.stage.faults["log"] = 500
        await guard.look(training(51, now=guard.time + 2))
        assert guard.watch.memory.snapshots[-1]["missing"] == ["log"]
        assert guard.watch.memory.snapshots[-1]["current_step"] == 51
        guard.stage.faults.clear()
        await guard.look(training(52, now=guard.time + 2))
        assert guard.watch.memory.snapshots[-1]["missing"] == []

    guarded(tmp_path, work)


def test_pitfall_43_a_stop_that_fails_is_tried_again_and_told(tmp_path: Path) -> None:
    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        guard.begin(training(50, now=guard.time), max_steps=51)
        guard.stage.stop_fails = 4
        step = 51
        while not guard.stops:
            assert step < 90
            await guard.look(training(step, now=guard.time + 2))
            step += 1
        assert guard.watch.memory.stop["attempts"] == 5
        assert guard.alerts == ["LIMIT_STEPS", "STOP_FAILED"]
        for _ in range(4):
            await guard.look(guard.stage.shown)
        assert guard.watch.ended_as == "stopped_by_guardrail"

    guarded(tmp_path, work)


def test_a_stop_that_the_run_ignores_is_told_and_asked_for_again(tmp_path: Path) -> None:
    """The backend answers 200 and the trainer goes on stepping (peers.md, promise 5)."""

    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        guard.stage.stop_moves_row = False
        guard.begin(training(50, now=guard.time), max_steps=51)
        for step in range(51, 120):
            await guard.look(training(step, now=guard.time + 2))
        assert guard.watch.state == "active"
        assert len(guard.stops) >= 2
        assert guard.alerts.count("STOP_UNCONFIRMED") == 1
        assert "RUN_STOPPED_BY_GUARDRAIL" not in guard.alerts

    guarded(tmp_path, work)


def test_a_run_that_steps_on_after_its_row_says_stopped_is_not_called_stopped(
    tmp_path: Path,
) -> None:
    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        guard.begin(training(50, now=guard.time), max_steps=51)
        for step in range(51, 100):
            await guard.look(training(step, now=guard.time + 2))
        assert guard.watch.memory.snapshots[-1]["status"] == "stopped"
        assert guard.watch.state == "active"
        assert "STOP_UNCONFIRMED" in guard.alerts

    guarded(tmp_path, work)


def test_a_run_that_ends_by_itself_is_told_as_ended_before_any_rule(tmp_path: Path) -> None:
    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        guard.begin(training(50, now=guard.time), max_steps=10)
        guard.stage.play(RUNS["kill9_worker_alive"])
        failed = changed(training(60, now=guard.time + 2), status="error", info="CUDA error: x")
        await guard.look(failed)
        assert not guard.stops
        assert guard.watch.ended_as == "job_error"
        assert guard.alerts == ["RUN_FAILED"]

    guarded(tmp_path, work)


@pytest.mark.parametrize("mode", ["off", "warn"])
def test_a_rule_that_is_off_or_warns_stops_nothing(tmp_path: Path, mode: str) -> None:
    async def work(guard: Guard) -> None:
        rules: Any = {"nan": mode, "divergence": "off", "overfitting": "off"}
        assert await guard.play("nan_loss", rules=rules) is None
        assert ("TRAINING_NAN_LOSS" in guard.alerts) is (mode == "warn")

    guarded(tmp_path, work)


def test_limits_of_hours_and_cost_stop_with_a_checkpoint_first(tmp_path: Path) -> None:
    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        guard.begin(training(50, now=guard.time), cost_per_hour=2.0, max_cost=1.0, max_hours=9999.0)
        late = changed(
            training(60, now=guard.time + 2), updated_at="1970-01-02T03:00:00.000Z"
        )  # launched 46 minutes before
        await guard.look(late)
        assert guard.watch.memory.stop["code"] == "LIMIT_COST"
        assert guard.watch.memory.stop["save_first"] is True
        assert guard.watch.memory.triggered[0]["evidence"]["value"] > 1.0

    guarded(tmp_path, work)


def test_another_server_goes_on_where_the_first_was_killed(tmp_path: Path) -> None:
    async def work(guard: Guard) -> None:
        polls = list(polls_of("nan_loss"))
        half = len(polls) // 2
        guard.time = polls[0][0]
        guard.begin(polls[0][1], owner="a")
        for at, run in polls[1:half]:
            guard.time = at
            await guard.look(run, after_s=0)
        before = guard.watch.memory.looks
        assert guard.store.claim("b", guard.time) == []  # the lease of the first still holds
        guard.time += 7
        guard.take("b")
        assert guard.watch.memory.looks == before
        at, run = polls[-2]
        guard.time = at + 7
        await guard.look(run, after_s=0)
        assert guard.stops == ["stop"]
        assert [each.action for each in guard.store.decisions("w-1", 50)].count("adopt") == 1

    guarded(tmp_path, work)


def test_a_server_that_lost_its_watch_does_nothing_any_more(tmp_path: Path) -> None:
    from aitk_guardrails.watch.store import LostLeaseError

    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        guard.begin(training(50, now=guard.time), max_steps=51)
        paused = guard.attendant
        guard.time += 7
        guard.take("b")
        guard.stage.play(training(52, now=guard.time))
        with pytest.raises(LostLeaseError):
            await paused.turn(guard.context)
        assert guard.stops == []
        assert guard.alerts == []
        await guard.look(training(53, now=guard.time + 2))
        assert guard.stops in (["stop"], ["save_now", "stop"])

    guarded(tmp_path, work)


def test_memory_that_runs_out_again_and_again_stops_the_run(tmp_path: Path) -> None:
    message = f"{'#' * 50}\n# OOM during training step, skipping batch {{}}/3 #\n"

    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        guard.begin(training(50, now=guard.time))
        log = "Running 1 job\n"
        for number in (1, 2):
            log += message.format(number)
            await guard.look(evolve(training(50 + number, now=guard.time + 2), log=log))
            assert not guard.stops
        log += message.format(3)
        await guard.look(evolve(training(53, now=guard.time + 2), log=log))
        assert guard.stops == ["stop"]
        (trigger,) = guard.watch.memory.triggered
        assert (trigger["code"], trigger["evidence"]["oom_count"]) == ("TRAINING_REPEATED_OOM", 3)

    guarded(tmp_path, work)


def test_a_run_that_was_killed_is_told_as_failed_where_the_backend_noticed(tmp_path: Path) -> None:
    async def work(guard: Guard) -> None:
        killed = RUNS["kill9_worker_alive"]
        guard.time = (killed.last_wall_time or 0.0) + 1
        guard.begin(changed(killed, status="running", info="Training"))
        await guard.look(changed(killed, status="running", info="Training"))
        await guard.look(killed)
        assert guard.watch.ended_as == "job_error"
        assert guard.alerts == ["RUN_FAILED"]
        told = guard.store.alerts("w-1")[0]
        assert "SIGKILL" in told["message"]

    guarded(tmp_path, work)


def test_a_run_that_was_killed_unnoticed_is_stopped_once_its_silence_is_too_long(
    tmp_path: Path,
) -> None:
    async def work(guard: Guard) -> None:
        killed = RUNS["kill9_midway"]
        guard.time = (killed.last_wall_time or 0.0) + 1
        guard.begin(killed)
        silent = 0.0
        while not guard.stops:
            assert silent < 400
            await guard.look(killed, after_s=10)
            silent += 10
        assert silent >= 300
        assert guard.watch.memory.triggered[0]["code"] == "TRAINING_STALLED_PROGRESS"

    guarded(tmp_path, work)


@pytest.mark.parametrize(
    ("name", "code"),
    [("slow_down", "TRAINING_SLOWED_DOWN"), ("overfit", "TRAINING_OVERFITTING")],
)
def test_what_is_only_odd_is_told_and_the_run_left_alone(
    tmp_path: Path, name: str, code: str
) -> None:
    async def work(guard: Guard) -> None:
        run = RUNS[name]
        steps = [step for step, _, _ in run.metrics["loss/loss"]]
        times = {step: at for step, at, _ in run.metrics["loss/loss"]}
        begun = False
        for step in steps[20::10]:
            seen = {
                key: [point for point in points if point[1] <= times[step]]
                for key, points in run.metrics.items()
            }
            part = changed(
                evolve(run, metrics=seen, log="Running 1 job\n"),
                status="running",
                info="Training",
                step=step + 1,
            )
            guard.time = times[step] + 0.5
            if not begun:
                guard.begin(part)
                begun = True
            await guard.look(part, after_s=0)
        assert guard.alerts.count(code) == 1
        assert not guard.stops

    guarded(tmp_path, work)


def test_the_memory_that_a_watched_run_used_is_kept_for_estimates(tmp_path: Path) -> None:
    async def work(guard: Guard) -> None:
        guard.time = 100_000.0
        guard.begin(training(50, now=guard.time))
        used = iter((9000.0, 11_000.0, 10_000.0))

        async def gpu() -> GpuAnswer:
            info = GpuInfo(index=0, memory_used_mib=next(used))
            return GpuAnswer(has_nvidia_smi=True, is_mac=False, gpus=(info,))

        guard.context.backend.gpu = gpu  # type: ignore[method-assign]
        for step in range(51, 65):
            await guard.look(training(step, now=guard.time + 2))
        assert guard.watch.memory.vram_readings == 3
        assert guard.store.peaks() == {OK.job_id: 11_000.0}

    guarded(tmp_path, work)
