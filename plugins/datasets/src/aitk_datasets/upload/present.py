"""What a dataset's folder holds before an upload, on this machine or the backend's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from attrs import frozen

from aitk_core.errors import NotFoundError
from aitk_datasets.folder.names import IMAGE_EXTENSIONS, PICTURED, fold, parts_of
from aitk_datasets.upload.items import CAPTION_CHARS, Refused
from aitk_datasets.upload.names import CAPTION_EXT, Present, present_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aitk_core.backend.protocol import Backend


def present_here(folder: Path) -> Present:
    """Return the names of a folder of this machine, which may not be there.

    Raises:
        OSError: It cannot be read, or is no folder.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names, not paths
    except FileNotFoundError:
        return Present()

    def caption_at(stem: str) -> str | None:
        try:
            flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            with os.fdopen(os.open(folder / (stem + CAPTION_EXT), flags), "rb") as file:
                return file.read(4 * CAPTION_CHARS + 1).decode("utf-8-sig")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(
                "CAPTION_STEM_SHARED",
                "its caption file is there and cannot be read; give another name",
            ) from error

    # Captions and media make stems; of anything else only the name itself is taken.
    return Present(
        names={fold(name): name for name in names},
        stems=present_of([name for name in names if _counts(name)], caption_at).stems,
        caption_at=caption_at,
    )


def _counts(name: str) -> bool:
    return parts_of(name)[1] in PICTURED or name.lower().endswith(CAPTION_EXT)


@frozen(kw_only=True)
class Remote:
    """A dataset as the backend shows it."""

    exists: bool
    present: Present


async def present_there(backend: Backend, name: str, stems: Iterable[str]) -> Remote:
    """Return what the backend has under the names that an upload wants.

    It lists media only. Caption files show through the captions of the names that are wanted,
    which needs the folder's path, known where there is one picture at least.

    Args:
        backend: The backend.
        name: Of the dataset.
        stems: Of the pictures that are to come.
    """
    try:
        media = await backend.dataset_media(name)
    except NotFoundError:
        return Remote(exists=False, present=Present())
    root = next((found for path in media if (found := _root_in(path, name))), None)
    if root is None:
        return Remote(exists=True, present=Present())
    asked = {root + stem + IMAGE_EXTENSIONS[0]: stem for stem in stems}
    texts = await backend.captions(list(asked)) if asked else {}
    captions = {asked[path]: text for path, text in texts.items() if path in asked and text}
    names = [path.removeprefix(root) for path in media if path.startswith(root)]
    top = [one for one in names if not {"/", "\\"} & set(one)]
    top += [stem + CAPTION_EXT for stem in captions]
    return Remote(exists=True, present=present_of(top, captions.get))


def _root_in(path: str, name: str) -> str | None:
    for separator in "/\\":
        head, mark, _rest = path.partition(f"{separator}{name}{separator}")
        if mark:
            return head + mark
    return None
