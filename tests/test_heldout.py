"""The held-out traces: every one has a source, a label and a reason, and the figures are theirs.

The traces are not part of this repository; tests that read them are skipped where they are not
beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from aitk_core.proving.traces import read_traces
from aitk_core.statistics.cleaning import numeric_health

if TYPE_CHECKING:
    from aitk_core.proving.traces import Trace

ROOT: Final = Path(__file__).parents[1]
FILE: Final = ROOT.parent / "shared" / "domain" / "traces" / "heldout_traces.npz"
TABLE: Final[dict[str, Any]] = json.loads(
    (ROOT / "benchmarks" / "heldout_sources.json").read_text(encoding="utf-8")
)
FIGURES: Final[dict[str, Any]] = json.loads(
    (ROOT / "benchmarks" / "heldout.json").read_text(encoding="utf-8")
)
RUNS: Final[list[dict[str, Any]]] = TABLE["traces"]

needs_traces = pytest.mark.skipif(
    not FILE.is_file(), reason="the held-out traces are not beside this repository"
)


def test_every_trace_has_a_source_a_label_and_a_reason() -> None:
    sources = {source["id"]: source for source in TABLE["sources"]}
    assert {run["source"] for run in RUNS} == set(sources)
    for source in sources.values():
        assert source["repository"].startswith("https://github.com/")
        assert source["trained"]
        assert source["logged"]
    for run in RUNS:
        assert run["label"] in {"healthy", "diverged", "nan", "unclear"}
        assert run["prediction"] in {"noise", "flow"}
        assert len(run["reason"]) > 20
        assert (run["from_step"] is None) == (run["label"] in {"healthy", "unclear"})
        assert (run["pace"] is None) == (not run["has_times"])
    assert len({run["key"] for run in RUNS}) == len(RUNS)


def test_no_source_is_one_that_the_rules_were_made_on() -> None:
    assert not [s for s in TABLE["sources"] if "spacepxl" in s["repository"]]


def test_the_figures_are_of_the_runs_in_the_table() -> None:
    sound = [run for run in RUNS if run["label"] == "healthy"]
    flow = [run for run in sound if run["prediction"] == "flow"]
    assert FIGURES["data"] == {
        "sources": len(TABLE["sources"]),
        "runs": sum(run["label"] != "unclear" for run in RUNS),
        "sound_runs": len(sound),
        "sound_values": sum(run["n"] for run in sound),
        "flow_runs": len(flow),
        "flow_values": sum(run["n"] for run in flow),
        "failed_runs": sum(run["label"] in {"diverged", "nan"} for run in RUNS),
        "unclear": [run["key"] for run in RUNS if run["label"] == "unclear"],
    }
    by_source = FIGURES["by_source"].values()
    assert sum(row["values"] for row in by_source) == FIGURES["data"]["sound_values"]


def _steps(arrays: Any, run: dict[str, Any]) -> np.ndarray[Any, Any]:
    name = f"{run['key']}/step"
    if name in arrays.files:
        return np.asarray(arrays[name])
    first, every = int(run["first_step"]), int(run["every"])
    return first + every * np.arange(int(run["n"]))


@needs_traces
def test_the_file_is_read_as_any_file_of_traces_and_agrees_with_the_table() -> None:
    traces: dict[str, Trace] = {trace.key: trace for trace in read_traces(FILE)}
    assert set(traces) == {run["key"] for run in RUNS}
    for run in RUNS:
        trace = traces[run["key"]]
        assert len(trace.loss) == run["n"]
        assert trace.is_flow == (run["prediction"] == "flow")
        assert trace.is_healthy == (run["label"] == "healthy")
        assert trace.batch == (run["effective_batch"] or 1)
        assert (trace.gaps_s is not None) == run["has_times"]
        if trace.is_healthy:
            assert np.isfinite(trace.loss).all()
            assert (trace.loss > 0).all()


@needs_traces
def test_a_real_nan_is_found_at_the_step_that_the_log_names() -> None:
    traces = {trace.key: trace for trace in read_traces(FILE)}
    with np.load(FILE) as arrays:
        for run in RUNS:
            if run["label"] == "nan":
                steps = _steps(arrays, run)
                found = numeric_health(traces[run["key"]].loss, steps).first_bad_step
                assert found == run["from_step"], run["key"]
