"""Pictures that are stored in another form than plain upright RGB (datasets.md A4, E1, E6)."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from aitk_core.testing.planted.codec import jpeg, other, png, webp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aitk_core.testing.planted.site import Site

_ORIENTATION: Final = 0x0112
"""EXIF 2.32, table 4: the tag of the orientation."""
_STORED: Final = {
    3: Image.Transpose.ROTATE_180,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture is turned before it is stored under an orientation."""
_FRAMES: Final = 3
_HIDDEN: Final = (0, 255, 0)


def plant_forms(site: Site) -> None:
    """Plant one of each form, as often as the site says."""
    for number in site.numbers():
        for orientation in _STORED:
            labels = ("rotated", f"orientation_{orientation}")
            path = f"train/{labels[1]}_{number}.jpg"
            picture = site.base(path)
            site.picture(path, turned_jpeg(picture, orientation), *labels, size=picture.size)
        for kind, (ext, groups, form) in _FORMS.items():
            path = f"train/{kind}_{number}.{ext}"
            picture = site.base(path)
            site.picture(path, form(picture), kind, *groups, size=picture.size)


def turned_jpeg(picture: Image.Image, orientation: int) -> bytes:
    """Return a JPEG that looks like the picture once its EXIF orientation is applied."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return jpeg(picture.transpose(_STORED[orientation]), exif=exif.tobytes())


def _alpha_hidden(picture: Image.Image) -> bytes:
    """A cut-out: around an ellipse everything is transparent, half of it over plain green."""
    alpha = Image.new("L", picture.size)
    width, height = picture.size
    ImageDraw.Draw(alpha).ellipse((width // 8, height // 8, width * 7 // 8, height * 7 // 8), 255)
    left = Image.new("L", picture.size)
    left.paste(255, (0, 0, width // 2, height))
    hidden = picture.copy()
    hidden.paste(_HIDDEN, mask=ImageChops.darker(left, ImageChops.invert(alpha)))
    hidden.putalpha(alpha)
    return png(hidden)


def _alpha_opaque(picture: Image.Image) -> bytes:
    return png(picture.convert("RGBA"))


def _grey16(picture: Image.Image) -> bytes:
    levels = np.asarray(picture.convert("L")).astype(np.uint16)
    # Not a multiple of 257: the lower byte has bits of its own, as a scanner's has.
    return png(Image.fromarray(levels * np.uint16(220) + np.uint16(2827)))


def _frames(picture: Image.Image) -> list[Image.Image]:
    step = picture.width // 8
    return [ImageChops.offset(picture, step * number, 0) for number in range(1, _FRAMES)]


def _animated_webp(picture: Image.Image) -> bytes:
    return webp(picture, save_all=True, append_images=_frames(picture), duration=100)


def _apng(picture: Image.Image) -> bytes:
    return png(picture, save_all=True, append_images=_frames(picture), duration=100)


def _zip_tail(picture: Image.Image) -> bytes:
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        # The default time is the archive's first possible one, not now.
        archive.writestr(ZipInfo("notes.txt"), "hidden behind a picture\n")
    return jpeg(picture) + file.getvalue()


_FORMS: Final[Mapping[str, tuple[str, tuple[str, ...], Callable[[Image.Image], bytes]]]] = {
    "alpha_hidden": ("png", (), _alpha_hidden),
    "alpha_opaque": ("png", (), _alpha_opaque),
    "cmyk": ("jpg", (), lambda picture: jpeg(picture.convert("CMYK"))),
    "grey16": ("png", (), _grey16),
    "palette": ("png", (), lambda picture: png(picture.quantize(64))),
    "grey": ("jpg", (), lambda picture: jpeg(picture.convert("L"))),
    "progressive": ("jpg", (), lambda picture: jpeg(picture, progressive=True)),
    "animated_webp": ("webp", ("animated",), _animated_webp),
    "apng": ("png", ("animated",), _apng),
    "png_as_jpg": ("jpg", ("mislabelled",), png),
    "jpeg_as_webp": ("webp", ("mislabelled",), jpeg),
    "webp_as_png": ("png", ("mislabelled",), webp),
    "gif_as_png": ("png", ("mislabelled",), lambda picture: other(picture, "GIF")),
    "jpeg_tail": ("jpg", ("tail",), _zip_tail),
    "png_tail": ("png", ("tail",), lambda picture: png(picture) + b"after the end\n" * 20),
}
"""Extension, groups and encoder of each form."""
