"""Servers that are away, slow, broken or not the AI Toolkit: a typed error, and nothing leaks."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from aitk_core import errors
from aitk_core.backend.client import AiToolkitBackend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aitk_core.backend.protocol import Backend

    Answer = Callable[[httpx.Request], httpx.Response]

URL = "http://backend.test"
TOKEN = "geheim-1234567890"
JOB = {
    "id": "one",
    "name": "n",
    "gpu_ids": "0",
    "status": "running",
    "step": 1,
    "job_config": "{}",
}
READS: dict[str, Callable[[Backend], Awaitable[Any]]] = {
    "probe": lambda backend: backend.probe(),
    "jobs": lambda backend: backend.jobs(),
    "job": lambda backend: backend.job("one"),
    "log_tail": lambda backend: backend.log_tail("one"),
    "log_since": lambda backend: backend.log_since("one", 5),
    "metric": lambda backend: backend.metric("one", "loss/loss"),
    "metric_series": lambda backend: backend.metric_series("one", "loss/loss"),
    "files": lambda backend: backend.files("one"),
    "samples": lambda backend: backend.samples("one"),
    "queues": lambda backend: backend.queues(),
    "gpu": lambda backend: backend.gpu(),
    "cpu": lambda backend: backend.cpu(),
    "settings": lambda backend: backend.settings(),
    "datasets": lambda backend: backend.datasets(),
    "dataset_media": lambda backend: backend.dataset_media("shapes"),
}
CONFIG = {"config": {"name": "n", "process": [{}]}}
MUTATIONS: dict[str, Callable[[Backend], Awaitable[Any]]] = {
    "create_job": lambda backend: backend.create_job("n", "0", CONFIG),
    "update_job": lambda backend: backend.update_job("one", name="m"),
    "start_job": lambda backend: backend.start_job("one"),
    "stop_job": lambda backend: backend.stop_job("one"),
    "mark_stopped": lambda backend: backend.mark_stopped("one"),
    "delete_job": lambda backend: backend.delete_job("one"),
    "save_now": lambda backend: backend.save_now("one"),
    "sample_now": lambda backend: backend.sample_now("one"),
    "start_queue": lambda backend: backend.start_queue("0"),
    "stop_queue": lambda backend: backend.stop_queue("0"),
}
EVERY = READS | MUTATIONS


def client(answer: Answer, **more: Any) -> AiToolkitBackend:
    return AiToolkitBackend(
        URL, token=TOKEN, transport=httpx.MockTransport(answer), backoff_s=(0.0, 0.0), **more
    )


def ask(backend: AiToolkitBackend, call: Callable[[Backend], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with backend:
            return await call(backend)

    return asyncio.run(run())


def fault(
    kind: type[errors.AitkError],
    backend: AiToolkitBackend,
    call: Callable[[Backend], Awaitable[Any]],
) -> errors.AitkError:
    with pytest.raises(kind) as caught:
        ask(backend, call)
    error = caught.value
    assert type(error) is kind
    shown = json.dumps(error.to_json(), allow_nan=False, ensure_ascii=False)
    shown.encode()
    assert TOKEN not in shown
    assert len(str(error)) < 700
    return error


def html(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, html="<html><body>router login</body></html>")


def failing(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(500, json={"error": "Failed to fetch training data"})


def refusing(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(401, json={"error": f"Unauthorized {TOKEN}"})


def away(request: httpx.Request) -> httpx.Response:
    message = "connection refused"
    raise httpx.ConnectError(message, request=request)


def endless_text(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=b'{"jobs": "' + b"x" * 5000)


@pytest.mark.parametrize("name", EVERY)
def test_a_web_page_is_a_protocol_error_that_shows_its_beginning(name: str) -> None:
    error = fault(errors.BackendProtocolError, client(html), EVERY[name])
    if name != "settings":
        assert "router login" in str(error)
    assert "text/html" in error.details["content_type"]
    assert "AI_TOOLKIT_SERVER_URL" in error.remedy


@pytest.mark.parametrize("name", EVERY)
def test_a_500_has_the_status_and_the_words_of_the_backend(name: str) -> None:
    error = fault(errors.BackendError, client(failing), EVERY[name])
    assert error.details["status"] == 500
    if name != "settings":
        assert error.details["answer"] == "Failed to fetch training data"


@pytest.mark.parametrize("name", EVERY)
def test_a_401_is_unauthorized_on_every_route(name: str) -> None:
    error = fault(errors.BackendUnauthorizedError, client(refusing), EVERY[name])
    assert "AI_TOOLKIT_AUTH" in error.remedy


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    "body",
    [b"", b"nope", b"\xff\xfe", b"[1, 2]", b'"text"', b"17", b"true", b"{}", b"[" * 100_000, b"{"],
)
def test_a_wrong_shape_is_a_protocol_error_on_every_route(name: str, body: bytes) -> None:
    fits = {("datasets", b"[1, 2]"), ("cpu", b"{}"), ("settings", b"{}")}
    backend = client(lambda _request: httpx.Response(200, content=body))
    if (name, body) in fits:
        ask(backend, EVERY[name])
    else:
        fault(errors.BackendProtocolError, backend, EVERY[name])


@pytest.mark.parametrize(
    "body",
    [
        {"log": None, "offset": 0, "reset": True},
        {"log": "x", "offset": -1, "reset": True},
        {"log": "x", "offset": "1", "reset": True},
        {"log": "x", "offset": 1, "reset": None},
        {"log": "x"},
        {"offset": 1, "reset": True},
    ],
)
def test_a_log_without_its_parts_is_a_protocol_error_and_not_an_empty_log(body: Any) -> None:
    fault(
        errors.BackendProtocolError,
        client(lambda _request: httpx.Response(200, json=body)),
        READS["log_tail"],
    )


def test_the_log_routes_own_failure_text_is_an_error() -> None:
    body = {"log": "Error reading log file", "offset": 0, "reset": True}
    error = fault(
        errors.BackendError,
        client(lambda _request: httpx.Response(200, json=body)),
        READS["log_tail"],
    )
    assert error.details["answer"] == "Error reading log file"


def test_the_row_of_another_job_is_a_protocol_error() -> None:
    fault(
        errors.BackendProtocolError,
        client(lambda _request: httpx.Response(200, json=JOB | {"id": "other"})),
        READS["job"],
    )


@pytest.mark.parametrize("name", READS)
def test_a_read_is_tried_three_times_when_nobody_answers(name: str) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return away(request)

    error = fault(errors.BackendUnreachableError, client(answer), READS[name])
    assert (len(sent), error.details) == (3, {"url": URL, "attempts": 3})
    assert "npm run start" in error.remedy


@pytest.mark.parametrize("name", MUTATIONS)
@pytest.mark.parametrize(
    "answer",
    [
        away,
        lambda _request: httpx.Response(502, text="UI server unavailable"),
        failing,
        html,
    ],
)
def test_a_mutation_is_sent_once_whatever_comes_back(name: str, answer: Answer) -> None:
    sent: list[httpx.Request] = []

    def counting(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return answer(request)

    with pytest.raises(errors.BackendError):
        ask(client(counting), MUTATIONS[name])
    assert len(sent) == 1


def test_a_mutation_whose_answer_is_lost_is_said_to_be_open() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        message = "Server disconnected without sending a response."
        raise httpx.RemoteProtocolError(message, request=request)

    error = fault(errors.BackendUnreachableError, client(answer), MUTATIONS["start_job"])
    assert "read the job" in error.remedy


def test_a_read_comes_through_while_the_server_behind_the_front_one_boots() -> None:
    answers = [
        httpx.Response(502, text="UI server unavailable"),
        httpx.Response(200, json={"jobs": [JOB]}),
    ]
    jobs = ask(client(lambda _request: answers.pop(0)), READS["jobs"])
    assert [job.id for job in jobs.jobs] == ["one"]


def test_another_502_is_not_repeated() -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(502, html="<html>nginx</html>")

    error = fault(errors.BackendError, client(answer), READS["jobs"])
    assert (error.details["status"], len(sent)) == (502, 1)


def test_an_answer_beyond_the_limit_is_left_unread() -> None:
    error = fault(
        errors.BackendProtocolError, client(endless_text, max_response_bytes=1000), READS["jobs"]
    )
    assert "more than 1000 bytes" in str(error)


def test_an_encoded_answer_is_refused_before_it_can_grow() -> None:
    fault(
        errors.BackendProtocolError,
        client(
            lambda _request: httpx.Response(
                200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"\x1f\x8b")
            )
        ),
        READS["jobs"],
    )


@pytest.mark.parametrize("place", ["body", "location", "content-type"])
def test_a_server_that_sends_our_token_back_does_not_get_it_into_an_error(place: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        sent = request.headers["authorization"]
        match place:
            case "body":
                return httpx.Response(200, text=f"you sent {sent}")
            case "location":
                return httpx.Response(302, headers={"location": f"/login?{TOKEN}"})
            case _:
                return httpx.Response(200, headers={"content-type": TOKEN}, text="x")

    fault(errors.BackendProtocolError, client(answer), READS["jobs"])


def test_the_token_is_in_no_repr_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    backend = client(lambda _request: httpx.Response(200, json={"jobs": []}))
    ask(backend, READS["jobs"])
    assert TOKEN not in repr(backend) + str(backend) + repr(backend._exchange) + caplog.text
    assert "/api/jobs" in caplog.text


@pytest.mark.parametrize("body", [b'{"HF_TOKEN": "hf_geheim", ', b'["hf_geheim"]'])
def test_malformed_settings_show_nothing_of_the_hub_token(body: bytes) -> None:
    backend = client(lambda _request: httpx.Response(200, content=body))
    error = fault(errors.BackendProtocolError, backend, READS["settings"])
    assert "hf_" not in json.dumps(error.to_json())
    assert "hf_" not in repr(error.__cause__) + repr(error.__context__)


def test_nan_and_unpaired_surrogates_do_not_pass() -> None:
    gpus = b'{"gpus": [{"index": 0, "temperature": NaN, "memory": {"total": 1e999}}]}'
    answer = ask(client(lambda _request: httpx.Response(200, content=gpus)), READS["gpu"])
    assert (answer.gpus[0].temperature_c, answer.gpus[0].memory_total_mib) == (None, None)
    job = json.dumps(JOB | {"info": "a\ud83d", "job_config": '{"a": "\\ud83d"}'}).encode()
    row = ask(client(lambda _request: httpx.Response(200, content=job)), READS["job"])
    assert (row.info, row.config) == ("a\ufffd", {"a": "\ufffd"})
    log = b'{"log": "a\\ud83d\xff", "offset": 4, "reset": true}'
    chunk = ask(client(lambda _request: httpx.Response(200, content=log)), READS["log_tail"])
    assert (chunk.text, chunk.start_offset) == ("a\ufffd\ufffd", None)


def test_a_large_answer_is_read_beside_the_event_loop_to_the_same_end() -> None:
    rows = [JOB | {"id": f"job-{number}", "info": "x" * 2000} for number in range(1000)]
    jobs = ask(client(lambda _request: httpx.Response(200, json={"jobs": rows})), READS["jobs"])
    assert [job.id for job in jobs.jobs] == [row["id"] for row in rows]
    broken = b"[" + b" " * 2_000_000
    fault(
        errors.BackendProtocolError,
        client(lambda _request: httpx.Response(200, content=broken)),
        READS["jobs"],
    )
