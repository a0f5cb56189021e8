"""The laws of band policies, for any of them: inherit `BandPolicyLaws` in a test module.

    class TestMyPolicy(BandPolicyLaws):
        policy = MyPolicy
        order = ("small", "big")

They are those of design 10.13. A policy that weighs uncertainty also overrides `reproduce`, with
what a client would do who knows only the published `source()`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aitk_core.testing.strategies import deltas, sample_sizes, standard_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_core.protocols import BandPolicy
    from aitk_core.records.results import JsonObject

UNDETERMINED: Final = "undetermined"
"""The band of differences that may be chance: beside the order, neither small nor large."""

# No wall-clock limits; and one law is run by many subclasses, whose policies are pure.
_LAW: Final = settings(deadline=None, suppress_health_check=[HealthCheck.differing_executors])


class BandPolicyLaws(ABC):
    """What holds for every band policy at fixed standard error and sample size."""

    order: ClassVar[Sequence[str]]
    """The bands from smallest to largest, without `undetermined`."""

    @abstractmethod
    def policy(self) -> BandPolicy:
        """Return a new policy. A class can be assigned; a function needs `staticmethod`."""

    def reproduce(
        self,
        source: JsonObject,
        delta: float,
        standard_error: float | None,  # noqa: ARG002 - for policies that weigh it
        n: int | None,  # noqa: ARG002 - for policies that weigh it
        /,
    ) -> str:
        """Return the band from the provenance alone, read back from JSON.

        This form reads thresholds `<band>_lte` and `<band>_gt` on the size of the difference.
        """
        return band_by_thresholds(source["thresholds"], delta)

    def edges(self) -> tuple[float, ...]:
        """Return the magnitudes at which bands may change, from the published thresholds."""
        thresholds = self.policy().source().get("thresholds")
        values = thresholds.values() if isinstance(thresholds, dict) else ()
        return tuple(float(v) for v in values if isinstance(v, int | float) and v >= 0)

    def rank(self, band: str) -> int:
        """Return the place of a band in the order."""
        assert band in self.order, f"band {band!r} is none of {tuple(self.order)!r}"
        return self.order.index(band)

    @_LAW
    @given(data=st.data(), standard_error=standard_errors(), n=sample_sizes())
    def test_every_finite_difference_has_a_declared_band(
        self, data: st.DataObject, standard_error: float | None, n: int | None
    ) -> None:
        """Total: no exception and no gap, whatever is known of the uncertainty."""
        delta = data.draw(deltas(edges=self.edges()), label="delta")
        band: Any = self.policy().band(delta, standard_error=standard_error, n=n)
        assert isinstance(band, str)
        assert band == UNDETERMINED or band in self.order, f"undeclared band {band!r}"

    @_LAW
    @given(data=st.data(), standard_error=standard_errors(), n=sample_sizes())
    def test_a_larger_difference_never_has_a_smaller_band(
        self, data: st.DataObject, standard_error: float | None, n: int | None
    ) -> None:
        """Monotone in magnitude among the bands of the order.

        `undetermined` may lie anywhere: below what can be told apart from chance, or between
        two bands where the interval covers their border.
        """
        policy, edges = self.policy(), self.edges()
        drawn = (data.draw(deltas(edges=edges), label=name) for name in ("one", "other"))
        smaller, larger = sorted(drawn, key=abs)
        low = policy.band(smaller, standard_error=standard_error, n=n)
        high = policy.band(larger, standard_error=standard_error, n=n)
        if UNDETERMINED not in (low, high):
            assert self.rank(low) <= self.rank(high)

    @_LAW
    @given(data=st.data(), standard_error=standard_errors(), n=sample_sizes())
    def test_the_sign_of_a_difference_does_not_matter(
        self, data: st.DataObject, standard_error: float | None, n: int | None
    ) -> None:
        """Symmetric: who is compared with whom does not change the band."""
        delta, policy = data.draw(deltas(edges=self.edges()), label="delta"), self.policy()
        there = policy.band(delta, standard_error=standard_error, n=n)
        back = policy.band(-delta, standard_error=standard_error, n=n)
        assert there == back

    def test_the_provenance_survives_json(self) -> None:
        """Stable: what a client reads is what the policy said, name and units included."""
        source = self.policy().source()
        assert json.loads(json.dumps(source, allow_nan=False)) == source
        for name in ("id", "units"):
            assert isinstance(source.get(name), str), f"{name} must be a string"
            assert source[name], f"{name} must not be empty"

    @_LAW
    @given(data=st.data(), standard_error=standard_errors(), n=sample_sizes())
    def test_the_provenance_reproduces_the_band(
        self, data: st.DataObject, standard_error: float | None, n: int | None
    ) -> None:
        """A client that knows only the published source comes to the same band."""
        delta, policy = data.draw(deltas(edges=self.edges()), label="delta"), self.policy()
        read_back = json.loads(json.dumps(policy.source()))
        band = policy.band(delta, standard_error=standard_error, n=n)
        assert self.reproduce(read_back, delta, standard_error, n) == band

    @_LAW
    @given(data=st.data(), standard_error=standard_errors(), n=sample_sizes())
    def test_the_same_question_has_the_same_answer(
        self, data: st.DataObject, standard_error: float | None, n: int | None
    ) -> None:
        """Deterministic: neither earlier questions nor the instance matter."""
        edges, policy = self.edges(), self.policy()
        delta = data.draw(deltas(edges=edges), label="delta")
        between = data.draw(deltas(edges=edges), label="asked between")
        source = policy.source()
        first = policy.band(delta, standard_error=standard_error, n=n)
        policy.band(between, standard_error=None, n=None)
        assert policy.band(delta, standard_error=standard_error, n=n) == first
        assert self.policy().band(delta, standard_error=standard_error, n=n) == first
        assert policy.source() == source == self.policy().source()


def band_by_thresholds(thresholds: Mapping[str, Any], delta: float) -> str:
    """Return the band that published thresholds give, and fail where they leave a gap.

    Args:
        thresholds: `<band>_lte`: sizes up to it, included, down to the next lower one.
            `<band>_gt`: sizes above it that no `_lte` covers.
        delta: Never NaN.
    """
    size = abs(delta)
    up_to = {
        name.removesuffix("_lte"): v for name, v in thresholds.items() if name.endswith("_lte")
    }
    above = {name.removesuffix("_gt"): v for name, v in thresholds.items() if name.endswith("_gt")}
    fitting = [(bound, band) for band, bound in up_to.items() if size <= bound]
    if fitting:
        return min(fitting)[1]
    beyond = [(bound, band) for band, bound in above.items() if size > bound]
    assert beyond, f"no threshold of {dict(thresholds)!r} covers {size!r}"
    return max(beyond)[1]
