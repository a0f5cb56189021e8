"""What the system refuses, as the errors of callers."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aitk_core.errors import ConflictError
from aitk_datasets.repair.tree import not_permitted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.errors import AitkError
    from aitk_datasets.repair.tree import Tree

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def typed_errors(tree: Tree) -> Iterator[None]:
    """Raise the typed error for an `OSError`, where nothing of the dataset was changed yet."""
    try:
        yield
    except OSError as error:
        raise _typed(error, str(error.filename or tree.path.name)) from error


def _typed(error: OSError, name: str) -> AitkError:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return not_permitted(name, error)
    if error.errno in NO_ROOM:
        return ConflictError(
            f"{name!r}: no space is left; nothing was changed",
            remedy="make room on the disk of the dataset, then try again",
            path=name,
        )
    if error.errno == errno.EXDEV:
        return ConflictError(
            f"{name!r} lies in another mount than its quarantine; nothing was changed",
            remedy="repair the mounted folder as a dataset of its own",
            path=name,
        )
    return ConflictError(
        f"{name!r}: {error.strerror}; nothing was changed", remedy="try again", path=name
    )
