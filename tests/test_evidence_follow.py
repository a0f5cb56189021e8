"""Following a run: what is known at each look is what collecting it anew would give."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from aitk_core import errors
from aitk_core.evidence.collector import collect_run
from aitk_core.evidence.follow import RunFollower, of_this_launch
from aitk_core.evidence.growing import GrowingLog, GrowingSeries
from aitk_core.evidence.logscan import scan_log
from aitk_core.evidence.records import LEARNING_RATE, LOSS, VALIDATION_LOSS
from aitk_core.testing.failures import installed_failures
from aitk_core.testing.recorded import recorded_runs
from aitk_core.testing.replay import Stage, at_poll, load_polls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aitk_core.backend.protocol import Backend
    from aitk_core.evidence.failures import FailureCatalogue
    from aitk_core.evidence.follow import Tick
    from aitk_core.evidence.records import RunEvidence, Series
    from aitk_core.testing.recorded import Recording

FOLDER: Final = Path(__file__).parent / "recordings"
RUNS: Final = recorded_runs()
POLLS: Final = {file.stem: load_polls(file) for file in sorted((FOLDER / "polls").glob("*.jsonl"))}
OK: Final = RUNS["ok_200_steps"]
RESUMED: Final = RUNS["resume_after_stop"]
NOW: Final = 1_800_000_000.0


class Call:
    """As much of a call's context as collecting needs."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def now(self) -> float:
        return NOW

    async def failure_catalogue(self) -> FailureCatalogue:
        return installed_failures()

    async def run(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        return function(*arguments)


def following(
    stage: Stage, script: Callable[[RunFollower, Any], Any], job_id: str = OK.job_id, **more: Any
) -> Any:
    """Run a script with a follower of a job on the stage and the context it works in."""

    async def run() -> Any:
        async with stage.backend() as backend:
            context: Any = Call(backend)
            return await script(RunFollower(context, job_id, **more), context)

    return asyncio.run(run())


def stages(name: str) -> Iterator[Recording]:
    """Return a run as it stood at each poll, its earlier launch included."""
    run = RUNS[name]
    first_log = FOLDER / "logs" / f"{name}.0.txt"
    if not first_log.exists():
        yield from (at_poll(run, poll) for poll in POLLS[name])
        return
    log, metrics = first_launch(run, first_log.read_bytes().decode("utf-8"), POLLS[name])
    first_new = next(time for step, time, _ in run.metrics[LOSS] if step > 40)
    earlier = True
    for poll in POLLS[name]:
        earlier = earlier and not (poll["t"] > 74 and poll["log_bytes"] < len(log))
        stage = at_poll(run, poll)
        if earlier:
            yield at_poll(run, poll, log=log, metrics=metrics)
        elif max(time for _, time, _ in stage.metrics[LOSS]) < first_new:
            # The former rows stay until the first of the new ones is written.
            yield evolve(stage, metrics=metrics)
        else:
            yield stage


def first_launch(
    run: Recording, log: str, polls: list[dict[str, Any]]
) -> tuple[str, Mapping[str, list[list[Any]]]]:
    """Return log and metrics of the launch whose last rows the resume deleted."""
    readings = scan_log(log, bar_name=run.name).readings
    kept = [point for point in run.metrics[LOSS] if point[0] <= 40]
    lost = [
        [step, kept[-1][1] + 0.3 * (step - 40), loss]
        for step, loss in zip(readings.step, readings.loss, strict=True)
        if step > 40 and not math.isnan(loss)
    ]
    assert len(lost) > 20
    assert polls[0]["log_bytes"] == 0
    return log, {LOSS: kept + lost}


def columns(series: Series | None) -> Any:
    if series is None:
        return None
    values = [None if math.isnan(value) else value for value in series.values]
    return series.key, series.source, list(series.steps), list(series.wall_times), values


def known(evidence: RunEvidence) -> Any:
    """Return what following and collecting must agree on."""
    return (
        evidence.job,
        evidence.config,
        columns(evidence.loss),
        columns(evidence.validation_loss),
        evidence.metric_keys,
        evidence.log,
        evidence.cpu,
        evidence.gpu,
        evidence.missing,
    )


@pytest.mark.parametrize("name", POLLS)
def test_a_run_that_was_followed_poll_by_poll_is_known_as_if_collected_at_the_end(
    name: str,
) -> None:
    run, stage = RUNS[name], Stage()

    async def script(follower: RunFollower, context: Any) -> None:
        for shown in stages(name):
            stage.show(shown)
            await follower.tick()
        stage.show(run)
        await follower.tick()
        assert known(follower.evidence()) == known(await collect_run(context, run.job_id))

    following(stage, script, run.job_id)


@pytest.mark.parametrize("name", ["ok_with_validation", "resume_after_stop"])
def test_every_look_knows_what_collecting_at_that_moment_gives(name: str) -> None:
    run, stage = RUNS[name], Stage()

    async def script(follower: RunFollower, context: Any) -> int:
        seen = 0
        for shown in list(stages(name))[::3]:
            stage.show(shown)
            await follower.tick()
            if shown.log.isprintable() or "\udc00" <= shown.log[-1:] <= "\udfff":
                continue  # a half-written character is waited for, not shown as a mark
            seen += 1
            assert known(follower.evidence()) == known(await collect_run(context, run.job_id))
        return seen

    assert following(stage, script, run.job_id) > 10


def test_the_window_bounds_what_is_shown_and_shows_the_newest() -> None:
    stage = Stage(OK)

    async def script(follower: RunFollower, context: Any) -> None:
        await follower.tick()
        evidence, whole = follower.evidence(), await collect_run(context, OK.job_id)
        assert whole.loss is not None
        assert evidence.loss is not None
        assert whole.log is not None
        assert evidence.log is not None
        assert list(evidence.loss.steps) == list(whole.loss.steps)[-30:]
        assert evidence.log.scan.lines == whole.log.scan.lines[-5:]
        assert len(evidence.log.scan.readings) <= 31
        assert evidence.log.scan.line_count == whole.log.scan.line_count

    following(stage, script, window=30, keep_lines=5)


def test_a_look_at_a_run_that_stands_still_costs_five_small_answers() -> None:
    stage = Stage(OK)

    async def script(follower: RunFollower, _context: Any) -> Tick:
        await follower.tick()
        assert stage.bytes_sent > 50_000
        stage.forget()
        return await follower.tick()

    tick = following(stage, script, keys=())
    size = len(OK.log.encode())
    assert sorted(stage.asked) == [
        "cpu",
        "gpu",
        f"jobs?id={OK.job_id}",
        f"log?offset={size}",
        "loss?key=loss%2Floss&limit=20000&since_step=198",
    ]
    row = len(json.dumps(dict(OK.row)))
    assert stage.bytes_sent < row + 1000
    assert tick.added == {LOSS: 0}
    assert (tick.dropped, tick.log_bytes, tick.notes, tick.missing) == ({}, 0, (), {})


def test_the_machine_is_asked_about_only_where_it_is_wanted() -> None:
    stage = Stage(OK)
    tick = following(stage, lambda follower, _context: follower.tick(), keys=(), system=False)
    assert len(stage.asked) == 3
    assert (tick.gpu, tick.cpu) == (None, None)


def test_further_metrics_are_read_where_the_run_has_them() -> None:
    run = RUNS["ok_with_validation"]
    stage = Stage(run)

    async def script(follower: RunFollower, _context: Any) -> RunEvidence:
        await follower.tick()
        return follower.evidence()

    evidence = following(stage, script, run.job_id)
    assert set(evidence.series) == {LOSS, VALIDATION_LOSS} | ({LEARNING_RATE} & set(run.metrics))
    plain = Stage(evolve(OK, metrics={LOSS: OK.metrics[LOSS]}))
    following(plain, script)
    assert not [asked for asked in plain.asked if "val" in asked or "learning" in asked]


def test_a_resume_takes_back_what_lies_beyond_its_step_and_says_so() -> None:
    stage = Stage()

    async def script(follower: RunFollower, _context: Any) -> tuple[list[Tick], RunEvidence]:
        ticks = []
        for shown in stages("resume_after_stop"):
            stage.show(shown)
            ticks.append(await follower.tick())
        return ticks, follower.evidence()

    ticks, evidence = following(stage, script, RESUMED.job_id)
    dropped = [tick for tick in ticks if tick.dropped]
    assert len(dropped) == 1
    assert dropped[0].dropped[LOSS] > 20
    assert "went back to an earlier step" in dropped[0].notes[0]
    assert list(evidence.loss.steps) == [step for step, _, _ in RESUMED.metrics[LOSS]]
    restarted = [tick for tick in ticks if tick.log_restarted]
    assert len(restarted) == 1
    assert restarted[0].log_bytes < 0
    assert "began anew" in restarted[0].notes[0]


def test_pitfall_38_the_log_of_another_launch_is_read_from_its_start() -> None:
    # It has outgrown the old offset, so the route itself sees no reset (API.md section 4.8).
    old = evolve(OK, log="Running 1 job\nloss is nan\n", row={**OK.row, "status": "stopped"})
    new = evolve(OK, log="Running 1 job\n" + "a quiet line\n" * 9, row={**OK.row, "pid": 7})
    new = evolve(new, row={**new.row, "status": "running"})
    stage = Stage(old)

    async def script(follower: RunFollower, _context: Any) -> tuple[int, RunEvidence, Tick]:
        await follower.tick()
        before = follower.evidence().log
        assert before is not None
        stage.show(new)
        tick = await follower.tick()
        return before.nan_count, follower.evidence(), tick

    nans, evidence, tick = following(stage, script)
    assert nans == 1
    assert evidence.log is not None
    assert evidence.log.scan.nan_count == 0
    assert evidence.log.scan.line_count == 10
    assert tick.log_restarted


def test_a_growth_too_long_for_one_answer_is_not_glued_to_what_was_read_before() -> None:
    long = evolve(OK, log="old\n" + "a line of the log that nobody waited for\n" * 150_000)
    stage = Stage(evolve(OK, log="old\n"))

    async def script(follower: RunFollower, _context: Any) -> tuple[Tick, RunEvidence]:
        await follower.tick()
        stage.show(long)
        return await follower.tick(), follower.evidence()

    tick, evidence = following(stage, script, keep_lines=10)
    assert tick.log_restarted
    assert evidence.log is not None
    assert evidence.log.truncated
    assert evidence.log.size_bytes == len(long.log)


@pytest.mark.parametrize(
    ("part", "named"),
    [("loss", "metrics"), ("log", "log"), ("gpu", "gpu"), ("cpu", "cpu")],
)
def test_what_cannot_be_read_is_named_keeps_what_was_known_and_is_read_later(
    part: str, named: str
) -> None:
    cut = evolve(OK, log=OK.log[:20_000], metrics={LOSS: OK.metrics[LOSS][:100]})
    stage = Stage(cut)

    async def script(follower: RunFollower, context: Any) -> None:
        await follower.tick()
        stage.show(OK)
        stage.faults[part] = 500
        tick = await follower.tick()
        assert list(tick.missing) == [named]
        assert tick.missing[named].startswith("BACKEND_ERROR")
        evidence = follower.evidence()
        assert evidence.missing == tick.missing
        assert evidence.loss is not None
        assert evidence.log is not None
        assert len(evidence.loss) == (100 if part == "loss" else 199)
        assert evidence.log.size_bytes == len((cut if part == "log" else OK).log.encode())
        stage.faults.clear()
        await follower.tick()
        assert known(follower.evidence()) == known(await collect_run(context, OK.job_id))

    following(stage, script)


def test_a_row_that_cannot_be_read_is_an_error_after_which_the_next_look_goes_on() -> None:
    stage = Stage(OK)

    async def script(follower: RunFollower, context: Any) -> None:
        await follower.tick()
        stage.faults["job"] = 500
        with pytest.raises(errors.BackendError):
            await follower.tick()
        stage.faults.clear()
        await follower.tick()
        assert known(follower.evidence()) == known(await collect_run(context, OK.job_id))
        stage.show()
        with pytest.raises(errors.JobNotFoundError):
            await follower.tick()

    following(stage, script)


def test_without_metrics_the_losses_of_the_log_are_followed() -> None:
    run = RUNS["no_ui_logger"]
    stage = Stage()

    async def script(follower: RunFollower, _context: Any) -> RunEvidence:
        for share in (0.5, 0.7, 1.0):
            stage.show(evolve(run, log=run.log[: round(share * len(run.log))]))
            await follower.tick()
        return follower.evidence()

    evidence = following(stage, script, run.job_id)
    assert evidence.loss is not None
    assert evidence.loss.source == "log"
    assert evidence.loss.steps[-1] == 59


def test_pitfall_38_a_launch_is_not_judged_by_what_the_one_before_it_left() -> None:
    stage = Stage()

    async def script(follower: RunFollower, _context: Any) -> list[RunEvidence]:
        seen = []
        for shown in stages("resume_after_stop"):
            stage.show(shown)
            tick = await follower.tick()
            if tick.job.updated_at is not None and tick.job.updated_at > "2026-11-22T16:53:30":
                seen.append(follower.evidence())
        return seen

    seen = following(stage, script, RESUMED.job_id)
    waits, found = seen[0], of_this_launch(seen[0])
    assert waits.job.status == "queued"
    assert waits.loss is not None
    assert (found.log, dict(found.series), set(found.missing)) == (None, {}, {"metrics", "log"})
    loads = next(one for one in seen if one.job.info == "Loading model")
    assert loads.loss is not None
    found = of_this_launch(loads)
    assert found.log == loads.log
    assert (dict(found.series), set(found.missing)) == ({}, {"metrics"})
    assert of_this_launch(seen[-1]) == seen[-1]


def test_a_row_that_is_written_while_the_run_goes_on_takes_nothing_from_it() -> None:
    saved = evolve(OK, row={**OK.row, "status": "running", "updated_at": "2099-01-01T00:00:00Z"})

    async def script(follower: RunFollower, _context: Any) -> RunEvidence:
        await follower.tick()
        return follower.evidence()

    evidence = following(Stage(saved), script)
    assert of_this_launch(evidence) == evidence


def test_there_is_no_evidence_before_the_first_look() -> None:
    async def script(follower: RunFollower, _context: Any) -> None:
        with pytest.raises(ValueError, match="no look"):
            follower.evidence()

    following(Stage(OK), script)


POINTS: Final = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from((0.5, 0.25, None))),
    max_size=60,
    unique_by=lambda point: point[0],
).map(sorted)


@settings(max_examples=60)
@given(looks=st.lists(st.tuples(st.integers(0, 60), POINTS), min_size=1, max_size=8))
def test_a_series_is_the_backends_after_every_look_however_often_the_run_goes_back(
    looks: list[tuple[int, list[Any]]],
) -> None:
    stage = Stage()

    async def run() -> None:
        async with stage.backend() as backend:
            series, table = GrowingSeries(LOSS), list[list[Any]]()
            for look, (resume, written) in enumerate(looks):
                # Rows beyond the resume step go, and what is written lies beyond it.
                kept = [point for point in table if point[0] <= resume]
                table = kept + [
                    [resume + 1 + step, 100.0 * look + step, value] for step, value in written
                ]
                stage.show(evolve(OK, metrics={LOSS: table} if table else {}))
                before = len(series)
                growth = await series.advance(backend, OK.job_id)
                assert len(series) == before + growth.added - growth.dropped
                expected = await backend.metric_series(OK.job_id, LOSS)
                found = series.last(1000)
                assert (list(found.steps) if found else []) == list(expected.steps)
                assert known_values(found) == known_values(expected)

    asyncio.run(run())


def known_values(series: Any) -> Any:
    if series is None:
        return [], []
    return tuple(
        [None if math.isnan(value) else value for value in column]
        for column in (series.wall_times, series.values)
    )


TEXTS: Final = st.lists(
    st.sampled_from(
        (
            "\rmy_lora:   3%|█▏ | 1/30 [00:01<00:29,  1.00s/it, lr: 1.0e-03 loss: 5.000e-01]",
            "\rmy_lora:   7%|██ | 2/30 [00:02<00:28,  1.00s/it, lr: 1.0e-03 loss: 3.000e-01]",
            "größe, 猫と犬\n",
            "🦊 fox\r\n",
            "loss is nan\n",
            "\n",
            "no end",
        )
    ),
    max_size=12,
).map("".join)


@settings(max_examples=80)
@given(text=TEXTS, cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_a_log_cut_at_any_byte_is_read_as_if_whole(text: str, cuts: list[int]) -> None:
    data = text.encode()
    edges = [*sorted(cut % (len(data) + 1) for cut in cuts), len(data), len(data)]
    stage = Stage()

    async def run() -> None:
        async with stage.backend() as backend:
            log = GrowingLog(bar_name="my_lora", keep_lines=100)
            for edge in edges:
                part = data[:edge].decode("utf-8", "surrogateescape")
                stage.show(evolve(OK, log=part))
                log.take(await backend.log_since(OK.job_id, log.offset))
            facts = log.facts(100)
            assert facts.scan == scan_log(text, bar_name="my_lora")
            assert facts.size_bytes == len(data)

    asyncio.run(run())
