"""Pictures that lie on the server's machine already: in a folder or in a zip."""

from __future__ import annotations

import os
import posixpath
import stat
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

from aitk_core.errors import FileMissingError, InvalidArgumentsError, TooLargeError
from aitk_datasets.folder.names import CACHES, PICTURED, is_control, parts_of, stem_of
from aitk_datasets.folder.walk import walk
from aitk_datasets.upload.items import CAPTION_CHARS, Item, Refused, checked_caption
from aitk_datasets.upload.names import CAPTION_EXT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aitk_datasets.folder.walk import Listed
    from aitk_datasets.upload.items import Budget

_CHUNK: Final = 1 << 20
_DIRECTORY_BYTES: Final = 4 << 20
"""Ours: of a zip's directory, some 40,000 members; it is read whole."""
_RATIO: Final = 100
"""Ours: times that a member may grow. Pictures are compressed already, so 1 is usual; deflate
can do 1032 (RFC 1951)."""
_RATIO_FROM: Final = 1 << 20
"""Bytes below which no member is called a bomb: a plain picture packs well. Ours."""
_ENCRYPTED: Final = 0x1
"""Bit 0 of a member's flags (APPNOTE 4.4.4)."""
_CAPTION_BYTES: Final = 4 * CAPTION_CHARS


@contextmanager
def opened(path: Path, budget: Budget) -> Iterator[list[Item]]:
    """Give the pictures of a folder or a zip, in order of their paths.

    Sub-folders count, and their pictures come under their own names alone. Captions are the
    `.txt` files beside them. What is neither picture, video nor caption is passed over.

    Args:
        path: Absolute, links resolved; confined to a root already.
        budget: Of the upload.

    Raises:
        FileMissingError: It is not there.
        InvalidArgumentsError: It is neither a folder nor a zip, or cannot be read.
        TooLargeError: It holds too many files.
    """
    if path.is_dir():
        yield _folder_items(path, budget)
        return
    with ExitStack() as stack:
        yield _zip_items(_archive(path, stack), budget)


def _archive(path: Path, stack: ExitStack) -> zipfile.ZipFile:
    try:
        # O_NONBLOCK: nobody waits for the other end of a pipe.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        file = stack.enter_context(os.fdopen(descriptor, "rb"))
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _no_source("it is neither a folder nor a file")
        return stack.enter_context(zipfile.ZipFile(_Bounded(file)))
    except FileNotFoundError as error:
        raise FileMissingError(
            f"there is no {path.name!r}", remedy="give a folder or a .zip inside a root"
        ) from error
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise _no_source("it is no sound zip") from error
    except OSError as error:
        raise _no_source(f"it cannot be read: {error.strerror or 'input error'}") from error


def _no_source(fault: str) -> InvalidArgumentsError:
    message = f"source_path cannot be used: {fault}"
    return InvalidArgumentsError(
        message,
        remedy="give a folder or a .zip of pictures",
        faults=[{"path": "/source_path", "message": message}],
    )


class _Bounded:
    """A zip's bytes; its directory is the one thing that is read in one go."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1, /) -> bytes:
        if size > _DIRECTORY_BYTES:
            raise TooLargeError(
                f"the zip's directory has over {_DIRECTORY_BYTES} bytes",
                remedy="split the zip",
                limit=_DIRECTORY_BYTES,
            )
        return self._file.read(size)


def _not_taken(path: str) -> Refused | None:
    kind = parts_of(path)[1]
    if kind == "video":
        return Refused("VIDEO_NOT_TAKEN", "videos are not uploaded here; copy it by hand")
    if kind == "unsupported":
        return Refused(
            "IMAGE_FORMAT_UNSUPPORTED",
            "the trainer passes over this format; save it as JPEG, PNG or WEBP",
        )
    return None


def _folder_items(folder: Path, budget: Budget) -> list[Item]:
    listing = walk(folder)
    images = {image.path: image for image in listing.images}
    paths = sorted((*images, *listing.videos, *listing.unsupported))
    budget.count(len(paths))
    linked = set(listing.linked_captions)
    return [
        _folder_item(folder, index, path, images.get(path), linked)
        for index, path in enumerate(paths)
    ]


def _folder_item(
    folder: Path, index: int, path: str, image: Listed | None, linked: set[str]
) -> Item:
    refusal = _not_taken(path)
    if image is not None and image.is_link:
        refusal = Refused("SOURCE_LINK", "it is a link; links are not followed")
    identity = None if image is None else (image.device, image.inode)
    caption = None if image is None else image.caption

    def read_caption() -> str | None:
        if caption is None:
            return None
        if caption in linked:
            raise Refused("SOURCE_LINK", "its caption is a link; links are not followed")
        data = b"".join(_file_chunks(folder, caption, None, _CAPTION_BYTES + 1))
        return _caption_text(data)

    return Item(
        index=index,
        given=posixpath.basename(path),
        read=lambda: _file_chunks(folder, path, identity),
        caption=read_caption,
        refusal=refusal,
    )


def _file_chunks(
    folder: Path, path: str, identity: tuple[int, int] | None, limit: int | None = None
) -> Iterator[bytes]:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_BINARY", 0)
    file = folder / path
    try:
        # Only the last part is kept from being a link; a folder that became one is asked for.
        if os.path.realpath(file.parent) != str(file.parent):
            raise Refused("SOURCE_LINK", "its folder became a link meanwhile")
        with os.fdopen(os.open(file, flags), "rb") as source:
            found = os.fstat(source.fileno())
            is_same = identity is None or identity == (found.st_dev, found.st_ino)
            if not (stat.S_ISREG(found.st_mode) and is_same):
                raise Refused("SOURCE_CHANGED", "it was replaced meanwhile; call again")
            left = limit
            while chunk := source.read(_CHUNK if left is None else min(_CHUNK, left)):
                yield chunk
                left = None if left is None else left - len(chunk)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Refused("SOURCE_NOT_READ", f"it cannot be read: {why}") from error


def _caption_text(data: bytes) -> str:
    if len(data) > _CAPTION_BYTES:
        raise Refused("CAPTION_TOO_LONG", f"the caption has over {CAPTION_CHARS} characters")
    try:
        return checked_caption(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Refused(
            "CAPTION_INVALID", "its caption is not UTF-8, which the trainer reads; save it so"
        ) from error


def _zip_items(archive: zipfile.ZipFile, budget: Budget) -> list[Item]:
    members = [info for info in archive.infolist() if not info.is_dir() and not _is_own(info)]
    texts = {info.filename: info for info in members if info.filename.endswith(CAPTION_EXT)}
    media = [info for info in members if _is_media(info.filename)]
    budget.count(len(media))
    media.sort(key=lambda info: info.filename)
    return [_zip_item(archive, index, info, texts) for index, info in enumerate(media)]


def _is_media(path: str) -> bool:
    return parts_of(path)[1] in PICTURED


def _is_own(info: zipfile.ZipInfo) -> bool:
    """Tell what the trainer's walk would not list, and macOS' shadows of files."""
    if "\\" in info.filename:
        return False
    parts = info.filename.split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    is_unlisted = is_control(info.filename) or bool(set(CACHES) & set(parts[:-1]))
    return hidden or is_unlisted or parts[0] == "__MACOSX"


def _zip_item(
    archive: zipfile.ZipFile, index: int, info: zipfile.ZipInfo, texts: dict[str, zipfile.ZipInfo]
) -> Item:
    text = texts.get(stem_of(info.filename) + CAPTION_EXT)

    def read_caption() -> str | None:
        if text is None:
            return None
        data = b""
        for chunk in _member_chunks(archive, text):
            data += chunk
            if len(data) > _CAPTION_BYTES:
                break
        return _caption_text(data)

    return Item(
        index=index,
        given=posixpath.basename(info.filename),
        read=lambda: _member_chunks(archive, info),
        caption=read_caption,
        refusal=_not_taken(info.filename) or _member_refusal(info),
    )


def _member_chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    refusal = _member_refusal(info)
    if refusal is not None:
        raise refusal
    size = 0
    try:
        with archive.open(info) as member:
            while chunk := member.read(_CHUNK):
                size += len(chunk)
                if size > _RATIO_FROM and size > _RATIO * info.compress_size:
                    raise Refused(
                        "ARCHIVE_BOMB", f"it grows to over {_RATIO} times its size in the zip"
                    )
                yield chunk
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise Refused("ARCHIVE_DAMAGED", "the zip is damaged here; make it again") from error


def _member_refusal(info: zipfile.ZipInfo) -> Refused | None:
    """Return why a member is no plain file with a plain path, or None."""
    # The path is never used to write; one that leads out still says that the zip is hostile.
    parts = info.orig_filename.split("/")
    if {"", ".", ".."} & set(parts) or any(mark in info.orig_filename for mark in "\\\0"):
        return Refused("ARCHIVE_PATH", "its path in the zip leads elsewhere; make the zip anew")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return Refused("SOURCE_LINK", "it is a link or no plain file; pack the file itself")
    if info.flag_bits & _ENCRYPTED:
        return Refused("ARCHIVE_ENCRYPTED", "it is encrypted; pack it without a password")
    # Others are unpacked without a bound on what one read gives.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return Refused("ARCHIVE_METHOD", "it is packed in a rare way; use deflate")
    return None
