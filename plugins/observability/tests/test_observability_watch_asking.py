"""What watch-training-timeseries asks for, when, and what it makes of failures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core import errors
from aitk_core.application import Application
from aitk_core.backend.client import AiToolkitBackend
from aitk_core.context import Session
from aitk_core.settings import SettingsSource
from aitk_core.testing.evidence import cut_short
from aitk_core.testing.replay import Stage
from aitk_observability.tools import watch as tool
from support.servers import served
from support.watching import OK, PLUGIN, TOOL, Clock, training

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.records.results import ToolResult
    from support.watching import Seen

pytest_plugins = ["support.watching"]


def test_a_duration_of_0_is_one_look(watch: Callable[..., Seen]) -> None:
    seen = watch(training(at=100), duration_seconds=0)
    assert seen.pauses == []
    assert seen.data["window"]["points_collected"] == 1
    assert seen.data["window"]["ended"] == "window_complete"
    assert seen.progress[0][:2] == (1.0, 1.0)


def test_pitfall_44_the_last_look_comes_at_the_end_of_the_window_not_after_it(
    watch: Callable[..., Seen],
) -> None:
    assert watch(training(at=100), duration_seconds=3).pauses == [3.0]
    assert watch(training(at=100), duration_seconds=25).pauses == [10.0, 10.0, 5.0]


def test_a_run_that_has_ended_is_watched_on_where_that_is_asked_for(
    watch: Callable[..., Seen],
) -> None:
    assert watch(OK).pauses == []
    seen = watch(OK, duration_seconds=20, stop_on_terminal_status=False)
    assert seen.pauses == [10.0, 10.0]
    assert seen.data["window"]["ended"] == "window_complete"


@pytest.mark.parametrize(
    ("poll_s", "pauses"),
    [(10, [10.0] * 4), (2, [2.0] * 21), (30, [30.0, 12.0]), (300, [42.0])],
)
def test_a_window_longer_than_the_call_ends_early_with_its_points_and_says_how_to_go_on(
    watch: Callable[..., Seen], poll_s: int, pauses: list[float]
) -> None:
    seen = watch(
        training(at=100),
        duration_seconds=7200,
        poll_interval_seconds=poll_s,
        timeout_s=45,
        # What a busy machine takes for a look is not what this is about.
        real_share=0.02,
    )
    assert seen.data["window"]["ended"] == "call_limit"
    assert "call again" in seen.data["window"]["next"]
    assert seen.data["window"]["points_collected"] >= len(pauses)
    for pause, expected in zip(seen.pauses, pauses, strict=False):
        # Real time passes as well, a little of it.
        assert pause == pytest.approx(expected, abs=1.5)
    assert sum(seen.pauses) <= 42


def test_a_look_that_does_not_come_back_costs_that_look_only(watch: Callable[..., Seen]) -> None:
    stage = Stage()

    async def hang(what: str) -> None:
        if what == "log":
            asyncio.get_running_loop().call_soon(clocks[-1].skip, 22.5)
            await asyncio.Event().wait()

    clocks: list[Clock] = []

    def script(clock: Clock) -> Any:
        clocks.append(clock)
        yield training(at=110)
        stage.before_answer = hang
        yield training(at=120)

    seen = watch(training(at=100), script, stage=stage, timeout_s=45)
    assert seen.data["window"]["ended"] == "call_limit"
    assert [point["current_step"] for point in seen.data["points"]] == [100, 110]


def test_a_watch_that_is_cancelled_ends_at_once_and_leaves_the_backend_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        pauses = asyncio.Event()

        async def wait(_seconds: float) -> None:
            pauses.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(tool, "sleep", wait)
        stage = Stage(training(at=100))
        source = SettingsSource(environment={})
        async with (
            stage.backend() as backend,
            Application(source=source, points=PLUGIN, backend=backend) as application,
        ):
            session = Session(policy=application.policy)
            call = application.dispatcher.call(TOOL, {"job_id": OK.job_id}, session)
            task = asyncio.ensure_future(call)
            await pauses.wait()
            stage.forget()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert stage.asked == []
            assert (await backend.job(OK.job_id)).step == 100

    asyncio.run(scenario())


def test_pitfall_50_a_look_asks_five_routes_once_and_the_log_from_where_it_ended(
    watch: Callable[..., Seen],
) -> None:
    whole = cut_short(OK, log=0.9, metrics=0.9)
    seen = watch(cut_short(OK, log=0.5, metrics=0.5), [whole, whole], duration_seconds=20)
    looks = 3
    for route in ("gpu", "cpu", f"jobs?id={OK.job_id}"):
        assert seen.stage.asked.count(route) == looks
    logs = [asked for asked in seen.stage.asked if asked.startswith("log")]
    first, second = (len(cut_short(OK, log=share).log.encode()) for share in (0.5, 0.9))
    assert logs[0] == "log"
    assert int(logs[1].partition("=")[2]) <= first
    assert int(logs[2].partition("=")[2]) <= second
    assert int(logs[2].partition("=")[2]) > second - 200
    losses = [asked for asked in seen.stage.asked if "loss%2Floss" in asked]
    assert [asked.partition("since_step=")[2] for asked in losses] == ["", "99", "178"]


def test_pitfall_83_a_watch_uses_two_connections_however_often_it_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(training(at=100))
    clock = Clock(stage, [training(at=100 + look) for look in range(1, 11)])
    monkeypatch.setattr(tool, "sleep", clock.sleep)
    peers: set[Any] = set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        peers.add(tuple(scope["client"]))
        await stage(scope, receive, send)

    async def run() -> ToolResult:
        source = SettingsSource(environment={})
        async with (
            served(app) as url,
            AiToolkitBackend(url) as backend,
            Application(source=source, points=PLUGIN, backend=backend) as application,
        ):
            session = Session(policy=application.policy)
            asked = {"job_id": OK.job_id, "duration_seconds": 100}
            call = application.dispatcher.call
            return await call(TOOL, asked, session, clock=clock.now)

    answer = asyncio.run(run())
    assert answer.data is not None
    assert answer.data["window"]["points_collected"] == 11
    assert len(peers) <= 2
    assert len(stage.asked) == 5 * 11


def test_pitfall_41_42_a_look_that_fails_is_counted_told_and_made_good(
    watch: Callable[..., Seen],
) -> None:
    stage = Stage()

    def script() -> Any:
        stage.faults["job"] = 500
        yield training(at=110)
        del stage.faults["job"]
        stage.faults["log"] = 500
        yield training(at=120)

    seen = watch(training(at=100), script(), stage=stage, duration_seconds=20)
    assert [point["current_step"] for point in seen.data["points"]] == [100, 120]
    assert seen.data["window"]["failed_polls"] == 1
    assert seen.data["notes"][0].startswith("a look failed: BACKEND_ERROR")
    assert seen.data["missing"]["log"].startswith("BACKEND_ERROR")


def test_pitfall_72_a_first_look_without_the_row_is_an_error_not_half_an_answer(
    watch: Callable[..., Seen],
) -> None:
    stage = Stage()
    stage.faults["job"] = 500
    with pytest.raises(errors.BackendError):
        watch(OK, stage=stage)
    with pytest.raises(errors.JobNotFoundError):
        watch(OK, job_id="no-such-job")


def test_what_is_not_asked_for_is_left_out(watch: Callable[..., Seen]) -> None:
    seen = watch(training(at=100), duration_seconds=0, include_system=False, include_alerts=False)
    assert not {"gpu_utilization_pct", "alerts", "nlp", "raw_log_excerpt"} & set(
        seen.data["points"][0]
    )
    assert not {"gpu", "cpu"} & set(seen.stage.asked)
    assert seen.data["nlp_summary"] == {"skipped": True}
    assert seen.data["dataset_context"]["dataset_analysis"] == {"skipped": True}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("duration_seconds", -1),
        ("duration_seconds", 7201),
        ("poll_interval_seconds", 0),
        ("poll_interval_seconds", 1),
        ("poll_interval_seconds", 301),
        ("log_lines", 99),
        ("log_lines", 20_001),
        ("excerpt_lines", 9),
        ("max_dataset_files", 20_001),
    ],
)
def test_pitfall_74_a_number_out_of_range_is_refused_not_bent(
    watch: Callable[..., Seen], name: str, value: int
) -> None:
    with pytest.raises(errors.InvalidArgumentsError):
        watch(OK, **{name: value})


def test_blanks_around_an_id_are_no_part_of_it(watch: Callable[..., Seen]) -> None:
    assert watch(OK, job_id=f" {OK.job_id}\n").data["job_id"] == OK.job_id
