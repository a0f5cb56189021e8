"""What a replay showed, and what follows from it: figures with exact bounds, and failures."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from aitk_core.statistics.description import FalseAlarmRate
from aitk_core.statistics.rates import binomial_at_least, poisson_at_least, poisson_upper

if TYPE_CHECKING:
    from aitk_core.records.findings import Finding

_CHANCE: Final = 0.005
"""A count that a true rate as stated gives less often than this is more than stated: the upper
end of the 99 % interval. Ours; the series are seeded, so an installation is judged alike each
time."""
NOT_ASKED: Final = "not asked any more"
"""Fault of a case whose analyzer had been given up by then."""

_PER_VERDICT: Final = frozenset({"per verdict", "per interval"})


@frozen(kw_only=True)
class Alarm:
    """A warning, or worse, where nothing was wrong."""

    code: str
    step: int | None
    """Newest step when it was first raised; None at the run's end."""


@frozen(kw_only=True)
class CaseOutcome:
    """How the replay of one case went."""

    name: str
    must_find: tuple[str, ...]
    missing: tuple[str, ...] = ()
    """Codes that were not raised."""
    delay_steps: int | None = None
    """Steps from the onset to the look at which all were raised; None without an onset."""
    alarms: tuple[Alarm, ...] = ()
    healthy_steps: int = 0
    """Steps of the run in which nothing was wrong."""
    fault: str = ""
    """Why the analyzer, or the case, could not be run to the end."""

    @property
    def failure(self) -> str:
        """Return what went wrong in a sentence, or nothing."""
        if self.fault:
            return self.fault
        if self.alarms:
            told = ", ".join(
                f"{alarm.code} at {'the end' if alarm.step is None else f'step {alarm.step}'}"
                for alarm in self.alarms[:3]
            )
            return f"false alarm: {told}"
        return f"did not find {', '.join(self.missing)}" if self.missing else ""


@define(kw_only=True)
class NoiseCount:
    """How often one code was raised on runs of pure noise."""

    code: str
    severity: str
    method: str
    stated: FalseAlarmRate | None
    at_end: int = 0
    """Runs in which it stands at the end."""
    at_any_look: int = 0
    """Runs in which it stood at some look."""
    events: int = 0
    """Times that it was raised anew."""

    def is_within(self, runs: int, steps: int) -> bool | None:
        """Tell whether that is no more than the method states; None where it states nothing.

        Args:
            runs: Of noise.
            steps: Of all of them.
        """
        rate = None if self.stated is None else self.stated.rate
        if self.stated is None or rate is None:
            return None
        unit = self.stated.unit
        if unit in _PER_VERDICT:
            return binomial_at_least(self.at_end, runs, min(1.0, rate)) >= _CHANCE
        if unit == "per run":
            return binomial_at_least(self.at_any_look, runs, min(1.0, rate)) >= _CHANCE
        if unit == "per 1000 steps":
            return poisson_at_least(self.events, rate * steps / 1000) >= _CHANCE
        return None


@define(kw_only=True)
class AlarmCount:
    """False alarms over steps in which nothing was wrong."""

    alarms: int = 0
    steps: int = 0

    @property
    def per_1000_steps(self) -> float | None:
        """Return the rate, or None where there was nothing to count over."""
        return 1000 * self.alarms / self.steps if self.steps else None

    @property
    def upper(self) -> float | None:
        """Return the exact upper 95 % bound of the rate (Garwood 1936), or None."""
        return 1000 * poisson_upper(self.alarms) / self.steps if self.steps else None


@define(kw_only=True)
class Card:
    """What the proof of one analyzer showed."""

    name: str
    distribution: str
    subject: str
    has_proofs: bool
    cases: list[CaseOutcome] = field(factory=list)
    noise: dict[str, NoiseCount] = field(factory=dict)
    noise_steps: int = 0
    noise_runs: int = 0
    traces: AlarmCount | None = None
    trace_codes: dict[str, int] = field(factory=dict)
    recorded: dict[str, tuple[str, ...]] = field(factory=dict)
    """Codes raised on recorded runs with something wrong, by run."""
    seconds: list[float] = field(factory=list)
    """Of each evidence."""
    faults: list[str] = field(factory=list)
    """Failures that belong to no case."""

    @property
    def to_find(self) -> list[CaseOutcome]:
        """Return the cases with something to find."""
        return [case for case in self.cases if case.must_find]

    @property
    def found(self) -> int:
        """Return in how many of them all was found."""
        return sum(not case.missing and not case.fault for case in self.to_find)

    @property
    def delays(self) -> tuple[float, float] | None:
        """Return the median and the 90 % delay in steps, or None where no case has an onset."""
        delays = sorted(c.delay_steps for c in self.cases if c.delay_steps is not None)
        if not delays:
            return None
        return float(median(delays)), float(delays[math.ceil(0.9 * len(delays)) - 1])

    @property
    def false_alarms(self) -> AlarmCount:
        """Return the warnings on sound cases, sound parts of cases, and noise."""
        grave = [count for count in self.noise.values() if count.severity != "info"]
        return AlarmCount(
            alarms=sum(len(case.alarms) for case in self.cases)
            + sum(count.events for count in grave),
            steps=sum(case.healthy_steps for case in self.cases) + self.noise_steps,
        )

    @property
    def failures(self) -> list[str]:
        """Return all that went wrong, a sentence each."""
        told = [
            f"{case.name}: {case.failure}"
            for case in self.cases
            if case.failure not in ("", NOT_ASKED)
        ]
        return [*self.faults, *told, *self._noise_failures()]

    def _noise_failures(self) -> list[str]:
        told = []
        for count in self.noise.values():
            is_within = count.is_within(self.noise_runs, self.noise_steps)
            seen = f"pure noise: {count.code} in {count.at_any_look} of {self.noise_runs} runs"
            if is_within is False and count.stated is not None:
                told.append(f"{seen}, more than the stated {count.stated.rate:g} "
                            f"{count.stated.unit}")  # fmt: skip
            if is_within is None and count.severity != "info":
                told.append(f"{seen}, and its method states no false-alarm rate")
        return told

    def count_noise(self, finding: Finding) -> NoiseCount:
        """Return the count of a finding's code; the gravest severity is kept."""
        count = self.noise.setdefault(
            finding.code,
            NoiseCount(
                code=finding.code,
                severity=finding.severity,
                method=finding.method,
                stated=finding.false_alarm_rate,
            ),
        )
        if finding.severity != "info":
            count.severity = finding.severity
        return count
