"""What inspect-dataset answers: the contract's sections, the findings, and how much was seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aitk_core.convert import unstructure
from aitk_core.wording import counted, shown
from aitk_datasets.duplicates import clusters_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.evidence.dataset import DatasetEvidence
    from aitk_core.protocols import Outcomes
    from aitk_core.records.findings import Finding
    from aitk_datasets.target import Target

_ORDER: Final = {"critical": 0, "warning": 1, "info": 2}
_CLUSTERS: Final = 20
"""Ours: groups of duplicates that the answer lists, the largest; the count is of all."""
_MEMBERS: Final = 10
_MISSING: Final = 20
_PATH_CHARS: Final = 1024

# The contract's caption fields, in which section each belongs.
_DATASET_CAPTIONS: Final = (
    "caption_non_empty_count",
    "caption_missing_count",
    "caption_empty_count",
    "caption_coverage_pct",
    "unique_caption_ratio",
    "caption_words",
    "caption_chars",
    "top_caption_terms",
    "caption_examples",
)
_NLP: Final = (
    "caption_top_terms",
    "caption_token_count",
    "caption_vocabulary_size",
    "caption_token_diversity",
    "caption_token_diversity_windowed",
    "caption_ascii_ratio",
    "style_flags",
)
_SIZES: Final = (
    "resolution_width",
    "resolution_height",
    "aspect_ratio",
    "low_resolution_count",
    "extreme_aspect_ratio_count",
)


def build(target: Target, evidence: DatasetEvidence, outcomes: Outcomes) -> dict[str, Any]:
    """Return the document of inspect-dataset."""
    findings = ordered(outcomes)
    search = evidence.duplicates
    clusters = clusters_of(evidence)
    return {
        "generated_at": datetime.fromtimestamp(evidence.collected_at, UTC)
        .isoformat(timespec="seconds")
        .replace("+00:00", "Z"),
        "dataset": {
            "name": shown(evidence.name),
            "path": shown(target.shown, _PATH_CHARS),
            "source": target.source,
            "job": None if evidence.use is None else evidence.use.job,
        },
        "scan": {
            "found_images": evidence.found_images,
            "scanned_images": len(evidence.images),
            "newly_read": evidence.read_images,
            "scan_limited": evidence.is_limited,
            "videos": len(evidence.videos),
            "controls": len(evidence.controls),
            "not_read": {
                shown(path): shown(why) for path, why in list(evidence.missing.items())[:_MISSING]
            },
        },
        "verdict": verdict(findings, evidence),
        "findings": unstructure(findings),
        "not_assessed": not_assessed(outcomes),
        "dataset_analysis": dataset_analysis(target.shown, evidence, outcomes),
        "nlp_analysis": nlp_analysis(outcomes),
        "duplicates": {
            "clusters": [
                {
                    "keep": shown(cluster.keep),
                    "why": cluster.why,
                    "others": [shown(path) for path in cluster.others[:_MEMBERS]],
                    "count": 1 + len(cluster.others),
                    "level": cluster.level,
                    "has_mirrored": cluster.has_mirrored,
                }
                for cluster in clusters[:_CLUSTERS]
            ],
            "cluster_count": len(clusters),
            "complete_to": None if search is None else search.complete_to,
            "unconfirmed": 0 if search is None else search.unconfirmed,
            "truncated": search is not None and search.truncated,
        },
        "notes": list(outcomes.notes),
    }


def ordered(outcomes: Outcomes) -> list[Finding]:
    """Return all findings, gravest first, otherwise in their order."""
    found = [finding for analysis in outcomes.analyses.values() for finding in analysis.findings]
    return sorted(found, key=lambda finding: _ORDER[finding.severity])


def not_assessed(outcomes: Outcomes) -> dict[str, str]:
    """Return why analyzers could not judge, by name."""
    return {
        name: analysis.reason
        for name, analysis in outcomes.analyses.items()
        if not analysis.assessed
    }


def verdict(findings: list[Finding], evidence: DatasetEvidence) -> str:
    """Return `critical`, `warning`, `sound` or `insufficient_evidence`.

    Sound means that every picture of the folder was looked at, every pair that may be a copy was
    compared, and nothing was found that is worse than a note; a part of the pictures proves
    nothing about the others.
    """
    severities = {finding.severity for finding in findings}
    for word in ("critical", "warning"):
        if word in severities:
            return word
    looked = [image for image in evidence.images if image.looks is not None]
    is_partial = evidence.is_limited or "images" in evidence.missing
    if is_partial or not looked or (evidence.duplicates and evidence.duplicates.unconfirmed):
        return "insufficient_evidence"
    return "sound"


def dataset_analysis(
    path: str | None, evidence: DatasetEvidence, outcomes: Outcomes
) -> dict[str, Any]:
    """Return the contract's section; what was not assessed is null."""
    captions, sizes = _facts(outcomes, "captions"), _facts(outcomes, "counts")
    files, repeated = _facts(outcomes, "files"), _facts(outcomes, "duplicates")
    return {
        "dataset_path": None if path is None else shown(path, _PATH_CHARS),
        "exists": True,
        "total_images": evidence.found_images,
        "scanned_images": len(evidence.images),
        "scan_limited": evidence.is_limited,
        **{key: captions.get(key) for key in _DATASET_CAPTIONS},
        **{key: sizes.get(key) for key in _SIZES},
        "corrupt_image_count": files.get("corrupt_image_count"),
        "corrupt_image_examples": [shown(name) for name in files.get("corrupt_image_examples", ())],
        "duplicate_image_estimate": repeated.get("duplicate_image_estimate"),
    }


def nlp_analysis(outcomes: Outcomes) -> dict[str, Any]:
    """Return the contract's section about captions; what was not assessed is null."""
    captions = _facts(outcomes, "captions")
    return {key: captions.get(key) for key in _NLP}


def _facts(outcomes: Outcomes, name: str) -> Mapping[str, Any]:
    analysis = outcomes.analyses.get(name)
    return {} if analysis is None else analysis.facts


def summarize(data: Mapping[str, Any]) -> str:
    """Return a few lines for a person."""
    scan, analysis = data["scan"], data["dataset_analysis"]
    lines = [
        f"{data['dataset']['name']}: {data['verdict'].replace('_', ' ')}; "
        f"{scan['scanned_images']} of {counted(scan['found_images'], 'picture')} looked at"
        + (f", {scan['newly_read']} of them new" if scan["newly_read"] else ", none of them new")
        + "."
    ]
    coverage = analysis["caption_coverage_pct"]
    if coverage is not None:
        lines.append(f"Captions: {coverage:g} % of the pictures have one.")
    told = [finding for finding in data["findings"] if finding["severity"] != "info"]
    lines += [f"- {finding['code']}: {finding['message']}" for finding in told[:8]]
    notes = len(data["findings"]) - len(told)
    if notes:
        lines.append(f"{counted(notes, 'further note')} in the document.")
    if "images" in scan["not_read"]:
        lines.append(f"Not finished: {scan['not_read']['images']}.")
    return "\n".join(lines)
