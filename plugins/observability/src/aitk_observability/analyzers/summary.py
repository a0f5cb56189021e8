"""The contract's summary of a list of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np


def summarize(values: Any) -> dict[str, Any]:
    """Return the contract's stat summary of (n,) finite values in time order.

    `last` is the last in time, not the largest.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        return dict.fromkeys(("min", "max", "mean", "median", "last")) | {"count": 0}
    return {
        "count": len(array),
        "min": round(float(array.min()), 6),
        "max": round(float(array.max()), 6),
        "mean": round(float(array.mean()), 6),
        "median": round(float(np.median(array)), 6),
        "last": round(float(array[-1]), 6),
    }
