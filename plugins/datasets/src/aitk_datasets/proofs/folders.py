"""Folders of a given shape, as evidence for the proofs of this distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.evidence.dataset import DatasetEvidence, ImageFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.evidence.dataset import DatasetUse


def folder_of(
    sides: Iterable[tuple[int, int]], use: DatasetUse | None = None, **more: Any
) -> DatasetEvidence:
    """Return a folder of sound JPEG files with those sides, and what else the caller names."""
    images = tuple(
        ImageFile(
            path=f"{number:04}.jpg",
            size_bytes=200_000,
            mtime_ns=1,
            format="JPEG",
            width=width,
            height=height,
            mode="RGB",
        )
        for number, (width, height) in enumerate(sides)
    )
    fields = {"name": "proof", "images": images, "use": use, "found_images": len(images)}
    return DatasetEvidence(**(fields | more))
