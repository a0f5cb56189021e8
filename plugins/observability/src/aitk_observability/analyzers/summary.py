"""The contract's summary of a list of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from aitk_core.statistics.numerics import finite, scaled


def summarize(values: Any) -> dict[str, Any]:
    """Return the contract's stat summary of (n,) finite positive values in time order.

    `last` is the last in time, not the largest.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        return dict.fromkeys(("min", "max", "mean", "median", "last")) | {"count": 0}
    shares, scale = scaled(array)
    figures = {
        "min": shares.min(),
        "max": shares.max(),
        "mean": shares.mean(),
        "median": np.median(shares),
        "last": shares[-1],
    }
    told = {name: finite(round(float(share) * scale, 6)) for name, share in figures.items()}
    return {"count": len(array), **told}
