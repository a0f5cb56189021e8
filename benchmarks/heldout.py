"""The methods and analyzers on real runs that no rule was made or tuned on.

    uv run python benchmarks/heldout.py [--shared FOLDER] [--write]

The traces are read from `heldout_traces.npz` where the public ones are. What each is, and the
label that it was given before anything was measured, is in `benchmarks/heldout_sources.json`.
`--write` puts the figures into `benchmarks/heldout.json`; `bench_detection.py` calls this and
shows them in docs/methods.md. Nothing is tuned on these runs. Takes about a minute.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from heldout_findings import alarms_on, verdicts_on
from rows import first_after, found_row, wrong_row

from aitk_core.proving.generate import not_finite_from, shifted, spiked
from aitk_core.proving.traces import read_traces
from aitk_core.proving.trials import TRIALS
from aitk_core.statistics.blowup import describe_oddness, one_step_blowup
from aitk_core.statistics.cleaning import numeric_health
from aitk_core.statistics.early import early_failure
from aitk_core.statistics.explosion import explosion
from aitk_core.statistics.methods import METHODS
from aitk_core.statistics.shift import choose_setting, level_shift
from aitk_core.statistics.speed import gaps_of, slow_down
from aitk_core.statistics.trend import trend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aitk_core.proving.traces import Trace

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = ROOT / "benchmarks" / "heldout_sources.json"
FIGURES: Final = ROOT / "benchmarks" / "heldout.json"
NAME: Final = "heldout_traces.npz"

Rows = dict[str, list[dict[str, Any]]]
_SETTINGS: Final = (("shift_cusum_v2", "main"), ("shift_cusum_short_v2", "short"))
_AFTER: Final = 200
"""Ours: losses that a planted fault is given to be found in."""


def heldout(shared: Path) -> dict[str, Any] | None:
    """Return all figures, or None where the traces are not there.

    Args:
        shared: Folder with `traces/heldout_traces.npz`.
    """
    file = shared / "traces" / NAME
    if not file.is_file():
        return None
    table = json.loads(SOURCES.read_text(encoding="utf-8"))
    known = {run["key"]: run for run in table["traces"]}
    traces = [trace for trace in read_traces(file) if known[trace.key]["label"] != "unclear"]
    sound = [trace for trace in traces if trace.is_healthy]
    paced = [trace for trace in sound if known[trace.key]["pace"] == "steady"]
    failed = [(trace, known[trace.key]) for trace in traces if not trace.is_healthy]
    groups = [
        ("held-out, noise prediction", [one for one in sound if not one.is_flow]),
        ("held-out, flow matching", [one for one in sound if one.is_flow]),
    ]
    wrong: Rows = {}
    found: Rows = {}
    for data, runs in groups:
        _merge(wrong, _wrong(data, runs))
        _merge(found, _planted(data, runs))
        _merge(found, _spiked(data, runs))
        _merge(found, _single_steps(data, runs))
    _merge(wrong, _wrong_pace(paced))
    _merge(found, _slowed(paced))
    _merge(found, _failures(failed))
    return {
        "data": _data(table, known, traces, sound),
        "wrong": wrong,
        "found": found,
        "not_held": list(_not_held(wrong)),
        "by_source": _by_source(known, sound),
        "alarms": alarms_on(known, sound, paced),
        "verdicts": verdicts_on(sound, paced, failed),
    }


def _merge(rows: Rows, more: Iterable[tuple[str, dict[str, Any]]]) -> None:
    for method, row in more:
        rows.setdefault(method, []).append(row)


def _data(
    table: dict[str, Any],
    known: dict[str, dict[str, Any]],
    traces: Sequence[Trace],
    sound: Sequence[Trace],
) -> dict[str, Any]:
    flow = [one for one in sound if one.is_flow]
    return {
        "sources": len(table["sources"]),
        "runs": len(traces),
        "sound_runs": len(sound),
        "sound_values": sum(len(one.loss) for one in sound),
        "flow_runs": len(flow),
        "flow_values": sum(len(one.loss) for one in flow),
        "failed_runs": len(traces) - len(sound),
        "unclear": [key for key, run in known.items() if run["label"] == "unclear"],
    }


def _count_shifts(trace: Trace, setting: Any) -> int:
    return len(level_shift(trace.loss, setting=setting).up)


def _wrong(data: str, runs: Sequence[Trace]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield how often each method speaks up on runs with nothing wrong."""

    def by_step(method: str, count: Callable[[Trace], int]) -> tuple[str, dict[str, Any]]:
        # A run too short for the method was not asked, and counts for nothing.
        asked = [run for run in runs if len(run.loss) >= METHODS[method].minimum_n]
        row = wrong_row(
            data,
            sum(map(count, asked)),
            runs=len(asked),
            steps=sum(len(run.loss) for run in asked),
            unit="",
        )
        return method, row

    def by_run(method: str, is_wrong: Callable[[Trace], bool]) -> tuple[str, dict[str, Any]]:
        asked = [run for run in runs if len(run.loss) >= METHODS[method].minimum_n]
        wrong = sum(map(is_wrong, asked))
        return method, wrong_row(data, wrong, runs=len(asked), steps=None, unit="per run")

    def speaks_early(run: Trace) -> bool:
        prediction = "flow" if run.is_flow else "noise"
        ends = [*range(100, len(run.loss), 250), len(run.loss)]
        return any(
            early_failure(run.loss[:end], prediction=prediction, effective_batch=run.batch).severity
            != "none"
            for end in ends
        )

    yield by_run("numeric_v1", lambda run: numeric_health(run.loss).verdict != "ok")
    yield by_step("blowup_running_max_v1", lambda run: len(one_step_blowup(run.loss).flags))
    yield by_step("oddness_robust_z_v1", lambda run: len(describe_oddness(run.loss).odd_steps))
    for method, setting in _SETTINGS:
        yield by_step(method, lambda run, setting=setting: _count_shifts(run, setting))
    yield by_run("trend_quarters_v1", lambda run: trend(run.loss).verdict == "increasing")
    flow = bool(runs) and runs[0].is_flow
    yield by_run("spread_collapse_v1" if flow else "noise_level_v1", speaks_early)
    yield by_run(
        "explosion_v1",
        lambda run: (
            explosion(run.loss, prediction="flow" if run.is_flow else "noise").verdict != "none"
        ),
    )


def _single_steps(data: str, runs: Sequence[Trace]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield how often a single odd step is taken for a lasting shift, which it is not."""
    for method, setting in _SETTINGS:
        asked = [
            run.loss
            for run in runs
            if len(run.loss) >= 1000
            and choose_setting(len(run.loss), is_flow=run.is_flow) == setting
        ]
        for factor in (10.0, 30.0, 100.0) if asked else ():
            at = [len(loss) * 3 // 4 for loss in asked]
            delays = [
                first_after(
                    (
                        a.step
                        for a in level_shift(
                            spiked(loss, at=step, factor=factor), setting=setting
                        ).up
                    ),
                    step,
                )
                for loss, step in zip(asked, at, strict=True)
            ]
            fault = f"a single step x{factor:g}, {data}: no shift, so finding one is wrong"
            yield method, found_row(fault, delays)


def _gaps(trace: Trace) -> Any:
    times = np.empty(0) if trace.gaps_s is None else np.cumsum(trace.gaps_s)
    return gaps_of(times)


def _wrong_pace(paced: Sequence[Trace]) -> Iterator[tuple[str, dict[str, Any]]]:
    wrong = 0
    for trace in paced:
        gaps = _gaps(trace)
        wrong += slow_down(gaps.per_step_s, gaps.steps).verdict != "ok"
    data = "held-out, steady pace"
    yield "slowdown_median_v1", wrong_row(data, wrong, runs=len(paced), steps=None, unit="per run")


def _planted(data: str, runs: Sequence[Trace]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what of faults planted in the later half of sound runs is found."""
    for factor in (1.5, 2.0, 3.0):
        for method, setting in _SETTINGS:
            delays = []
            for run in runs:
                onset = max(METHODS[method].minimum_n, len(run.loss) // 2)
                if len(run.loss) >= onset + _AFTER:
                    alarms = level_shift(
                        shifted(run.loss, onset=onset, factor=factor), setting=setting
                    ).up
                    delays.append(first_after((alarm.step for alarm in alarms), onset))
            if delays:
                yield method, found_row(f"level x{factor:g}, {data}", delays)


def _spiked(data: str, runs: Sequence[Trace]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what of single steps, and of losses that are not finite, is found."""
    long = [run.loss for run in runs if len(run.loss) >= 2 * _AFTER]
    for factor in (10.0, 30.0, 100.0):
        flags = (
            [flag.step for flag in one_step_blowup(spiked(x, at=len(x) // 2, factor=factor)).flags]
            for x in long
        )
        delays = [first_after(f, len(x) // 2) for f, x in zip(flags, long, strict=True)]
        if delays:
            yield "blowup_running_max_v1", found_row(f"one step x{factor:g}, {data}", delays)
    if long:
        bad = (numeric_health(not_finite_from(x, onset=len(x) // 2)).first_bad_step for x in long)
        delays = [
            None if step is None else first_after([step], len(x) // 2)
            for step, x in zip(bad, long, strict=True)
        ]
        yield "numeric_v1", found_row(f"not finite from the middle on, {data}", delays)


def _slowed(paced: Sequence[Trace]) -> Iterator[tuple[str, dict[str, Any]]]:
    for factor in (1.5, 2.0, 2.5, 3.0):
        delays = []
        for trace in paced:
            per_step = _gaps(trace).per_step_s
            onset = len(per_step) // 2
            slow = slow_down(shifted(per_step, onset=onset, factor=factor))
            first = slow.first_slow_step
            delays.append(None if first is None else first_after([first], onset))
        if delays:
            row = found_row(f"steps x{factor:g} as slow, held-out, steady pace", delays)
            yield "slowdown_median_v1", row


def _failures(
    failed: Sequence[tuple[Trace, dict[str, Any]]],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what of runs that did fail is found: losses that are not finite, in all of them."""
    delays = []
    for trace, run in failed:
        onset = _onset(trace)
        bad = numeric_health(trace.loss).first_bad_step
        delays.append(None if bad is None else first_after([bad], onset))
        if run["label"] != "nan":
            raise ValueError(f"no method is named for runs that are {run['label']}")
    yield "numeric_v1", found_row("held-out runs that did turn NaN", delays)


def _onset(trace: Trace) -> int:
    return int(np.flatnonzero(~np.isfinite(trace.loss) | (trace.loss == 0))[0])


def _not_held(wrong: Rows) -> Iterator[dict[str, Any]]:
    """Yield where a stated rate lies below the 95 % interval of the held-out runs."""
    stated_for = {trial.method: trial.stated_for for trial in TRIALS}
    for method, rows in wrong.items():
        stated = METHODS[method].false_alarm_rate.rate
        for row in rows:
            kind = "flow" if "flow" in row["data"] else "noise"
            if kind not in stated_for[method]:
                continue
            if stated is not None and row["interval"][0] > stated:
                yield {"method": method, "data": row["data"], "stated": stated,
                       "rate": row["rate"], "interval": row["interval"]}  # fmt: skip


def _by_source(
    known: dict[str, dict[str, Any]], sound: Sequence[Trace]
) -> dict[str, dict[str, int]]:
    """Return runs, losses and false alarms of each source, for who doubts the mixture."""
    told: dict[str, dict[str, int]] = {}
    for trace in sound:
        row = told.setdefault(
            known[trace.key]["source"],
            {"runs": 0, "values": 0, "blow_ups": 0, "shifts_main": 0, "shifts_short": 0},
        )
        row["runs"] += 1
        row["values"] += len(trace.loss)
        row["blow_ups"] += len(one_step_blowup(trace.loss).flags)
        row["shifts_main"] += _count_shifts(trace, "main")
        row["shifts_short"] += _count_shifts(trace, "short")
    return told


def main() -> None:
    """Measure the held-out runs and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "domain")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    figures = heldout(options.shared)
    if figures is None:
        sys.exit(f"there is no {NAME} in the folder `traces` of {options.shared.name}")
    text = json.dumps(figures, indent=1) + "\n"
    if options.write:
        FIGURES.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
