"""Every vector of STATS.md: `recordings/stats_vectors.json`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from aitk_core.statistics.blowup import one_step_blowup, robust_z_log
from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.compare import compare, compare_paired
from aitk_core.statistics.eta import time_left
from aitk_core.statistics.level import mean_level
from aitk_core.statistics.overfit import fire_index
from aitk_core.statistics.shift import level_shift
from aitk_core.statistics.speed import slow_down
from aitk_core.statistics.trend import trend

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

VECTORS: Final[list[Json]] = json.loads(
    (Path(__file__).parent / "recordings" / "stats_vectors.json").read_text(encoding="utf-8")
)["vectors"]


def _numbers(values: list[Any]) -> list[float | None]:
    return [None if value is None else float(value) for value in values]


def _ends(interval: tuple[float, float] | None) -> Json:
    return {} if interval is None else {"lo": interval[0], "hi": interval[1]}


def _clean(given: Json, _params: Json, _expected: Any) -> Json:
    answer = clean(_numbers(given["loss"]))
    return {
        "values": answer.values.tolist(),
        "indices": answer.indices.tolist(),
        "nonfinite": answer.nonfinite,
        "zero": answer.zero,
    }


def _robust_z(given: Json, params: Json, expected: Any) -> Json:
    scores = robust_z_log(np.array(given["loss"]), window=params["window"])
    answer: Json = {name: scores[int(name[2:])] for name in expected if name.startswith("z_")}
    return answer | {"alarms": np.flatnonzero(scores > params["threshold"]).tolist()}


def _running_max(given: Json, _params: Json, _expected: Any) -> Json:
    return {"flags": [flag.index for flag in one_step_blowup(given["loss"]).flags]}


def _cusum(given: Json, _params: Json, _expected: Any) -> Json:
    answer = level_shift(given["loss"], setting="main")
    return {
        "up": [alarm.block for alarm in answer.up],
        "down": [alarm.block for alarm in answer.down],
        "s_up_last": answer.sum_up,
        "s_down_last": answer.sum_down,
        "blocks": answer.blocks,
    }


def _mean(given: Json, _params: Json, _expected: Any) -> Json | None:
    answer = mean_level(given["loss"])
    if answer.interval is None:
        return None
    ends = _ends(answer.interval)
    return {"mean": answer.estimate, **ends, "rel_half": answer.relative_half_width}


def _trend(given: Json, _params: Json, _expected: Any) -> Json:
    answer = trend(given["loss"])
    if answer.needed_n == 200:
        return {"verdict": answer.verdict, "reason": "n<200"}
    ends = _ends(answer.interval)
    return {"verdict": answer.verdict, "log_ratio": answer.estimate, **ends, "df": answer.df}


def _compare(given: Json, params: Json, _expected: Any) -> Json:
    answer = compare(given["a"], given["b"], tail=params["T"])
    ends = _ends(answer.interval)
    return {"verdict": answer.verdict, "log_ratio": answer.estimate, **ends, "T": answer.n}


def _paired(given: Json, params: Json, _expected: Any) -> Json:
    answer = compare_paired(given["a"], given["b"], tail=params["T"])
    found = {"verdict": answer.verdict, "corr": answer.correlation}
    if answer.estimate is None:
        return found
    return found | {"mean_log_ratio": answer.estimate, **_ends(answer.interval)}


def _overfit(given: Json, params: Json, _expected: Any) -> Json:
    values = np.array(given["val"])
    return {
        "index": fire_index(values, params["tol"], count=params["k"]),
        "index_tol_0_005": fire_index(values, 0.005, count=params["k"]),
    }


def _slow_down(given: Json, _params: Json, _expected: Any) -> Json:
    answer = slow_down(given["dt"], list(range(len(given["dt"]))))
    found: Json = {"verdict": answer.verdict, "baseline": answer.baseline_s}
    return found if answer.first_slow_step is None else found | {"index": answer.first_slow_step}


def _eta(given: Json, params: Json, _expected: Any) -> Json:
    answer = time_left(given["t"], total_steps=params["total"])
    return {
        "step_only": answer.step_only_s,
        "with_events": answer.estimate,
        "elapsed": answer.elapsed_s,
    }


METHODS: Final[dict[str, Callable[[Json, Json, Any], Json | None]]] = {
    "clean": _clean,
    "robust_z_log": _robust_z,
    "running_max_flags": _running_max,
    "cusum": _cusum,
    "mean_ci": _mean,
    "trend": _trend,
    "compare": _compare,
    "compare_paired": _paired,
    "overfit": _overfit,
    "slowdown": _slow_down,
    "eta": _eta,
}


def _same(found: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        return set(found) == set(expected) and all(
            _same(found[name], expected[name]) for name in expected
        )
    if isinstance(expected, float):
        # The file prints 8 digits; an exact 0 has no relative error.
        return math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-12)
    return bool(found == expected)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_the_method_gives_what_the_vector_says(vector: Json) -> None:
    expected = vector["expected"]
    found = METHODS[vector["method"]](vector["input"], vector["params"], expected)
    assert _same(found, expected), (found, expected)


def test_all_26_vectors_are_there() -> None:
    assert len(VECTORS) == 26
    assert {vector["method"] for vector in VECTORS} == set(METHODS)
