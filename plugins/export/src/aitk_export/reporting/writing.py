"""Puts the files of a report into a folder, under one new name."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aitk_core.errors import ConflictError, InvalidArgumentsError, NotFoundError
from aitk_core.services.newfile import NewFile
from aitk_core.services.paths import write_atomically
from aitk_export.places.references import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import Paths

_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{1,80}")
_NOT_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")
_FOLDER: Final = "reports"
PLUGIN_PAGE: Final = "plugin.html"
OURS: Final = b'<meta name="generator" content="AI ToolKit MCP">'
"""By which a page of ours is known."""
_HEAD_BYTES: Final = 4096
_TRIES: Final = 1000


def report_folder(paths: Paths, output_dir: str | None) -> Path:
    """Return the folder of reports, made where there is none; blocking.

    Args:
        paths: The roots.
        output_dir: A folder inside a root, absolute or below the folder of reports.

    Raises:
        PathOutsideRootsError: It lies in no root.
        InvalidArgumentsError: It is no folder, or cannot be made.
    """
    if output_dir is not None and Path(output_dir).is_absolute():
        folder = paths.resolve(output_dir)
    else:
        folder = paths.inside(_default_root(paths), _FOLDER, *Path(output_dir or "").parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgumentsError(
            f"no folder can be made there: {error.strerror or type(error).__name__}",
            remedy="name a folder that the server's user may write to",
            faults=[{"path": "/output_dir", "message": "cannot be made"}],
        ) from error
    return folder


def _default_root(paths: Paths) -> str:
    try:
        return OUTPUTS if paths.root(OUTPUTS).is_dir() else "home"
    except NotFoundError:
        return "home"


def checked_prefix(prefix: str) -> str:
    """Return a prefix of file names, or refuse it.

    Raises:
        InvalidArgumentsError: It is more than a part of a name.
    """
    if not _PREFIX.fullmatch(prefix) or prefix.startswith("."):
        message = f"prefix {prefix[:80]!r} is no part of a file's name"
        raise InvalidArgumentsError(
            message,
            remedy="give up to 80 letters, digits, '.', '_' and '-'",
            faults=[{"path": "/filename_prefix", "message": message}],
        )
    return prefix


def write_plugin_page(folder: Path, page: bytes) -> Path:
    """Put the page into a job's folder, where the AI Toolkit's own UI shows it; blocking.

    The UI shows `plugin.html` in the job's Plugin tab (backend/API.md section 4.12).

    Args:
        folder: Of the job.
        page: Ours, which says so in its head.

    Raises:
        NotFoundError: There is no such folder here.
        ConflictError: Something else wrote the page that is there.
        OSError: The disk is full or read-only.
    """
    if not folder.is_dir():
        raise NotFoundError(
            "the job's folder is not visible from this machine",
            remedy="set AITK_OUTPUTS_DIR to the training outputs where this machine sees them",
        )
    path = folder / PLUGIN_PAGE
    try:
        with path.open("rb") as opened:
            is_ours = OURS in opened.read(_HEAD_BYTES)
    except FileNotFoundError:
        is_ours = True
    if not is_ours:
        raise ConflictError(
            f"the job has a {PLUGIN_PAGE} that something else wrote; it is left alone",
            remedy="move it away if the findings are to be shown there",
        )
    write_atomically(path, page)
    return path


def write_report(
    folder: Path, prefix: str, job_id: str, now: float, contents: Mapping[str, bytes]
) -> dict[str, Path]:
    """Write the files of one report, all of them or none, and return them by extension; blocking.

    Args:
        folder: Where.
        prefix: Of the names.
        job_id: Of the run; odd characters become `_`.
        now: Unix seconds, of which the names tell the second.
        contents: By extension.

    Raises:
        ConflictError: A thousand reports of that second are there.
        OSError: The disk is full or read-only.
    """
    time = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    stem = f"{prefix}-{_NOT_NAME.sub('_', job_id)}-{time}"
    for number in range(1, _TRIES):
        name = stem if number == 1 else f"{stem}-{number}"
        made: dict[str, Path] = {}
        try:
            for extension, data in contents.items():
                path = folder / f"{name}.{extension}"
                with NewFile(path) as file:
                    file.write(data)
                    file.commit()
                made[extension] = path
        except BaseException as error:
            for path in made.values():
                path.unlink(missing_ok=True)
            if isinstance(error, ConflictError):
                continue
            raise
        return made
    raise ConflictError("there are a thousand reports of this second", remedy="try again")
