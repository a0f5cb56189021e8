"""Which names a job or config may have."""

from __future__ import annotations

import re
from typing import Final

from aitk_core.errors import InvalidArgumentsError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,99}")
"""The backend joins names into folder paths and globs them (backend API, section 15, rule 1)."""

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in range(1, 10)}
)


def name_fault(name: object) -> str | None:
    """Return what is wrong with a job or config name, None if it can be used.

    White space around it is not held against it: `checked_name` takes it away.
    """
    if not isinstance(name, str):
        return f"a name must be a text, not {type(name).__name__}"
    bare = name.strip()
    if not _NAME.fullmatch(bare):
        return (
            "a name has 1 to 100 characters, only letters a to z, digits, dot, underscore, "
            "hyphen and space, and begins with a letter or digit"
        )
    if ".." in bare or bare.endswith("."):
        return "a name may not hold two dots in a row or end in a dot"
    if bare.partition(".")[0].rstrip().lower() in _RESERVED:
        return f"{bare!r} is a reserved device name on Windows"
    return None


def checked_name(name: object, *, path: str = "/name") -> str:
    """Return the name, white space around it removed.

    Args:
        name: What the caller gave.
        path: JSON pointer of the argument, for the fault.

    Raises:
        InvalidArgumentsError: It cannot be a job, file and folder name.
    """
    problem = name_fault(name)
    if problem is not None or not isinstance(name, str):
        shown = name[:120] if isinstance(name, str) else name
        raise InvalidArgumentsError(
            f"name {shown!r} cannot be used: {problem}",
            remedy="choose a short plain name, such as my_lora_v1",
            faults=[{"path": path, "message": str(problem)}],
        )
    return name.strip()
