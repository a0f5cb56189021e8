"""The dataset in a run's report: the contract's sections, and the share that trains as meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.records.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.evidence.records import RunEvidence

_ERRORS: Final[Mapping[str, str]] = {
    "FILE_NOT_FOUND": "dataset_path_not_found",
    "INVALID_ARGUMENTS": "dataset_path_not_directory",
}
"""The contract's words for what is wrong with a folder."""
_SHARE: Final = "share of the pictures"
_CAPTIONS: Final = ("CAPTION_", "TRIGGER_", "TAGS_")


@frozen(kw_only=True)
class Inspected:
    """What the inspection of a run's dataset gave."""

    data: Mapping[str, Any] | None = None
    """The document of inspect-dataset; None where there is none."""
    findings: tuple[Finding, ...] = ()
    """Its warnings and worse; the notes stay in the document."""
    reason: str = ""
    """Why there is no document."""
    code: str | None = None
    """Of the error, where there was one."""

    @property
    def is_whole(self) -> bool:
        """Tell whether every picture was looked at; a part proves nothing about the others."""
        if self.data is None:
            return False
        scan = self.data["scan"]
        return bool(
            scan["scanned_images"] and not scan["scan_limited"] and "images" not in scan["not_read"]
        )


NO_DATASET: Final = Inspected(reason="the dataset was not asked about")


def sections(
    evidence: RunEvidence,
    inspected: Inspected,
    asked_path: str | None,
    *,
    include_dataset: bool,
    include_nlp: bool,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return dataset, caption and resolution sections; one path counts in all of them.

    Args:
        evidence: About the run.
        inspected: Its dataset.
        asked_path: A folder in place of the config's.
        include_dataset: Whether the dataset was asked about.
        include_nlp: Whether the captions were.
    """
    path, source = asked_path, "argument"
    if path is None:
        paths = evidence.config.dataset_paths
        path, source = (paths[0], "config") if paths else (None, "")
    resolution = {"dataset_path": path, "dataset_source": source or None}
    if inspected.data is None:
        absent: dict[str, Any] = {
            "assessed": False,
            "error": _ERRORS.get(inspected.code or "", "not_assessed"),
            "reason": inspected.reason,
        }
        if inspected.code in _ERRORS:
            absent["exists"] = False
        dataset, nlp = {"dataset_path": path, **absent}, dict(absent)
    else:
        dataset = dict(inspected.data["dataset_analysis"]) | {"dataset_path": path}
        nlp = dict(inspected.data["nlp_analysis"])
    return (
        dataset if include_dataset else {"skipped": True},
        nlp if include_nlp else {"skipped": True},
        resolution,
    )


def shares(inspected: Inspected) -> tuple[float | None, float | None, str]:
    """Return the shares, 0 to 1, of the steps that train pictures and captions as meant.

    The least there can be: shares of the findings that warn are added up, though one picture may
    be in several. None where a part of the pictures was not looked at, with the reason.

    Args:
        inspected: The run's dataset.
    """
    if inspected.data is None:
        return None, None, inspected.reason
    if not inspected.is_whole:
        return None, None, "not every picture of the dataset was looked at yet"
    captions = [one for one in inspected.findings if one.code.startswith(_CAPTIONS)]
    pictures = [one for one in inspected.findings if not one.code.startswith(_CAPTIONS)]
    return _kept(pictures), _kept(captions), ""


def _kept(findings: Iterable[Finding]) -> float:
    # What is said of the whole set, such as how often each picture is trained, is no share of it.
    lost = sum(
        finding.estimate.value
        for finding in findings
        if finding.estimate is not None
        and finding.estimate.value is not None
        and finding.estimate.unit.startswith(_SHARE)
    )
    return max(0.0, 1.0 - lost)
