"""`reference_v1`: the published scoring formulas, on whatever they are given.

It counts a missing convergence or stability as 50 and an unmeasured speed as 0, as
published; `evidence_v1` is the method that scores only what was assessed (design 10.17).
Outputs of the two are never compared.
"""

from __future__ import annotations

from typing import Final

from aitk_observability.scoring.reference_alerts import Alert, alerts
from aitk_observability.scoring.reference_bottlenecks import Bottleneck
from aitk_observability.scoring.reference_components import (
    caption_score,
    convergence_score,
    dataset_score,
    speed_score,
    stability_score,
)
from aitk_observability.scoring.reference_evaluation import (
    RUBRIC_WEIGHTS,
    Evaluation,
    evaluate,
    grade,
)
from aitk_observability.scoring.reference_profile import (
    PROFILE_WEIGHTS,
    DecisionGates,
    Profile,
    decision_gates,
    intelligence,
)
from aitk_observability.scoring.reference_ranking import (
    RANKING_WEIGHTS,
    Ranking,
    rank_runs,
    ranking_position,
)
from aitk_observability.scoring.reference_suggestion import Suggestion, suggestion

SCORING_METHOD: Final = "reference_v1"

__all__ = [
    "PROFILE_WEIGHTS",
    "RANKING_WEIGHTS",
    "RUBRIC_WEIGHTS",
    "SCORING_METHOD",
    "Alert",
    "Bottleneck",
    "DecisionGates",
    "Evaluation",
    "Profile",
    "Ranking",
    "Suggestion",
    "alerts",
    "caption_score",
    "convergence_score",
    "dataset_score",
    "decision_gates",
    "evaluate",
    "grade",
    "intelligence",
    "rank_runs",
    "ranking_position",
    "speed_score",
    "stability_score",
    "suggestion",
]
