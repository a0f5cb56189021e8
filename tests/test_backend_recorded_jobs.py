"""Jobs and refusals, from recordings of a real AI Toolkit 0.12.26."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core import errors
from aitk_core.backend.parsing import parse_job
from support.rest_replay import ONE, Replay, ask, recording, refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aitk_core.backend.protocol import Backend

TWO = "01fa4334-a884-4d94-b435-15058d862ba4"
CAPTION = "4ccfb175-c559-455a-827c-c661237baaab"
UNKNOWN = "00000000-0000-0000-0000-000000000003"


def test_probe_accepts_the_answer_of_the_auth_route() -> None:
    assert ask(Replay(5), lambda backend: backend.probe()) is None


def test_an_empty_backend_has_no_jobs() -> None:
    jobs = ask(Replay(1), lambda backend: backend.jobs())
    assert (jobs.jobs, jobs.skipped) == ((), ())


def test_the_list_holds_every_recorded_job_and_only_the_doubly_encoded_one_has_a_fault() -> None:
    jobs = ask(Replay(96), lambda backend: backend.jobs())
    assert [job.name for job in jobs.jobs] == ["x_string_cfg", "cap_shapes", "rest_two", "rest_one"]
    assert [len(job.faults) for job in jobs.jobs] == [1, 0, 0, 0]
    assert jobs.jobs[0].config == {"job": "extension"}
    assert "encoded twice" in jobs.jobs[0].faults[0]
    assert jobs.jobs[3].configured_steps == 120


def test_filters_of_the_list_are_sent_as_the_backend_wants_them() -> None:
    active = ask(Replay(128), lambda backend: backend.jobs(only_active=True))
    assert [job.status for job in active.jobs] == ["running"]
    captions = ask(Replay(97), lambda backend: backend.jobs(job_type="caption"))
    assert [job.job_type for job in captions.jobs] == ["caption"]
    assert captions.jobs[0].configured_steps is None


def test_a_running_job_has_every_column_and_no_fault() -> None:
    job = ask(Replay(130), lambda backend: backend.job(ONE))
    assert (job.id, job.name, job.gpu_ids, job.status) == (ONE, "rest_one", "0", "running")
    assert job.is_active
    assert not job.is_terminal
    assert (job.total_steps, job.configured_steps) == (None, 120)
    assert isinstance(job.pid, int)
    assert job.faults == ()


def test_a_job_after_a_stop_is_terminal_with_its_step_rewound() -> None:
    job = ask(Replay(160), lambda backend: backend.job(TWO))
    assert (job.status, job.step, job.stop, job.is_terminal) == ("stopped", 0, True, True)


def test_the_null_for_an_unknown_id_is_not_found() -> None:
    missing = "00000000-0000-0000-0000-000000000001"
    error = refused(errors.JobNotFoundError, Replay(10), lambda backend: backend.job(missing))
    assert error.details["job_id"] == missing


def test_create_sends_the_config_as_an_object_and_returns_the_stopped_job() -> None:
    config = recording(85)["request"]["body"]["job_config"]
    job = ask(Replay(85), lambda backend: backend.create_job("rest_one", "0", config))
    assert (job.status, job.config) == ("stopped", config)


def test_a_taken_name_is_a_conflict_at_create_and_at_update() -> None:
    config = recording(86)["request"]["body"]["job_config"]
    error = refused(
        errors.ConflictError,
        Replay(86),
        lambda backend: backend.create_job("rest_one", "0", config),
    )
    assert error.details["answer"] == "Job name already exists"
    body = recording(101)["request"]["body"]
    refused(
        errors.ConflictError,
        Replay(101),
        lambda backend: backend.update_job(
            body["id"],
            name=body.get("name"),
            gpu_ids=body.get("gpu_ids"),
            config=body.get("job_config"),
        ),
    )


def test_update_returns_the_changed_row() -> None:
    body = recording(100)["request"]["body"]
    job = ask(
        Replay(100),
        lambda backend: backend.update_job(
            TWO, name=body["name"], gpu_ids=body["gpu_ids"], config=body["job_config"]
        ),
    )
    assert job.name == "rest_two_renamed"


def test_update_of_an_unknown_id_is_the_backends_own_500() -> None:
    body = recording(102)["request"]["body"]
    error = refused(
        errors.BackendError,
        Replay(102),
        lambda backend: backend.update_job(
            body["id"],
            name=body.get("name"),
            gpu_ids=body.get("gpu_ids"),
            config=body.get("job_config"),
        ),
    )
    assert error.code == "BACKEND_ERROR"
    assert error.details["status"] == 500
    assert error.details["answer"] == "Failed to save training data"


@pytest.mark.parametrize(
    ("number", "call", "status"),
    [
        (119, lambda backend: backend.start_job(ONE), "stopped"),
        (123, lambda backend: backend.stop_job(ONE), "queued"),
        (158, lambda backend: backend.stop_job(TWO), "running"),
        (162, lambda backend: backend.mark_stopped(CAPTION), "stopped"),
        (164, lambda backend: backend.delete_job(TWO), "stopped"),
        (131, lambda backend: backend.save_now(ONE), "running"),
        (132, lambda backend: backend.sample_now(ONE), "running"),
    ],
)
def test_a_mutation_returns_the_row_that_the_backend_gave(
    number: int, call: Callable[[Backend], Awaitable[Any]], status: str
) -> None:
    job = ask(Replay(number), call)
    assert job.status == status
    assert job == parse_job(recording(number)["response"]["body"])


def test_only_the_flags_are_there_in_the_row_that_a_mutation_returns() -> None:
    assert ask(Replay(131), lambda backend: backend.save_now(ONE)).save_now is True
    assert ask(Replay(132), lambda backend: backend.sample_now(ONE)).sample_now is True


@pytest.mark.parametrize(
    ("number", "call", "extra"),
    [
        (108, lambda backend: backend.start_job(UNKNOWN), {}),
        (109, lambda backend: backend.stop_job(UNKNOWN), {}),
        (110, lambda backend: backend.delete_job(UNKNOWN), {}),
        (114, lambda backend: backend.log_tail(UNKNOWN), {}),
        (
            115,
            lambda backend: backend.metric_series(UNKNOWN, "loss/loss"),
            {"key": "loss/loss", "limit": "20000"},
        ),
        (116, lambda backend: backend.files(UNKNOWN), {}),
        (117, lambda backend: backend.samples(UNKNOWN), {}),
    ],
)
def test_an_unknown_job_is_not_found_on_every_route(
    number: int, call: Callable[[Backend], Awaitable[Any]], extra: dict[str, str]
) -> None:
    error = refused(errors.JobNotFoundError, Replay(number, extra=extra), call)
    assert error.details["job_id"] == UNKNOWN


@pytest.mark.parametrize(
    ("number", "call"),
    [
        (111, lambda backend: backend.mark_stopped(UNKNOWN)),
        (112, lambda backend: backend.save_now(UNKNOWN)),
        (113, lambda backend: backend.sample_now(UNKNOWN)),
    ],
)
def test_an_empty_500_of_a_mutation_is_looked_into_and_found_to_be_an_unknown_job(
    number: int, call: Callable[[Backend], Awaitable[Any]]
) -> None:
    replay = Replay(number, 10)
    replay.waiting[1]["request"]["query"] = {"id": UNKNOWN}
    refused(errors.JobNotFoundError, replay, call)


@pytest.mark.parametrize("token", [None, "test-token-wrong"])
def test_a_401_is_unauthorized_and_never_an_empty_list(token: str | None) -> None:
    replay = Replay(175)
    with pytest.raises(errors.BackendUnauthorizedError) as caught:
        ask(replay, lambda backend: backend.jobs(), token)
    assert "AI_TOOLKIT_AUTH" in caught.value.remedy
    assert "test-token-wrong" not in json.dumps(caught.value.to_json())


def test_a_401_is_unauthorized_for_a_mutation_too() -> None:
    refused(errors.BackendUnauthorizedError, Replay(183), lambda backend: backend.start_job(ONE))


def test_the_token_goes_into_the_header_as_recorded() -> None:
    job = ask(Replay(177), lambda backend: backend.job(ONE), "test-token-123")
    assert job.id == ONE


def test_a_web_page_for_an_unknown_route_is_another_server() -> None:
    replay = Replay(169)
    replay.waiting[0]["request"]["path"] = "/api/queue"
    error = refused(errors.BackendProtocolError, replay, lambda backend: backend.queues())
    assert "is this the AI Toolkit?" in str(error)


def test_a_redirect_is_not_followed() -> None:
    replay = Replay(171)
    replay.waiting[0]["request"]["path"] = "/api/queue"
    error = refused(errors.BackendProtocolError, replay, lambda backend: backend.queues())
    assert "'/api/jobs'" in str(error)
    assert len(replay.requests) == 1
