"""Do captions say what is meant to be trained? Codes and severities: `captions.methods`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.records.findings import Analysis
from aitk_datasets.captions.facts import facts_of
from aitk_datasets.captions.file_findings import RULES as FILE_RULES
from aitk_datasets.captions.file_findings import unread
from aitk_datasets.captions.survey import Survey
from aitk_datasets.captions.text_findings import RULES as TEXT_RULES

if TYPE_CHECKING:
    from aitk_core.evidence.dataset import DatasetEvidence


def analyze(evidence: DatasetEvidence) -> Analysis:
    """Judge the captions of the pictures that train; pictures that do not load need none."""
    survey = Survey(evidence=evidence)
    if not survey.pictures:
        reason = "the dataset has no pictures" if not evidence.images else "no picture can be used"
        if survey.unread:
            reason = "no caption could be read"
        return Analysis(assessed=False, reason=reason, findings=tuple(unread(survey)))
    findings = [finding for rule in (*FILE_RULES, *TEXT_RULES) for finding in rule(survey)]
    return Analysis(findings=tuple(findings), facts=facts_of(survey))
