"""Pictures made anew: the bytes of one file into the bytes of another. Imports numpy and Pillow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from attrs import define, field, frozen
from PIL import (
    ExifTags,
    Image,
    ImageCms,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from aitk_core.errors import ConflictError, TooLargeError
from aitk_datasets.repair.plan import Rewrite

if TYPE_CHECKING:
    from collections.abc import Callable


MAX_PIXELS: Final = 178_956_970
"""Largest picture that is decoded: where Pillow, and so the trainer, gives up (datasets.md A1)."""

_OPENERS: Final[dict[bytes, Callable[[io.BytesIO], Image.Image]]] = {
    # Not `Image.open`: it judges the size before a JPEG can be asked for a reduced one.
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"RIFF": WebPImagePlugin.WebPImageFile,
}
_DEEP: Final = ("I;16", "I;16B", "I;16L", "I;16N", "I")
"""Pillow's modes of a 16-bit grey PNG; which of them depends on its version."""
_SPACES: Final = {"RGB": b"RGB ", "RGBA": b"RGB ", "L": b"GRAY", "LA": b"GRAY", "CMYK": b"CMYK"}
"""Colour space in bytes 16 to 19 of an ICC profile (ICC.1, section 7.2.6), by mode."""


class CannotRewriteError(ConflictError):
    """The picture cannot be made anew as asked; nothing was changed."""


@frozen(kw_only=True)
class Rewritten:
    """A picture made anew, seen to decode."""

    data: bytes
    format: str
    width: int
    height: int
    lost: tuple[str, ...] = ()
    """What the new file no longer has, in words."""
    is_changed: bool = True
    """False: nothing asked for was needed, and `data` is what came in."""


def rewrite_picture(data: bytes, rewrite: Rewrite) -> Rewritten:
    """Return the picture with the asked changes that it needs.

    JPEG is written at the asked quality with the old file's chroma subsampling; WebP lossless where
    it was, else at quality 95; PNG without loss. The ICC profile stays while the colours are still
    in its space, EXIF stays without the rotation that was carried out and without its thumbnail.

    Args:
        data: A JPEG, PNG or WebP file.
        rewrite: What is asked for.

    Raises:
        CannotRewriteError: It is no such file, is damaged, or would lose frames or transparency
            that nobody asked to drop.
        TooLargeError: It has more than `MAX_PIXELS` pixels, after the reduction that JPEG allows.
    """
    with _open(data) as image:
        try:
            work = _Work(image=image, rewrite=rewrite, format=image.format or "")
            if not work.is_needed(data):
                width, height = image.size
                return Rewritten(
                    data=data, format=work.format, width=width, height=height, is_changed=False
                )
            work.run(data)
            result = work.encode(data)
        except (CannotRewriteError, TooLargeError):
            raise
        except Exception as error:  # decoders raise nearly anything on damaged data
            kind = type(error).__name__
            raise CannotRewriteError(
                f"the picture is damaged or cut off ({kind})",
                remedy="replace the picture, or remove it",
            ) from error
    return result


def _open(data: bytes) -> Image.Image:
    for magic, opener in _OPENERS.items():
        if data.startswith(magic):
            try:
                return opener(io.BytesIO(data))
            except Exception as error:  # as above
                raise CannotRewriteError(
                    f"the picture's header is damaged ({type(error).__name__})",
                    remedy="replace the picture, or remove it",
                ) from error
    raise CannotRewriteError("no JPEG, PNG or WebP file", remedy="remove it, or convert it by hand")


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


@define(kw_only=True)
class _Work:
    image: Image.Image
    rewrite: Rewrite
    format: str
    size: tuple[int, int] = (0, 0)
    """Of the file."""
    lost: list[str] = field(factory=list)
    exif: Image.Exif = field(init=False)
    icc: bytes | None = field(init=False)
    texts: PngImagePlugin.PngInfo | None = None
    options: dict[str, Any] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.limit()
        # Of a PNG this may decode: only once its size is known to be bearable.
        self.exif = self.image.getexif()
        self.icc = self.image.info.get("icc_profile")

    def is_needed(self, data: bytes) -> bool:
        image, rewrite = self.image, self.rewrite
        needs = (
            rewrite.upright and self.exif.get(ExifTags.Base.Orientation, 1) in range(2, 9),
            rewrite.eight_bit and image.mode in _DEEP,
            rewrite.rgb and image.mode not in ("RGB", "RGBA"),
            rewrite.first_frame and self._frames() > 1,
            rewrite.flatten is not None and _has_alpha(image),
            rewrite.long_side is not None and max(self.size) > rewrite.long_side,
            rewrite.format not in ("same", self.format),
        )
        return bool(data) and any(needs)

    def _frames(self) -> int:
        return int(getattr(self.image, "n_frames", 1))

    def run(self, data: bytes) -> None:
        """Decode, and make the changes in the order in which each sees what it needs."""
        if self._frames() > 1:
            if not self.rewrite.first_frame:
                raise CannotRewriteError(
                    "the picture is an animation", remedy="ask for its first frame as well"
                )
            self.lost.append(f"{self._frames() - 1} frames")
            self.image.seek(0)
        self._decode(data)
        if self.image.mode in _DEEP and (
            self.rewrite.eight_bit or self.rewrite.rgb or self.rewrite.long_side is not None
        ):
            # `convert` would clip instead of scale (datasets.md E1).
            levels = np.clip(np.asarray(self.image, np.int64), 0, 65535) >> 8
            self.image = Image.fromarray(levels.astype(np.uint8))
            self.lost.append("the lower 8 of 16 bits")
        if self.rewrite.upright:
            self._turn()
        if self.rewrite.flatten is not None and _has_alpha(self.image):
            rgba = self.image.convert("RGBA")
            ground = Image.new("RGBA", rgba.size, (*self.rewrite.flatten, 255))
            self.image = Image.alpha_composite(ground, rgba).convert("RGB")
            self.lost.append("transparency")
        long_side = self.rewrite.long_side
        is_reduced = long_side is not None and max(self.image.size) > long_side
        if self.rewrite.rgb or (is_reduced and self.image.mode in ("P", "PA", "1")):
            self._to_rgb()
        if is_reduced and long_side is not None:
            self._reduce(long_side)

    def limit(self) -> None:
        """See that it can be decoded, as a JPEG at a fraction of its size where that helps."""
        self.size = width, height = self.image.size
        if width * height > MAX_PIXELS and self.rewrite.long_side is not None:
            self.image.draft(self.image.mode, (2 * self.rewrite.long_side,) * 2)
        if self.image.width * self.image.height > MAX_PIXELS:
            raise TooLargeError(
                f"{width}x{height} pixels are more than {MAX_PIXELS} to decode",
                remedy="reduce the picture by hand",
                limit=MAX_PIXELS,
            )

    def _decode(self, data: bytes) -> None:
        self.image.load()
        if self.format == "PNG":
            self.texts = _texts(self.image)
            if data[24:25] == b"\x10" and self.image.mode not in _DEEP:
                self.lost.append("the lower 8 of 16 bits")

    def _turn(self) -> None:
        orientation = self.exif.get(ExifTags.Base.Orientation, 1)
        if orientation not in range(2, 9):
            return
        self.image = ImageOps.exif_transpose(self.image)
        del self.exif[ExifTags.Base.Orientation]
        inner = self.exif.get_ifd(ExifTags.IFD.Exif)
        for tag, side in ((0xA002, self.image.width), (0xA003, self.image.height)):
            if tag in inner:
                inner[tag] = side

    def _to_rgb(self) -> None:
        mode = "RGBA" if _has_alpha(self.image) else "RGB"
        if self.image.mode == mode:
            return
        before = self.image.mode
        if before == "CMYK" and self.icc:
            self.image = self._managed() or self.image
        self.image = self.image.convert(mode)
        if before == "CMYK":
            self.lost.append("CMYK separations")

    def _managed(self) -> Image.Image | None:
        """Return the picture in sRGB by its own profile, or None where that is broken."""
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(self.icc or b""))
            made = ImageCms.profileToProfile(
                self.image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            return None
        self.icc = None
        return made

    def _reduce(self, long_side: int) -> None:
        factor = long_side / max(self.image.size)
        size = tuple(max(1, round(side * factor)) for side in self.image.size)
        self.image = self.image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
        self.lost.append("pixels: the picture was reduced")

    def encode(self, data: bytes) -> Rewritten:
        """Write the picture, and see that what was written decodes to it."""
        target = self.format if self.rewrite.format == "same" else self.rewrite.format
        if target == "JPEG":
            self._fit_jpeg()
        self._keep_metadata()
        self._choose(target, data)
        stream = io.BytesIO()
        image = self.image.copy()
        # What an encoder would else take from the old file on its own.
        image.info = {
            key: image.info[key] for key in ("transparency", "gamma") if key in image.info
        }
        image.save(stream, target, **self.options)
        made = stream.getvalue()
        self._verify(made, target)
        return Rewritten(
            data=made,
            format=target,
            width=image.width,
            height=image.height,
            lost=tuple(dict.fromkeys(self.lost)),
            is_changed=made != data,
        )

    def _fit_jpeg(self) -> None:
        if _has_alpha(self.image):
            raise CannotRewriteError(
                "JPEG has no transparency", remedy="ask to lay the picture onto a colour as well"
            )
        if self.image.mode in _DEEP:
            raise CannotRewriteError("JPEG has 8 bits", remedy="ask for 8 bits as well")
        if self.image.mode not in ("RGB", "L", "CMYK"):
            self.image = self.image.convert("RGB")

    def _keep_metadata(self) -> None:
        if self.icc:
            if self.icc[16:20] == _SPACES.get(self.image.mode, b"RGB "):
                self.options["icc_profile"] = self.icc
            else:
                self.lost.append("the colour profile, which is for another colour space")
        if len(self.exif):
            try:
                self.options["exif"] = self.exif.tobytes()
            except Exception:  # noqa: BLE001  (what cameras and editors wrote is taken as it comes)
                self.lost.append("EXIF, which is damaged")
        if self.image.info.get("xmp"):
            self.lost.append("XMP")

    def _choose(self, target: str, data: bytes) -> None:
        if target == "JPEG":
            self.options["quality"] = self.rewrite.jpeg_quality
            self.options["subsampling"] = 0
            if self.format == "JPEG":
                with _open(data) as before:
                    sampling = JpegImagePlugin.get_sampling(before)
                    self.options["subsampling"] = max(0, sampling)
                    self.options["progressive"] = bool(before.info.get("progressive"))
            self.lost.append(f"detail: JPEG at quality {self.rewrite.jpeg_quality}")
        elif target == "PNG":
            self.options["pnginfo"] = self.texts
        elif _is_lossless_webp(data):
            self.options.update(lossless=True, exact=True)
        else:
            self.options.update(quality=95, exact=True)
            self.lost.append("detail: WebP at quality 95")

    def _verify(self, made: bytes, target: str) -> None:
        with _open(made) as again:
            again.load()
            if again.size != self.image.size or again.format != target:
                raise CannotRewriteError("the new file does not decode as it was made")
            is_exact = target == "PNG" or self.options.get("lossless", False)
            if is_exact and again.mode == self.image.mode:
                same = np.array_equal(np.asarray(again), np.asarray(self.image))
                if not same:
                    raise CannotRewriteError("the new file does not decode as it was made")


def _texts(image: Image.Image) -> PngImagePlugin.PngInfo:
    """Return a PNG's texts, such as a generator's parameters, without XMP and EXIF in text."""
    kept = PngImagePlugin.PngInfo()
    for key, value in getattr(image, "text", {}).items():
        if isinstance(value, str) and not key.startswith(("XML:", "Raw profile")):
            kept.add_text(key, value)
    return kept


def _is_lossless_webp(data: bytes) -> bool:
    """Tell whether a WebP's first picture is a `VP8L` chunk (RFC 9649, section 2)."""
    offset = 12
    while offset + 8 <= len(data):
        kind, size = (
            data[offset : offset + 4],
            int.from_bytes(data[offset + 4 : offset + 8], "little"),
        )
        if kind in (b"VP8L", b"VP8 "):
            return kind == b"VP8L"
        # A frame of an animation holds its own chunks after 16 bytes.
        offset += 8 + (16 if kind == b"ANMF" else size + size % 2)
    return False
