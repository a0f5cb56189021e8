"""The default band policy keeps the laws of every band policy, and each law catches a breach."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pytest

from aitk_core.testing.bands import UNDETERMINED, BandPolicyLaws, band_by_thresholds
from aitk_observability.scoring.bands import AbsoluteDeltaThresholds, delta_band

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.protocols import BandPolicy
    from aitk_core.records.results import JsonObject

ORDER: Final = ("negligible", "moderate", "large")


class TestAbsoluteDeltaThresholds(BandPolicyLaws):
    """The contract's default."""

    order = ORDER

    def policy(self) -> BandPolicy:
        return AbsoluteDeltaThresholds()


class TwoSigma:
    """Weighs the uncertainty: by the bound nearest 0, and undetermined where that passes 0."""

    def band(self, delta: float, *, standard_error: float | None, n: int | None) -> str:
        del n
        if standard_error is None:
            return UNDETERMINED
        nearest = abs(delta) - 2 * standard_error
        if nearest < 0:
            return UNDETERMINED
        return "small" if nearest <= 5.0 else "big"

    def source(self) -> JsonObject:
        return {
            "id": "two_sigma_v1",
            "units": "score_points",
            "thresholds": {"small_lte": 5.0, "big_gt": 5.0},
            "standard_errors": 2,
        }


class TestAPolicyThatWeighsUncertainty(BandPolicyLaws):
    """The laws fit it once it says how its provenance is read."""

    order = ("small", "big")

    def policy(self) -> BandPolicy:
        return TwoSigma()

    def reproduce(
        self, source: JsonObject, delta: float, standard_error: float | None, n: int | None
    ) -> str:
        del n
        if standard_error is None:
            return UNDETERMINED
        nearest = abs(delta) - source["standard_errors"] * standard_error
        return UNDETERMINED if nearest < 0 else band_by_thresholds(source["thresholds"], nearest)


class Equivalence:
    """Small only when shown to be, so it is undetermined between small and big."""

    def band(self, delta: float, *, standard_error: float | None, n: int | None) -> str:
        del n
        half = 0.0 if standard_error is None else 2 * standard_error
        if abs(delta) + half <= 5.0:
            return "small"
        return "big" if abs(delta) - half > 5.0 else UNDETERMINED

    def source(self) -> JsonObject:
        return {"id": "equivalence_v1", "units": "score_points", "thresholds": {"border": 5.0}}


class TestAPolicyThatIsUndeterminedBetweenTwoBands(BandPolicyLaws):
    """Undetermined is beside the order, so it breaks no monotony."""

    order = ("small", "big")

    def policy(self) -> BandPolicy:
        return Equivalence()

    def reproduce(
        self, source: JsonObject, delta: float, standard_error: float | None, n: int | None
    ) -> str:
        del n
        border = source["thresholds"]["border"]
        half = 0.0 if standard_error is None else 2 * standard_error
        low, high = abs(delta) - half, abs(delta) + half
        return "small" if high <= border else "big" if low > border else UNDETERMINED


@pytest.mark.parametrize(
    ("delta", "band"),
    [
        (0.0, "negligible"),
        (2.0, "negligible"),
        (2.01, "moderate"),
        (8.0, "moderate"),
        (8.01, "large"),
        (-2.0, "negligible"),
        (-2.01, "moderate"),
        (-8.0, "moderate"),
        (-8.01, "large"),
        (math.inf, "large"),
        (-math.inf, "large"),
        (math.nextafter(2.0, 3.0), "moderate"),
        (math.nextafter(8.0, 9.0), "large"),
    ],
)
def test_both_bounds_are_inclusive_in_both_directions(delta: float, band: str) -> None:
    assert delta_band(delta) == band
    assert AbsoluteDeltaThresholds().band(delta, standard_error=99.0, n=3) == band


def test_nan_is_refused_and_no_difference_has_no_band() -> None:
    with pytest.raises(ValueError, match="nan"):
        delta_band(math.nan)
    assert delta_band(None) is None


def test_the_published_source_is_exactly_the_contracts() -> None:
    assert AbsoluteDeltaThresholds().source() == {
        "id": "absolute_delta_thresholds_v1",
        "units": "score_points",
        "thresholds": {"negligible_lte": 2.0, "moderate_lte": 8.0, "large_gt": 8.0},
    }


def test_changing_a_published_source_changes_no_later_one() -> None:
    policy = AbsoluteDeltaThresholds()
    policy.source()["thresholds"]["large_gt"] = 0.0  # type: ignore[index]  # on purpose
    assert policy.source() == AbsoluteDeltaThresholds().source()


def test_published_thresholds_with_a_hole_are_an_error() -> None:
    with pytest.raises(AssertionError, match="covers"):
        band_by_thresholds({"small_lte": 2.0, "big_gt": 8.0}, 5.0)


class Broken(AbsoluteDeltaThresholds):
    """Base of policies that break one law each."""


class HasAGap(Broken):
    def band(
        self, delta: float, *, standard_error: float | None = None, n: int | None = None
    ) -> str:
        if 2.0 < abs(delta) <= 8.0:
            raise KeyError("moderate")
        return super().band(delta, standard_error=standard_error, n=n)


class HasAnUndeclaredBand(Broken):
    def band(
        self, delta: float, *, standard_error: float | None = None, n: int | None = None
    ) -> str:
        band = super().band(delta, standard_error=standard_error, n=n)
        return "huge" if band == "large" else band


class AnswersNone(Broken):
    def band(
        self, delta: float, *, standard_error: float | None = None, n: int | None = None
    ) -> str:
        band: Any = super().band(delta, standard_error=standard_error, n=n)
        return None if band == "large" else band  # type: ignore[no-any-return]  # the breach


class ShrinksBeyondTheScale(Broken):
    def band(
        self, delta: float, *, standard_error: float | None = None, n: int | None = None
    ) -> str:
        if abs(delta) > 50.0:
            return "negligible"
        return super().band(delta, standard_error=standard_error, n=n)


class LooksAtTheSign(Broken):
    def band(
        self, delta: float, *, standard_error: float | None = None, n: int | None = None
    ) -> str:
        if delta < 0:
            return "negligible"
        return super().band(delta, standard_error=standard_error, n=n)


class PublishesATuple(Broken):
    def source(self) -> JsonObject:
        return {**super().source(), "thresholds": (2.0, 8.0)}


class PublishesAnInfinity(Broken):
    def source(self) -> JsonObject:
        return {**super().source(), "noise": math.inf}


class HasNoUnits(Broken):
    def source(self) -> JsonObject:
        return {**super().source(), "units": ""}


class PublishesOtherThresholds(Broken):
    def source(self) -> JsonObject:
        thresholds = {"negligible_lte": 3.0, "moderate_lte": 8.0, "large_gt": 8.0}
        return {**super().source(), "thresholds": thresholds}


class LeavesItsBoundsOut(Broken):
    def band(
        self, delta: float, *, standard_error: float | None = None, n: int | None = None
    ) -> str:
        if abs(delta) == 2.0:
            return "moderate"
        return super().band(delta, standard_error=standard_error, n=n)


class WeighsWhatItDoesNotPublish(Broken):
    def band(
        self, delta: float, *, standard_error: float | None = None, n: int | None = None
    ) -> str:
        if standard_error is not None and abs(delta) < standard_error:
            return UNDETERMINED
        return super().band(delta, standard_error=standard_error, n=n)


class LearnsFromQuestions(Broken):
    def __init__(self) -> None:
        self.asked = 0

    def band(
        self, delta: float, *, standard_error: float | None = None, n: int | None = None
    ) -> str:
        self.asked += 1
        if self.asked > 2:
            return "large"
        return super().band(delta, standard_error=standard_error, n=n)


class DiffersByInstance(Broken):
    made: ClassVar[int] = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.is_odd = self.made % 2 == 1

    def band(
        self, delta: float, *, standard_error: float | None = None, n: int | None = None
    ) -> str:
        return "large" if self.is_odd else "moderate"


def _laws_of(broken: Callable[[], BandPolicy]) -> BandPolicyLaws:
    class Laws(BandPolicyLaws):
        order = ORDER

        def policy(self) -> BandPolicy:
            return broken()

    return Laws()


TOTAL: Final = "test_every_finite_difference_has_a_declared_band"
MONOTONE: Final = "test_a_larger_difference_never_has_a_smaller_band"
SYMMETRIC: Final = "test_the_sign_of_a_difference_does_not_matter"
STABLE: Final = "test_the_provenance_survives_json"
REPRODUCED: Final = "test_the_provenance_reproduces_the_band"
DETERMINED: Final = "test_the_same_question_has_the_same_answer"


@pytest.mark.parametrize(
    ("broken", "law", "error"),
    [
        (HasAGap, TOTAL, KeyError),
        (HasAnUndeclaredBand, TOTAL, AssertionError),
        (AnswersNone, TOTAL, AssertionError),
        (ShrinksBeyondTheScale, MONOTONE, AssertionError),
        (LooksAtTheSign, SYMMETRIC, AssertionError),
        (PublishesATuple, STABLE, AssertionError),
        (PublishesAnInfinity, STABLE, ValueError),
        (HasNoUnits, STABLE, AssertionError),
        (PublishesOtherThresholds, REPRODUCED, AssertionError),
        (LeavesItsBoundsOut, REPRODUCED, AssertionError),
        (WeighsWhatItDoesNotPublish, REPRODUCED, AssertionError),
        (LearnsFromQuestions, DETERMINED, AssertionError),
        (DiffersByInstance, DETERMINED, AssertionError),
    ],
)
def test_each_law_catches_a_policy_that_breaks_it(
    broken: Callable[[], BandPolicy], law: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        getattr(_laws_of(broken), law)()


def test_every_law_has_a_policy_that_breaks_it() -> None:
    laws = {name for name in vars(BandPolicyLaws) if name.startswith("test_")}
    assert laws == {TOTAL, MONOTONE, SYMMETRIC, STABLE, REPRODUCED, DETERMINED}
