"""Records from any JSON: never an exception but for a wrong whole, never NaN, never lost text."""

from __future__ import annotations

import contextlib
import json
import math
from array import array
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.backend import parsing, wire
from aitk_core.backend.records import FileEntry, GpuInfo, JobRow

RECORDINGS = Path(__file__).parent / "recordings" / "rest"

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**60, 10**400)
    | st.floats()
    | st.text(st.characters(codec=None, exclude_categories=()), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
PARSERS = [
    parsing.parse_job,
    parsing.parse_jobs,
    lambda answer: parsing.parse_metric_page(answer, "loss/loss"),
    parsing.parse_files,
    parsing.parse_samples,
    parsing.parse_queue,
    parsing.parse_queues,
    parsing.parse_gpus,
    parsing.parse_cpu,
    parsing.parse_settings,
    lambda answer: parsing.parse_texts(answer, "datasets"),
]


def body(name: str) -> Any:
    return json.loads((RECORDINGS / name).read_text(encoding="utf-8"))["response"]["body"]


RUNNING = body("130_jobs_get_running.json")
GPU = body("190_gpu_two_gpus_stand_in.json")["gpus"][0]


def as_wire(value: Any) -> Any:
    """Take the way over the wire, NaN and unpaired surrogates included."""
    return wire.decode_json(json.dumps(value).encode())


@pytest.mark.parametrize("parse", PARSERS)
@given(answer=ANY_JSON)
def test_no_answer_raises_anything_but_a_value_error(parse: Any, answer: Any) -> None:
    with contextlib.suppress(ValueError):
        parse(as_wire(answer))


@given(changes=st.dictionaries(st.sampled_from(sorted(RUNNING)), ANY_JSON, min_size=1))
def test_any_value_in_any_field_of_a_job_leaves_the_other_fields_alone(
    changes: dict[str, Any],
) -> None:
    try:
        job = parsing.parse_job(as_wire(RUNNING | changes))
    except ValueError:
        assert "id" in changes
        return
    good = parsing.parse_job(RUNNING)
    for name in attrs.fields_dict(JobRow):
        if name not in changes and name not in {"config", "faults"}:
            assert getattr(job, name) == getattr(good, name)
    assert isinstance(job.is_active, bool)
    assert job.configured_steps is None or job.configured_steps > 0
    # Whatever came, it can be written again as strict JSON.
    json.dumps(attrs.asdict(job), allow_nan=False, ensure_ascii=False).encode()


@given(changes=st.dictionaries(st.sampled_from(sorted(GPU)), ANY_JSON, min_size=1))
def test_any_value_in_any_field_of_a_gpu_gives_a_gpu(changes: dict[str, Any]) -> None:
    answer = parsing.parse_gpus(as_wire({"gpus": [GPU | changes, GPU]}))
    assert len(answer.gpus) == 2
    assert answer.gpus[1] == parsing.parse_gpus({"gpus": [GPU]}).gpus[0]
    json.dumps([attrs.asdict(gpu) for gpu in answer.gpus], allow_nan=False)


@given(points=st.lists(ANY_JSON | st.fixed_dictionaries({"step": ANY_JSON, "value": ANY_JSON})))
def test_any_points_give_columns_of_equal_length_with_ascending_steps(points: list[Any]) -> None:
    page = parsing.parse_metric_page(as_wire({"keys": [], "points": points}), "loss/loss")
    assert len(page) == len(page.wall_times) == len(page.values)
    assert len(page) + page.skipped == len(points)
    assert list(page.steps) == sorted(set(page.steps))
    assert not any(math.isinf(value) for value in (*page.values, *page.wall_times))


def test_every_recorded_row_of_a_job_is_read_without_a_fault_but_the_doubly_encoded_one() -> None:
    faults: dict[str, tuple[str, ...]] = {}
    for path in sorted(RECORDINGS.glob("*_job*.json")):
        row = body(path.name)
        if isinstance(row, dict) and "job_config" in row:
            faults[path.stem] = parsing.parse_job(row).faults
    assert len(faults) == 15
    assert [name for name, said in faults.items() if said] == ["092_jobs_create_config_as_string"]


def test_a_field_of_the_wrong_type_is_none_and_named() -> None:
    job = parsing.parse_job(RUNNING | {"step": "abc", "stop": "yes", "name": None})
    assert (job.step, job.stop, job.name) == (None, None, None)
    assert [fault.split()[0] for fault in job.faults] == ["name", "step", "stop"]


def test_one_malformed_job_spoils_no_list() -> None:
    rows = [RUNNING, {"id": 5}, None, RUNNING | {"id": "b", "step": "abc"}]
    jobs = parsing.parse_jobs({"jobs": rows})
    assert [job.id for job in jobs.jobs] == [RUNNING["id"], "b"]
    assert [said.split(":")[0] for said in jobs.skipped] == ["jobs[1]", "jobs[2]"]


@pytest.mark.parametrize(("step", "word"), [(-5, "negative"), (10**12, "absurd")])
def test_impossible_steps_are_kept_and_flagged(step: int, word: str) -> None:
    job = parsing.parse_job(RUNNING | {"step": step})
    assert job.step == step
    [fault] = job.faults
    assert word in fault


def test_a_step_beyond_every_json_integer_is_none() -> None:
    job = parsing.parse_job(RUNNING | {"step": 10**400})
    assert job.step is None
    assert len(job.faults[0]) < 100


def test_a_whole_float_is_an_integer() -> None:
    assert parsing.parse_job(RUNNING | {"step": 12.0}).step == 12


def test_columns_that_a_version_of_the_backend_lacks_are_no_fault_but_the_vital_ones_are() -> None:
    row = {"id": "a", "name": "n", "gpu_ids": "0", "status": "stopped", "step": 0}
    job = parsing.parse_job(row | {"job_config": {}})
    assert job.faults == ()
    assert job.save_now is None
    assert parsing.parse_job({"id": "a"}).faults == (
        "status is missing",
        "name is missing",
        "gpu_ids is missing",
        "step is missing",
        "job_config is missing",
    )


def test_a_status_that_nobody_knows_is_kept_and_flagged() -> None:
    job = parsing.parse_job(RUNNING | {"status": "paused"})
    assert (job.status, job.is_active, job.is_terminal) == ("paused", False, False)
    assert job.faults == ("status is unknown: 'paused'",)


def test_a_running_job_that_was_asked_to_stop_is_shown_as_stopping() -> None:
    assert parsing.parse_job(RUNNING | {"stop": True}).shown_status == "stopping"
    assert parsing.parse_job(RUNNING).shown_status == "running"
    assert parsing.parse_job(RUNNING | {"status": "queued", "stop": True}).shown_status == "queued"


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ('"[]"', "not an object"),
        ('"\\"{}\\""', "not an object"),
        (7, "not an object"),
        (None, "missing"),
        ('{"a":' * 200 + "1" + "}" * 200, "nested too deeply"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_config_that_cannot_be_used_is_none_with_a_fault(config: Any, fault: str) -> None:
    job = parsing.parse_job(RUNNING | {"job_config": config})
    assert (job.config, job.configured_steps) == (None, None)
    assert any(fault in said for said in job.faults)


def test_a_config_encoded_twice_or_not_at_all_is_read() -> None:
    config = json.loads(RUNNING["job_config"])
    assert parsing.parse_job(RUNNING | {"job_config": config}).config == config
    twice = parsing.parse_job(RUNNING | {"job_config": json.dumps(RUNNING["job_config"])})
    assert twice.config == config
    assert len(twice.faults) == 1


def test_numbers_in_a_config_that_are_not_finite_are_null() -> None:
    job = parsing.parse_job(RUNNING | {"job_config": '{"a": NaN, "b": 1e999, "c": [-Infinity]}'})
    assert job.config == {"a": None, "b": None, "c": [None]}


@pytest.mark.parametrize("steps", [0, -1, True, "120", 1.5, None])
def test_configured_steps_are_a_positive_integer_or_unknown(steps: Any) -> None:
    config = {"config": {"process": [{"train": {"steps": steps}}]}}
    assert parsing.parse_job(RUNNING | {"job_config": config}).configured_steps is None


def test_null_and_missing_values_of_a_metric_are_nan_and_bad_points_are_counted() -> None:
    points = [
        {"step": 1, "wall_time": 5.0, "value": None},
        {"step": 2, "value": 0.5},
        {"step": "x", "wall_time": 1.0, "value": 1.0},
        {"step": True, "wall_time": 1.0, "value": 1.0},
        {"step": 3, "wall_time": 7, "value": "nan"},
    ]
    page = parsing.parse_metric_page({"keys": ["loss/loss", 7], "points": points}, "loss/loss")
    assert (list(page.steps), page.skipped, page.keys) == ([1, 2, 3], 2, ("loss/loss",))
    assert math.isnan(page.values[0])
    assert page.values[1] == 0.5
    assert math.isnan(page.values[2])
    assert math.isnan(page.wall_times[1])


def test_points_out_of_order_are_sorted_and_the_last_of_equal_ones_stays() -> None:
    points = [{"step": step, "wall_time": 0.0, "value": v} for step, v in [(3, 1), (1, 2), (3, 4)]]
    page = parsing.parse_metric_page({"keys": [], "points": points}, "k")
    assert (list(page.steps), list(page.values), page.skipped) == ([1, 3], [2.0, 4.0], 1)


def test_columns_are_as_small_as_numbers_can_be() -> None:
    page = parsing.parse_metric_page(body("144_loss_key.json"), "loss/loss")
    for column in (page.steps, page.wall_times, page.values):
        assert isinstance(column, array)
        assert column.itemsize == 8


@pytest.mark.parametrize("gpu", [None, [], "x"])
def test_a_gpu_that_is_none_is_skipped_and_named(gpu: Any) -> None:
    answer = parsing.parse_gpus({"hasNvidiaSmi": True, "gpus": [gpu, GPU]})
    assert [entry.name for entry in answer.gpus] == [GPU["name"]]
    assert answer.skipped == ("gpus[0]: the gpu is not an object",)


def test_a_nested_fault_is_named_with_its_path() -> None:
    [gpu] = parsing.parse_gpus({"gpus": [GPU | {"memory": {"total": "24"}, "power": 3}]}).gpus
    assert isinstance(gpu, GpuInfo)
    assert sorted(fault.split(" ")[0] for fault in gpu.faults) == ["memory.total", "power"]


def test_records_of_other_lists_without_a_name_are_left_out_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert parsing.parse_files({"files": [{"path": "/a", "size": -1}, {}, 3]}) == (
        FileEntry(path="/a", size_bytes=None),
    )
    assert parsing.parse_samples({"samples": ["/a", None]}) == ("/a",)
    queues = parsing.parse_queues({"queues": [{"gpu_ids": "0", "is_running": True}, {"id": 1}]})
    assert [queue.gpu_ids for queue in queues] == ["0"]
    assert [record.message.split()[0] for record in caplog.records] == ["2", "1", "1"]


@given(text=st.text(st.characters(codec=None, exclude_categories=())))
def test_clean_text_can_be_encoded_and_loses_only_unpaired_surrogates(text: str) -> None:
    cleaned = wire.clean_text(text)
    cleaned.encode()
    joined = json.loads(json.dumps(text))
    assert len(cleaned) == len(joined)
    for got, was in zip(cleaned, joined, strict=True):
        assert got == was or (got == "\ufffd" and "\ud800" <= was <= "\udfff")


def test_an_excerpt_is_one_short_printable_line() -> None:
    assert wire.excerpt(b"\x00<html>\r\n\x1b[31m  red\xff") == "<html> [31m red\ufffd"
    assert len(wire.excerpt("x" * 10_000)) == 80
