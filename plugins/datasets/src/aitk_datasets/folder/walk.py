"""The trainer's walk over a dataset's folder (datasets.md A1, API.md section 13).

Recursive; names that begin with a dot are left out, files and folders alike; extensions count in
any case; a file whose direct parent is named `_controls` is dropped, one in a folder below it is
not; linked folders are not entered, linked files are listed. Nothing is opened here.
"""

from __future__ import annotations

import os
import posixpath
import stat
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from aitk_core.errors import FileMissingError, InvalidArgumentsError
from aitk_datasets.folder.names import (
    CACHES,
    IMAGE_EXTENSIONS,
    UNSUPPORTED_EXTENSIONS,
    VIDEO_EXTENSIONS,
    is_control,
    stem_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_CHECK_EVERY: Final = 5000
"""Entries between two questions whether to go on. Ours."""


@frozen(kw_only=True)
class Listed:
    """A picture that the trainer lists."""

    path: str
    """Relative, `/` between its parts; characters as the file system holds them."""
    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    is_link: bool = False
    caption: str | None = None
    """Path of its caption file; None where there is none."""


@frozen(kw_only=True)
class Listing:
    """What a folder holds, each list in order of paths."""

    images: tuple[Listed, ...] = ()
    videos: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    """Pictures in `_controls`."""
    unsupported: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    """Caption files without media."""
    wrong_case: tuple[str, ...] = ()
    """Files that would be captions but for the case of their extension."""
    linked_captions: tuple[str, ...] = ()
    """Captions that are links: the trainer follows them, the checks do not."""
    unread: tuple[tuple[str, str], ...] = ()
    """Folders that could not be read, and why."""


@define
class _Found:
    images: list[tuple[str, os.stat_result, bool]] = field(factory=list)
    videos: list[str] = field(factory=list)
    controls: list[str] = field(factory=list)
    unsupported: list[str] = field(factory=list)
    texts: dict[str, bool] = field(factory=dict)
    """Files that may be captions, and whether they are links."""
    unread: list[tuple[str, str]] = field(factory=list)


def walk(
    folder: Path, *, caption_ext: str = ".txt", check: Callable[[int], None] | None = None
) -> Listing:
    """List a folder as the trainer does.

    Args:
        folder: Absolute, links resolved; confined already.
        caption_ext: Extension of caption files, with or without the dot.
        check: Gets the number of entries seen, now and then; what it raises ends the walk.

    Raises:
        FileMissingError: There is no such folder.
        InvalidArgumentsError: It is no folder, or it cannot be read.
    """
    extension = "." + caption_ext.removeprefix(".")
    found = _Found()
    seen = 0
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            with os.scandir(os.path.join(folder, inside)) as listed:  # noqa: PTH118 - str paths
                entries = list(listed)
        except OSError as error:
            if not inside:
                raise _unusable(folder, error) from error
            found.unread.append((inside, error.strerror or type(error).__name__))
            continue
        for entry in entries:
            seen += 1
            if check is not None and seen % _CHECK_EVERY == 0:
                check(seen)
            _take(entry, inside, extension, found, waiting)
    return _listing(found, extension)


def _unusable(folder: Path, error: OSError) -> FileMissingError | InvalidArgumentsError:
    if isinstance(error, FileNotFoundError):
        return FileMissingError(
            f"there is no folder {folder.name!r}",
            remedy="list-datasets shows the folders that there are",
        )
    if isinstance(error, NotADirectoryError):
        return InvalidArgumentsError(
            f"{folder.name!r} is no folder", remedy="give the folder that holds the pictures"
        )
    return InvalidArgumentsError(
        f"the folder {folder.name!r} cannot be read: {error.strerror}",
        remedy="let the server's user read it",
    )


def _take(
    entry: os.DirEntry[str], inside: str, extension: str, found: _Found, waiting: list[str]
) -> None:
    name = entry.name
    if name.startswith("."):
        return
    path = posixpath.join(inside, name)
    try:
        if entry.is_dir(follow_symlinks=False):
            if name not in CACHES:
                waiting.append(path)
        elif posixpath.splitext(name)[1].lower() in UNSUPPORTED_EXTENSIONS:
            found.unsupported.append(path)
        # A link to a folder, or to nothing, is no file to the trainer either.
        elif entry.is_file():
            _take_file(entry, path, extension, found)
    except OSError as error:
        found.unread.append((path, error.strerror or type(error).__name__))


def _take_file(entry: os.DirEntry[str], path: str, extension: str, found: _Found) -> None:
    suffix = posixpath.splitext(path)[1].lower()
    if suffix in IMAGE_EXTENSIONS:
        if is_control(path):
            found.controls.append(path)
        else:
            status = entry.stat(follow_symlinks=False)
            found.images.append((path, status, entry.is_symlink()))
    elif suffix in VIDEO_EXTENSIONS:
        if not is_control(path):
            found.videos.append(path)
    elif suffix == extension.lower():
        found.texts[path] = entry.is_symlink()


def _listing(found: _Found, extension: str) -> Listing:
    media = {stem_of(path) for path, _stat, _link in found.images}
    media |= {stem_of(path) for path in (*found.videos, *found.controls)}
    media |= {stem_of(path) for path in found.unsupported}
    exact = {path for path in found.texts if path.endswith(extension)}
    images = tuple(
        Listed(
            path=path,
            device=status.st_dev,
            inode=status.st_ino,
            size_bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            is_link=is_link or not stat.S_ISREG(status.st_mode),
            caption=_caption(path, extension, exact),
        )
        for path, status, is_link in sorted(found.images)
    )
    used = {image.caption for image in images if image.caption is not None}
    return Listing(
        images=images,
        videos=_sorted(found.videos),
        controls=_sorted(found.controls),
        unsupported=_sorted(found.unsupported),
        orphans=_sorted(path for path in exact if stem_of(path) not in media),
        wrong_case=_sorted(
            path for path in found.texts if path not in exact and stem_of(path) in media
        ),
        linked_captions=_sorted(path for path in used if found.texts[path]),
        unread=tuple(sorted(found.unread)),
    )


def _caption(path: str, extension: str, exact: set[str]) -> str | None:
    wanted = stem_of(path) + extension
    return wanted if wanted in exact else None


def _sorted(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(paths))
