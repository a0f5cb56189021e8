"""Copies a model into a folder: checked on the way, whole or not at all, nothing replaced."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import frozen

from aitk_core.errors import (
    BrokenWeightsError,
    ConflictError,
    InvalidArgumentsError,
    NotFoundError,
)
from aitk_core.services.modelfiles import model_roots
from aitk_core.services.newfile import NewFile
from aitk_export.checks.verify import Verified, verify
from aitk_export.places.references import EXPORTS, ModelRef

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aitk_core.protocols import ToolContext
    from aitk_export.places.sources import Source

CopyTo = Literal["exports", "comfyui"]
_STEM: Final = re.compile(r"[^\x00-\x1f\x7f/\\:*?\"<>|]{1,150}")
"""What every file system takes."""
_LORA_FOLDER: Final = "loras"
_REMEDY: Final = "give another name; nothing is ever replaced"


@frozen(kw_only=True)
class Target:
    """The folder that a copy goes to."""

    root: str
    folder: Path
    """Absolute, inside the root."""
    below: str
    """The folder relative to the root, `` for the root itself."""

    def ref(self, name: str) -> ModelRef:
        """Return what tools call a file in it."""
        return ModelRef(root=self.root, path=f"{self.below}/{name}" if self.below else name)


@frozen(kw_only=True)
class Copied:
    """One copy."""

    ref: ModelRef
    sidecar: ModelRef
    verified: Verified
    already_there: bool
    """The same bytes had this name before."""


async def find_target(context: ToolContext, copy_to: CopyTo, subfolder: str | None) -> Target:
    """Return the folder for copies, which is made where there is none.

    Raises:
        NotFoundError: No folder of ComfyUI is configured, or none of them has `loras`.
        PathOutsideRootsError: The subfolder leads out of it.
    """
    parts: tuple[str, ...]
    if copy_to == "exports":
        root, parts = EXPORTS, ()
    else:
        root, parts = await _lora_root(context)
    base = await context.run(context.paths.inside, root, *parts)
    folder = await context.run(context.paths.inside, root, *parts, *_parts(subfolder))
    if not folder.is_relative_to(base):
        raise InvalidArgumentsError(
            "the subfolder leads out of the folder for copies",
            remedy="give the name of a folder in it",
            faults=[{"path": "/subfolder", "message": "leads out of the folder"}],
        )
    await context.run(lambda: folder.mkdir(parents=True, exist_ok=True))
    top = context.paths.root(root)
    below = folder.relative_to(top).as_posix()
    return Target(root=root, folder=folder, below="" if below == "." else below)


async def copy_model(
    context: ToolContext,
    source: Source,
    target: Target,
    stem: str,
    describe: Callable[[Verified], Mapping[str, Any]],
) -> Copied:
    """Copy a model and write what is said of it beside it.

    Args:
        context: Does the work.
        source: The model.
        target: The folder.
        stem: Name of the copy, without extension.
        describe: Makes the sidecar of what was found.

    Raises:
        BrokenWeightsError: It is cut off or damaged; nothing is left.
        ConflictError: Another file has that name.
        InvalidArgumentsError: The name is none that every system takes.
        OSError: The disk is full or read-only.
    """
    if not _STEM.fullmatch(stem) or stem != stem.strip(" .") or stem.startswith("."):
        raise InvalidArgumentsError(
            f"{stem[:80]!r} is no name for a file",
            remedy="give letters, digits, blanks, - and _; at most 150",
            faults=[{"path": "/name", "message": "is no name for a file"}],
        )
    path = target.folder / f"{stem}.safetensors"
    sidecar = target.folder / f"{stem}.json"
    known = await context.run(_digest_of, path)
    if known is not None:
        verified = await verify(context, source)
        if verified.sha256 != known:
            raise ConflictError(f"another model is named {path.name!r} there", remedy=_REMEDY)
        return await _settle(context, target, verified, path, sidecar, describe, None)
    model = NewFile(path)
    await context.run(model.__enter__)
    try:
        verified = await verify(context, source, keep=model.write, said=f"copying {path.name} (MB)")
        return await _settle(context, target, verified, path, sidecar, describe, model)
    finally:
        await context.run(model.__exit__, None, None, None)


async def _settle(
    context: ToolContext,
    target: Target,
    verified: Verified,
    path: Path,
    sidecar: Path,
    describe: Callable[[Verified], Mapping[str, Any]],
    model: NewFile | None,
) -> Copied:
    if verified.verdict == "damaged":
        raise BrokenWeightsError(
            f"{path.name!r} was not copied: {verified.reason}",
            remedy="choose an earlier checkpoint; get-training-observability says when the run "
            "broke",
        )
    text = json.dumps(describe(verified), indent=2, ensure_ascii=False, default=str) + "\n"

    def write() -> None:
        if sidecar.exists() and model is not None:
            raise ConflictError(f"there is a file {sidecar.name!r} already", remedy=_REMEDY)
        if model is not None:
            model.commit()
        if not sidecar.exists():
            with NewFile(sidecar) as file:
                file.write(text.encode("utf-8", "backslashreplace"))
                file.commit()

    await context.run(write)
    return Copied(
        ref=target.ref(path.name),
        sidecar=target.ref(sidecar.name),
        verified=verified,
        already_there=model is None,
    )


def _parts(subfolder: str | None) -> tuple[str, ...]:
    return tuple(part for part in (subfolder or "").split("/") if part)


def _digest_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


async def _lora_root(context: ToolContext) -> tuple[str, tuple[str, ...]]:
    roots = model_roots(context)
    for name, folder in roots.items():
        if await context.run((folder / _LORA_FOLDER).is_dir):
            return name, (_LORA_FOLDER,)
    for name, folder in roots.items():
        if folder.name.lower() in (_LORA_FOLDER, "lora"):
            return name, ()
    raise NotFoundError(
        "no ComfyUI folder for LoRA files is configured",
        remedy="set COMFYUI_MODEL_ROOTS to ComfyUI's models folder, which has a folder loras",
    )
