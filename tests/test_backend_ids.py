"""What is not one plain segment never gets into a request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core import errors
from aitk_core.backend import ids
from aitk_core.backend.client import AiToolkitBackend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aitk_core.backend.protocol import Backend

BAD_IDS = [
    "",
    ".",
    "..",
    "../x",
    "../../settings",
    "a/../../b?x=1",
    "%2e%2e",
    "x#y",
    "x?offset=0",
    "x y",
    "x\n",
    "\x00",
    "-x",
    "x" * 300,
    "\ud800",
    "ünicode",
    None,
    7,
    ["a"],
]
CONFIG = {"job": "extension", "config": {"name": "n", "process": [{"type": "x"}]}}

OF_A_JOB: list[Callable[[Backend, Any], Awaitable[Any]]] = [
    lambda backend, job_id: backend.job(job_id),
    lambda backend, job_id: backend.update_job(job_id, name="n"),
    lambda backend, job_id: backend.start_job(job_id),
    lambda backend, job_id: backend.stop_job(job_id),
    lambda backend, job_id: backend.mark_stopped(job_id),
    lambda backend, job_id: backend.delete_job(job_id),
    lambda backend, job_id: backend.save_now(job_id),
    lambda backend, job_id: backend.sample_now(job_id),
    lambda backend, job_id: backend.log_tail(job_id),
    lambda backend, job_id: backend.log_since(job_id, 0),
    lambda backend, job_id: backend.metric(job_id, "loss/loss"),
    lambda backend, job_id: backend.metric_series(job_id, "loss/loss"),
    lambda backend, job_id: backend.files(job_id),
    lambda backend, job_id: backend.samples(job_id),
]


def refused(call: Callable[[Backend], Awaitable[Any]]) -> errors.AitkError:
    """Return the error, after making sure that nothing was sent."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(500)

    async def run() -> None:
        async with AiToolkitBackend(
            "http://backend.test", transport=httpx.MockTransport(answer)
        ) as backend:
            await call(backend)

    with pytest.raises(errors.InvalidArgumentsError) as caught:
        asyncio.run(run())
    assert sent == []
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("job_id", BAD_IDS)
def test_a_bad_job_id_is_refused_by_every_method_before_any_request(job_id: Any) -> None:
    for call in OF_A_JOB:

        def with_id(backend: Backend, call: Any = call) -> Awaitable[Any]:
            answer: Awaitable[Any] = call(backend, job_id)
            return answer

        error = refused(with_id)
        assert error.details["faults"][0]["path"] == "/job_id"
        str(error).encode()
        assert len(str(error)) < 300


@pytest.mark.parametrize(
    "job_id", ["161e23d8-7c27-4b68-b877-a0cf754c5637", "a", "A_b-9", "x" * 128]
)
def test_plain_ids_pass_unchanged(job_id: str) -> None:
    assert ids.checked_job_id(job_id) == job_id
    assert ids.segment(job_id) == job_id


@given(text=st.text())
def test_no_id_that_passes_needs_encoding(text: str) -> None:
    try:
        passed = ids.checked_job_id(text)
    except errors.InvalidArgumentsError:
        return
    assert ids.segment(passed) == passed


@pytest.mark.parametrize("gpu_ids", ["0", "0,1", "mps", "GPU-1a2b,GPU-3c4d"])
def test_lists_of_gpus_pass_and_become_one_segment(gpu_ids: str) -> None:
    assert ids.checked_gpu_ids(gpu_ids) == gpu_ids
    assert "," not in ids.segment(gpu_ids)


@pytest.mark.parametrize("gpu_ids", ["", ",", "0,", "0, 1", "../0", "0/1", 0, None, "0," * 200])
def test_other_lists_of_gpus_are_refused_before_any_request(gpu_ids: Any) -> None:
    for call in (
        lambda backend: backend.start_queue(gpu_ids),
        lambda backend: backend.stop_queue(gpu_ids),
        lambda backend: backend.create_job("n", gpu_ids, CONFIG),
    ):
        assert refused(call).details["faults"][0]["path"] == "/gpu_ids"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "../x", " a", "a ", "a\nb", "\ud800", "x" * 201, None]
)
def test_a_name_that_is_not_one_folder_is_refused_before_any_request(name: Any) -> None:
    fault = refused(lambda backend: backend.create_job(name, "0", CONFIG))
    assert fault.details["faults"][0]["path"] == "/name"


def test_names_that_people_give_pass() -> None:
    for name in ("my_first_lora_v1", "Anna (2nd try) [flux]", "ünïcode 名前", "..hidden"):
        assert ids.checked_job_name(name) == name


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"config": {}},
        {"config": {"process": []}},
        {"config": {"process": [None]}},
        {"config": "x"},
        {"config": {"process": [{"lr": float("nan")}]}},
        {"config": {"process": [{"what": {1, 2}}]}},
    ],
)
def test_a_config_that_breaks_the_backends_worker_is_refused_before_any_request(
    config: dict[str, Any],
) -> None:
    for call in (
        lambda backend: backend.create_job("n", "0", config),
        lambda backend: backend.update_job("a", config=config),
    ):
        assert refused(call).details["faults"][0]["path"] == "/config"


@pytest.mark.parametrize("key", ["", "a\x00", "\ud800", "x" * 5000, None])
def test_a_bad_metric_key_is_refused_before_any_request(key: Any) -> None:
    assert refused(lambda backend: backend.metric("a", key)).details["faults"][0]["path"] == "/key"


@pytest.mark.parametrize("path", ["", "a.txt", "../a", "/a/../b", "/a\x00", "C:a", "\ud800", None])
def test_a_path_that_is_not_absolute_is_refused_before_any_request(path: Any) -> None:
    assert refused(lambda backend: backend.read_file(path)).details["faults"][0]["path"] == "/path"


@pytest.mark.parametrize(
    "path", ["/a b/ü.txt", "/\N{MAN}\N{ZERO WIDTH JOINER}\N{ROCKET}.jpg", "C:\\out\\a.txt", "/a..b"]
)
def test_an_absolute_path_becomes_one_segment(path: str) -> None:
    assert ids.checked_file_path(path) == path
    assert not set("/\\ ?#:") & set(ids.segment(path))


def test_a_range_that_does_not_ascend_is_refused_before_any_request() -> None:
    refused(lambda backend: backend.read_file("/a", -1))
    refused(lambda backend: backend.read_file("/a", 5, 4))


def test_a_negative_log_offset_is_refused_before_any_request() -> None:
    error = refused(lambda backend: backend.log_since("a", -1))
    assert error.details["faults"][0]["path"] == "/offset"


def test_a_job_type_that_is_no_word_is_refused_before_any_request() -> None:
    refused(lambda backend: backend.jobs(job_type="train&id=1"))


@pytest.mark.parametrize("limit", [0, -1, 20_001])
def test_a_limit_beyond_the_routes_own_is_misuse(limit: int) -> None:
    async def run() -> None:
        await AiToolkitBackend("http://backend.test").metric("a", "loss/loss", limit=limit)

    with pytest.raises(ValueError, match="limit"):
        asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8675",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://host:99999",
        "http://user:geheim@host",
        "http://host/?a=1",
        "http://host/#a",
        "http://host\n",
        "http://[::1",
    ],
)
def test_an_address_that_cannot_be_used_is_an_invalid_setting(url: str) -> None:
    with pytest.raises(errors.InvalidSettingError) as caught:
        AiToolkitBackend(url)
    assert caught.value.details["setting"] == "AI_TOOLKIT_SERVER_URL"
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("token", ["two words", "geheim\r\nX: y", "geheimüß", "\ud800"])
def test_a_token_that_cannot_be_sent_is_an_invalid_setting_and_not_shown(token: str) -> None:
    with pytest.raises(errors.InvalidSettingError) as caught:
        AiToolkitBackend("http://host", token=token)
    assert "geheim" not in str(caught.value)
