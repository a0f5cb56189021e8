"""The run comparison of `reference_v1` (contract/SCORING.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.records.results import JsonObject
from aitk_observability.scoring.bands import DEFAULT_POLICY, delta_band
from aitk_observability.scoring.reference_components import (
    UNOBSERVED,
    number,
    points,
    score_of,
    weighted_mean,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitk_core.protocols import BandPolicy

RANKING_WEIGHTS: Final[Mapping[str, float]] = {
    "convergence": 0.4,
    "speed": 0.2,
    "stability": 0.3,
    "dataset": 0.1,
}
_EQUAL_SPEEDS: Final = 80.0


@frozen(kw_only=True)
class RunScores:
    """The scores of one run among the compared."""

    total: float
    components: Mapping[str, float | None]
    weights: Mapping[str, float]


@frozen(kw_only=True)
class DeltaToWinner:
    """How far a run is behind the winner: run minus winner, score points."""

    total: float
    total_band: str | None
    components: Mapping[str, float | None]
    component_bands: Mapping[str, str | None]
    band_source: JsonObject


@frozen(kw_only=True)
class RankedRun:
    """One run in its place."""

    job_id: str
    rank: int
    scores: RunScores
    delta_to_winner: DeltaToWinner


@frozen(kw_only=True)
class Ranking:
    """Runs from best to worst; winner fields are None where there are none."""

    ranking: tuple[RankedRun, ...]
    winner_job_id: str | None
    winner_score: float | None
    score_spread: float | None
    """First total minus last, score points."""


def rank_runs(runs: Iterable[Mapping[str, Any]], *, policy: BandPolicy = DEFAULT_POLICY) -> Ranking:
    """Rank runs by weighted total; input order breaks ties.

    Args:
        runs: Each with `job_id` and `metrics`; of those with one id the first counts.
        policy: Names the size of the deltas, which come without uncertainty.
    """
    unique: dict[str, Mapping[str, Any]] = {}
    for run in runs:
        unique.setdefault(run["job_id"], run.get("metrics") or {})
    speeds = _relative_speeds(
        [metrics.get("speed_mean_iter_per_sec") for metrics in unique.values()]
    )
    scored = [
        (job_id, _score(metrics, speed))
        for (job_id, metrics), speed in zip(unique.items(), speeds, strict=True)
    ]
    scored.sort(key=lambda entry: -entry[1].total)
    if not scored:
        return Ranking(ranking=(), winner_job_id=None, winner_score=None, score_spread=None)
    winner_id, winner = scored[0]
    return Ranking(
        ranking=tuple(
            RankedRun(
                job_id=job_id,
                rank=rank,
                scores=scores,
                delta_to_winner=_delta(scores, winner, policy),
            )
            for rank, (job_id, scores) in enumerate(scored, start=1)
        ),
        winner_job_id=winner_id,
        winner_score=winner.total,
        score_spread=round(winner.total - scored[-1][1].total, 2),
    )


def _relative_speeds(given: Sequence[Any]) -> list[float]:
    speeds = [number(value) for value in given]
    known = [speed for speed in speeds if speed is not None and speed > 0]
    low, high = min(known, default=0.0), max(known, default=0.0)
    return [
        0.0
        if speed is None or speed <= 0
        else _EQUAL_SPEEDS
        if low == high
        else points((speed - low) / (high - low) * 100.0)
        for speed in speeds
    ]


def _score(metrics: Mapping[str, Any], speed: float) -> RunScores:
    convergence = score_of(metrics.get("convergence_score"))
    stability = score_of(metrics.get("stability_score"))
    dataset = score_of(metrics.get("dataset_quality_score"))
    components = {
        "convergence": UNOBSERVED if convergence is None else convergence,
        "speed": speed,
        "stability": UNOBSERVED if stability is None else stability,
        "dataset": dataset,
    }
    weights = dict(RANKING_WEIGHTS)
    if dataset is None:
        weights["dataset"] = 0.0
    return RunScores(
        total=weighted_mean(components, weights), components=components, weights=weights
    )


def _delta(scores: RunScores, winner: RunScores, policy: BandPolicy) -> DeltaToWinner:
    components = {
        name: None if value is None or best is None else round(value - best, 2)
        for name, value in scores.components.items()
        for best in (winner.components[name],)
    }
    total = round(scores.total - winner.total, 2)
    return DeltaToWinner(
        total=total,
        total_band=delta_band(total, policy=policy),
        components=components,
        component_bands={
            name: delta_band(value, policy=policy) for name, value in components.items()
        },
        band_source=policy.source(),
    )


def ranking_position(ranking: Mapping[str, Any], job_id: str) -> JsonObject:
    """Return where a run stands in a published ranking.

    Args:
        ranking: `ranking` (best first), `winner_job_id`, `winner_score`, `score_spread`.
        job_id: The run.
    """
    entries = ranking.get("ranking") or []
    total = len(entries)
    found = next(
        ((place, entry) for place, entry in enumerate(entries, 1) if entry["job_id"] == job_id),
        None,
    )
    if found is None:
        return {
            "found": False,
            "job_id": job_id,
            "rank": None,
            "total": total,
            "percentile": None,
            "score": None,
        }
    place, entry = found
    reported = entry.get("rank")
    is_usable = type(reported) is int and 1 <= reported <= total
    rank = reported if is_usable else place
    return {
        "found": True,
        "job_id": job_id,
        "rank": rank,
        "total": total,
        "percentile": 100.0 if total == 1 else round((total - rank) / (total - 1) * 100.0, 2),
        "score": (entry.get("scores") or {}).get("total"),
        "rank_source": "reported_rank" if is_usable else "computed_position",
        "winner_job_id": ranking.get("winner_job_id"),
        "winner_score": ranking.get("winner_score"),
        "score_spread": ranking.get("score_spread"),
    }
