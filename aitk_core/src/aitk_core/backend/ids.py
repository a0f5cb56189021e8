"""Checks of what goes into a request's path or query, made before any request is sent.

The backend joins names and ids into paths unchecked (API.md sections 4.2, 6 and 15), so
whatever is not plainly one segment is refused here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aitk_core.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_JOB_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
# CUDA_VISIBLE_DEVICES takes numbers and GPU-<uuid>; the backend writes "mps" on macOS.
_GPU_IDS: Final = re.compile(
    r"(?=.{1,255}\Z)[A-Za-z0-9][A-Za-z0-9_-]*+(?:,[A-Za-z0-9][A-Za-z0-9_-]*+)*+"
)
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and surrogates, which without a partner cannot be encoded."""

_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")

# Room for "_000000250.safetensors" in the 255 bytes that a file name has (POSIX NAME_MAX).
_NAME_LIMIT_BYTES: Final = 200
_TEXT_LIMIT_BYTES: Final = 4096
"""Linux PATH_MAX; also the bound for a metric key."""

_SHOWN: Final = 80


def _refusal(field: str, value: object, expected: str) -> InvalidArgumentsError:
    shown = repr(value[:_SHOWN] if isinstance(value, str) else value)[: _SHOWN * 2]
    message = f"{field} {shown} is not {expected}"
    return InvalidArgumentsError(
        message,
        remedy=f"Pass {expected} as {field}.",
        faults=[{"path": f"/{field}", "message": message}],
    )


def _matching(pattern: re.Pattern[str], value: object, field: str, expected: str) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise _refusal(field, value, expected)
    return value


def checked_job_id(text: object, field: str = "job_id") -> str:
    """Return the id of a job unchanged, or refuse it.

    Args:
        text: What the caller passed; the backend's own ids are UUIDs.
        field: Name of the argument, for the error.

    Raises:
        InvalidArgumentsError: It is not 1 to 128 letters, digits, `_` and `-`, the first
            one a letter or digit.
    """
    return _matching(_JOB_ID, text, field, "an id of letters, digits, '_' and '-'")


def checked_gpu_ids(text: object, field: str = "gpu_ids") -> str:
    """Return a queue's key such as `0` or `0,1` unchanged, or refuse it.

    Raises:
        InvalidArgumentsError: It is no comma-separated list of device names.
    """
    return _matching(_GPU_IDS, text, field, "a list of GPUs such as '0' or '0,1'")


def checked_word(text: object, field: str) -> str:
    """Return one plain word unchanged, or refuse it.

    Raises:
        InvalidArgumentsError: It is not 1 to 64 letters, digits, `_`, `.` and `-`.
    """
    return _matching(_WORD, text, field, "one plain word")


def _is_plain(value: object, limit_bytes: int) -> bool:
    if not isinstance(value, str) or _CONTROL.search(value):
        return False
    return 0 < len(value.encode()) <= limit_bytes


def checked_job_name(text: object, field: str = "name") -> str:
    """Return a job's name unchanged, or refuse it.

    The backend makes a folder of it, and deletes that folder with the job: a name that is
    not one component would delete something else (API.md section 4.2).

    Raises:
        InvalidArgumentsError: It is empty, `.` or `..`, has a slash or backslash, blanks
            around it, or a control character, or is over 200 bytes long.
    """
    if (
        isinstance(text, str)
        and _is_plain(text, _NAME_LIMIT_BYTES)
        and text not in {".", ".."}
        and text == text.strip()
        and not {"/", "\\"} & set(text)
    ):
        return text
    raise _refusal(field, text, "the name of one folder")


def checked_metric_key(text: object, field: str = "key") -> str:
    """Return a metric's key such as `loss/loss` unchanged, or refuse it.

    Raises:
        InvalidArgumentsError: It is empty, too long, or has control characters.
    """
    if isinstance(text, str) and _is_plain(text, _TEXT_LIMIT_BYTES):
        return text
    raise _refusal(field, text, "the name of a metric")


def checked_file_path(text: object, field: str = "path") -> str:
    """Return an absolute path on the backend's machine unchanged, or refuse it.

    Which roots it may lie in, the backend decides.

    Raises:
        InvalidArgumentsError: It is not absolute, has a `..` part, is too long, or has
            control characters.
    """
    if (
        isinstance(text, str)
        and _is_plain(text, _TEXT_LIMIT_BYTES)
        and (text.startswith("/") or _DRIVE.match(text))
        and ".." not in re.split(r"[\\/]", text)
    ):
        return text
    raise _refusal(field, text, "an absolute path without '..'")


def checked_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job's config, or refuse one on which the backend's worker breaks.

    With no process in it the worker throws after the row is set to running, which then
    blocks its queue (API.md section 4.2).
    """
    inner = config.get("config")
    processes = inner.get("process") if isinstance(inner, dict) else None
    if not isinstance(processes, list) or not processes or not isinstance(processes[0], dict):
        raise bad_config("has no list config.process with an object in it")
    return dict(config)


def bad_config(fault: str) -> InvalidArgumentsError:
    """Return the refusal of a job's config."""
    return InvalidArgumentsError(
        f"the job's config {fault}",
        remedy="Pass a config whose config.process is a list with one object in it.",
        faults=[{"path": "/config", "message": fault}],
    )


def segment(text: str) -> str:
    """Percent-encode text as one segment of a path, slashes and commas included."""
    return quote(text, safe="")
