"""Rows of the tables in docs/methods.md: false alarms and detections."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from aitk_core.statistics.rates import binomial_interval, poisson_interval

if TYPE_CHECKING:
    from collections.abc import Iterable


def wrong_row(
    data: str, wrong: int, *, runs: int, steps: int | None, unit: str, independent: float = 1.0
) -> dict[str, Any]:
    """Return one row of false alarms.

    Args:
        data: Where they were counted.
        wrong: How many.
        runs: In how many runs.
        steps: Over how many steps, where alarms are counted by step.
        unit: Of the rate.
        independent: Share of the steps that are independent, for the interval.
    """
    if steps is None:
        interval = binomial_interval(wrong, runs)
        return {
            "data": data, "wrong": wrong, "runs": runs, "over": f"{runs} runs",
            "rate": wrong / runs, "unit": unit, "interval": list(interval),
        }  # fmt: skip
    low, high = poisson_interval(round(wrong * independent))
    return {
        "data": data, "wrong": wrong, "runs": runs, "over": f"{steps:,} steps",
        "rate": 1000 * wrong / steps, "unit": "per 1000 steps",
        "interval": [1000 * low / (steps * independent), 1000 * high / (steps * independent)],
    }  # fmt: skip


def found_row(fault: str, delays: Iterable[int | None], unit: str = "steps") -> dict[str, Any]:
    """Return one row of detections; a delay of None was missed."""
    told_delays = list(delays)
    found = sorted(delay for delay in told_delays if delay is not None)
    return {
        "fault": fault,
        "runs": len(told_delays),
        "found": len(found),
        "delay": {"median": median(found), "p90": found[-(-9 * len(found) // 10) - 1]}
        if found
        else None,
        "delay_unit": unit,
    }


def first_after(steps: Iterable[int], onset: int) -> int | None:
    """Return how many steps after an onset the first alarm comes; 1 is the first wrong step.

    Args:
        steps: Of the alarms, 1-based as the methods number values without steps.
        onset: Index of the first wrong value.
    """
    return next((step - onset for step in steps if step > onset), None)
