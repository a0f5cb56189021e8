"""The answer of compare-training-runs, in the contract's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.convert import unstructure
from aitk_observability.comparison.entries import ranking_of, shortened
from aitk_observability.comparison.published import published_ranking
from aitk_observability.comparison.ranking import rank
from aitk_observability.report.sections import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_core.protocols import BandPolicy
    from aitk_observability.arguments import CompareTrainingRuns
    from aitk_observability.comparison.collect import Collected
    from aitk_observability.comparison.run import ComparedRun

NO_RANKING: Final[Mapping[str, Any]] = {
    "ranking": [],
    "winner_job_id": None,
    "winner_score": None,
    "score_spread": None,
}
_SHOWN: Final = 10
_DIFFERENCES: Final = 3
_WHOLE: Final = 10
"""Runs shown with their run report in brief; about 1,200 tokens each."""


def rankable(
    collected: Collected,
) -> tuple[list[ComparedRun], list[dict[str, Any]]]:
    """Return the runs that can be ranked, and all others with the reason."""
    runs = [r for r in collected.runs if r.judged.components.values["stability"] is not None]
    unjudged = [
        {
            "job_id": run.job_id,
            "reason": "insufficient_evidence",
            "status": run.judged.evidence.job.status,
            "detail": run.judged.components.reasons["stability"],
        }
        for run in collected.runs
        if run.judged.components.values["stability"] is None
    ]
    return runs, [*collected.skipped, *unjudged]


def ranking(
    runs: Sequence[ComparedRun], *, policy: BandPolicy, scoring_method: str, notes: list[str]
) -> dict[str, Any]:
    """Return the contract's ranking object.

    Args:
        runs: Those that can be ranked, in the order that breaks ties.
        policy: Names the size of the differences.
        scoring_method: `evidence_v1` or `reference_v1`; never a mix.
        notes: Gets what went wrong in foreign code.
    """
    if not runs:
        return dict(NO_RANKING)
    if scoring_method == "reference_v1":
        return published_ranking(runs, policy=policy)
    return ranking_of(rank(runs), policy=policy, notes=notes)


def build(
    arguments: CompareTrainingRuns,
    collected: Collected,
    *,
    requested: Sequence[str],
    policy: BandPolicy,
    now: float,
) -> dict[str, Any]:
    """Return the comparison, JSON-ready.

    Args:
        arguments: As asked.
        collected: The runs.
        requested: Their ids, without repetitions.
        policy: Names the size of the differences.
        now: Unix seconds.
    """
    runs, skipped = rankable(collected)
    notes: list[str] = []
    order = ranking(runs, policy=policy, scoring_method=arguments.scoring_method, notes=notes)
    if arguments.detail == "brief":
        entries = order["ranking"]
        order["ranking"] = entries[:_WHOLE] + [shortened(entry) for entry in entries[_WHOLE:]]
    data: dict[str, Any] = unstructure(
        {
            "generated_at": moment(now),
            "inputs": {
                "job_ids": [run.job_id for run in runs],
                "requested_job_ids": list(requested),
                "log_lines": arguments.log_lines,
                "include_dataset": arguments.include_dataset,
                "include_nlp": arguments.include_nlp,
                "only_terminal_runs": arguments.only_terminal_runs,
                "detail": arguments.detail,
                "scoring_method": arguments.scoring_method,
                "band_policy": policy.source()["id"],
                "notes": notes,
            },
            "compared_count": len(runs),
            "skipped_runs": skipped,
            "ranking": order,
        }
    )
    return data


def summarize(data: Mapping[str, Any]) -> str:
    """Return the comparison in a few lines."""
    entries = data["ranking"]["ranking"]
    lines = [_headline(entries)]
    for entry in entries[:_SHOWN]:
        told = entry["comparison"]
        line = f"{entry['rank']}. {entry['job_name'] or entry['job_id']} ({entry['job_id']}): "
        line += f"{entry['scores']['total']:g}, {entry['overall_health']}"
        if told.get("delta"):
            low, high = told["delta"]["low"], told["delta"]["high"]
            line += f"; {told['delta']['estimate']:+g} [{low:g}, {high:g}] to the first: "
            line += told["verdict"].replace("_", " ")
        if told.get("differences"):
            paths = [d["path"].removeprefix("config.process.0.") for d in told["differs_in"]]
            line += f"; differs in {', '.join(paths[:_DIFFERENCES])}"
            more = told["differences"] - _DIFFERENCES
            line += f" and {more} more" if more > 0 else ""
        lines.append(line)
    if len(entries) > _SHOWN:
        lines.append(f"... and {len(entries) - _SHOWN} more")
    if entries and entries[0]["comparison"].get("not_compared"):
        left_out = entries[0]["comparison"]["not_compared"]
        lines.append("Not compared: " + "; ".join(f"{k}: {v}" for k, v in left_out.items()))
    for run in data["skipped_runs"][:_SHOWN]:
        detail = f" ({run['detail']})" if run.get("detail") else ""
        lines.append(f"Skipped {run['job_id']}: {run['reason']}{detail}")
    return "\n".join(lines)


def _headline(entries: Sequence[Mapping[str, Any]]) -> str:
    if not entries:
        return "No run could be ranked."
    first = entries[0]
    name = first["job_name"] or first["job_id"]
    told = first["comparison"]
    if told["verdict"] == "alone":
        return f"Only one run could be ranked: {name}."
    if told["distinguishable"]:
        return f"{name} is ahead of all others beyond the noise."
    if told["distinguishable"] is None:
        return f"{name} has the highest score; whether that is more than noise is not known."
    tied = len(told["tied_with"])
    return f"No winner: {name} has the highest score, and {tied} others are tied with it."
