"""The default band policy keeps the laws of every band policy, and each law catches a breach."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import field, frozen

from aitk_core.records.results import JsonObject
from aitk_core.testing.bands import UNDETERMINED, BandPolicyLaws, band_by_thresholds
from aitk_observability.scoring.bands import AbsoluteDeltaThresholds, delta_band

if TYPE_CHECKING:
    from aitk_core.protocols import BandPolicy

ORDER: Final = ("negligible", "moderate", "large")


class TestAbsoluteDeltaThresholds(BandPolicyLaws):
    """The contract's default."""

    order = ORDER
    policy = AbsoluteDeltaThresholds


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


def _read_two_sigma(
    source: JsonObject, delta: float, standard_error: float | None, _n: int | None
) -> str:
    if standard_error is None:
        return UNDETERMINED
    nearest = abs(delta) - source["standard_errors"] * standard_error
    return UNDETERMINED if nearest < 0 else band_by_thresholds(source["thresholds"], nearest)


class TestAPolicyThatWeighsUncertainty(BandPolicyLaws):
    """The laws fit it once it says how its provenance is read."""

    order = ("small", "big")
    policy = TwoSigma
    reproduce = staticmethod(_read_two_sigma)


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


def _read_equivalence(
    source: JsonObject, delta: float, standard_error: float | None, _n: int | None
) -> str:
    border = source["thresholds"]["border"]
    half = 0.0 if standard_error is None else 2 * standard_error
    if abs(delta) + half <= border:
        return "small"
    return "big" if abs(delta) - half > border else UNDETERMINED


class TestAPolicyThatIsUndeterminedBetweenTwoBands(BandPolicyLaws):
    """Undetermined is beside the order, so it breaks no monotony."""

    order = ("small", "big")
    policy = Equivalence
    reproduce = staticmethod(_read_equivalence)


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
    policy.source()["thresholds"]["large_gt"] = 0.0
    assert policy.source() == AbsoluteDeltaThresholds().source()


def test_published_thresholds_with_a_hole_are_an_error() -> None:
    with pytest.raises(AssertionError, match="covers"):
        band_by_thresholds({"small_lte": 2.0, "big_gt": 8.0}, 5.0)


DEFAULT: Final = AbsoluteDeltaThresholds()


@frozen
class Faulty:
    """The default policy but for what a case changes."""

    answer: Callable[[float, float | None], Any] = lambda delta, _error: DEFAULT.band(delta)
    published: JsonObject = field(factory=dict)

    def band(self, delta: float, *, standard_error: float | None, n: int | None) -> str:
        del n
        answer: str = self.answer(delta, standard_error)
        return answer

    def source(self) -> JsonObject:
        return {**DEFAULT.source(), **self.published}


def _has_a_gap(delta: float, _error: float | None) -> str:
    if 2.0 < abs(delta) <= 8.0:
        raise KeyError("moderate")
    return DEFAULT.band(delta)


def _has_an_undeclared_band(delta: float, _error: float | None) -> str:
    return "huge" if abs(delta) > 8.0 else DEFAULT.band(delta)


def _answers_none(delta: float, _error: float | None) -> str | None:
    return None if abs(delta) > 8.0 else DEFAULT.band(delta)


def _shrinks_beyond_the_scale(delta: float, _error: float | None) -> str:
    return "negligible" if abs(delta) > 50.0 else DEFAULT.band(delta)


def _looks_at_the_sign(delta: float, _error: float | None) -> str:
    return "negligible" if delta < 0 else DEFAULT.band(delta)


def _leaves_its_bound_out(delta: float, _error: float | None) -> str:
    return "moderate" if abs(delta) == 2.0 else DEFAULT.band(delta)


def _weighs_what_it_does_not_publish(delta: float, error: float | None) -> str:
    is_noise = error is not None and abs(delta) < error
    return UNDETERMINED if is_noise else DEFAULT.band(delta)


def _learns_from_questions() -> Faulty:
    asked = count(1)
    return Faulty(lambda delta, _: DEFAULT.band(delta) if next(asked) < 3 else "large")


def _differs_by_instance() -> Callable[[], Faulty]:
    made = count()

    def make() -> Faulty:
        band = ORDER[next(made) % 2]
        return Faulty(lambda _delta, _error: band)

    return make


def _laws_of(make: Callable[[], BandPolicy]) -> BandPolicyLaws:
    class Laws(BandPolicyLaws):
        order = ORDER
        policy = staticmethod(make)

    return Laws()


TOTAL: Final = "test_every_finite_difference_has_a_declared_band"
MONOTONE: Final = "test_a_larger_difference_never_has_a_smaller_band"
SYMMETRIC: Final = "test_the_sign_of_a_difference_does_not_matter"
STABLE: Final = "test_the_provenance_survives_json"
REPRODUCED: Final = "test_the_provenance_reproduces_the_band"
DETERMINED: Final = "test_the_same_question_has_the_same_answer"

OTHER_THRESHOLDS: Final = {"negligible_lte": 3.0, "moderate_lte": 8.0, "large_gt": 8.0}

BREACHES: Final[dict[str, tuple[Callable[[], Faulty], str, type[Exception]]]] = {
    "gap": (lambda: Faulty(_has_a_gap), TOTAL, KeyError),
    "undeclared band": (lambda: Faulty(_has_an_undeclared_band), TOTAL, AssertionError),
    "no string": (lambda: Faulty(_answers_none), TOTAL, AssertionError),
    "falls": (lambda: Faulty(_shrinks_beyond_the_scale), MONOTONE, AssertionError),
    "sign": (lambda: Faulty(_looks_at_the_sign), SYMMETRIC, AssertionError),
    "tuple": (lambda: Faulty(published={"noise": (1.0, 2.0)}), STABLE, AssertionError),
    "infinity": (lambda: Faulty(published={"noise": math.inf}), STABLE, ValueError),
    "no units": (lambda: Faulty(published={"units": ""}), STABLE, AssertionError),
    "other thresholds": (
        lambda: Faulty(published={"thresholds": OTHER_THRESHOLDS}),
        REPRODUCED,
        AssertionError,
    ),
    "open bound": (lambda: Faulty(_leaves_its_bound_out), REPRODUCED, AssertionError),
    "hidden weight": (
        lambda: Faulty(_weighs_what_it_does_not_publish),
        REPRODUCED,
        AssertionError,
    ),
    "memory": (_learns_from_questions, DETERMINED, AssertionError),
    "instances": (_differs_by_instance(), DETERMINED, AssertionError),
}


@pytest.mark.parametrize("name", BREACHES)
def test_each_law_catches_a_policy_that_breaks_it(name: str) -> None:
    make, law, error = BREACHES[name]
    with pytest.raises(error):
        getattr(_laws_of(make), law)()


def test_a_policy_without_a_breach_passes_every_law() -> None:
    for law in sorted({law for _, law, _ in BREACHES.values()}):
        getattr(_laws_of(Faulty), law)()


def test_every_law_has_a_policy_that_breaks_it() -> None:
    laws = {name for name in vars(BandPolicyLaws) if name.startswith("test_")}
    assert laws == {law for _, law, _ in BREACHES.values()}
