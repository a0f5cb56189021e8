"""Lasting shifts of the loss level: a cumulative sum over log block means (STATS.md section 3).

Each block counts at most `score_limit` standard deviations, which is ours.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from attrs import define, field, frozen
from numpy.lib.stride_tricks import sliding_window_view

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import log_block_means
from aitk_core.statistics.results import ShiftAlarm, ShiftResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aitk_core.statistics.cleaning import Cleaned, Losses, Steps
    from aitk_core.statistics.description import MethodInfo

Setting = Literal["main", "short"]

_MAIN: Final = METHODS["shift_cusum_v2"]
_SHORT: Final = METHODS["shift_cusum_short_v2"]
_FLOW_MAIN_FROM: Final = _SHORT.count("flow_below_values")


@frozen(kw_only=True)
class _Rule:
    """The numbers of one setting."""

    block: int
    baseline: int
    lag: int
    slack: float
    score_limit: float
    limit: float
    floor: float
    confirm: int
    confirm_log: float

    @classmethod
    def of(cls, info: MethodInfo) -> _Rule:
        return cls(
            block=info.count("block"),
            baseline=info.count("baseline_blocks"),
            lag=info.count("lag_blocks"),
            slack=info.number("slack"),
            score_limit=info.number("score_limit"),
            limit=info.number("limit"),
            floor=info.number("floor"),
            confirm=info.count("confirm_blocks"),
            confirm_log=math.log(info.number("confirm_factor")),
        )


@define(kw_only=True)
class _Sum:
    """One of the two cumulative sums, walking over the blocks."""

    sign: int
    total: float = 0.0
    onset: int = 0
    alarms: list[tuple[int, int, float]] = field(factory=list)
    """Onset, alarming block, mean of its baseline."""

    def take(self, block: int, score: float, center: float, rule: _Rule) -> None:
        # A block's share is held, since one odd step must not pass for a level that stays.
        step = min(self.sign * score, rule.score_limit) - rule.slack
        if self.total == 0.0:
            self.onset = block
        self.total = max(0.0, self.total + step)
        if self.total > rule.limit:
            self.alarms.append((self.onset, block, center))
            self.total = 0.0


def _walk(logs: NDArray[np.float64], rule: _Rule) -> tuple[_Sum, _Sum]:
    up, down = _Sum(sign=1), _Sum(sign=-1)
    first = rule.baseline + rule.lag
    if len(logs) <= first:
        return up, down
    past = sliding_window_view(logs, rule.baseline)[: len(logs) - first]
    centers = past.mean(axis=1)
    scores = (logs[first:] - centers) / np.maximum(past.std(axis=1, ddof=1), rule.floor)
    for block, (score, center) in enumerate(
        zip(scores.tolist(), centers.tolist(), strict=True), start=first
    ):
        up.take(block, score, center, rule)
        down.take(block, score, center, rule)
    return up, down


def _alarms(
    walked: _Sum, logs: NDArray[np.float64], cleaned: Cleaned, rule: _Rule
) -> tuple[ShiftAlarm, ...]:
    last_of = cleaned.steps[rule.block - 1 :: rule.block]
    answer = []
    for onset, block, center in walked.alarms:
        after = logs[block + 1 : block + 1 + rule.confirm]
        is_confirmed = (
            walked.sign > 0
            and len(after) == rule.confirm
            and float(after.mean()) > center + rule.confirm_log
        )
        answer.append(
            ShiftAlarm(
                block=block,
                step=int(last_of[block]),
                onset_step=int(cleaned.steps[onset * rule.block]),
                log_ratio=float(logs[onset : block + 1].mean()) - center,
                stop_step=int(last_of[block + rule.confirm]) if is_confirmed else None,
            )
        )
    return tuple(answer)


def choose_setting(n: int, *, is_flow: bool = False) -> Setting:
    """Return the setting for a run of n usable losses.

    The short one below 710 losses, and below 2000 for flow-matching models, whose loss varies
    less between steps (STATS.md section 3).
    """
    limit = _FLOW_MAIN_FROM if is_flow else _MAIN.minimum_n
    return "short" if n < limit else "main"


def level_shift(
    loss: Losses,
    steps: Steps = None,
    *,
    setting: Setting | None = None,
    is_flow: bool = False,
) -> ShiftResult:
    """Say whether the loss moved to a higher level and stayed there.

    One alarm is a warning. It justifies a stop once the ten blocks after it lie at twice its
    baseline or more.

    Args:
        loss: (n,) numbers or None.
        steps: (n,) training steps.
        setting: `main` or `short`; None chooses by length.
        is_flow: Whether the model is trained by flow matching.
    """
    cleaned = clean(loss, steps)
    chosen = setting or choose_setting(cleaned.n, is_flow=is_flow)
    info = _MAIN if chosen == "main" else _SHORT
    rule = _Rule.of(info)
    logs = log_block_means(cleaned.values, rule.block)
    if cleaned.n < info.minimum_n:
        return ShiftResult(
            verdict="undetermined",
            reason=f"{cleaned.n} usable losses, the {chosen} setting needs {info.minimum_n}",
            n=cleaned.n,
            setting=chosen,
            blocks=len(logs),
            needed_n=info.minimum_n,
            steps=cleaned.covered(),
            **stamp(info),
        )
    walked_up, walked_down = _walk(logs, rule)
    up = _alarms(walked_up, logs, cleaned, rule)
    past = logs[-rule.baseline - rule.lag - 1 : -rule.lag - 1]
    recent = float(logs[-rule.confirm :].mean()) - float(past.mean())
    is_confirmed = any(alarm.stop_step is not None for alarm in up)
    return ShiftResult(
        verdict="shift_up" if up else "none",
        severity="critical" if is_confirmed else "warning" if up else "none",
        reason=(
            f"the loss rose from step {up[-1].onset_step} on, noticed at step {up[-1].step}"
            if up
            else f"no lasting rise over {len(logs)} blocks of {rule.block} losses"
        ),
        estimate=up[-1].log_ratio if up else recent,
        n=cleaned.n,
        setting=chosen,
        up=up,
        down=_alarms(walked_down, logs, cleaned, rule),
        blocks=len(logs),
        sum_up=walked_up.total,
        sum_down=walked_down.total,
        stop_justified=is_confirmed,
        steps=cleaned.covered(),
        **stamp(info),
    )
