"""Band policies: how the size of a score difference is named.

The contract's default ignores the uncertainty of the difference, so it calls noise `large`
about half the time on noise-prediction runs; `noise_calibrated_v2` answers `undetermined`
where the difference is not distinguishable from chance (STATS.md section 6).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aitk_core.protocols import BandPolicy
    from aitk_core.records.results import JsonObject

_NEGLIGIBLE_LTE: Final = 2.0
_MODERATE_LTE: Final = 8.0
"""Both in score points, both included (contract/SCORING.md section 4)."""


class AbsoluteDeltaThresholds:
    """`absolute_delta_thresholds_v1`: negligible up to 2, moderate up to 8, else large."""

    id: Final = "absolute_delta_thresholds_v1"
    units: Final = "score_points"

    def band(
        self,
        delta: float,
        *,
        standard_error: float | None = None,  # noqa: ARG002 - part of the protocol
        n: int | None = None,  # noqa: ARG002 - part of the protocol
    ) -> str:
        """Return the band's name; an infinite difference is large.

        Args:
            delta: Difference in score points.
            standard_error: Ignored.
            n: Ignored.
        """
        size = abs(delta)
        if math.isnan(size):
            raise ValueError(f"delta {delta!r} must be a number")
        if size <= _NEGLIGIBLE_LTE:
            return "negligible"
        return "moderate" if size <= _MODERATE_LTE else "large"

    def source(self) -> JsonObject:
        """Return the provenance, which alone reproduces every band."""
        return {
            "id": self.id,
            "units": self.units,
            "thresholds": {
                "negligible_lte": _NEGLIGIBLE_LTE,
                "moderate_lte": _MODERATE_LTE,
                "large_gt": _MODERATE_LTE,
            },
        }


class NoiseCalibrated:
    """`noise_calibrated_v2`: by the bound of the interval nearest 0, or `undetermined`."""

    id: Final = "noise_calibrated_v2"
    units: Final = "score_points"

    def band(
        self, delta: float, *, standard_error: float | None = None, n: int | None = None
    ) -> str:
        """Return the band's name.

        Args:
            delta: Difference in score points.
            standard_error: Of the difference, score points; 0 where both scores are exact.
                Without one every difference is undetermined.
            n: Losses behind the shorter run; few of them widen the interval.
        """
        if math.isnan(delta):
            raise ValueError(f"delta {delta!r} must be a number")
        # numpy comes with it, so only once a difference is judged.
        from aitk_core.statistics.bands import band_of

        return band_of(delta, standard_error=standard_error, n=n).verdict

    def source(self) -> JsonObject:
        """Return the provenance: with delta, standard error and n it reproduces every band."""
        from aitk_core.statistics.methods import METHODS

        info = METHODS[self.id]
        return {
            "id": self.id,
            "units": self.units,
            "thresholds": {
                "negligible_lte": info.number("negligible_up_to"),
                "moderate_lte": info.number("moderate_up_to"),
                "large_gt": info.number("moderate_up_to"),
            },
            "standard_errors": info.number("factor"),
            "standard_errors_below_n": info.number("factor_short"),
            "n_below": info.count("short_below"),
            "false_alarm_rate": info.false_alarm_rate.rate,
        }


DEFAULT_POLICY: Final = AbsoluteDeltaThresholds()


def delta_band(
    delta: float | None,
    *,
    policy: BandPolicy = DEFAULT_POLICY,
    standard_error: float | None = None,
    n: int | None = None,
) -> str | None:
    """Return the band of a difference, or None where there is no difference.

    Args:
        delta: Difference in the policy's units, or None where a side was not scored.
        policy: Names the size.
        standard_error: Of the difference, same units, or None where unknown.
        n: Sample size behind it, or None.
    """
    if delta is None:
        return None
    return policy.band(delta, standard_error=standard_error, n=n)
