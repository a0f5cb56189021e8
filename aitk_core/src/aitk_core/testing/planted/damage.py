"""Files that give no picture, or not the one they should (datasets.md sections A4 and E6)."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Final

from PIL import Image

from aitk_core.testing.planted.codec import jpeg, png, webp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator

    from aitk_core.testing.planted.site import Site

_CUTS: Final = (0.15, 0.90)
"""Where a file is cut, as a share of its length (datasets.md section E6)."""
_WARNED_SIDE: Final = 11_000
"""121 megapixels: over Pillow's 89,478,485, at which it warns, and under twice that."""
_REFUSED_SIDE: Final = 13_500
"""182 megapixels: over twice Pillow's limit, at which it raises."""
_CLAIMED_SIDE: Final = 60_000
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEADER_CHECKSUM: Final = 29
"""Where the checksum of a PNG's header stands: signature, length, name, 13 bytes."""
_SCAN: Final = b"\xff\xda"
_HTML: Final = b"<!DOCTYPE html>\n<html><body>403 Forbidden (request %d)</body></html>\n"
_MARKER: Final = 0xFF
"""Begins a marker in a JPEG: changing one, or making one, is noticed."""
_TRIES: Final = 200


def plant_unreadable(site: Site) -> None:
    """Plant one of each kind of damage, as often as the site says."""
    for number in site.numbers():
        _plant_truncated(site, number)
        _plant_damaged(site, number)
        _plant_no_pictures(site, number)
        _plant_bombs(site, number)
        _plant_unseen(site, number)


def cut(data: bytes, rng: Generator) -> bytes:
    """Return the first 15 to 90 percent of a file."""
    return data[: int(len(data) * rng.uniform(*_CUTS))]


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of each chunk's content."""
    place = len(_SIGNATURE)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        yield data[place + 4 : place + 8], place + 8, place + 8 + length
        place += length + 12


def changed_byte(data: bytes, place: int, flip: int = 0x10) -> bytes:
    """Return the bytes with some bits of one flipped."""
    changed = bytearray(data)
    changed[place] ^= flip
    return bytes(changed)


def changed_unseen(data: bytes, rng: Generator) -> bytes:
    """Return the file with one byte changed so that it decodes, to other pixels.

    Some WebP files run out of data after a change almost anywhere but in their last hundredth.

    Raises:
        ValueError: Every byte that was tried is noticed or makes no difference.
    """
    sound, size = _pixels(data), len(data)
    ranges = [(size // 3, size * 9 // 10)] * _TRIES
    if data.startswith(b"RIFF"):
        ranges += [(size * 99 // 100, size)] * _TRIES
    for first, last in ranges:
        place = int(rng.integers(first, last))
        if _MARKER in (data[place], data[place] ^ 0x10, data[place - 1]):
            continue
        changed = changed_byte(data, place)
        pixels = _pixels(changed)
        if pixels is not None and pixels != sound:
            return changed
    raise ValueError("no byte of the file can be changed unseen")


def without_end(picture: Image.Image) -> bytes:
    """Return a JPEG without its end marker that Pillow refuses.

    It does not refuse all: where the decoder already holds the bits of the last block, every pixel
    comes out and nothing is raised (15 of 405 generated pictures, Pillow 13.0). Then another
    quality moves the last block.

    Raises:
        ValueError: Pillow takes it at every quality.
    """
    for quality in range(92, 60, -1):
        data = jpeg(picture, quality)[:-2]
        if _pixels(data) is None:
            return data
    raise ValueError("no quality gives a JPEG that needs its end marker")


def black_png(side: int) -> bytes:
    """Return a sound square PNG of black 1-bit pixels; its rows pack to next to nothing."""
    packer = zlib.compressobj(6)
    row = bytes(1 + (side + 7) // 8)
    block = row * 500
    packed = [packer.compress(block) for _ in range(side // 500)]
    packed.append(packer.compress(row * (side % 500)) + packer.flush())
    return _png(side, b"".join(packed))


def _png(side: int, packed: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def _pixels(data: bytes) -> bytes | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(BytesIO(data)).convert("RGB").tobytes()
    except (OSError, ValueError, SyntaxError):
        return None


def _plant_truncated(site: Site, number: int) -> None:
    for kind, ext in (("jpeg", "jpg"), ("progressive", "jpg"), ("png", "png"), ("webp", "webp")):
        path = f"train/cut_{kind}_{number}.{ext}"
        picture = site.base(path)
        data = {
            "jpeg": lambda of=picture: jpeg(of),
            "progressive": lambda of=picture: jpeg(of, progressive=True),
            "png": lambda of=picture: png(of),
            "webp": lambda of=picture: webp(of),
        }[kind]()
        # The header of a WebP holds its length, so not even the header is taken.
        size = None if kind == "webp" else picture.size
        data = cut(data, site.rng(f"cut {path}"))
        site.picture(path, data, "unreadable", "truncated", f"cut_{kind}", size=size)

    path = f"train/no_end_jpeg_{number}.jpg"
    picture = site.base(path)
    data = without_end(picture)
    site.picture(path, data, "unreadable", "truncated", "no_end_jpeg", size=picture.size)

    path = f"train/header_only_{number}.jpg"
    picture = site.base(path)
    data = jpeg(picture)
    data = data[: data.index(_SCAN) + 60]
    site.picture(path, data, "unreadable", "truncated", "header_only", size=picture.size)


def _plant_damaged(site: Site, number: int) -> None:
    path = f"train/flipped_data_{number}.png"
    picture = site.base(path)
    data = png(picture)
    parts = [(start, end) for name, start, end in png_chunks(data) if name == b"IDAT"]
    start, end = parts[len(parts) // 2]
    data = changed_byte(data, (start + end) // 2)
    site.picture(path, data, "unreadable", "damaged", "flipped_png", size=picture.size)

    path = f"train/header_checksum_{number}.png"
    data = changed_byte(png(site.base(path)), _HEADER_CHECKSUM)
    site.picture(path, data, "unreadable", "damaged", "header_checksum", size=None)


def _plant_no_pictures(site: Site, number: int) -> None:
    # Files of one kind differ, or they would be copies of one another; only empty ones cannot.
    noise = b"\x01" + site.rng(f"random bytes {number}").bytes(4095)
    junk = (
        (f"train/random_{number}.jpg", noise, "random_bytes"),
        (f"train/nul_{number}.png", bytes(2048 + number), "nul_bytes"),
        (f"train/page_{number}.webp", _HTML % number, "html"),
    )
    for path, data, kind in junk:
        site.picture(path, data, "unreadable", "not_an_image", kind, size=None)
    site.picture(f"train/zero_{number}.jpg", b"", "unreadable", "zero_bytes", size=None)


def _plant_bombs(site: Site, number: int) -> None:
    side = _WARNED_SIDE + number
    site.picture(
        f"train/bomb_warning_{number}.png",
        black_png(side),
        "too_large",
        "bomb_warning",
        size=(side, side),
    )
    # Pillow refuses these two before it tells their size.
    for kind, data in (
        ("bomb_error", black_png(_REFUSED_SIDE + number)),
        ("bomb_header", _png(_CLAIMED_SIDE + number, zlib.compress(bytes(64)))),
    ):
        site.picture(f"train/{kind}_{number}.png", data, "unreadable", "too_large", kind, size=None)


def _plant_unseen(site: Site, number: int) -> None:
    for kind, ext in (("flipped_jpeg", "jpg"), ("flipped_webp", "webp")):
        path = f"train/{kind}_{number}.{ext}"
        picture = site.base(path)
        data = jpeg(picture) if ext == "jpg" else webp(picture)
        data = changed_unseen(data, site.rng(f"flip {path}"))
        site.picture(path, data, "undetectable", kind, size=picture.size)

    path = f"train/no_end_png_{number}.png"
    picture = site.base(path)
    # The last chunk, IEND, is empty: length, name and checksum.
    site.picture(path, png(picture)[:-12], "no_end_png", size=picture.size)
