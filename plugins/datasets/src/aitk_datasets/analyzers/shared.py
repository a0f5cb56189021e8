"""What the analyzers of a folder say alike: counts, examples, and the limits of the scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.records.findings import EvidenceRef
from aitk_datasets.folder.names import some_of
from aitk_datasets.said import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.evidence.dataset import DatasetEvidence


def files_of(paths: Sequence[str], total: int | None = None) -> tuple[EvidenceRef, ...]:
    """Return a reference that names the first of the files a finding rests on."""
    return (EvidenceRef(source="dataset", quote=some_of(paths, total)),) if paths else ()


def not_seen(evidence: DatasetEvidence) -> tuple[str, ...]:
    """Return what a count of this evidence leaves out: pictures beyond the scan, files unread."""
    found: list[str] = []
    if evidence.is_limited:
        rest = evidence.found_images - len(evidence.images)
        found.append(f"{counted(rest, 'picture')} of {evidence.found_images} were not looked at")
    if evidence.missing:
        found.append(f"{counted(len(evidence.missing), 'place')} in the folder could not be read")
    return tuple(found)
