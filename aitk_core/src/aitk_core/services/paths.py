"""The only door to the file system for a caller's path.

A root is a folder that the settings name. A path is resolved, links included, before it is
compared with the roots, and what leads out of them is refused.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from aitk_core.errors import InvalidArgumentsError, NotFoundError, PathOutsideRootsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 1024
"""Characters; below the limit of every file system we know of for a whole path."""


class RootedPaths:
    """Resolves callers' paths below named roots."""

    def __init__(self, roots: Mapping[str, Path]) -> None:
        """Take the roots; they need not exist yet."""
        self._roots = {name: Path(os.path.realpath(path)) for name, path in roots.items()}

    def root(self, name: str) -> Path:
        """Return a configured root.

        Raises:
            NotFoundError: No root of that name is configured.
        """
        try:
            return self._roots[name]
        except KeyError:
            raise NotFoundError(
                f"no folder is configured for {name!r}",
                remedy=f"set it in the settings; configured: {', '.join(self._roots) or 'none'}",
                root=name,
            ) from None

    def inside(self, root: str, *parts: str) -> Path:
        """Return the path below the named root, links resolved.

        Raises:
            InvalidArgumentsError: A part holds a NUL character or broken text, or is far too long.
            PathOutsideRootsError: It leads out of the root.
        """
        base = self.root(root)
        for part in parts:
            _check_text(part)
            if Path(part).is_absolute() or (os.name == "nt" and ":" in part):
                raise _outside(part, root)
        path = Path(os.path.realpath(base.joinpath(*parts)))
        if not path.is_relative_to(base):
            raise _outside("/".join(parts), root)
        return path

    def resolve(self, path: str) -> Path:
        """Return an absolute path that lies inside one of the roots, links resolved.

        Raises:
            InvalidArgumentsError: It is relative, far too long, or holds NUL or broken text.
            PathOutsideRootsError: It lies in none of the roots.
        """
        _check_text(path)
        if not Path(path).is_absolute():
            raise InvalidArgumentsError(
                f"path {path!r} is not absolute", remedy="give an absolute path inside a root"
            )
        resolved = Path(os.path.realpath(path))
        if not any(resolved.is_relative_to(base) for base in self._roots.values()):
            raise _outside(path, ", ".join(self._roots))
        return resolved

    def names(self) -> tuple[str, ...]:
        """Return the names of the configured roots."""
        return tuple(self._roots)


def _check_text(path: str) -> None:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        is_text = False
    else:
        is_text = "\0" not in path
    if not is_text or len(path) > _LONGEST:
        raise InvalidArgumentsError(
            "a path may hold no NUL character, no broken text and at most 1024 characters",
            remedy="give the path of an existing file or folder",
        )


def _outside(path: str, roots: str) -> PathOutsideRootsError:
    # The caller's own words only: where the roots are is not theirs to learn.
    return PathOutsideRootsError(
        f"path {path[:200]!r} leads out of the allowed folders",
        remedy=f"name something inside: {roots}",
    )


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a part.

    Raises:
        OSError: The folder is missing, full or read-only; the old file is untouched.
    """
    # Beside the target, since a rename is atomic only within one file system.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            if path.exists():
                # A file that only its owner may read stays so.
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
