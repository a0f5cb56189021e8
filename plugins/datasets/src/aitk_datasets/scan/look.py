"""One look at one file: header, one reduced decode, and all that is measured of it.

Runs in worker processes: a decoder that crashes costs its own file only. Nothing is written, no
link is followed, and a file that is swapped for something else meanwhile is not read.
"""

from __future__ import annotations

import os
import re
import struct
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

from attrs import frozen
from PIL import ExifTags, Image, UnidentifiedImageError

from aitk_core.convert import clean_text
from aitk_core.evidence.dataset import ImageFile, Looks
from aitk_core.pictures.grey import read_grey
from aitk_core.pictures.hashes import hashes_of, is_blank
from aitk_core.pictures.looks import looks_of
from aitk_datasets.scan.ends import ends_early
from aitk_datasets.scan.opened import BROKEN, FORMATS, PIXEL_LIMIT, opened_file
from aitk_datasets.scan.seen import Identity, Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.evidence.dataset import ImageProblem
    from aitk_core.pictures.grey import Grey

_DETAIL_CHARS: Final = 200
_ENDS: Final = ("truncated", "broken data stream", "unexpected end", "premature")
"""What Pillow says of data that end too early, where the container does not tell."""


@frozen(kw_only=True)
class Target:
    """A file to look at."""

    path: str
    """Relative to the folder."""
    identity: Identity


@frozen(kw_only=True)
class Piece:
    """Files of one folder that one worker looks at in one go."""

    folder: str
    targets: tuple[Target, ...]


def look_at_piece(piece: Piece) -> tuple[Seen, ...]:
    """Look at each file of the piece."""
    return tuple(look_at(piece.folder, target) for target in piece.targets)


def lost_piece(piece: Piece) -> tuple[Seen, ...]:
    """Return what is known of files at which a worker process died."""
    return tuple(
        _without_picture(target, "damaged", "the decoder crashed on this file or one beside it")
        for target in piece.targets
    )


def look_at(folder: str, target: Target) -> Seen:
    """Return what one file shows; whatever is wrong with it is part of the answer."""
    if target.identity.size_bytes == 0:
        return _without_picture(target, "zero_bytes", "")
    try:
        with opened_file(folder, target.path) as file:
            # As it is now; a file that was changed since it was listed is not mixed up with it.
            found = os.fstat(file.fileno())
            identity = Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            return _looked_at(Target(path=target.path, identity=identity), file)
    except OSError as error:
        why = error.strerror or str(error) or type(error).__name__
        return _without_picture(target, "unreadable", why)


def _looked_at(target: Target, file: BinaryIO) -> Seen:
    head = b""
    try:
        head = file.read(32)
        file.seek(0)
        return _decoded(target, file, head)
    except BROKEN as error:
        return _broken(target, error, file, head)


def _decoded(target: Target, file: BinaryIO, head: bytes) -> Seen:
    with Image.open(file, formats=FORMATS) as image:
        width, height = image.size
        form, mode = _format_of(image), image.mode
        if width * height > PIXEL_LIMIT:
            return _without_picture(
                target, "too_large", f"{width} x {height} pixels", form=form, sides=(width, height)
            )
        frames = 1 if form == "JPEG" else int(getattr(image, "n_frames", 1))
        is_progressive = bool(image.info.get("progressive") or image.info.get("progression"))
        grey = read_grey(image)
        orientation = _orientation(image)
        alpha = _alpha(image)
    if orientation >= 5:  # noqa: PLR2004 - EXIF 2.32: 5 to 8 exchange the sides
        width, height = height, width
    looks, prints = _measured(grey)
    return Seen(
        identity=target.identity,
        file=ImageFile(
            path=target.path,
            size_bytes=target.identity.size_bytes,
            mtime_ns=target.identity.mtime_ns,
            format=form or _named_format(head),
            width=width,
            height=height,
            orientation=orientation,
            mode=mode,
            frames=frames,
            alpha=alpha,
            is_progressive=is_progressive,
            looks=looks,
        ),
        prints=prints,
    )


def _measured(grey: Grey) -> tuple[Looks, bytes]:
    found = looks_of(grey)
    looks = Looks(
        p5=found.p5,
        p95=found.p95,
        clipped=found.clipped,
        spread=found.spread,
        laplacian=found.laplacian,
        tile_laplacian=found.tile_laplacian,
        reblur=found.reblur,
        borders=found.borders,
    )
    if is_blank(looks.spread, looks.tile_laplacian):
        return looks, b""
    return looks, hashes_of(grey.thumbnail).tobytes()


def _format_of(image: Image.Image) -> str | None:
    # A phone's JPEG with a second picture behind it; the trainer reads the first.
    return "JPEG" if image.format == "MPO" else image.format


def _orientation(image: Image.Image) -> int:
    found = image.getexif().get(ExifTags.Base.Orientation, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1  # noqa: PLR2004 - EXIF 2.32


def _alpha(image: Image.Image) -> Literal["none", "opaque", "hides_colour"]:
    if image.mode in ("RGBA", "LA", "PA"):
        lowest = image.getchannel("A").getextrema()[0]
    elif "transparency" in image.info and image.mode == "P":
        lowest = image.convert("RGBA").getchannel("A").getextrema()[0]
    else:
        return "none"
    return "opaque" if lowest == 255 else "hides_colour"  # noqa: PLR2004 - 8 bits


def _broken(target: Target, error: Exception, file: BinaryIO, head: bytes) -> Seen:
    text, form = str(error), _named_format(head)
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return _without_picture(target, "too_large", text, form=form)
    if isinstance(error, UnidentifiedImageError):
        if form is None:
            return _without_picture(target, "not_an_image", "no picture that the trainer opens")
        text = f"no readable {form} header"
    ends = _is_cut(target, file, form)
    if ends is None:
        ends = any(word in text.lower() for word in _ENDS)
    return _without_picture(
        target, "truncated" if ends else "damaged", text or type(error).__name__, form=form
    )


def _is_cut(target: Target, file: BinaryIO, form: str | None) -> bool | None:
    try:
        return ends_early(file, form, target.identity.size_bytes)
    except (OSError, ValueError, struct.error):
        return None


_MAGIC: Final[Mapping[str, re.Pattern[bytes]]] = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "AVIF": re.compile(rb"....ftypavi[fs]", re.DOTALL),
    "HEIF": re.compile(rb"....ftyp(hei[cx]|mif1)", re.DOTALL),
    "TIFF": re.compile(rb"II\*\0|MM\0\*"),
    "BMP": re.compile(rb"BM"),
}


def _named_format(head: bytes) -> str | None:
    """Return the format that a file's first bytes name."""
    return next((name for name, magic in _MAGIC.items() if magic.match(head)), None)


def _without_picture(
    target: Target,
    problem: ImageProblem,
    detail: str,
    *,
    form: str | None = None,
    sides: tuple[int, int] | None = None,
) -> Seen:
    return Seen(
        identity=target.identity,
        file=ImageFile(
            path=target.path,
            size_bytes=target.identity.size_bytes,
            mtime_ns=target.identity.mtime_ns,
            format=form,
            problem=problem,
            detail=clean_text(detail)[:_DETAIL_CHARS],
            width=None if sides is None else sides[0],
            height=None if sides is None else sides[1],
        ),
    )
