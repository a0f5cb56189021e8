"""What an estimate of GPU memory holds."""

from __future__ import annotations

from typing import Final, Literal

from attrs import frozen

from aitk_guardrails.vram.settings import VramSettings

GIB: Final = float(2**30)

Method = Literal[
    "computed", "scaled_by_runs_of_this_machine", "measured_on_this_machine", "undetermined"
]


@frozen(kw_only=True)
class Span:
    """An interval of bytes with the value that is most likely; low <= estimate <= high."""

    low: float
    estimate: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Span:
        """Return a value that is known."""
        return cls(low=value, estimate=value, high=value)

    def times(self, low: float, estimate: float | None = None, high: float | None = None) -> Span:
        """Return the product with a factor, or with one for each value."""
        return Span(
            low=self.low * low,
            estimate=self.estimate * (low if estimate is None else estimate),
            high=self.high * (low if high is None else high),
        )

    def plus(self, other: Span) -> Span:
        """Return the sum; ends add up, since errors of the parts may have one cause."""
        return Span(
            low=self.low + other.low,
            estimate=self.estimate + other.estimate,
            high=self.high + other.high,
        )

    def or_more(self, other: Span) -> Span:
        """Return the larger of each value."""
        return Span(
            low=max(self.low, other.low),
            estimate=max(self.estimate, other.estimate),
            high=max(self.high, other.high),
        )


NOTHING: Final = Span.exactly(0)


@frozen(kw_only=True)
class Part:
    """What one thing takes while training."""

    name: str
    span: Span
    how: str
    """How it was computed, one sentence."""
    source: str
    is_open: bool = False
    """It was never measured; runs of the machine scale it."""


@frozen(kw_only=True)
class VramEstimate:
    """The peak of GPU memory of a run, sampling left out; None where it cannot be told."""

    settings: VramSettings
    method: Method
    estimate_gib: float | None = None
    low_gib: float | None = None
    high_gib: float | None = None
    parts: tuple[Part, ...] = ()
    """While training; they add up."""
    loading: Part | None = None
    """While the model is loaded, before the parts are: the larger of both counts."""
    assumptions: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    """What is not in the estimate, or not known of it."""
    reason: str = ""
    """Why there is no estimate, or what a measured one rests on."""
    n: int = 0
    """Runs of this machine behind it."""


@frozen(kw_only=True)
class Observation:
    """What a run of this machine really used."""

    job_id: str
    settings: VramSettings
    peak_mib: float
    """Largest reading of the GPU's used memory, all processes."""
    n: int = 1
    """Readings behind it."""


@frozen(kw_only=True)
class Fit:
    """Whether a run fits into memory."""

    verdict: Literal["yes", "no", "undetermined"]
    available_gib: float | None
    reason: str
