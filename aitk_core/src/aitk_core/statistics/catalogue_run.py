"""Methods that read wall times: settings with sources, and measured errors. No numpy."""

from __future__ import annotations

from typing import Final

from aitk_core.statistics.description import FalseAlarmRate, MethodInfo, Parameter

_TRACES: Final = "48 public SD1.5 runs"
_SPEED: Final = "STATS.md section 9"
_ETA: Final = "STATS.md section 10"


def _ours(value: float, reason: str) -> Parameter:
    return Parameter(value=value, source=f"ours: {reason}")


RUN_METHODS: Final = (
    MethodInfo(
        id="slowdown_median",
        version=1,
        what="Do steps take more than twice as long as early in the run?",
        minimum_n=140,
        minimum_unit="gaps",
        parameters={
            "warm_up_gaps": Parameter(value=20, source=_SPEED),
            "baseline_gaps": Parameter(value=100, source=_SPEED),
            "window_gaps": Parameter(value=20, source=_SPEED),
            "factor": Parameter(value=2.0, source=_SPEED),
        },
        false_alarm_rate=FalseAlarmRate(
            rate=0.0, unit="per run", source=f"{_SPEED}: 0 in {_TRACES}"
        ),
    ),
    MethodInfo(
        id="stall",
        version=1,
        what="Has a run stood still longer than its phase explains?",
        minimum_n=1,
        minimum_unit="values",
        parameters={
            "training_s": Parameter(value=300.0, source=_SPEED),
            "training_steps": Parameter(value=60.0, source=_SPEED),
            "training_unknown_speed_s": _ours(3600.0, "60 steps of a minute each; not measured"),
            "sampling_s": _ours(1800.0, "one sample of a video model; not measured"),
            "saving_s": _ours(900.0, "tens of gigabytes to a network disk; not measured"),
            "loading_s": _ours(3600.0, "a model is fetched, latents are cached; not measured"),
            "caching_s": _ours(3600.0, "latents of a large dataset; not measured"),
            "other_s": _ours(3600.0, "messages of architectures while loading; not measured"),
        },
        false_alarm_rate=FalseAlarmRate(
            rate=0.0,
            unit="per run",
            source=f"{_SPEED}: longest gap 56 medians, 22 s, in {_TRACES}; training phase only",
        ),
    ),
    MethodInfo(
        id="pauses",
        version=1,
        what="Where did the run pause, and for how long?",
        minimum_n=20,
        minimum_unit="gaps",
        parameters={"pause_factor": Parameter(value=2.0, source=_ETA)},
        false_alarm_rate=FalseAlarmRate(
            rate=None, unit="per run", source=f"{_ETA}: a description, not an alarm"
        ),
    ),
    MethodInfo(
        id="eta_events",
        version=1,
        what="How long will the rest of the run take?",
        minimum_n=50,
        minimum_unit="gaps",
        parameters={
            "pause_factor": Parameter(value=2.0, source=_ETA),
            "batches": Parameter(value=20, source="STATS.md section 4"),
            "batches_when_few": _ours(10, "five gaps in a batch at the least"),
            "few_below_gaps": _ours(100, "five gaps in a batch at the least"),
            "alpha": _ours(0.1, "the level of the measured quantiles"),
            "short_below_steps": _ours(1000, "the shortest of the public runs"),
            "missed_on_short_runs": _ours(
                0.35,
                "283 of 815 points of five recorded runs of 150 to 420 steps on a busy machine",
            ),
            "range_below_fraction": Parameter(value=0.02, source=_ETA),
            "error_below_5_percent": _ours(0.3, f"28.5 % measured at 2 % of {_TRACES}"),
            "error_from_5_percent": _ours(0.09, f"9.0 % measured at 5 % of {_TRACES}"),
            "error_from_10_percent": Parameter(value=0.074, source=_ETA),
            "error_from_50_percent": Parameter(value=0.027, source=_ETA),
        },
        # Misses, not alarms: how often the true time lies outside the interval.
        false_alarm_rate=FalseAlarmRate(
            rate=0.1,
            unit="per interval",
            source=(
                f"{_ETA}: 90 % of the errors, {_TRACES} of 1000 steps and more; "
                "with the run's own spread at most 10 % missed from 2 to 75 % of those runs"
            ),
        ),
    ),
)
