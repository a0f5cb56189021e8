"""The grey picture: what trains is what is looked at, and damage is an error."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from aitk_core.pictures.grey import LEAST_SIDE, LONGEST_SIDE, grey_of, read_grey
from aitk_core.proving.pictures import natural_picture

if TYPE_CHECKING:
    from aitk_core.pictures.grey import Grey


def natural(seed: int, *, width: int = 300, height: int = 200) -> Image.Image:
    pixels = natural_picture(np.random.default_rng(seed), width=width, height=height)
    return Image.fromarray(pixels)


def stored(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def read(data: bytes) -> Grey:
    with Image.open(io.BytesIO(data)) as image:
        return read_grey(image)


def test_a_picture_in_colour_is_its_luma_and_is_not_enlarged() -> None:
    image = natural(1)
    grey = read(stored(image))
    assert np.array_equal(grey.levels, np.asarray(image.convert("L")))
    assert np.array_equal(grey.counts, np.bincount(grey.levels.ravel(), minlength=256))
    assert grey.thumbnail.shape == (128, 128)
    assert np.array_equal(grey_of(np.asarray(image)).levels, grey.levels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(("width", "height"), [(1300, 700), (700, 1281), (641, 4), (4000, 1)])
def test_a_large_picture_is_reduced_by_a_whole_number(kind: str, width: int, height: int) -> None:
    image = Image.new("L", (width, height), 77)
    shape = read(stored(image, kind)).levels.shape
    assert LEAST_SIDE <= max(shape) <= LONGEST_SIDE
    factor = round(max(width, height) / max(shape))
    assert shape == (-(-height // factor), -(-width // factor))


def test_a_picture_of_the_longest_side_is_left_as_it_is() -> None:
    image = Image.new("L", (LONGEST_SIDE, 50), 77)
    assert read(stored(image)).levels.shape == (50, LONGEST_SIDE)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_exif_rotation_is_applied(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = stored(natural(2, width=1280, height=800), kind, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image).convert("L")
    factor = 2 if kind == "PNG" else 4
    wanted = upright.reduce(factor)
    levels = read(data).levels
    assert levels.shape == (wanted.height, wanted.width)
    assert np.abs(levels.astype(int) - np.asarray(wanted)).mean() < 3


def test_sixteen_bits_are_shifted_not_clipped_to_white() -> None:
    ramp = np.linspace(2_827, 59_624, 200 * 300).reshape(200, 300).astype(np.uint16)
    levels = read(stored(Image.fromarray(ramp))).levels
    assert np.array_equal(levels, ramp >> 8)


def test_the_colour_under_transparent_pixels_is_kept_as_the_trainer_keeps_it() -> None:
    image = natural(3)
    hidden = image.copy()
    hidden.putalpha(0)
    assert np.array_equal(read(stored(hidden)).levels, np.asarray(image.convert("L")))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_that_trains_can_be_read(mode: str) -> None:
    image = natural(4, width=900, height=600)
    data = stored(image.convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    levels = read(data).levels
    wanted = np.asarray(image.convert(mode).convert("L").reduce(2))
    assert levels.shape == (300, 450)
    assert np.abs(levels.astype(int) - wanted).mean() < 8


def test_a_palette_with_transparency_gives_no_warning() -> None:
    image = natural(5).convert("P")
    data = stored(image, transparency=bytes(range(256)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        levels = read(data).levels
    assert np.array_equal(levels, np.asarray(image.convert("RGB").convert("L")))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_read(kind: str) -> None:
    frames = [Image.new("RGB", (40, 40), (level,) * 3) for level in (50, 200)]
    data = stored(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    with Image.open(io.BytesIO(data)) as image:
        image.seek(1)
        assert read_grey(image).levels.max() <= 51


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.33, 0.9])
def test_pitfall_92_a_picture_that_is_cut_off_is_an_error(kind: str, share: float) -> None:
    data = stored(natural(6, width=1200, height=800), kind)
    with pytest.raises((OSError, SyntaxError)):
        read(data[: int(len(data) * share)])
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_jpeg_without_its_end_marker_is_an_error() -> None:
    with pytest.raises(OSError, match="truncated"):
        read(stored(natural(7, width=1200, height=800), "JPEG")[:-2])


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size() -> None:
    with Image.open(io.BytesIO(stored(natural(8, width=1600, height=1066), "JPEG"))) as image:
        read_grey(image)
        assert image.size == (400, 267)
