"""Logs, metrics, files and the machine, from recordings of a real AI Toolkit 0.12.26."""

from __future__ import annotations

import base64
import math

import pytest

from aitk_core import errors
from support.rest_replay import ONE, Replay, ask, recording, refused


def test_a_log_before_any_run_is_empty_and_not_an_error() -> None:
    log = ask(Replay(103), lambda backend: backend.log_tail(ONE))
    assert (log.text, log.offset, log.reset, log.truncated) == ("", 0, True, False)
    assert log.start_offset == 0


@pytest.mark.parametrize("number", [135, 140])
def test_the_whole_log_comes_as_recorded_with_its_place_in_bytes(number: int) -> None:
    log = ask(Replay(number), lambda backend: backend.log_tail(ONE))
    expected = recording(number)["response"]["body"]
    assert log.text == expected["log"]
    assert (log.offset, log.reset, log.truncated) == (expected["offset"], True, False)
    assert log.start_offset == 0


def test_an_increment_begins_where_the_last_one_ended() -> None:
    log = ask(Replay(142), lambda backend: backend.log_since(ONE, 28346))
    assert log.text.endswith("optimizer.pt\n\n")
    assert (log.offset, log.reset, log.start_offset) == (28498, False, 28346)
    nothing = ask(Replay(141), lambda backend: backend.log_since(ONE, 28498))
    assert (nothing.text, nothing.offset, nothing.reset) == ("", 28498, False)


def test_an_offset_beyond_the_log_gives_the_tail_with_reset() -> None:
    log = ask(Replay(188), lambda backend: backend.log_since(ONE, 29498))
    assert (log.reset, log.offset, log.start_offset) == (True, 28498, 0)


def test_a_cut_log_begins_at_a_line_and_knows_its_place() -> None:
    log = ask(Replay(140), lambda backend: backend.log_tail(ONE, max_bytes=2000))
    full = recording(140)["response"]["body"]["log"].encode()
    assert log.truncated
    assert 0 < len(log.text.encode()) <= 2000
    assert log.start_offset == len(full) - len(log.text.encode())
    assert full[log.start_offset :].decode() == log.text
    assert full[log.start_offset - 1 : log.start_offset] in {b"\r", b"\n"}


def test_a_series_of_fewer_points_than_a_page_takes_one_request() -> None:
    replay = Replay(144, extra={"limit": "20000"})
    series = ask(replay, lambda backend: backend.metric_series(ONE, "loss/loss"))
    points = recording(144)["response"]["body"]["points"]
    assert len(replay.requests) == 1
    assert list(series.steps) == [point["step"] for point in points]
    assert list(series.wall_times) == [point["wall_time"] for point in points]
    assert list(series.values) == [point["value"] for point in points]
    assert (series.keys, series.skipped, series.truncated) == (
        ("learning_rate", "loss/loss"),
        0,
        False,
    )


def test_later_points_and_a_limit_are_asked_for_as_recorded() -> None:
    replay = Replay(146, extra={"limit": "20000"})
    page = ask(replay, lambda backend: backend.metric(ONE, "loss/loss", since_step=110))
    assert list(page.steps) == list(range(111, 120))
    page = ask(Replay(147), lambda backend: backend.metric(ONE, "loss/loss", limit=3))
    assert (len(page), page.truncated) == (3, True)


def test_an_unknown_key_has_no_points_and_a_job_without_a_run_no_keys() -> None:
    replay = Replay(149, extra={"limit": "20000"})
    page = ask(replay, lambda backend: backend.metric(ONE, "nope"))
    assert (page.key, len(page), "loss/loss" in page.keys) == ("nope", 0, True)
    replay = Replay(104, extra={"limit": "20000", "key": "loss/loss"})
    page = ask(replay, lambda backend: backend.metric(ONE, "loss/loss"))
    assert (page.key, len(page), page.keys) == ("loss/loss", 0, ())


def test_files_and_samples_are_as_recorded() -> None:
    files = ask(Replay(153), lambda backend: backend.files(ONE))
    assert [(entry.path, entry.size_bytes) for entry in files] == [
        (entry["path"], entry["size"]) for entry in recording(153)["response"]["body"]["files"]
    ]
    assert ask(Replay(105), lambda backend: backend.files(ONE)) == ()
    samples = ask(Replay(154), lambda backend: backend.samples(ONE))
    assert samples == tuple(recording(154)["response"]["body"]["samples"])
    assert ask(Replay(106), lambda backend: backend.samples(ONE)) == ()


def test_queues_are_listed_started_and_stopped() -> None:
    [queue] = ask(Replay(121), lambda backend: backend.queues())
    assert (queue.id, queue.gpu_ids, queue.is_running) == (1, "0", False)
    assert ask(Replay(126), lambda backend: backend.start_queue("0")) == queue
    assert ask(Replay(161), lambda backend: backend.stop_queue("0")) == queue


def test_stopping_an_unknown_queue_is_not_found_but_no_unknown_job() -> None:
    error = refused(errors.NotFoundError, Replay(118), lambda backend: backend.stop_queue("7"))
    assert error.code == "NOT_FOUND"


def test_a_machine_without_nvidia_smi_says_so() -> None:
    answer = ask(Replay(7), lambda backend: backend.gpu())
    assert (answer.has_nvidia_smi, answer.gpus) == (False, ())
    assert answer.error == "nvidia-smi not found or not accessible"


def test_sensors_that_a_gpu_lacks_are_none_without_a_fault() -> None:
    first, second = ask(Replay(190), lambda backend: backend.gpu()).gpus
    assert (first.temperature_c, first.memory_total_mib, first.power_draw_w) == (61, 24564, 301.55)
    assert (first.utilization_percent, first.memory_utilization_percent) == (97, 41)
    assert (second.utilization_percent, second.memory_used_mib, second.faults) == (None, None, ())


def test_the_cpu_is_read_in_mib() -> None:
    cpu = ask(Replay(8), lambda backend: backend.cpu())
    assert (cpu.name, cpu.cores, cpu.faults) == ("Example CPU", 2, ())
    assert math.isclose(cpu.memory_total_mib, 24105.55859375)


def test_the_hub_token_of_the_backend_never_gets_into_the_record() -> None:
    settings = ask(Replay(13), lambda backend: backend.settings())
    assert settings.hub_token_set
    assert settings.training_folder == "/toolkit/output"
    assert recording(13)["response"]["body"]["HF_TOKEN"] not in repr(settings)
    assert not ask(Replay(4), lambda backend: backend.settings()).hub_token_set


def test_datasets_are_names_in_a_bare_list() -> None:
    assert ask(Replay(24), lambda backend: backend.datasets()) == tuple(
        recording(24)["response"]["body"]
    )


def test_media_of_a_dataset_are_absolute_paths_and_an_unknown_one_is_not_found() -> None:
    assert ask(Replay(25), lambda backend: backend.dataset_media("shapes")) == tuple(
        f"/toolkit/datasets/shapes/{name}" for name in recording(25)["response"]["body"]["images"]
    )
    assert ask(Replay(27), lambda backend: backend.dataset_media("empty_set")) == ()
    error = refused(errors.NotFoundError, Replay(28), lambda backend: backend.dataset_media("nope"))
    assert error.code == "NOT_FOUND"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0"])
def test_the_name_of_a_dataset_cannot_lead_out_of_the_datasets_folder(name: str) -> None:
    refused(errors.InvalidArgumentsError, Replay(), lambda backend: backend.dataset_media(name))


def test_a_range_is_clamped_to_the_size_that_the_backend_told() -> None:
    path = "/toolkit/datasets/shapes/a.jpg"
    part = ask(Replay(62, 63), lambda backend: backend.read_file(path, 0, 100))
    assert (len(part.data), part.start, part.size_bytes) == (100, 0, 693)
    open_end = Replay(62, 64)
    open_end.waiting[1]["request"]["headers"] = {"Range": "bytes=600-692"}
    rest = ask(open_end, lambda backend: backend.read_file(path, 600, 10**9))
    assert rest.data == base64.b64decode(recording(64)["response"]["body"])
    beyond = ask(Replay(62), lambda backend: backend.read_file(path, 693))
    assert (beyond.data, beyond.size_bytes) == (b"", 693)


@pytest.mark.parametrize(
    ("number", "path", "kind"),
    [
        (68, "/toolkit/datasets/shapes/no.bin", errors.FileMissingError),
        (69, "/etc/passwd", errors.PathOutsideRootsError),
        (70, "/toolkit/datasets/shapes", errors.FileMissingError),
    ],
)
def test_files_that_the_backend_does_not_serve_are_typed_errors(
    number: int, path: str, kind: type[errors.AitkError]
) -> None:
    replay = Replay(number)
    replay.waiting[0]["request"]["method"] = "HEAD"
    assert refused(kind, replay, lambda backend: backend.read_file(path)).details["path"] == path


def test_an_empty_500_of_a_read_has_its_status() -> None:
    replay = Replay(150, extra={"limit": "20000"})
    error = refused(errors.BackendError, replay, lambda backend: backend.metric(ONE, "loss/loss"))
    assert (error.code, error.details["status"]) == ("BACKEND_ERROR", 500)


def test_an_upload_sends_the_form_that_the_web_page_sends_and_says_what_was_saved() -> None:
    saved = ask(Replay(18), lambda backend: backend.upload("shapes", uploaded()))
    assert list(saved) == recording(18)["response"]["body"]["files"]


def uploaded() -> list[tuple[str, bytes]]:
    parts = recording(18)["request"]["body"]["multipart"]
    return [
        (part["filename"], base64.b64decode(part["base64"]))
        for part in parts
        if part["name"] == "files"
    ]


ODD_NAMES = ("my photo (1).jpg", "gr\u00f6\u00dfe.jpg", "../a.jpg", ".a.jpg", "")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_name_that_the_backend_would_change_is_not_sent(name: str) -> None:
    refused(errors.InvalidArgumentsError, Replay(), lambda b: b.upload("shapes", [(name, b"x")]))


@pytest.mark.parametrize("names", [[], ["a.jpg", "a.jpg"], ["a.jpg", "A.JPG"]])
def test_files_that_would_overwrite_each_other_are_not_sent(names: list[str]) -> None:
    files = [(name, b"x") for name in names]
    refused(errors.InvalidArgumentsError, Replay(), lambda backend: backend.upload("shapes", files))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_an_upload_cannot_lead_out_of_the_datasets_folder(name: str) -> None:
    files = [("a.jpg", b"x")]
    refused(errors.InvalidArgumentsError, Replay(), lambda backend: backend.upload(name, files))


def test_an_upload_that_saved_something_else_is_no_success() -> None:
    replay = Replay(18)
    replay.waiting[0]["response"]["body"]["files"][0] = "z.jpg"
    refused(
        errors.BackendProtocolError, replay, lambda backend: backend.upload("shapes", uploaded())
    )


def test_captions_come_by_path_and_only_of_media_below_the_datasets_folder() -> None:
    paths = ["/toolkit/datasets/shapes/a.jpg", "/toolkit/datasets/shapes/b.jpg", "/etc/passwd"]
    captions = ask(Replay(47), lambda backend: backend.captions(paths))
    assert captions == {paths[0]: "a red square", paths[1]: ""}
