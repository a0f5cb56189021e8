"""Sample images as evidence: names, choice, prompts, and reading through the real client."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import zlib
from contextlib import closing
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aitk_core import errors
from aitk_core.backend.client import AiToolkitBackend
from aitk_core.evidence.pictures import (
    LONG_SIDE,
    MAX_PIXELS,
    UnreadablePictureError,
    read_picture,
)
from aitk_core.evidence.samplechoice import choose_cells, spread
from aitk_core.evidence.samples import collect_samples, parse_sample_name, sample_prompts
from aitk_core.services.executor import WorkerPool
from aitk_core.testing.evidence import job_config, job_row
from aitk_core.testing.recorded import recorded_runs

if TYPE_CHECKING:
    from aitk_core.evidence.samples import SamplesEvidence

RUNS = recorded_runs()
FOLDER = "/toolkit/output/my_lora/samples"
CELLS = st.sets(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=200)


def encoded(image: Image.Image, kind: str = "PNG", **more: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **more)
    return stream.getvalue()


def flat(width: int = 64, height: int = 48, colour: tuple[int, ...] = (200, 30, 40)) -> bytes:
    return encoded(Image.new("RGB", (width, height), colour))


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces so many pixels, and holds none."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"")))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def sample_path(
    step: int, prompt: int, *, time_ms: int = 1_795_367_779_242, ext: str = "png"
) -> str:
    return f"{FOLDER}/{time_ms}__{step:09d}_{prompt}.{ext}"


@define
class Disk:
    """The backend's machine: files by path, over the routes that collecting asks."""

    files: dict[str, bytes] = field(factory=dict)
    media: dict[str, list[str]] = field(factory=dict)
    samples: list[str] | None = None
    away_after: int | None = None
    """Files that are read before the backend goes away."""
    is_broken: bool = False
    read: list[str] = field(factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.is_broken:
            return httpx.Response(500, json={"error": "broken"})
        path = request.url.raw_path.decode().partition("?")[0]
        if path.endswith("/samples"):
            listed = self.samples
            if listed is None:
                listed = sorted(name for name in self.files if name.startswith(FOLDER))
            return httpx.Response(200, json={"samples": listed})
        if path == "/api/settings":
            folders = {"TRAINING_FOLDER": "/toolkit/output", "DATASETS_FOLDER": "/toolkit/datasets"}
            return httpx.Response(200, json=folders)
        if path == "/api/datasets/listImages":
            name = json.loads(request.content)["datasetName"]
            if name not in self.media:
                return httpx.Response(404, json={"error": f"Folder '{name}' not found"})
            root = f"/toolkit/datasets/{name}/"
            return httpx.Response(200, json={"root": root, "images": self.media[name]})
        return self._file(request, unquote(path.removeprefix("/api/files/")))

    def _file(self, request: httpx.Request, path: str) -> httpx.Response:
        if self.away_after is not None and len(self.read) >= self.away_after:
            raise httpx.ConnectError("connection refused", request=request)
        if path not in self.files:
            return httpx.Response(404, text="File not found")
        data = self.files[path]
        if request.method == "HEAD":
            return httpx.Response(200, headers={"content-length": str(len(data))})
        self.read.append(path)
        first, last = map(int, request.headers["range"].removeprefix("bytes=").split("-"))
        span = f"bytes {first}-{last}/{len(data)}"
        return httpx.Response(206, content=data[first : last + 1], headers={"content-range": span})


def collect(disk: Disk, config: dict[str, Any] | None = None, **limits: Any) -> SamplesEvidence:
    async def run() -> SamplesEvidence:
        transport = httpx.MockTransport(disk)
        with closing(WorkerPool()) as pool:
            async with AiToolkitBackend(
                "http://backend.test", transport=transport, backoff_s=()
            ) as backend:
                context: Any = SimpleNamespace(backend=backend, run=pool.run)
                return await collect_samples(context, job_row(config=config), **limits)

    return asyncio.run(run())


@pytest.mark.parametrize("name", RUNS)
def test_every_recorded_sample_has_a_name_that_is_understood(name: str) -> None:
    parsed = [parse_sample_name(path) for path in RUNS[name].samples]
    assert None not in parsed
    if name == "ok_200_steps":
        assert parsed == [
            (1795367779242, 100, 0),
            (1795367779663, 100, 1),
            (1795367792800, 200, 0),
            (1795367793214, 200, 1),
        ]


@given(
    st.integers(0, 10**15 - 1),
    st.integers(0, 10**12 - 1),
    st.integers(0, 10**6 - 1),
    st.sampled_from(["", "/a/b/", "C:\\a\\samples\\", "/1__000000002_3.png/"]),
    st.sampled_from(["jpg", "png", "webp", "mp4", "PNG"]),
)
def test_a_name_in_any_folder_gives_what_it_was_made_of(
    time_ms: int, step: int, index: int, folder: str, ext: str
) -> None:
    name = f"{folder}{time_ms}__{step:09d}_{index}.{ext}"
    assert parse_sample_name(name) == (time_ms, step, index)


@given(st.one_of(st.text(), st.from_regex(r"[0-9]{1,20}_{1,3}[0-9]{1,20}_[0-9]{1,9}\.?[a-z]*")))
def test_any_text_is_a_name_of_bounded_numbers_or_none(text: str) -> None:
    parsed = parse_sample_name(text)
    if parsed is not None:
        assert all(0 <= number < 10**15 for number in parsed)


@pytest.mark.parametrize(
    "name",
    [
        "1795367779242__000000100_0.jpg\n",
        "1795367779242__000000100_00.jpg",
        "1795367779242__100_0.jpg",
        "1795367779242_000000100_0.jpg",
        "-1__000000100_0.jpg",
        "\u0661\u0667__000000100_0.jpg",
        "1795367779242__000000100_0",
        ".1795367779242__000000100_0.jpg",
        "1795367779242__000000100_0.jpg/",
    ],
)
def test_other_names_are_no_samples(name: str) -> None:
    assert parse_sample_name(name) is None


@given(st.lists(st.integers(), unique=True), st.integers(0, 20))
def test_a_spread_keeps_order_and_both_ends(items: list[int], count: int) -> None:
    chosen = spread(items, count)
    assert len(chosen) == min(count, len(items))
    places = [items.index(item) for item in chosen]
    assert places == sorted(set(places))
    if len(chosen) >= 2:
        assert (chosen[0], chosen[-1]) == (items[0], items[-1])
        gaps = [after - before for before, after in pairwise(places)]
        assert max(gaps) - min(gaps) <= 1


@given(CELLS, st.integers(0, 60))
def test_a_choice_is_within_the_limit_and_without_repeats(
    cells: set[tuple[int, int]], limit: int
) -> None:
    chosen = choose_cells(cells, limit)
    assert len(chosen) == len(set(chosen)) <= limit
    assert set(chosen) <= cells
    assert bool(chosen) == bool(cells and limit)


@given(CELLS.filter(bool))
def test_every_prompt_is_chosen_where_there_is_room_for_two_of_each(
    cells: set[tuple[int, int]],
) -> None:
    prompts = {prompt for _, prompt in cells}
    chosen = choose_cells(cells, 2 * len(prompts))
    assert {prompt for _, prompt in chosen} == prompts
    assert chosen[0][0] == max(cells)[0]
    assert min(chosen)[0] == min(cells)[0]


def test_prompts_share_the_chosen_steps_and_a_half_written_last_step_is_kept() -> None:
    cells = {(step, prompt) for step in range(0, 2001, 50) for prompt in range(3)} - {(2000, 2)}
    chosen = choose_cells(cells, 12)
    assert chosen[:5] == [(2000, 0), (2000, 1), (0, 0), (0, 1), (0, 2)]
    assert {step for step, _ in chosen} == {0, 650, 1350, 2000}


def test_prompts_are_read_as_the_trainer_uses_them() -> None:
    config = job_config()
    process = config["config"]["process"][0]
    process["trigger_word"] = "xyz"
    process["sample"] = {
        "samples": [{"prompt": "[trigger] at night --seed 3 --w 512"}, {"prompt": 7}, "none", {}]
    }
    assert sample_prompts(config) == ("xyz at night", None, None, None)
    process["sample"] = {"prompts": ["a [name]", None, "x" * 10_000]}
    assert sample_prompts(config) == ("a my_lora", None, "x" * 2000)


@pytest.mark.parametrize("samples", [None, 3, {}, "text", [[]]])
def test_a_config_that_says_nonsense_has_no_prompts(samples: Any) -> None:
    config = job_config()
    config["config"]["process"][0]["sample"] = {"samples": samples}
    assert set(sample_prompts(config)) <= {None}
    assert sample_prompts({"config": {"process": samples}}) == ()
    assert sample_prompts(None) == ()


def test_a_picture_is_reduced_upright_and_never_enlarged() -> None:
    small = read_picture(flat(40, 30))
    assert (small.width, small.height, small.pixels.shape) == (40, 30, (30, 40, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = read_picture(encoded(Image.new("RGB", (1600, 800)), "JPEG", exif=exif))
    assert (turned.width, turned.height) == (800, 1600)
    assert turned.pixels.shape == (LONG_SIDE, LONG_SIDE // 2, 3)
    assert not turned.pixels.flags.writeable


def test_alpha_is_dropped_and_sixteen_bits_are_scaled() -> None:
    hidden = encoded(Image.new("RGBA", (8, 8), (9, 200, 30, 0)))
    assert read_picture(hidden).pixels[0, 0].tolist() == [9, 200, 30]
    deep = encoded(Image.fromarray(np.full((8, 8), 0x4000, dtype=np.uint16)))
    assert read_picture(deep).pixels[0, 0].tolist() == [0x40] * 3


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue", "lime")]
    moving = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert read_picture(moving).pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"<html>not an image</html>", "no JPEG, PNG or WebP image"),
        (encoded(Image.new("P", (9, 9)), "GIF"), "no JPEG, PNG or WebP image"),
        (png_header(60_000, 60_000), "more than 33,554,432 pixels"),
        (png_header(8_000, 5_000), "more than 33,554,432 pixels"),
        (png_header(64, 64), "damaged or cut off"),
        (flat(400, 300)[:400], "damaged or cut off"),
        (encoded(Image.new("RGB", (99, 99)), "JPEG")[:-2], "damaged or cut off"),
        (encoded(Image.new("RGB", (99, 99)), "WEBP")[:60], "damaged or cut off"),
    ],
    ids=["empty", "text", "gif", "bomb", "large", "header", "cut png", "cut jpeg", "cut webp"],
)
def test_what_cannot_be_decoded_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePictureError, match=reason):
        read_picture(data)


@given(
    st.binary(max_size=300), st.sampled_from([flat(), encoded(Image.new("L", (50, 50)), "JPEG")])
)
def test_damaged_bytes_are_a_small_picture_or_unreadable(junk: bytes, sound: bytes) -> None:
    at = len(junk) % len(sound)
    try:
        picture = read_picture(sound[:at] + junk + sound[at + len(junk) :])
    except UnreadablePictureError:
        return
    assert picture.width * picture.height <= MAX_PIXELS
    assert max(picture.pixels.shape[:2]) <= LONG_SIDE


def test_samples_come_with_step_prompt_time_and_pixels() -> None:
    config = job_config()
    config["config"]["process"][0]["sample"] = {"samples": [{"prompt": "a cat"}]}
    disk = Disk({sample_path(step, prompt): flat() for step in (0, 250) for prompt in (0, 1)})
    evidence = collect(disk, config, max_references=0)
    assert [(s.step, s.prompt_index, s.prompt) for s in evidence.samples] == [
        (0, 0, "a cat"),
        (0, 1, None),
        (250, 0, "a cat"),
        (250, 1, None),
    ]
    sample = evidence.samples[0]
    assert (sample.wall_time, sample.width, sample.height) == (1_795_367_779.242, 64, 48)
    assert sample.pixels is not None
    assert sample.error is None
    assert (evidence.total, evidence.steps, evidence.prompt_indexes) == (4, (0, 250), (0, 1))
    assert evidence.missing == {}


def test_a_run_without_samples_has_none_and_nothing_is_missing() -> None:
    evidence = collect(Disk(), max_references=0)
    assert (evidence.samples, evidence.total, evidence.steps) == ((), 0, ())
    assert evidence.missing == {}


def test_hostile_files_cost_themselves_only() -> None:
    bad = {
        1: b"",
        2: b"I am a text",
        3: png_header(60_000, 60_000),
        4: flat(400, 300)[:400],
    }
    disk = Disk({sample_path(step, 0): data for step, data in bad.items()})
    disk.files[sample_path(0, 0)] = flat()
    disk.samples = [*sorted(disk.files), sample_path(5, 0)]
    evidence = collect(disk, max_references=0)
    errors_of = {sample.step: sample.error for sample in evidence.samples}
    assert errors_of[0] is None
    assert errors_of[1] == "the file is empty"
    assert errors_of[2] == "no JPEG, PNG or WebP image"
    assert errors_of[3] == f"more than {MAX_PIXELS:,} pixels"
    assert str(errors_of[4]).startswith("damaged or cut off")
    assert str(errors_of[5]).startswith("FILE_NOT_FOUND: ")
    assert all(sample.pixels is None for sample in evidence.samples if sample.step)
    assert evidence.missing["sample_images"].startswith("5 of 6 could not be read (1: ")


def test_what_is_no_image_or_no_sample_is_counted_and_named() -> None:
    disk = Disk({sample_path(0, 0, ext="jpg"): flat()})
    disk.samples = [
        *disk.files,
        sample_path(0, 1, ext="mp4"),
        sample_path(5, 1, ext="mp3"),
        sample_path(6, 1, ext="mp4"),
        f"{FOLDER}/notes.png",
    ]
    evidence = collect(disk, max_references=0)
    assert (len(evidence.samples), evidence.total, evidence.steps) == (1, 5, (0,))
    assert evidence.missing == {
        "media": "3 of 5 samples are no images: 2 .mp4, 1 .mp3",
        "names": "1 of 5 files are not named as samples are",
    }


def test_of_samples_made_again_at_a_step_the_newest_counts() -> None:
    paths = [sample_path(9, 0, time_ms=time_ms) for time_ms in (30, 10, 20)]
    evidence = collect(Disk(dict.fromkeys(paths, flat())), max_references=0)
    assert [sample.path for sample in evidence.samples] == [paths[0]]
    assert evidence.missing["repeated"].startswith("2 images")


def test_a_spread_of_many_samples_is_read_and_the_rest_is_named() -> None:
    disk = Disk({sample_path(step, p): flat() for step in range(0, 400, 10) for p in range(3)})
    evidence = collect(disk, max_images=12, max_references=0)
    assert sorted({sample.step for sample in evidence.samples}) == [0, 130, 260, 390]
    assert len(evidence.samples) == len(disk.read) == 12
    assert (evidence.total, len(evidence.steps)) == (120, 40)
    assert evidence.missing["not_chosen"] == "108 of 120 images were not read"


def test_no_more_bytes_are_read_than_allowed_and_the_last_step_comes_first() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise))
    disk = Disk({sample_path(step, 0): data for step in range(10)})
    evidence = collect(disk, max_bytes=5 * len(data), max_references=0)
    readable = [sample.step for sample in evidence.samples if sample.error is None]
    assert readable == [0, 1, 2, 9]
    assert {str(s.error).partition(" bytes are more")[0] for s in evidence.samples[3:9]} == {
        str(len(data))
    }


def test_a_backend_that_goes_away_is_not_asked_for_the_rest() -> None:
    disk = Disk({sample_path(step, 0): flat() for step in range(12)}, away_after=4)
    evidence = collect(disk, max_references=0)
    reasons = [str(sample.error).partition(":")[0] for sample in evidence.samples if sample.error]
    assert len(reasons) == 8
    assert set(reasons) == {"BACKEND_UNREACHABLE", "not asked for after BACKEND_UNREACHABLE"}


def test_a_backend_that_cannot_list_samples_is_an_error() -> None:
    with pytest.raises(errors.BackendError):
        collect(Disk(is_broken=True))


def with_datasets(*folders: str) -> dict[str, Any]:
    config = job_config()
    config["config"]["process"][0]["datasets"] = [{"folder_path": folder} for folder in folders]
    return config


def test_training_images_are_read_from_the_folders_of_the_config() -> None:
    names = [f"{number:03}.png" for number in range(30)]
    disk = Disk(
        {f"/toolkit/datasets/shapes/{name}": flat() for name in names},
        media={"shapes": [*names, "clip.mp4", "sub/x.PNG"], "other": ["never.png"]},
    )
    evidence = collect(disk, with_datasets("/toolkit/datasets/shapes/"), max_references=6)
    assert evidence.reference_total == 31
    chosen = [reference.path.rpartition("/")[2] for reference in evidence.reference_images]
    assert (chosen[0], chosen[-1], len(chosen)) == ("000.png", "x.PNG", 6)
    assert evidence.reference_images[0].pixels is not None
    assert evidence.missing["references_not_chosen"] == "25 of 31 training images were not read"
    assert evidence.missing["reference_images"].startswith("1 of 6 could not be read")


def test_a_sub_folder_of_a_dataset_has_its_own_images_only() -> None:
    disk = Disk(
        {"/toolkit/datasets/shapes/sub/c.png": flat()},
        media={"shapes": ["a.png", "sub/c.png", "sub2/d.png"]},
    )
    evidence = collect(disk, with_datasets("/toolkit/datasets/shapes/sub"))
    assert [reference.path for reference in evidence.reference_images] == [
        "/toolkit/datasets/shapes/sub/c.png"
    ]


@pytest.mark.parametrize(
    ("folders", "key", "reason"),
    [
        ([], "reference_images", "names no dataset folder"),
        (["/elsewhere/shapes"], "datasets", "1 of 1 dataset folders are not below"),
        (["/toolkit/datasets"], "datasets", "1 of 1 dataset folders are not below"),
        (["/toolkit/datasets/gone"], "reference_images", "NOT_FOUND: "),
        (["/toolkit/datasets/.."], "reference_images", "INVALID_ARGUMENTS: "),
    ],
)
def test_training_images_that_cannot_be_listed_are_missing_with_a_reason(
    folders: list[str], key: str, reason: str
) -> None:
    evidence = collect(Disk(), with_datasets(*folders))
    assert (evidence.reference_images, evidence.reference_total) == ((), None)
    assert reason in evidence.missing[key]
