"""Planted damage is what it is called, asked of Pillow call by call (datasets.md section A4)."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from aitk_core.proving.pictures import natural_picture
from aitk_core.testing.planted import plant
from aitk_core.testing.planted.codec import jpeg, png, webp
from aitk_core.testing.planted.damage import changed_unseen
from aitk_core.testing.planted.fields import generated_picture

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.testing.planted import PlantedFile, Truth


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    # Two of each kind, so that what is planted twice is seen to differ; small ones, to be fast.
    return plant(
        tmp_path_factory.mktemp("planted"),
        seed=5,
        bases=160,
        families=frozenset({"unreadable"}),
        sides=(192, 240),
    )


def loads(path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


def labelled(truth: Truth, label: str) -> tuple[PlantedFile, ...]:
    found = truth.files(label)
    assert len(found) >= 2, label
    return found


def test_decoding_raises_for_what_is_labelled_unreadable_and_for_nothing_else(truth: Truth) -> None:
    assert len(labelled(truth, "unreadable")) == 2 * 14
    for file in truth.files():
        assert loads(truth.at(file.path)) != ("unreadable" in file.labels), file


@pytest.mark.parametrize("kind", ["cut_jpeg", "cut_progressive", "cut_png", "no_end_jpeg"])
def test_truncation_leaves_the_header_and_is_found_by_decoding_only(
    truth: Truth, kind: str
) -> None:
    for file in labelled(truth, kind):
        with Image.open(truth.at(file.path)) as image:
            assert image.size == file.size
            with pytest.raises(OSError, match=r"truncated|broken|Truncated"):
                image.load()


def test_a_truncated_file_begins_as_a_whole_one(truth: Truth) -> None:
    first = {".jpg": b"\xff\xd8\xff", ".png": b"\x89PNG\r\n\x1a\n", "webp": b"RIFF"}
    for file in labelled(truth, "truncated"):
        data = truth.at(file.path).read_bytes()
        assert data.startswith(first[file.path[-4:]])


def test_headers_alone_are_short(truth: Truth) -> None:
    for file in labelled(truth, "header_only"):
        assert truth.at(file.path).stat().st_size < 1000


def test_verify_finds_a_missing_end_chunk_that_decoding_does_not(truth: Truth) -> None:
    for file in labelled(truth, "no_end_png"):
        assert loads(truth.at(file.path))
        with (
            Image.open(truth.at(file.path)) as image,
            pytest.raises((OSError, SyntaxError, ValueError, IndexError)),
        ):
            image.verify()


def test_damage_in_png_data_breaks_the_checksum(truth: Truth) -> None:
    for file in labelled(truth, "flipped_png"):
        with (
            Image.open(truth.at(file.path)) as image,
            pytest.raises((OSError, SyntaxError)),
        ):
            image.verify()


def test_content_that_is_no_picture_is_not_recognised(truth: Truth) -> None:
    found = {*labelled(truth, "not_an_image"), *labelled(truth, "zero_bytes")}
    found |= {*labelled(truth, "header_checksum"), *labelled(truth, "cut_webp")}
    for file in found:
        with pytest.raises(OSError, match=r"cannot identify|decoder object"):
            Image.open(truth.at(file.path))


def test_zero_bytes_are_the_only_files_of_equal_content(truth: Truth) -> None:
    contents = [truth.at(file.path).read_bytes() for file in truth.files()]
    assert contents.count(b"") == 2
    assert len(set(contents)) == len(contents) - 1


def test_bombs_are_small_files_on_either_side_of_pillows_limits(truth: Truth) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    assert limit is not None
    for file in labelled(truth, "too_large"):
        assert truth.at(file.path).stat().st_size < 64 * 1024
    for file in labelled(truth, "bomb_warning"):
        assert file.size is not None
        assert limit < file.size[0] * file.size[1] < 2 * limit
        with pytest.warns(Image.DecompressionBombWarning):
            Image.open(truth.at(file.path)).close()
    for file in {*labelled(truth, "bomb_error"), *labelled(truth, "bomb_header")}:
        with pytest.raises(Image.DecompressionBombError):
            Image.open(truth.at(file.path))


def test_undetectable_damage_changes_pixels_and_raises_nothing() -> None:
    rng = np.random.default_rng(8)
    picture = generated_picture(rng, (240, 180))
    for data in (jpeg(picture), webp(picture)):
        damaged = changed_unseen(data, rng)
        assert sum(one != other for one, other in zip(data, damaged, strict=True)) == 1
        before, after = (Image.open(BytesIO(file)) for file in (data, damaged))
        assert before.tobytes() != after.tobytes()


@pytest.mark.parametrize("seed", [3, 9])
def test_a_webp_that_notices_most_changes_is_changed_near_its_end(seed: int) -> None:
    pixels = natural_picture(np.random.default_rng([72_000, seed]), width=500, height=380)
    data = webp(Image.fromarray(pixels))
    damaged = changed_unseen(data, np.random.default_rng(seed))
    assert damaged != data
    with Image.open(BytesIO(damaged)) as image:
        image.load()


def test_damage_that_cannot_hide_is_not_called_undetectable() -> None:
    """A PNG's checksums give every changed byte away."""
    picture = generated_picture(np.random.default_rng(8), (64, 48))
    with pytest.raises(ValueError, match="unseen"):
        changed_unseen(png(picture), np.random.default_rng(1))
