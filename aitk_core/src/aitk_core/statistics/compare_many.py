"""Three or more runs by their training loss: a winner or a tie (STATS.md section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.compare import Tail, between_tails
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.results import ManyResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.statistics.cleaning import Losses

_INFO: Final = METHODS["compare_many_v1"]
_TAILS: Final = METHODS["compare_tails_v1"]
_TAIL: Final = _TAILS.count("tail_values")
_ALPHA: Final = _TAILS.number("alpha")


def compare_many(runs: Mapping[str, Losses], *, tail: int = _TAIL) -> ManyResult:
    """Say which run has the lowest training loss, if any does beyond the noise.

    The leader must beat each of the others at level 0.05/(k-1); otherwise the tie group is
    reported. All tails have the length of the shortest assessed run's, `tail` at most.

    Args:
        runs: (n,) losses in step order, by name; comparable ones only.
        tail: Most values taken of each run, 100 or more.
    """
    cleaned = {name: clean(loss) for name, loss in runs.items()}
    usable = {name: run for name, run in cleaned.items() if run.n >= _TAILS.minimum_n}
    left_out = tuple(name for name in runs if name not in usable)
    stamped = stamp(_INFO, tail_values=tail)
    if len(usable) < _INFO.minimum_n:
        return ManyResult(
            verdict="undetermined",
            reason=f"{len(usable)} runs with {_TAILS.minimum_n} usable losses, 2 are needed",
            n=len(usable),
            needed_n=_INFO.minimum_n,
            not_assessed=left_out,
            **stamped,
        )
    count = min(tail, *(run.n for run in usable.values()))
    tails = {name: run.tail(count) for name, run in usable.items()}
    levels = {name: Tail.of(run.values) for name, run in tails.items()}
    leader = min(levels, key=lambda name: levels[name].log_mean)
    alpha = _ALPHA / (len(tails) - 1)
    pair = stamp(_TAILS, tail_values=tail, alpha=alpha)
    comparisons = {
        name: between_tails(tails[leader], run, pair, alpha=alpha)
        for name, run in tails.items()
        if name != leader
    }
    tied = tuple(name for name, result in comparisons.items() if result.verdict != "a_lower")
    covered = [span for run in tails.values() if (span := run.covered()) is not None]
    return ManyResult(
        verdict="tie" if tied else "lowest",
        reason=(
            f"the lowest mean is not below {len(tied)} of the others beyond the noise"
            if tied
            else f"one mean lies below each of the {len(comparisons)} others"
        ),
        estimate=levels[leader].mean,
        n=len(tails),
        leader=leader,
        tied=(leader, *tied) if tied else (),
        not_assessed=left_out,
        means={name: level.mean for name, level in levels.items()},
        comparisons=comparisons,
        steps=(min(low for low, _ in covered), max(high for _, high in covered)),
        **stamped,
    )
