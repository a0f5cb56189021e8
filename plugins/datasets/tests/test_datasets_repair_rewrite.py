"""Pictures made anew: what changes, what is kept, what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, JpegImagePlugin, PngImagePlugin

from aitk_core.errors import ConflictError, TooLargeError
from aitk_datasets.repair.captions import EncodingError, to_utf8
from aitk_datasets.repair.plan import Rewrite
from aitk_datasets.repair.rewrite import rewrite_picture


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def smooth(width: int = 40, height: int = 24, mode: str = "RGB") -> Image.Image:
    """Gradients, which JPEG keeps nearly as they are."""
    down, across = np.mgrid[0:height, 0:width]
    planes = (across * 6 % 256, down * 10 % 256, (across + down) * 3 % 256)
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8)).convert(mode)


def with_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    exif[0x010F] = "a maker"
    exif.get_ifd(0x8769)[0xA002] = 40
    exif.get_ifd(0x8769)[0xA003] = 24
    return exif


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_rotation_is_baked_in_without_loss(orientation: int, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(smooth(), kind, exif=with_orientation(orientation), **options)
    made = rewrite_picture(data, Rewrite(upright=True))
    from PIL import ImageOps

    expected = ImageOps.exif_transpose(decoded(data))
    assert np.array_equal(np.asarray(decoded(made.data)), np.asarray(expected))
    exif = decoded(made.data).getexif()
    assert 0x0112 not in exif
    assert exif[0x010F] == "a maker"
    assert exif.get_ifd(0x8769)[0xA002] == made.width
    assert made.lost == ()


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_turned_jpeg_keeps_subsampling_profile_and_looks(subsampling: int) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(
        smooth(),
        "JPEG",
        quality=90,
        subsampling=subsampling,
        exif=with_orientation(6),
        icc_profile=profile,
        progressive=True,
    )
    made = rewrite_picture(data, Rewrite(upright=True))
    image = decoded(made.data)
    assert JpegImagePlugin.get_sampling(image) == subsampling
    assert (image.size, image.info["icc_profile"], image.info["progressive"]) == (
        (24, 40),
        profile,
        1,
    )
    before = np.asarray(decoded(data).transpose(Image.Transpose.ROTATE_270), float)
    assert np.abs(np.asarray(image, float) - before).mean() < 3
    assert made.lost == ("detail: JPEG at quality 95",)


def test_sixteen_bits_become_the_upper_eight() -> None:
    levels = np.linspace(2827, 59624, 24 * 40).reshape(24, 40).astype(np.uint16)
    data = encoded(Image.fromarray(levels), "PNG")
    made = rewrite_picture(data, Rewrite(eight_bit=True))
    image = decoded(made.data)
    assert image.mode == "L"
    assert np.array_equal(np.asarray(image), levels >> 8)
    # What the trainer makes of the old one, and of the new one.
    assert np.asarray(decoded(data).convert("RGB")).mean() > 250
    assert abs(np.asarray(image.convert("RGB")).mean() - (levels >> 8).mean()) < 0.01


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK"])
def test_other_modes_become_rgb_as_the_trainer_sees_them(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    data = encoded(smooth(mode=mode), kind)
    made = rewrite_picture(data, Rewrite(rgb=True))
    image = decoded(made.data)
    assert image.mode == "RGB"
    expected = np.asarray(decoded(data).convert("RGB"), float)
    assert np.abs(np.asarray(image, float) - expected).mean() < (3 if kind == "JPEG" else 1e-9)


def test_a_palette_with_transparency_keeps_it() -> None:
    image = smooth(mode="P")
    data = encoded(image, "PNG", transparency=0)
    assert decoded(rewrite_picture(data, Rewrite(rgb=True)).data).mode == "RGBA"


def transparent() -> Image.Image:
    image = smooth().convert("RGBA")
    alpha = np.zeros((24, 40), np.uint8)
    alpha[:, 20:] = 255
    image.putalpha(Image.fromarray(alpha))
    return image


def test_transparency_goes_only_when_asked() -> None:
    data = encoded(transparent(), "PNG")
    kept = decoded(rewrite_picture(data, Rewrite(long_side=20)).data)
    assert kept.mode == "RGBA"
    made = rewrite_picture(data, Rewrite(flatten=(255, 255, 255)))
    image = np.asarray(decoded(made.data))
    assert image.shape == (24, 40, 3)
    assert (image[:, :20] == 255).all()
    assert np.array_equal(image[:, 20:], np.asarray(smooth())[:, 20:])
    assert made.lost == ("transparency",)
    with pytest.raises(ConflictError):
        rewrite_picture(data, Rewrite(format="JPEG"))
    assert rewrite_picture(data, Rewrite(format="JPEG", flatten=(0, 0, 0))).format == "JPEG"


def test_colour_under_transparent_pixels_survives() -> None:
    """It is trained (datasets.md A1)."""
    data = encoded(transparent(), "WEBP", lossless=True, exact=True, exif=with_orientation(3))
    made = rewrite_picture(data, Rewrite(upright=True))
    expected = np.asarray(decoded(data))[::-1, ::-1]
    assert np.array_equal(np.asarray(decoded(made.data)), expected)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_keeps_its_first_frame_and_only_when_asked(kind: str) -> None:
    frames = [smooth(), smooth().transpose(Image.Transpose.ROTATE_180)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    made = rewrite_picture(data, Rewrite(first_frame=True))
    image = decoded(made.data)
    assert getattr(image, "n_frames", 1) == 1
    assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(frames[0]))
    assert made.lost == ("1 frames",)
    with pytest.raises(ConflictError):
        rewrite_picture(data, Rewrite(format="JPEG", long_side=10))


@given(width=st.integers(1, 80), height=st.integers(1, 80), long_side=st.integers(1, 80))
def test_a_reduction_keeps_the_ratio_and_never_enlarges(
    width: int, height: int, long_side: int
) -> None:
    data = encoded(smooth(width, height), "PNG")
    made = rewrite_picture(data, Rewrite(long_side=long_side))
    assert max(made.width, made.height) == min(long_side, max(width, height))
    assert made.is_changed == (max(width, height) > long_side)
    if made.is_changed:
        factor = long_side / max(width, height)
        assert abs(made.width - max(1, width * factor)) <= 0.5
        assert abs(made.height - max(1, height * factor)) <= 0.5
    else:
        assert made.data == data


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_needs_nothing_is_returned_as_it_is(kind: str) -> None:
    data = encoded(smooth(), kind)
    everything = Rewrite(
        upright=True,
        eight_bit=True,
        rgb=True,
        first_frame=True,
        flatten=(0, 0, 0),
        long_side=4096,
    )
    made = rewrite_picture(data, everything)
    assert (made.data, made.is_changed, made.lost) == (data, False, ())


def test_a_conversion_to_png_keeps_pixels_and_texts() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "a prompt, steps 20")
    data = encoded(smooth(), "PNG", pnginfo=texts, exif=with_orientation(6))
    made = decoded(rewrite_picture(data, Rewrite(upright=True)).data)
    assert made.info["parameters"] == "a prompt, steps 20"
    jpeg = encoded(smooth(), "JPEG")
    made = decoded(rewrite_picture(jpeg, Rewrite(format="PNG")).data)
    assert np.array_equal(np.asarray(made), np.asarray(decoded(jpeg)))


def test_a_profile_of_another_space_is_dropped_and_told() -> None:
    grey = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    grey[16:20] = b"GRAY"
    data = encoded(smooth(mode="L"), "PNG", icc_profile=bytes(grey))
    made = rewrite_picture(data, Rewrite(rgb=True))
    assert "icc_profile" not in decoded(made.data).info
    assert "the colour profile, which is for another colour space" in made.lost


def test_lossy_webp_stays_lossy_and_says_so() -> None:
    data = encoded(smooth(), "WEBP", quality=80, exif=with_orientation(6))
    made = rewrite_picture(data, Rewrite(upright=True))
    assert (made.format, made.lost) == ("WEBP", ("detail: WebP at quality 95",))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        b"GIF89a" + bytes(40),
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        b"\xff\xd8\xff\xe0",
        encoded(smooth(), "PNG")[:70],
        encoded(smooth(), "JPEG")[:400],
    ],
)
def test_what_does_not_decode_is_refused(data: bytes) -> None:
    with pytest.raises(ConflictError):
        rewrite_picture(data, Rewrite(long_side=8, upright=True))


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    with pytest.raises(TooLargeError):
        rewrite_picture(data, Rewrite(long_side=1024))


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-16-le"),
        ("utf-16", "utf-16-be"),
        ("cp1252", "cp1252"),
        ("latin-1", "latin-1"),
    ],
)
def test_a_caption_keeps_its_text_in_utf8(encoding: Any, codec: str) -> None:
    text = "a caf\u00e9,\r\nby night\n"
    assert to_utf8(text.encode(codec), encoding) == text.encode("utf-8")


def test_a_smart_quote_is_one_in_cp1252() -> None:
    assert to_utf8(b"it\x92s", "cp1252").decode("utf-8") == "it\u2019s"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"\x81", "cp1252"),
        (b"odd", "utf-16-le"),
        (b"a\x00b\x00", "latin-1"),
        (b"\xff", "utf-8-sig"),
    ],
)
def test_bytes_that_are_no_text_are_refused(data: bytes, encoding: Any) -> None:
    with pytest.raises(EncodingError):
        to_utf8(data, encoding)
