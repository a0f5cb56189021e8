"""The report for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aitk_export.reporting.gathered import Gathered

CONTRACT: Final = "observability-report-file.v1"


def document(gathered: Gathered, generated_at: str) -> dict[str, Any]:
    """Return what the JSON file holds; its contract is `observability-report-file.v1`."""
    return {
        "generated_at": generated_at,
        "job_id": gathered.job_id,
        "job_name": gathered.job_name,
        "base_model": gathered.base_model,
        "trigger_word": gathered.trigger_word,
        "snapshot": gathered.snapshot,
        "evaluation": gathered.evaluation,
        "sample_findings": gathered.sample_findings,
        "baseline": gathered.baseline,
        "files": gathered.files,
        "notes": gathered.notes,
    }


def encoded(found: dict[str, Any]) -> bytes:
    """Return it as UTF-8; the same content gives the same bytes."""
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", "backslashreplace")
