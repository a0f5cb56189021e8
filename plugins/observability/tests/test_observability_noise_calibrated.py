"""The policy that weighs the uncertainty keeps the laws, and does not call seeds different."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from aitk_core.statistics.bands import score_convergence
from aitk_core.testing.bands import UNDETERMINED, BandPolicyLaws, band_by_thresholds
from aitk_observability.scoring.bands import AbsoluteDeltaThresholds, NoiseCalibrated

if TYPE_CHECKING:
    from aitk_core.records.results import JsonObject
    from aitk_core.registry import Registry

POLICY = NoiseCalibrated()


def _by_a_client(
    source: JsonObject, delta: float, standard_error: float | None, n: int | None
) -> str:
    """What a client comes to who knows only the published source."""
    if standard_error is None or not math.isfinite(delta):
        return UNDETERMINED
    few = n is None or n < source["n_below"]
    factor = source["standard_errors_below_n" if few else "standard_errors"]
    nearest = abs(delta) - factor * standard_error
    if standard_error > 0 and nearest <= 0:
        return UNDETERMINED
    return band_by_thresholds(source["thresholds"], max(0.0, nearest))


class TestNoiseCalibrated(BandPolicyLaws):
    """The policy of STATS.md section 6."""

    order = ("negligible", "moderate", "large")
    policy = NoiseCalibrated
    reproduce = staticmethod(_by_a_client)


@pytest.mark.parametrize(
    ("delta", "standard_error", "n", "band"),
    [
        (20.0, None, 5000, "undetermined"),
        (20.0, 11.0, 5000, "undetermined"),
        (20.0, 9.5, 5000, "negligible"),
        (-20.0, 6.5, 5000, "moderate"),
        (20.0, 5.0, 5000, "large"),
        (20.0, 5.0, 500, "moderate"),
        (2.0, 0.0, 5000, "negligible"),
        (8.0, 0.0, 5000, "moderate"),
        (8.01, 0.0, 5000, "large"),
    ],
)
def test_the_bound_nearest_zero_names_the_band(
    delta: float, standard_error: float | None, n: int, band: str
) -> None:
    assert POLICY.band(delta, standard_error=standard_error, n=n) == band


def test_runs_that_differ_only_by_chance_are_rarely_called_different() -> None:
    """STATS.md section 6: 3 % at n = 5000, where fixed thresholds call 45 % large."""
    generator = np.random.default_rng(7)

    def score() -> Any:
        losses = generator.lognormal(-2, 1.2, 5000)
        return score_convergence(losses, generator=generator)

    fixed = AbsoluteDeltaThresholds()
    told, large = 0, 0
    for _ in range(40):
        a, b = score(), score()
        delta = a.estimate - b.estimate
        error = math.hypot(a.standard_error, b.standard_error)
        told += POLICY.band(delta, standard_error=error, n=5000) != UNDETERMINED
        large += fixed.band(delta) == "large"
    # 40 pairs at the stated 3 %: 6 or more has a chance below 0.2 %.
    assert told < 6
    assert large > told


def test_both_policies_are_installed_and_the_contracts_is_the_default(registry: Registry) -> None:
    assert {"absolute_delta_thresholds_v1", "noise_calibrated_v2"} <= set(registry.band_policies)


def test_a_difference_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a number"):
        POLICY.band(math.nan, standard_error=1.0, n=10)
