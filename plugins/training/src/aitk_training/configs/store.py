"""Saved configs in one folder, one file each."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from aitk_core.configkeys.names import checked_name
from aitk_core.configkeys.text import MAX_BYTES, ConfigTextError, dump_config, parse_config
from aitk_core.errors import (
    ConfigNotFoundError,
    ConflictError,
    InvalidArgumentsError,
    PathOutsideRootsError,
    TooLargeError,
)
from aitk_core.services.paths import write_atomically

if TYPE_CHECKING:
    from aitk_core.errors import (
        AitkError,
    )

_ENDINGS: Final = (".yaml", ".yml", ".json")
"""In the order in which files of one name are preferred."""


@attrs.frozen(kw_only=True)
class ConfigEntry:
    """One file of the folder."""

    name: str
    file: str
    """File name, since one name may be there with two endings."""
    status: Literal["ok", "empty", "invalid"]
    problem: str
    """Why it is not ok, or cannot be reached by its name; empty otherwise."""
    modified_at: str | None
    """ISO 8601, UTC; None where the file cannot be looked at."""
    bytes: int | None


class _UnreadableError(Exception):
    """A file that cannot be used as a config; the text says why without its folder."""

    def __init__(self, problem: str, *, status: Literal["empty", "invalid"] = "invalid") -> None:
        super().__init__(problem)
        self.status = status


class _TooLargeFileError(_UnreadableError):
    """More bytes than a config may have."""


class _OutsideError(_UnreadableError):
    """A link that leads out of the folder."""


class ConfigStore:
    """The saved configs of a folder.

    Names are checked before they become paths, and a path is used only if it lies in the folder
    once links are resolved. No error names the folder.
    """

    def __init__(self, folder: Path) -> None:
        """Take the folder; it need not exist before the first write."""
        self._folder = folder

    def names(self) -> list[ConfigEntry]:
        """Return all config files by name; one that cannot be read says so in its entry."""
        files = self._files()
        # A later file of the same stem hides behind the first: read() never gets there.
        firsts = {path.stem: path for path in reversed(files)}
        return [_entry(path, self._folder, firsts[path.stem]) for path in files]

    def file_name(self, name: str) -> str | None:
        """Return the name of the file that holds a config of that name, None without one.

        Raises:
            InvalidArgumentsError: The name cannot be used.
        """
        path = self._existing(checked_name(name))
        return None if path is None else path.name

    def read(self, name: str) -> dict[str, Any]:
        """Return a saved config.

        Raises:
            InvalidArgumentsError: The name cannot be used, or the file is empty or no config.
            ConfigNotFoundError: There is no such config; the details name the nearest.
            PathOutsideRootsError: The file is a link that leads out of the folder.
            TooLargeError: The file is larger than a config may be.
        """
        name = checked_name(name)
        path = self._existing(name)
        if path is None:
            raise self._not_found(name)
        try:
            return _load(path, self._folder)
        except _UnreadableError as error:
            raise _as_error(name, error) from None

    def write(self, name: str, config: dict[str, Any], *, overwrite: bool = False) -> Path:
        """Save a config; a reader sees the old file or the new one, never a part.

        An existing file keeps its ending, a new one is YAML.

        Args:
            name: Name of the file without its ending.
            config: Plain JSON values.
            overwrite: Replace a config of that name.

        Raises:
            InvalidArgumentsError: The name cannot be used, or the config holds what JSON cannot.
            ConflictError: There is a config of that name and `overwrite` is off, or the folder
                cannot be written.
        """
        name = checked_name(name)
        existing = self._existing(name)
        if existing is not None and not overwrite:
            raise _taken(name)
        path = existing or self._folder / f"{name}{_ENDINGS[0]}"
        try:
            data = dump_config(config, as_json=path.suffix == ".json")
        except ConfigTextError as error:
            raise InvalidArgumentsError(
                f"config {name!r} cannot be saved: it {error}",
                remedy="keep to plain JSON values of a sensible size",
                faults=[{"path": "", "message": str(error)}],
            ) from None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if overwrite:
                write_atomically(path, data)
            else:
                _create(path, data)
        except FileExistsError:
            raise _taken(name) from None
        except OSError as error:
            raise ConflictError(
                f"config {name!r} cannot be saved: {_reason(error)}",
                remedy="check the rights and the free space of the configs folder",
                name=name,
            ) from None
        return path

    def _files(self) -> list[Path]:
        try:
            with os.scandir(self._folder) as found:
                paths = [Path(entry.path) for entry in found if not entry.name.startswith(".")]
        except OSError:
            return []
        paths = [path for path in paths if path.suffix in _ENDINGS]
        return sorted(paths, key=lambda path: (path.stem, _ENDINGS.index(path.suffix)))

    def _existing(self, name: str) -> Path | None:
        paths = (self._folder / f"{name}{ending}" for ending in _ENDINGS)
        return next((path for path in paths if os.path.lexists(path)), None)

    def _not_found(self, name: str) -> ConfigNotFoundError:
        known = list(dict.fromkeys(path.stem for path in self._files()))
        nearest = get_close_matches(name, known, n=4, cutoff=0.5)
        if nearest:
            remedy = f"nearest names: {', '.join(nearest)}"
        else:
            remedy = "list the saved configs, or create one"
        return ConfigNotFoundError(
            f"there is no saved config {name!r}", remedy=remedy, name=name, nearest=nearest
        )


def _entry(path: Path, folder: Path, first: Path) -> ConfigEntry:
    status: Literal["ok", "empty", "invalid"] = "ok"
    problem = "" if path == first else f"hidden by {first.name!r}, which has the same name"
    modified_at = size = None
    try:
        facts = path.stat()
        modified_at = datetime.fromtimestamp(facts.st_mtime, UTC).isoformat().replace("+00:00", "Z")
        size = facts.st_size
    except (OSError, ValueError, OverflowError):
        # Reading the file says what is wrong with it.
        pass
    try:
        _load(path, folder)
    except _UnreadableError as error:
        status, problem = error.status, str(error)
    return ConfigEntry(
        name=_shown(path.stem),
        file=_shown(path.name),
        status=status,
        problem=problem,
        modified_at=modified_at,
        bytes=size,
    )


def _shown(name: str) -> str:
    """Return a file name that any text channel can carry; strange bytes and controls escaped."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in name
    )


def _load(path: Path, folder: Path) -> dict[str, Any]:
    data = _read_bytes(path, folder)
    try:
        return parse_config(data, is_json=path.suffix == ".json")
    except ConfigTextError as error:
        status: Literal["empty", "invalid"] = "empty" if error.empty else "invalid"
        raise _UnreadableError(str(error), status=status) from None


def _read_bytes(path: Path, folder: Path) -> bytes:
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(folder)):
        raise _OutsideError("is a link that leads out of the folder")
    try:
        # No blocking on a pipe, and no link that came after the check above.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(real, flags)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        raise _UnreadableError(
            "is a link to nothing" if gone else f"cannot be read: {_reason(error)}"
        ) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _UnreadableError("is not a regular file")
    with os.fdopen(handle, "rb") as file:
        try:
            data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise _UnreadableError(f"cannot be read: {_reason(error)}") from None
    if len(data) > MAX_BYTES:
        raise _TooLargeFileError(f"is larger than {MAX_BYTES} bytes")
    return data


def _as_error(name: str, error: _UnreadableError) -> AitkError:
    message = f"saved config {name!r} {error}"
    if isinstance(error, _OutsideError):
        return PathOutsideRootsError(
            message, remedy="put the file itself into the configs folder", name=name
        )
    if isinstance(error, _TooLargeFileError):
        return TooLargeError(message, remedy="shorten the file", name=name, limit_bytes=MAX_BYTES)
    return InvalidArgumentsError(
        message,
        remedy="repair the file, or save the config anew with overwrite",
        faults=[{"path": "/name", "message": str(error)}],
        status=error.status,
    )


def _taken(name: str) -> ConflictError:
    return ConflictError(
        f"there is a saved config {name!r} already",
        remedy="choose another name, or say overwrite",
        name=name,
    )


def _reason(error: OSError) -> str:
    # The error's own text would name the path.
    return (error.strerror or type(error).__name__).lower()


def _create(path: Path, data: bytes) -> None:
    """Write a new file whole; of several writers at once exactly one succeeds.

    Raises:
        FileExistsError: The name is taken.
    """
    staged = path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")
    write_atomically(staged, data)
    try:
        os.link(staged, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: take the name first, then put the content there.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        staged.replace(path)
    finally:
        with suppress(OSError):
            staged.unlink(missing_ok=True)
