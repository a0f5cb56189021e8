"""A run among others: the report's baseline comparison, in the contract's shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from aitk_core.protocols import BandPolicy
from aitk_observability.comparison.collect import Collected
from aitk_observability.report.compare import rankable, ranking
from aitk_observability.scoring.reference import ranking_position

if TYPE_CHECKING:
    from aitk_observability.comparison.run import ComparedRun


@frozen(kw_only=True)
class Baselines:
    """The runs that a run is to be compared with."""

    candidates: Sequence[str]
    """Ids as they were asked for, or the newest."""
    dropped: Sequence[str]
    """Ids beyond the limit, which were not looked at."""
    collected: Collected
    policy: BandPolicy


def baseline_comparison(target: ComparedRun, baselines: Baselines) -> dict[str, Any]:
    """Return where a run stands among its baselines, JSON-ready."""
    runs, skipped = rankable(baselines.collected)
    answer: dict[str, Any] = {
        "enabled": True,
        "candidate_job_ids": list(baselines.candidates),
        "dropped_job_ids": list(baselines.dropped),
        "skipped_baselines": skipped,
    }
    method = target.judged.components.method
    if target.judged.components.values["stability"] is None:
        return answer | {
            "error": "target_run_unavailable",
            "reason": target.judged.components.reasons["stability"],
            "target_job_id": target.job_id,
            "collected_baseline_job_ids": [run.job_id for run in runs],
        }
    if not runs:
        return answer | {
            "error": "insufficient_baseline_runs",
            "reason": "no other run could be judged",
        }
    notes: list[str] = []
    order = ranking([target, *runs], policy=baselines.policy, scoring_method=method, notes=notes)
    return answer | {
        "compared_job_ids": [target.job_id, *(run.job_id for run in runs)],
        "position": ranking_position(order, target.job_id),
        "ranking": order,
        "notes": notes,
    }
