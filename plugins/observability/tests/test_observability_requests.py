"""What one report asks of the backend, and what it says when parts of that fail."""

from __future__ import annotations

import asyncio
import json
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from attrs import evolve

from aitk_core import errors
from aitk_core.application import Application
from aitk_core.backend.client import AiToolkitBackend
from aitk_core.context import Session
from aitk_core.records.results import Image, Text
from aitk_core.settings import SettingsSource
from aitk_core.testing.evidence import answer_of, cut_short
from aitk_core.testing.recorded import recorded_app, recorded_runs
from support.servers import served

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.records.results import ToolResult
    from aitk_core.testing.recorded import Recording

RUNS = recorded_runs()
OK, VALIDATED = RUNS["ok_200_steps"], RUNS["ok_with_validation"]
FAILED = RUNS["fail_missing_dataset"]
PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))
SWORD = "swordfish"
TOOL = "get-training-observability"


class Watched:
    """Recorded routes that count what they are asked, and fail where they are told to."""

    def __init__(self, *runs: Recording, **faults: Any) -> None:
        """Fail `log`, `loss`, `gpu`, `cpu` or `jobs` with a status, a body, or `hang`."""
        self.asked: list[str] = []
        self.connections: set[Any] = set()
        self.at_once = 0
        self._active = 0
        self._app = recorded_app(runs)
        self._faults = faults

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        what = scope["path"].rpartition("/")[2]
        query = scope["query_string"].decode()
        self.asked.append(f"{what}?{query}" if query else what)
        self.connections.add(tuple(scope["client"]))
        self._active += 1
        self.at_once = max(self.at_once, self._active)
        try:
            # Both requests of a pair have to be on their way before one is answered.
            await asyncio.sleep(0.002)
            fault = self._faults.get(what if "id=" not in query else "job")
            if fault == "hang":
                await asyncio.Event().wait()
            elif fault is None:
                await self._app(scope, receive, send)
            else:
                await _answer(fault, send)
        finally:
            self._active -= 1


async def _answer(fault: Any, send: Any) -> None:
    status, body = fault if isinstance(fault, tuple) else (fault, {"error": "boom"})
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    await send({"type": "http.response.body", "body": data})


def backend_of(app: Watched, **more: Any) -> AiToolkitBackend:
    transport = httpx.ASGITransport(app=app)
    return AiToolkitBackend("http://watched.test", transport=transport, backoff_s=(), **more)


def observe(app: Watched, job_id: str, **more: Any) -> dict[str, Any]:
    answer = answer_of(backend_of(app, **more), TOOL, {"job_id": job_id}, points=PLUGIN)
    assert answer.data is not None
    return dict(answer.data)


def over_sockets(app: Watched, job_id: str, calls: int = 1) -> None:
    async def run() -> None:
        async with served(app) as url, AiToolkitBackend(url) as backend:
            source = SettingsSource(environment={})
            async with Application(source=source, points=PLUGIN, backend=backend) as application:
                session = Session(policy=application.policy)
                for _ in range(calls):
                    await application.dispatcher.call(TOOL, {"job_id": job_id}, session)

    asyncio.run(run())


@pytest.mark.parametrize(("run", "requests"), [(OK, 6), (VALIDATED, 7)])
def test_pitfall_83_a_report_costs_few_requests_over_two_connections_each_thing_once(
    run: Recording, requests: int
) -> None:
    app = Watched(run)
    over_sockets(app, run.job_id)
    assert len(app.asked) == requests
    assert len(set(app.asked)) == len(app.asked)
    assert len(app.connections) == 2
    assert app.at_once == 2


def test_pitfall_83_five_reports_share_the_connections_of_one() -> None:
    app = Watched(OK)
    over_sockets(app, OK.job_id, calls=5)
    assert len(app.asked) == 30
    assert len(app.connections) <= 2


@pytest.mark.parametrize(
    ("run", "charts", "lists"), [(OK, "none", 0), (OK, "light", 1), (FAILED, "light", 0)]
)
def test_a_chart_costs_one_list_of_samples_and_no_chart_none(
    run: Recording, charts: str, lists: int
) -> None:
    app = Watched(run)
    arguments = {"job_id": run.job_id, "charts": charts}
    answer = answer_of(backend_of(app), TOOL, arguments, points=PLUGIN)
    assert app.asked.count("samples") == lists
    assert len(app.asked) == 6 + lists
    words = [block.text for block in answer.blocks if isinstance(block, Text)]
    assert [("sampled: step 100, 200" in text) for text in words] == [True] * lists


@pytest.mark.parametrize("fault", [500, (200, b"{"), 404])
def test_a_chart_without_the_list_of_samples_is_drawn_all_the_same(fault: Any) -> None:
    arguments = {"job_id": OK.job_id, "charts": "light"}
    answer = answer_of(backend_of(Watched(OK, samples=fault)), TOOL, arguments, points=PLUGIN)
    assert any(isinstance(block, Image) for block in answer.blocks)


def test_validation_is_asked_for_only_where_the_run_has_some() -> None:
    plain, validated = Watched(OK), Watched(VALIDATED)
    data = observe(plain, OK.job_id)
    assert not any("val%2Floss" in asked for asked in plain.asked)
    assert data["system_snapshot"]["active_jobs"] == 0
    observe(validated, VALIDATED.job_id)
    assert any("val%2Floss" in asked for asked in validated.asked)


def test_long_runs_cost_one_more_request_for_each_20000_points() -> None:
    points = [[step, 1.7e9 + step, 0.1 + step % 7 / 100] for step in range(45_000)]
    app = Watched(evolve(OK, metrics={"loss/loss": points}))
    data = observe(app, OK.job_id)
    assert len(app.asked) == 8
    assert data["quality_analysis"]["loss"]["count"] == 45_000
    assert data["quality_analysis"]["complete"] is True


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (500, "BACKEND_ERROR"),
        ((200, b"{"), "BACKEND_INVALID_RESPONSE"),
        ((200, {"log": None}), "BACKEND_INVALID_RESPONSE"),
        ((200, b"<html>"), "BACKEND_INVALID_RESPONSE"),
    ],
)
def test_pitfall_2_a_log_that_cannot_be_read_is_named_and_the_rest_stands(
    fault: Any, code: str
) -> None:
    data = observe(Watched(RUNS["nan_loss"], log=fault), RUNS["nan_loss"].job_id)
    assert data["overall_health"] == "critical"
    assert data["logs"]["available"] is False
    assert data["logs"]["reason"].startswith(code)
    assert data["run_report"]["provenance"]["missing"]["log"].startswith(code)
    assert code in data["run_report"]["not_assessed"]["errors"]
    healthy = observe(Watched(VALIDATED, log=fault), VALIDATED.job_id)
    assert healthy["overall_health"] == "insufficient_evidence"
    assert healthy["evaluation"]["passed"] is False


def test_metrics_that_cannot_be_read_are_named_and_the_log_stands_in() -> None:
    run = RUNS["nan_loss"]
    data = observe(Watched(run, loss=500), run.job_id)
    assert data["overall_health"] == "critical"
    assert data["run_report"]["provenance"]["loss_source"] == "log"
    assert data["run_report"]["provenance"]["missing"]["metrics"].startswith("BACKEND_ERROR")


def test_pitfall_2_without_log_and_metrics_the_report_is_an_error_not_an_empty_run() -> None:
    with pytest.raises(errors.BackendError) as caught:
        observe(Watched(OK, log=500, loss=500), OK.job_id)
    assert caught.value.code == "BACKEND_ERROR"
    assert caught.value.details["job_id"] == OK.job_id


@pytest.mark.parametrize("what", ["gpu", "cpu", "jobs"])
def test_pitfall_130_a_machine_that_does_not_answer_costs_its_own_section_only(what: str) -> None:
    for fault in (500, "hang", (200, b"[")):
        data = observe(Watched(OK, **{what: fault}), OK.job_id, timeout_s=0.6)
        assert data["overall_health"] == "healthy"
        missing = data["run_report"]["provenance"]["missing"]
        assert set(missing) == {what}
        snapshot = data["system_snapshot"]
        key = {"gpu": "gpus", "cpu": "ram_total", "jobs": "active_jobs"}[what]
        assert snapshot[key] is None


def test_pitfall_72_a_job_whose_row_cannot_be_read_is_an_error_not_half_a_report() -> None:
    for fault, kind in (
        (500, errors.BackendError),
        (401, errors.BackendUnauthorizedError),
        ((200, None), errors.JobNotFoundError),
        ((200, [1]), errors.BackendProtocolError),
    ):
        with pytest.raises(kind):
            observe(Watched(OK, job=fault), OK.job_id)


def test_pitfall_67_68_an_unknown_job_an_absent_and_a_locked_backend_are_three_errors() -> None:
    with pytest.raises(errors.JobNotFoundError) as unknown:
        observe(Watched(OK), "no-such-job")
    assert unknown.value.status == 404

    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    for handler, kind in (
        (refuse, errors.BackendUnreachableError),
        (lambda _request: httpx.Response(401, json={}), errors.BackendUnauthorizedError),
    ):
        with pytest.raises(kind):
            ask(handler, TOOL, OK.job_id)
        with pytest.raises(kind):
            ask(handler, "get-training-logs", OK.job_id)


def ask(handler: Callable[..., httpx.Response], tool: str, job_id: str) -> ToolResult:
    backend = AiToolkitBackend(
        "http://absent.test", transport=httpx.MockTransport(handler), backoff_s=()
    )
    return answer_of(backend, tool, {"job_id": job_id}, points=PLUGIN)


def test_pitfall_60_the_token_of_the_backend_is_sent_and_never_shown() -> None:
    sent: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["authorization"])
        return httpx.Response(500, text=f"no: {sent[-1]}")

    backend = AiToolkitBackend(
        "http://locked.test",
        token=SWORD,
        transport=httpx.MockTransport(refuse),
        backoff_s=(),
    )
    with pytest.raises(errors.BackendError) as caught:
        answer_of(backend, TOOL, {"job_id": OK.job_id}, points=PLUGIN)
    assert sent == [f"Bearer {SWORD}"]
    assert SWORD not in json.dumps(caught.value.to_json())


@pytest.mark.parametrize(
    "job_id",
    ["../../settings", "../..", "%2e%2e", "x#y", "x?offset=0", "a/b", "a\\b", ".", "-", "a\nb"],
)
def test_pitfall_51_an_id_that_is_no_id_never_reaches_the_backend(job_id: str) -> None:
    for tool in (TOOL, "get-training-logs"):
        app = Watched(OK)
        with pytest.raises(errors.InvalidArgumentsError):
            answer_of(backend_of(app), tool, {"job_id": job_id}, points=PLUGIN)
        assert app.asked == []


def test_pitfall_90_a_second_look_at_the_log_reads_only_what_is_new() -> None:
    part = cut_short(OK, log=0.5)

    async def look() -> tuple[int, str]:
        async with backend_of(Watched(part)) as first:
            before = await first.log_tail(OK.job_id)
        async with backend_of(Watched(OK)) as later:
            return before.offset, (await later.log_since(OK.job_id, before.offset)).text

    offset, new = asyncio.run(look())
    assert OK.log.encode()[:offset].decode("utf-8", "replace") + new == OK.log


def test_a_deadline_ends_the_call_with_a_typed_error() -> None:
    async def run() -> None:
        backend = backend_of(Watched(OK, log="hang"))
        async with Application(
            source=SettingsSource(environment={}), points=PLUGIN, backend=backend
        ) as application:
            session = Session(policy=application.policy, timeout_s=0.1)
            with pytest.raises(errors.ToolTimeoutError):
                await application.dispatcher.call(TOOL, {"job_id": OK.job_id}, session)
        await backend.aclose()

    asyncio.run(run())
