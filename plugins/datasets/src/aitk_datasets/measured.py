"""How often a check errs, as benchmarks/bench_dataset_findings.py measured it on planted folders.

`measured.json` is written by that script together with docs/datasets.md, which has the intervals
and says what the folders hold.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from aitk_core.statistics.description import FalseAlarmRate

if TYPE_CHECKING:
    from collections.abc import Mapping


def rate_of(method: str, *, unit: str, what: str) -> FalseAlarmRate:
    """Return a method's measured rate.

    Args:
        method: Id with version, as findings name it.
        unit: What the rate counts: `per picture`.
        what: In words, in the plural, what was sound: `pictures without such a fault`.
    """
    counts = _counts().get(method)
    if counts is None:
        return FalseAlarmRate(rate=None, unit=unit, source="docs/datasets.md: not measured")
    wrong, sound = counts["wrong"], counts["sound"]
    return FalseAlarmRate(
        rate=wrong / sound,
        unit=unit,
        source=f"docs/datasets.md: {wrong} of {sound:,} planted {what}, at most "
        f"{counts['at_most']:.2g} (95 %); {counts['found']:,} of {counts['planted']:,} found "
        "that were to be found",
    )


@cache
def _counts() -> Mapping[str, Mapping[str, Any]]:
    text = resources.files("aitk_datasets").joinpath("measured.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
