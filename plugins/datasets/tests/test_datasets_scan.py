"""A folder's evidence: what a look finds, what is cached, and what is the same."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from aitk_datasets.scan.look import Piece, Target, look_at, lost_piece
from aitk_datasets.scan.seen import Identity
from support.inspecting import inspector
from support.samplepictures import encoded, picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitk_core.evidence.dataset import ImageFile
    from aitk_datasets.scan.seen import Seen
    from support.inspecting import Inspect


def look(folder: Path, name: str, data: bytes) -> Seen:
    (folder / name).write_bytes(data)
    status = (folder / name).stat()
    identity = Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return look_at(str(folder), Target(path=name, identity=identity))


def seen(folder: Path, name: str, data: bytes) -> ImageFile:
    return look(folder, name, data).file


def test_a_sound_picture_has_its_numbers(tmp_path: Path) -> None:
    found = look(tmp_path, "a.jpg", encoded(picture()))
    file = found.file
    assert (file.format, file.problem, file.mode) == ("JPEG", None, "RGB")
    assert (file.width, file.height, file.orientation) == (360, 270, 1)
    assert file.looks is not None
    assert len(found.prints) == 48


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_pitfall_92_a_file_that_is_cut_off_is_found(
    tmp_path: Path, form: str, share: float
) -> None:
    data = encoded(picture(), form)
    file = seen(tmp_path, f"a.{form.lower()}", data[: int(share * len(data))])
    assert file.problem in ("truncated", "damaged")
    assert file.looks is None


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.999])
@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_a_file_shorter_than_its_container_says_is_truncated_whatever_the_decoder_says(
    tmp_path: Path, form: str, share: float
) -> None:
    data = encoded(picture(), form)
    cut = data[: max(40, int(share * len(data)))]
    assert seen(tmp_path, f"a.{form.lower()}", cut).problem == "truncated"


def test_data_that_are_complete_and_wrong_are_damaged(tmp_path: Path) -> None:
    for number in range(6):
        data = bytearray(encoded(picture(number), "PNG"))
        # Well inside the packed pixels, where a flipped byte may make the packer see an end.
        data[len(data) * (number + 2) // 9] ^= 0x10
        assert seen(tmp_path, f"{number}.png", bytes(data)).problem == "damaged"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "zero_bytes"),
        (b"<html>not found</html>", "not_an_image"),
        (b"\0" * 5000, "not_an_image"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 100, "damaged"),
    ],
)
def test_what_is_no_picture_is_told_apart(tmp_path: Path, data: bytes, problem: str) -> None:
    assert seen(tmp_path, "a.jpg", data).problem == problem


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("side", "known"), [(10_000, 10_000), (20_000, None)])
def test_pitfall_99_a_picture_of_too_many_pixels_is_not_called_broken(
    tmp_path: Path, side: int, known: int | None
) -> None:
    file = seen(tmp_path, "a.png", encoded(Image.new("1", (side, side)), "PNG"))
    assert (file.problem, file.format) == ("too_large", "PNG")
    # Over twice the limit Pillow does not say the size.
    assert (file.width, file.height) == (known, known)


def test_the_sides_are_those_after_the_rotation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = seen(tmp_path, "a.jpg", encoded(picture(), exif=exif))
    assert (file.width, file.height, file.orientation) == (270, 360, 6)


@pytest.mark.parametrize(
    ("mode", "form", "alpha"),
    [("CMYK", "JPEG", "none"), ("P", "PNG", "none"), ("I;16", "PNG", "none")],
)
def test_modes_that_surprise_are_told(tmp_path: Path, mode: str, form: str, alpha: str) -> None:
    if mode == "I;16":
        levels = np.asarray(picture().convert("L")).astype(np.uint16) * 257
        image = Image.fromarray(levels)
    else:
        image = picture().convert(mode)
    file = seen(tmp_path, f"a.{form.lower()}", encoded(image, form))
    assert (file.mode, file.alpha, file.problem) == (mode, alpha, None)
    assert file.looks is not None
    assert 5 < file.looks.spread < 120


@pytest.mark.parametrize(("level", "alpha"), [(255, "opaque"), (0, "hides_colour")])
def test_transparency_that_hides_colours_is_told(tmp_path: Path, level: int, alpha: str) -> None:
    image = picture().convert("RGBA")
    image.putpixel((0, 0), (1, 2, 3, level))
    assert seen(tmp_path, "a.png", encoded(image, "PNG")).alpha == alpha


def test_an_animation_counts_its_frames(tmp_path: Path) -> None:
    data = encoded(picture(), "WEBP", save_all=True, append_images=[picture(1), picture(2)])
    assert seen(tmp_path, "a.webp", data).frames == 3


def test_the_content_names_the_format_not_the_name(tmp_path: Path) -> None:
    assert seen(tmp_path, "a.jpg", encoded(picture(), "PNG")).format == "PNG"
    assert seen(tmp_path, "b.png", encoded(picture(), "GIF")).format == "GIF"


@pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")
def test_pitfall_57_82_no_link_is_followed_and_no_pipe_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(encoded(picture()))
    (tmp_path / "a.jpg").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "b.jpg")
    for name in ("a.jpg", "b.jpg"):
        target = Target(path=name, identity=Identity(1, 1, 10, 1))
        assert look_at(str(tmp_path), target).file.problem == "unreadable"


def test_files_at_which_a_worker_died_are_damaged() -> None:
    targets = tuple(Target(path=name, identity=Identity(1, 1, 10, 1)) for name in "ab")
    lost = lost_piece(Piece(folder="/nowhere", targets=targets))
    assert [found.file.problem for found in lost] == ["damaged", "damaged"]


@pytest.fixture
def inspect(call: Callable[..., Any], tmp_path: Path) -> Inspect:
    """Give a function that inspects a folder below the datasets root."""
    (tmp_path / "sets" / "cats").mkdir(parents=True)
    return inspector(call, tmp_path / "sets")


def fill(folder: Path, count: int, *, first: int = 0) -> None:
    for number in range(first, first + count):
        (folder / f"{number:02d}.jpg").write_bytes(encoded(picture(number)))
        (folder / f"{number:02d}.txt").write_text(f"a thing of kind {number}", encoding="utf-8")


def codes(data: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in data["findings"]}


def test_a_sound_folder_is_sound_and_a_second_look_reads_nothing(
    inspect: Inspect, tmp_path: Path
) -> None:
    folder = tmp_path / "sets" / "cats"
    fill(folder, 12)
    first = inspect(dataset_path="cats")
    assert first["verdict"] == "sound"
    assert first["scan"]["newly_read"] == 12
    analysis = first["dataset_analysis"]
    assert (analysis["total_images"], analysis["caption_coverage_pct"]) == (12, 100.0)
    assert (analysis["corrupt_image_count"], analysis["duplicate_image_estimate"]) == (0, 0)
    again = inspect(dataset_path="cats")
    assert again["scan"]["newly_read"] == 0
    told = ("findings", "dataset_analysis", "nlp_analysis", "duplicates", "verdict")
    assert {key: again[key] for key in told} == {key: first[key] for key in told}


def test_only_what_changed_is_read_again(inspect: Inspect, tmp_path: Path) -> None:
    folder = tmp_path / "sets" / "cats"
    fill(folder, 12)
    inspect(dataset_path="cats")
    (folder / "03.jpg").write_bytes(encoded(picture(99))[:-3000])
    (folder / "04.jpg").rename(folder / "moved.jpg")
    data = inspect(dataset_path="cats")
    assert data["scan"]["newly_read"] == 1
    assert "IMAGE_TRUNCATED" in codes(data)
    assert data["dataset_analysis"]["corrupt_image_examples"] == ["03.jpg"]


def test_pitfall_93_pictures_of_equal_length_and_beginning_are_not_the_same(
    inspect: Inspect, tmp_path: Path
) -> None:
    folder = tmp_path / "sets" / "cats"
    fill(folder, 10)
    base = np.asarray(picture(50)).copy()
    other = base.copy()
    other[120:] = np.asarray(picture(51))[120:]
    for name, pixels in (("a.png", base), ("b.png", other)):
        (folder / name).write_bytes(encoded(Image.fromarray(pixels), "PNG", compress_level=0))
    sizes = {(folder / name).stat().st_size for name in ("a.png", "b.png")}
    heads = {(folder / name).read_bytes()[:8192] for name in ("a.png", "b.png")}
    assert (len(sizes), len(heads)) == (1, 1)
    data = inspect(dataset_path="cats")
    assert data["duplicates"]["cluster_count"] == 0


def test_pitfall_94_a_copy_that_was_compressed_again_is_found_with_the_one_to_keep(
    inspect: Inspect, tmp_path: Path
) -> None:
    folder = tmp_path / "sets" / "cats"
    fill(folder, 10)
    image = picture(3)
    (folder / "again.jpg").write_bytes(encoded(image, quality=40))
    (folder / "small.webp").write_bytes(encoded(image.resize((300, 225)), "WEBP"))
    shutil.copyfile(folder / "05.jpg", folder / "copy.jpg")
    data = inspect(dataset_path="cats")
    clusters = {cluster["keep"]: cluster for cluster in data["duplicates"]["clusters"]}
    assert set(clusters) == {"03.jpg", "05.jpg"}
    assert clusters["03.jpg"]["others"] == ["again.jpg", "small.webp"]
    assert (clusters["03.jpg"]["level"], clusters["03.jpg"]["why"]) == ("near", "it has a caption")
    assert (clusters["05.jpg"]["others"], clusters["05.jpg"]["level"]) == (
        ["copy.jpg"],
        "exact_file",
    )
    assert {"IMAGE_DUPLICATE_NEAR", "IMAGE_DUPLICATE_FILE"} <= codes(data)


def test_pictures_of_a_validation_set_that_are_trained_are_a_leak(
    inspect: Inspect, tmp_path: Path
) -> None:
    fill(tmp_path / "sets" / "cats", 10)
    held_out = tmp_path / "sets" / "held_out"
    held_out.mkdir()
    shutil.copyfile(tmp_path / "sets" / "cats" / "02.jpg", held_out / "x.jpg")
    (held_out / "y.jpg").write_bytes(encoded(picture(4), quality=50))
    (held_out / "z.jpg").write_bytes(encoded(picture(70)))
    data = inspect(dataset_path="cats", compare_with=["held_out"])
    (leak,) = [finding for finding in data["findings"] if finding["code"] == "DATASET_LEAK"]
    assert leak["severity"] == "critical"
    assert [ref["files"] for ref in leak["evidence"]] == [["02.jpg", "x.jpg"], ["04.jpg", "y.jpg"]]


def test_pitfall_127_a_part_of_the_pictures_is_said_to_be_one(
    inspect: Inspect, tmp_path: Path
) -> None:
    fill(tmp_path / "sets" / "cats", 12)
    data = inspect(dataset_path="cats", max_dataset_files=5)
    assert data["scan"]["scan_limited"] is True
    assert (data["scan"]["found_images"], data["scan"]["scanned_images"]) == (12, 5)
    assert data["verdict"] == "insufficient_evidence"


def test_an_empty_folder_is_no_sound_one(inspect: Inspect) -> None:
    data = inspect(dataset_path="cats")
    assert data["verdict"] == "critical"
    assert codes(data) == {"DATASET_EMPTY"}


def test_a_store_that_cannot_be_used_costs_time_and_nothing_else(
    call: Callable[..., Any], tmp_path: Path
) -> None:
    fill_in = tmp_path / "sets" / "cats"
    fill_in.mkdir(parents=True)
    fill(fill_in, 12)
    (tmp_path / "home").write_bytes(b"")
    environment = {"AITK_DATASETS_DIR": str(tmp_path / "sets"), "AITK_PARALLEL": "threads"}
    data = call(None, "inspect-dataset", {"dataset_path": "cats"}, environment=environment).data
    assert data["verdict"] == "sound"
    assert data["scan"]["not_read"]["cache"].startswith("STORE_ERROR")
