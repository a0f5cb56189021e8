"""What the analyzers of a folder say alike: the limits of the scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.wording import counted

if TYPE_CHECKING:
    from aitk_core.evidence.dataset import DatasetEvidence


def not_seen(evidence: DatasetEvidence) -> tuple[str, ...]:
    """Return what a count of this evidence leaves out: pictures beyond the scan, files unread."""
    found: list[str] = []
    if evidence.is_limited:
        rest = evidence.found_images - len(evidence.images)
        found.append(f"{counted(rest, 'picture')} of {evidence.found_images} were not looked at")
    if evidence.missing:
        found.append(f"{counted(len(evidence.missing), 'place')} in the folder could not be read")
    return tuple(found)
