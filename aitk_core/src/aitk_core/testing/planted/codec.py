"""Pictures as the bytes of a file."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image


def jpeg(picture: Image.Image, quality: int = 92, **options: Any) -> bytes:
    """Return the picture as a JPEG; options are Pillow's."""
    return _encoded(picture, "JPEG", quality=quality, **options)


def png(picture: Image.Image, **options: Any) -> bytes:
    """Return the picture as a PNG, packed fast unless `compress_level` says otherwise."""
    return _encoded(picture, "PNG", **{"compress_level": 1, **options})


def webp(picture: Image.Image, quality: int = 85, **options: Any) -> bytes:
    """Return the picture as a WebP, packed fast unless `method` says otherwise."""
    return _encoded(picture, "WEBP", quality=quality, **{"method": 0, **options})


def other(picture: Image.Image, kind: str) -> bytes:
    """Return the picture in another format that Pillow knows by name, such as `BMP`."""
    return _encoded(picture, kind)


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
