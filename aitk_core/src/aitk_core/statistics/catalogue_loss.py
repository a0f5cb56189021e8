"""Methods that read the loss: settings with sources, and measured false alarms. No numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.statistics.description import FalseAlarmRate, MethodInfo, Parameter

if TYPE_CHECKING:
    from aitk_core.statistics.description import Value

_TRACES: Final = "48 public SD1.5 runs"


def _p(value: Value, source: str) -> Parameter:
    return Parameter(value=value, source=source)


def _stats(section: int, **values: Value) -> dict[str, Parameter]:
    """Return parameters that all come from one section of STATS.md."""
    return {name: _p(value, f"STATS.md section {section}") for name, value in values.items()}


def _rate(rate: float | None, unit: str, section: int, data: str) -> FalseAlarmRate:
    return FalseAlarmRate(rate=rate, unit=unit, source=f"STATS.md section {section}: {data}")


_CUSUM: Final = {
    **_stats(3, block=10, slack=0.5, floor=1e-9, confirm_blocks=10, confirm_factor=2.0),
    "score_limit": _p(
        4.0,
        "ours: one odd step alone never alarms (flow matching, x100: 200 of 200 before, none "
        "now); a large shift is found one or two blocks later, false alarms stay as they were",
    ),
}

_EARLY: Final = {
    **_stats(12, early_values=10, tail_values=50),
    "min_tail_values": _p(20, "ours: a NaN can cut the window of 50 short"),
    "early_first_step": _p(10, "ours: a LoRA has left the base model's level soon after"),
}

LOSS_METHODS: Final = (
    MethodInfo(
        id="numeric",
        version=1,
        what="Did the loss stop being a finite number above zero?",
        minimum_n=1,
        minimum_unit="values",
        parameters={
            **_stats(1, critical_count=3, critical_within_steps=20, recent_values=200),
            "recent_critical_count": _p(4, "STATS.md section 1: 2 % of the last 200"),
        },
        false_alarm_rate=_rate(0.0, "per run", 1, f"0 in {_TRACES}"),
    ),
    MethodInfo(
        id="mean_batches",
        version=1,
        what="What is the mean loss, and how well is it known?",
        minimum_n=100,
        minimum_unit="values",
        parameters=_stats(4, batches=20, level=0.95),
        false_alarm_rate=_rate(
            0.05, "per interval", 4, f"coverage 95.6 to 95.9 % from 100 values on, {_TRACES}"
        ),
    ),
    MethodInfo(
        id="blowup_running_max",
        version=1,
        what="Did single steps exceed twice the largest loss before them?",
        minimum_n=101,
        minimum_unit="values",
        parameters=_stats(2, first_index=100, factor=2.0, repeat_within_steps=20),
        false_alarm_rate=_rate(
            0.0,
            "per 1000 steps",
            2,
            f"0 in 251,822 steps of {_TRACES}; log-normal noise of sigma 0.6, whose tail has no "
            "end, gets one isolated flag in 5 % of runs of 2000 steps, and no warning",
        ),
    ),
    MethodInfo(
        id="oddness_robust_z",
        version=1,
        what="How odd is the latest loss against the 200 before it? Never an alarm.",
        minimum_n=201,
        minimum_unit="values",
        parameters=_stats(2, window=200, threshold=3.5, scale=0.6745, floor=1e-12),
        false_alarm_rate=_rate(
            0.004, "per 1000 steps", 2, f"1 in 247,022 steps of {_TRACES}; flow matching 0.4 to 1.7"
        ),
    ),
    MethodInfo(
        id="shift_cusum",
        version=2,
        what="Did the loss move to a higher level and stay there?",
        minimum_n=710,
        minimum_unit="values",
        parameters=_CUSUM | _stats(3, baseline_blocks=50, lag_blocks=20, limit=8.0),
        false_alarm_rate=_rate(
            0.013, "per 1000 steps", 3, f"1.54 million shuffled steps; 2 in 222,000 of {_TRACES}"
        ),
    ),
    MethodInfo(
        id="shift_cusum_short",
        version=2,
        what="Did the loss of a short run move to a higher level and stay there?",
        minimum_n=310,
        minimum_unit="values",
        parameters=_CUSUM
        | _stats(3, baseline_blocks=20, lag_blocks=10, limit=10.0, flow_below_values=2000),
        false_alarm_rate=_rate(
            0.010, "per 1000 steps", 3, f"1.54 million shuffled steps; 0 in {_TRACES}"
        ),
    ),
    MethodInfo(
        id="trend_quarters",
        version=1,
        what="Did the loss fall or rise between the first and the last quarter?",
        minimum_n=200,
        minimum_unit="values",
        parameters=_stats(5, batches=10, fraction=0.25, alpha=0.05)
        | {
            "floor": _p(1e-12, "ours: keeps rounding apart from differences"),
            "change_to_see": _p(0.1, "ours: fall that needed_n is stated for"),
            "power_factor": _p(2.8, "STATS.md section 6: 80 % power"),
        },
        false_alarm_rate=_rate(
            0.049,
            "per verdict",
            5,
            "shuffled runs: 3.1 / 7.8 / 2.5 / 4.9 % at n = 500 / 1000 / 2000 / 5000",
        ),
    ),
    MethodInfo(
        id="compare_tails",
        version=1,
        what="Does the mean loss over the tails of two runs differ?",
        minimum_n=100,
        minimum_unit="values",
        parameters=_stats(
            6,
            batches=20,
            tail_values=1000,
            alpha=0.05,
            equivalence=0.05,
            power_factor=2.8,
            steps_factor=16.0,
        )
        | {"floor": _p(1e-12, "ours: keeps rounding apart from differences")},
        false_alarm_rate=_rate(
            0.058,
            "per verdict",
            6,
            "null pairs: 4.3 / 4.8 / 5.8 / 3.8 % at T = 100 / 200 / 500 / 1000",
        ),
    ),
    MethodInfo(
        id="compare_paired",
        version=1,
        what="Does the loss of two runs that share their noise differ, step by step?",
        minimum_n=100,
        minimum_unit="values",
        parameters=_stats(6, batches=20, tail_values=1000, equivalence=0.05, min_correlation=0.8),
        false_alarm_rate=_rate(None, "per verdict", 6, "not measured; nominal 5 %"),
    ),
    MethodInfo(
        id="compare_many",
        version=1,
        what="Which of several runs has the lowest training loss, if any?",
        minimum_n=2,
        minimum_unit="runs",
        parameters=_stats(6, tail_values=1000),
        false_alarm_rate=_rate(
            0.001,
            "per verdict",
            6,
            "no false winner on several hundred null sets of 3, 5, 8 runs; "
            "ours: 1 on 1,000 generated sets of 5",
        ),
    ),
    MethodInfo(
        id="noise_level",
        version=1,
        what="Does a noise-prediction run look like a model that predicts nothing?",
        minimum_n=30,
        minimum_unit="values",
        parameters=_EARLY | _stats(12, level=0.8, cv_at_batch_1=0.45),
        false_alarm_rate=_rate(0.0, "per run", 12, f"mean above 0.8 in 0 of {_TRACES}"),
    ),
    MethodInfo(
        id="spread_collapse",
        version=1,
        what="Did the spread of the loss collapse while its level rose above the start's?",
        minimum_n=30,
        minimum_unit="values",
        parameters=_EARLY
        | {"cv_share_of_start": _p(0.5, "ours: half; 0.7 gives no false alarm there either")},
        false_alarm_rate=FalseAlarmRate(
            rate=0.0,
            unit="per run",
            source=(
                "ours, rule of STATS.md section 12: 0 in 25,418 windows of 48 public SD1.5 runs, "
                "and 0 in 3,600 simulated flow-matching runs of 600 steps"
            ),
        ),
    ),
    MethodInfo(
        id="explosion",
        version=1,
        what="Do the latest losses lie far above those of a model that predicts nothing?",
        minimum_n=20,
        minimum_unit="values",
        parameters={
            "window_values": _p(30, "ours: half of them decide, so 15 bad steps at least"),
            "noise_level": _p(2.5, "ours: predicting nothing costs 1 (STATS.md section 12)"),
            "flow_level": _p(5.0, "ours: predicting nothing costs about 2 (same section)"),
        },
        false_alarm_rate=FalseAlarmRate(
            rate=0.0,
            unit="per run",
            source="ours, level of STATS.md section 12: 0 of 48 public SD1.5 runs, every window",
        ),
    ),
    MethodInfo(
        id="overfit_val",
        version=1,
        what="Has the validation loss turned upward?",
        minimum_n=4,
        minimum_unit="evaluations",
        parameters=_stats(8, consecutive=3, rising_tolerance=0.005, overfit_tolerance=0.01),
        false_alarm_rate=_rate(
            0.0, "per run", 8, "overfitting 0 of 24, val_rising 2 of 24 sound public runs"
        ),
    ),
    MethodInfo(
        id="compare_val",
        version=1,
        what="Do the best validation losses of two runs differ by more than seeds do?",
        minimum_n=4,
        minimum_unit="evaluations",
        parameters=_stats(8, smallest_difference=0.005),
        false_alarm_rate=_rate(
            None, "per verdict", 8, "seeds differ by 0.03 to 0.4 % at one step; rate not measured"
        ),
    ),
    MethodInfo(
        id="compare_val_at_samples",
        version=1,
        what="Do two validation losses differ at the same number of samples seen?",
        minimum_n=2,
        minimum_unit="evaluations",
        parameters=_stats(8, smallest_difference=0.005)
        | {"standard_errors": _p(2.0, "ours: the smallest difference is taken as two of them")},
        false_alarm_rate=_rate(
            0.0,
            "per verdict",
            8,
            "four seeds of one public config differ by at most 0.4 % at one step; "
            "ours: 0 of 11 evaluations of the public seed pair",
        ),
    ),
    MethodInfo(
        id="checkpoint_val",
        version=1,
        what="Which checkpoint is best by validation loss, and which are as good?",
        minimum_n=4,
        minimum_unit="evaluations",
        parameters=_stats(8, smallest_difference=0.005)
        | {
            "standard_errors": _p(3.0, "ours: 95 % for some twenty checkpoints at once"),
            "evaluations_for_jitter": _p(6, "ours: fewer bends give no spread"),
        },
        # Misses, not alarms: the best checkpoint lies outside those called as good.
        false_alarm_rate=_rate(
            0.01,
            "per choice",
            8,
            "ours: 0 of 43 public runs, chosen by every other evaluation and judged by the rest "
            "(the chosen one at most 0.35 % above the best); at most 1.1 % of 1500 bowls under "
            "noise of 0.07 to 1 %",
        ),
    ),
    MethodInfo(
        id="score_convergence",
        version=1,
        what="How far did the loss fall, in score points, and how noisy is that?",
        # At 100 a tenth is one block, every resample the run itself, and the error 0.
        minimum_n=200,
        minimum_unit="values",
        parameters=_stats(6, resamples=100, block=10, parts=10)
        | {"largest_ratio": _p(1e6, "ours: keeps the score finite")},
        false_alarm_rate=_rate(None, "per verdict", 6, "a score alone raises no alarm"),
    ),
    MethodInfo(
        id="noise_calibrated",
        version=2,
        what="Is a difference of scores negligible, moderate, large, or inside the noise?",
        minimum_n=0,
        minimum_unit="values",
        parameters=_stats(
            6,
            negligible_up_to=2.0,
            moderate_up_to=8.0,
            factor=2.0,
            factor_short=3.0,
            short_below=2000,
        ),
        false_alarm_rate=_rate(
            0.13,
            "per verdict",
            6,
            "pairs of trend-free runs: 13 / 9 / 3 % at n = 1000 / 2000 / 5000",
        ),
    ),
)
