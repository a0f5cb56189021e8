"""Result records of the statistics: plain Python values, JSON-ready through `attrs.asdict`.

`Result` holds what every method says; the subclasses narrow the verdict and add what is
particular to one method. No number in them is ever NaN or infinite: None stands for what
could not be computed. This module imports no numpy.
"""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from aitk_core.statistics.description import FalseAlarmRate, Parameter

Severity = Literal["none", "info", "warning", "critical"]


@frozen(kw_only=True)
class Result:
    """What every method answers."""

    verdict: str
    """One word of the subclass's closed set; `undetermined` is always legal."""
    severity: Severity = "none"
    reason: str
    """Why this verdict, in one sentence."""
    estimate: float | None = None
    """The method's central number; its meaning and unit stand with the subclass."""
    interval: tuple[float, float] | None = None
    """Both ends included; None where the method has no validated interval."""
    n: int
    """Usable values that went in."""
    method: str
    """Id and version, a key of `METHODS`."""
    false_alarm_rate: FalseAlarmRate
    parameters: dict[str, Parameter] = field(factory=dict)
    """The settings as they were used."""
    needed_n: int | None = None
    """Usable values that a verdict would need, where it is undetermined for lack of data."""
    steps: tuple[int, int] | None = None
    """First and last training step covered; None without data."""


@frozen(kw_only=True)
class NumericResult(Result):
    """Non-finite and zero losses. Estimate: their share of n, which counts all values here."""

    verdict: Literal["ok", "warning", "critical", "undetermined"]
    nonfinite: int
    """Values that are None, NaN or infinite."""
    zero: int
    """Values of zero or less: AI Toolkit logs a NaN loss as exactly 0."""
    first_bad_step: int | None = None
    last_bad_step: int | None = None
    recent_bad: int = 0
    """Bad values among the last 200."""
    stop_justified: bool = False


@frozen(kw_only=True)
class LevelResult(Result):
    """Mean loss. Estimate and interval: loss units, 95 %."""

    verdict: Literal["estimated", "undetermined"]
    relative_half_width: float | None = None
    """Half the interval over the mean."""
    last: float | None = None
    """Last usable value in time order."""


@frozen(kw_only=True)
class Flag:
    """One flagged value."""

    step: int
    index: int
    """Position among the usable values, from 0."""
    value: float
    ratio: float | None
    """The value over the largest one before it; None where the quotient overflows."""


@frozen(kw_only=True)
class BlowupResult(Result):
    """One-step blow-ups. Estimate: largest ratio of a flagged value to all before it."""

    verdict: Literal["none", "isolated", "repeated", "undetermined"]
    flags: tuple[Flag, ...] = ()


@frozen(kw_only=True)
class OddnessResult(Result):
    """How odd the latest value is. Estimate: robust z of ln loss; never an alarm."""

    verdict: Literal["usual", "odd", "undetermined"]
    odd_steps: tuple[int, ...] = ()
    """Steps whose z is above the threshold, oldest first."""


@frozen(kw_only=True)
class ShiftAlarm:
    """One alarm of the cumulative sum."""

    block: int
    """Number of the alarming block, from 0."""
    step: int
    """Last step of the alarming block."""
    onset_step: int
    """First step of the block at which the sum began to rise."""
    log_ratio: float
    """Mean of the log block means from onset to alarm, over the baseline's mean."""
    stop_step: int | None = None
    """Last step of the tenth block after the alarm, where those ten confirm a doubling."""


@frozen(kw_only=True)
class ShiftResult(Result):
    """Level shift upward. Estimate: log ratio of the latest alarm, else of the last 10 blocks."""

    verdict: Literal["shift_up", "none", "undetermined"]
    setting: Literal["main", "short"] | None = None
    up: tuple[ShiftAlarm, ...] = ()
    down: tuple[ShiftAlarm, ...] = ()
    """Shifts downward: a note, not an alarm."""
    blocks: int = 0
    sum_up: float = 0.0
    """The cumulative sum at the last block, 0 to h."""
    sum_down: float = 0.0
    stop_justified: bool = False
    """An alarm was confirmed by ten blocks at twice its baseline or more."""


@frozen(kw_only=True)
class TrendResult(Result):
    """Trend of the loss. Estimate and interval: ln of last quarter over first quarter."""

    verdict: Literal["decreasing", "increasing", "undetermined"]
    df: float | None = None
    """Degrees of freedom after Welch and Satterthwaite."""
    looks: int = 1
    """Planned looks that the level was divided by."""


@frozen(kw_only=True)
class CompareResult(Result):
    """Two runs. Estimate and interval: ln of the mean loss of a over that of b."""

    verdict: Literal[
        "a_lower", "a_higher", "equivalent", "not_comparable", "not_paired", "undetermined"
    ]
    mean_a: float | None = None
    mean_b: float | None = None
    standard_error: float | None = None
    """Of the log ratio."""
    correlation: float | None = None
    """Of ln loss over the shared steps; only for the paired form."""
    detectable_difference_fraction: float | None = None
    """Smallest relative difference these data show with 80 % power."""
    steps_b: tuple[int, int] | None = None
    """Steps covered of run b; those of run a are in `steps`."""


@frozen(kw_only=True)
class ManyResult(Result):
    """Several runs. Estimate: mean loss of the leader over its tail."""

    verdict: Literal["lowest", "tie", "undetermined"]
    leader: str | None = None
    """Run of the smallest tail mean; it won only where the verdict is `lowest`."""
    tied: tuple[str, ...] = ()
    """The leader and all runs it does not beat."""
    not_assessed: tuple[str, ...] = ()
    """Runs with too little data."""
    means: dict[str, float] = field(factory=dict)
    comparisons: dict[str, CompareResult] = field(factory=dict)
    """The leader (a) against each other run (b)."""


@frozen(kw_only=True)
class OverfitResult(Result):
    """Validation loss. Estimate: mean of the last three evaluations over the minimum, minus 1."""

    verdict: Literal["overfitting", "val_rising", "none", "undetermined"]
    best_step: int | None = None
    best_value: float | None = None
    rising_step: int | None = None
    """Where the 0.5 % rule first fired."""
    overfitting_step: int | None = None
    """Where the 1 % rule first fired."""
    recovered: bool = False
    """A rule fired, and a later evaluation went below the minimum of that time."""


@frozen(kw_only=True)
class ValidationComparison(Result):
    """Best validation losses. Estimate: relative difference (a - b) / b."""

    verdict: Literal["a_lower", "a_higher", "undetermined"]
    best_a: float | None = None
    best_b: float | None = None


@frozen(kw_only=True)
class CheckpointLoss:
    """The validation loss at a checkpoint."""

    step: int
    loss: float


@frozen(kw_only=True)
class CheckpointChoice(Result):
    """Best checkpoint. Estimate: its validation loss; interval: what cannot be told from it."""

    verdict: Literal["chosen", "tied", "undetermined"]
    step: int | None = None
    """The checkpoint with the lowest validation loss."""
    as_good: tuple[int, ...] = ()
    """All that cannot be told from it, itself included, ascending."""
    judged: tuple[CheckpointLoss, ...] = ()
    not_judged: tuple[int, ...] = ()
    """Checkpoints outside the evaluated steps."""


@frozen(kw_only=True)
class SlowdownResult(Result):
    """Seconds per step. Estimate: median of the last 20 over the baseline."""

    verdict: Literal["slow", "recovered", "ok", "undetermined"]
    baseline_s: float | None = None
    recent_s: float | None = None
    first_slow_step: int | None = None


@frozen(kw_only=True)
class StallResult(Result):
    """Silence of a run. Estimate: seconds since the last sign of progress."""

    verdict: Literal["progressing", "stalled", "dead", "not_training", "undetermined"]
    limit_s: float | None = None
    """Silence allowed in this phase; None where no clock runs."""
    phase: str = "training"


@frozen(kw_only=True)
class Pause:
    """A gap between two steps that is longer than training them takes."""

    after_step: int
    duration_s: float
    excess_s: float
    """Duration less the median time of the steps in the gap."""
    is_break: bool
    """Longer than the stall limit: the run stood still, as between a stop and a resume."""


@frozen(kw_only=True)
class PauseResult(Result):
    """Pauses. Estimate: share of the time between first and last step spent in pauses."""

    verdict: Literal["segmented", "undetermined"]
    median_s: float | None = None
    """Median seconds per step."""
    pause_s_per_step: float | None = None
    pauses: tuple[Pause, ...] = ()
    segments: tuple[tuple[int, int], ...] = ()
    """First and last step of each stretch without a break."""


@frozen(kw_only=True)
class EtaResult(Result):
    """Time left. Estimate and interval: seconds; interval from measured error quantiles."""

    verdict: Literal["estimated", "range", "done", "undetermined"]
    steps_left: int | None = None
    fraction_done: float | None = None
    step_only_s: float | None = None
    """Median seconds per step times steps left: without saving and sampling."""
    elapsed_s: float | None = None
    """Elapsed time per step times steps left."""


@frozen(kw_only=True)
class WindowStats:
    """Mean and spread of a stretch of the loss."""

    n: int
    mean: float | None
    cv: float | None
    """Standard deviation over mean; None below two values."""
    steps: tuple[int, int] | None


@frozen(kw_only=True)
class EarlyResult(Result):
    """Runs that go wrong at once. Estimate and interval: ln of the tail's mean over the start's."""

    verdict: Literal["none", "diverged", "noise_level_since_start", "noise_level", "undetermined"]
    early: WindowStats | None = None
    tail: WindowStats | None = None
    worse_than_start: bool | None = None
    """Whether the interval lies above 0; None where the start is not in the data."""


@frozen(kw_only=True)
class ExplosionResult(Result):
    """Losses beyond a model that predicts nothing. Estimate: median of the last window."""

    verdict: Literal["none", "exploded", "exploded_earlier", "undetermined"]
    first_step: int | None = None
    """First and last step of windows above the level."""
    last_step: int | None = None


@frozen(kw_only=True)
class ScoreResult(Result):
    """Score of a loss series, with noise. Estimate: score points."""

    verdict: Literal["scored", "undetermined"]
    standard_error: float | None = None


@frozen(kw_only=True)
class BandResult(Result):
    """Band of a score difference. Estimate: the difference, score points."""

    verdict: Literal["negligible", "moderate", "large", "undetermined"]
    standard_error: float | None = None
    """Of the difference."""
    thresholds: tuple[float, float] = (2.0, 8.0)
    """Upper ends of `negligible` and `moderate`, both included."""
