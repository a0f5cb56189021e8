"""A comparison by the published formulas, `reference_v1`: no uncertainty, so none is claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.convert import unstructure
from aitk_observability.scoring.reference import rank_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.protocols import BandPolicy
    from aitk_observability.comparison.run import ComparedRun


def published_ranking(runs: Sequence[ComparedRun], *, policy: BandPolicy) -> dict[str, Any]:
    """Return the contract's ranking by `reference_v1` of at least one run."""
    by_id = {run.job_id: run for run in runs}
    ranking = rank_runs([dict(run.report) for run in runs], policy=policy)
    data: dict[str, Any] = unstructure(ranking)
    data["ranking"] = [
        {
            **by_id[entry["job_id"]].report,
            **entry,
            "comparison": {
                "verdict": "winner" if entry["rank"] == 1 else "behind",
                "distinguishable": None,
                "scoring_method": "reference_v1",
                "method": "reference_v1",
                "note": "the published formulas state no uncertainty; evidence_v1 does",
            },
        }
        for entry in data["ranking"]
    ]
    return data
