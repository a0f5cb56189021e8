"""The dataset routes (API.md section 6): what is there, uploads, captions.

The backend joins names unchecked, saves over files of the same name without a word, and changes
characters of file names; so names are checked here before anything is sent, and what it says it
saved is compared with what was sent.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from aitk_core.backend.answers import Ask
from aitk_core.backend.fields import list_of, object_of
from aitk_core.backend.ids import checked_file_path, checked_job_name
from aitk_core.backend.parsing import parse_dataset_media, parse_texts
from aitk_core.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from aitk_core.backend.exchange import Exchange

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")
"""What the backend leaves as it is; a name that begins with a dot is hidden from the trainer."""


async def list_datasets(exchange: Exchange) -> tuple[str, ...]:
    """Return the names of the dataset folders."""
    ask = Ask(method="GET", path="/api/datasets/list", repeatable=True)
    return await exchange.json(ask, lambda names: parse_texts(names, "datasets"))


async def list_media(exchange: Exchange, name: str) -> tuple[str, ...]:
    """Return absolute paths of a dataset's media."""
    body = json.dumps({"datasetName": checked_job_name(name)}).encode()
    ask = Ask(method="POST", path="/api/datasets/listImages", body=body, repeatable=True)
    return await exchange.json(ask, parse_dataset_media)


async def read_captions(
    exchange: Exchange, paths: Sequence[str], extension: str | None
) -> dict[str, str]:
    """Return the captions of media by path; one without a file is empty."""
    body: dict[str, Any] = {"imgPaths": [checked_file_path(path) for path in paths]}
    if extension is not None:
        body["ext"] = extension.lstrip(".")
    ask = Ask(
        method="POST",
        path="/api/caption/getBatch",
        body=json.dumps(body).encode(),
        repeatable=True,
    )
    return await exchange.json(ask, _parse_captions)


async def upload(
    exchange: Exchange, name: str, files: Sequence[tuple[str, bytes]]
) -> tuple[str, ...]:
    """Save files in a dataset's folder, which is made where there is none.

    Raises:
        InvalidArgumentsError: There are no files, two have one name, or a name is one that the
            backend would change.
        BackendProtocolError: It says that it saved something else.
        BackendError: In its kinds; some of the files may be there then.
    """
    import httpx

    names = [checked_file_name(file_name) for file_name, _content in files]
    if not names or len({one.casefold() for one in names}) < len(names):
        raise InvalidArgumentsError(
            "an upload needs files, each with a name of its own",
            remedy="give every file another name; upper and lower case count as one",
        )
    parts = [("files", (file_name, content)) for file_name, content in files]
    request = httpx.Request(
        "POST", "http://upload", data={"datasetName": checked_job_name(name)}, files=parts
    )
    ask = Ask(
        method="POST",
        path="/api/datasets/upload",
        body=request.read(),
        headers={"Content-Type": request.headers["Content-Type"]},
    )
    saved = await exchange.json(ask, _parse_saved)
    if sorted(saved) != sorted(names):
        raise exchange.unfit(ask, f"files {list(saved)[:5]} where others were sent")
    return tuple(names)


def checked_file_name(text: object, field: str = "filename") -> str:
    """Return a file's name that the backend keeps unchanged, or refuse it.

    Raises:
        InvalidArgumentsError: It is not 1 to 200 letters, digits, `_`, `-` and `.`, or begins
            with a dot.
    """
    if isinstance(text, str) and _FILE_NAME.fullmatch(text):
        return text
    message = f"{field} {text!r:.120} is no name that the backend keeps"
    raise InvalidArgumentsError(
        message,
        remedy="use letters, digits, '_', '-' and '.', with no dot in front",
        faults=[{"path": f"/{field}", "message": message}],
    )


def _parse_saved(answer: Any) -> tuple[str, ...]:
    return parse_texts(list_of(answer, "files"), "files")


def _parse_captions(answer: Any) -> dict[str, str]:
    found: Mapping[str, Any] = object_of(object_of(answer, "captions").get("captions"), "captions")
    return {path: text for path, text in found.items() if isinstance(text, str)}
