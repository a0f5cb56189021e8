"""Routes of datasets and captions (`ui/src/app/api/datasets`, `caption`, `img/caption`)."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aitk_sandbox.folders import inside
from aitk_sandbox.multipart import read_parts
from aitk_sandbox.web import answer, failure, nothing, route, text

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from aitk_sandbox.web import Backend, Call

_LISTED: Final = (
    *(".png", ".jpg", ".jpeg", ".webp", ".mp4", ".avi", ".mov", ".mkv", ".wmv", ".m4v", ".flv"),
    *(".mp3", ".wav", ".flac", ".ogg"),
)
_DELETABLE: Final = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tiff", ".webp", ".mp4", ".mp3", ".wav"),
    *(".flac", ".ogg"),
)


def routes(backend: Backend) -> list[Route]:
    """Return the routes of datasets and captions."""
    return [
        route(backend, "/api/datasets/list", "GET", _list),
        route(backend, "/api/datasets/create", "POST", _create),
        route(backend, "/api/datasets/delete", "POST", _delete),
        route(backend, "/api/datasets/upload", "POST", _upload),
        route(backend, "/api/datasets/listImages", "POST", _list_images),
        route(backend, "/api/caption/get", "POST", _caption),
        route(backend, "/api/caption/getBatch", "POST", _captions),
        route(backend, "/api/img/caption", "POST", _save_caption),
        route(backend, "/api/img/delete", "POST", _delete_image),
    ]


def _list(call: Call) -> Response:
    root = call.backend.folders.datasets
    root.mkdir(parents=True, exist_ok=True)
    return answer(
        sorted(
            path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")
        )
    )


def _create(call: Call) -> Response:
    try:
        name = re.sub(r"[^a-z0-9]+", "_", call.json_object()["name"].lower())
    except (ValueError, KeyError, AttributeError):
        return failure("Failed to create dataset")
    folder = call.backend.folders.child(call.backend.folders.datasets, name)
    if folder is None:
        return failure("Failed to create dataset")
    folder.mkdir(parents=True, exist_ok=True)
    return answer({"success": True, "name": name})


def _delete(call: Call) -> Response:
    # The real route joins the name unchecked; here it has to lead below the datasets folder.
    try:
        name = str(call.json_object()["name"])
    except (ValueError, KeyError):
        return failure("Failed to delete dataset")
    folder = call.backend.folders.child(call.backend.folders.datasets, name)
    if folder is None:
        return failure("Failed to delete dataset")
    shutil.rmtree(folder, ignore_errors=True)
    return answer({"success": True})


def _upload(call: Call) -> Response:
    try:
        parts = read_parts(call.headers.get("content-type", ""), call.body)
    except ValueError:
        return failure("Error uploading files")
    files = [part for part in parts if part.name == "files" and part.filename is not None]
    names = [part.data.decode() for part in parts if part.name == "datasetName"]
    if not files:
        return failure("No files provided", 400)
    root = call.backend.folders.datasets
    folder = call.backend.folders.child(root, names[0]) if names else None
    if folder is None:
        return failure("Error uploading files")
    folder.mkdir(parents=True, exist_ok=True)
    saved: list[str] = []
    for part in files:
        name = re.sub(r"[^a-zA-Z0-9.-]", "_", part.filename or "")
        if name.strip(".") == "":
            return failure("Error uploading files")
        (folder / name).write_bytes(part.data)
        saved.append(name)
    return answer({"message": "Files uploaded successfully", "files": saved})


def _list_images(call: Call) -> Response:
    try:
        name = call.json_object()["datasetName"]
    except (ValueError, KeyError):
        return nothing(500)
    folder = call.backend.folders.child(call.backend.folders.datasets, str(name))
    if folder is None or not folder.is_dir():
        return failure(f"Folder '{name}' not found", 404)
    found: list[str] = []
    for root, folders, files in os.walk(folder):
        folders[:] = [
            entry for entry in folders if not entry.startswith(".") and entry != "_controls"
        ]
        found += [
            str((Path(root) / entry).relative_to(folder))
            for entry in files
            if not entry.startswith(".") and entry.lower().endswith(_LISTED)
        ]
    return answer({"root": f"{folder}{os.sep}", "images": sorted(found)})


def _caption_path(image: str, extension: object) -> Path:
    ending = str(extension or "txt").removeprefix(".")
    return Path(image).with_suffix(f".{ending}")


def _read_caption(image: str, extension: object) -> str:
    path = _caption_path(image, extension)
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _caption(call: Call) -> Response:
    try:
        body = call.json_object()
    except ValueError:
        return nothing(499)
    image = body.get("imgPath")
    if not isinstance(image, str):
        return text("Error getting caption", 500)
    if not inside(Path(image), call.backend.folders.datasets):
        return text("Access denied", 403)
    return text(_read_caption(image, body.get("ext")))


def _captions(call: Call) -> Response:
    try:
        body = call.json_object()
    except ValueError:
        return nothing(499)
    images = body.get("imgPaths")
    if not isinstance(images, list):
        return failure("imgPaths must be an array", 400)
    root = call.backend.folders.datasets
    captions = {
        image: _read_caption(image, body.get("ext"))
        for image in images
        if isinstance(image, str) and inside(Path(image), root)
    }
    return answer({"captions": captions})


def _save_caption(call: Call) -> Response:
    try:
        body = call.json_object()
        image, caption = str(body["imgPath"]), str(body["caption"])
    except (ValueError, KeyError):
        return failure("Failed to create dataset")  # the real message is a leftover, too
    if not inside(Path(image), call.backend.folders.datasets):
        return failure("Invalid image path", 400)
    if not Path(image).exists():
        return failure("Image does not exist", 404)
    _caption_path(image, body.get("ext")).write_text(caption, encoding="utf-8")
    return answer({"success": True})


def _delete_image(call: Call) -> Response:
    folders = call.backend.folders
    try:
        image = Path(str(call.json_object()["imgPath"]))
    except (ValueError, KeyError):
        return failure("Failed to create dataset")
    if not (inside(image, folders.datasets) or inside(image, folders.training)):
        return failure("Invalid image path", 400)
    if image.suffix.lower() not in _DELETABLE:
        return failure("Not an image", 400)
    image.unlink(missing_ok=True)
    image.with_suffix(".txt").unlink(missing_ok=True)
    return answer({"success": True})
