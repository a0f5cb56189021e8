"""False alarms, detection delays and calibration of every method: the figures of docs/methods.md.

    uv run python benchmarks/bench_detection.py [--trials 1000] [--shared FOLDER] [--write]

Prints the reference as markdown; `--write` puts it into docs/methods.md, and the figures into
benchmarks/detection.json, those of the failure catalogue (bench_failures.py) into
benchmarks/failures.json. The public traces and the catalogue of failures are read from
`../shared/domain` where that is there; without it their rows are left out, and the script says so.
Everything else is seeded. Takes about three minutes with 1,000 trials of each method.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from bench_failures import FIGURES as FAILURES
from bench_failures import measured as failures_measured
from bench_failures import with_the_first
from calibration import calibration
from heldout import FIGURES, heldout
from rows import first_after, found_row, wrong_row

from aitk_core.proving.generate import (
    diverging,
    flow_losses,
    noise_losses,
    not_finite_from,
    shifted,
    spiked,
    step_times,
    validation_losses,
)
from aitk_core.proving.reference import methods_markdown
from aitk_core.proving.traces import read_traces
from aitk_core.proving.trials import STEPS, TRIALS, measure
from aitk_core.statistics.blowup import describe_oddness, one_step_blowup
from aitk_core.statistics.cleaning import numeric_health
from aitk_core.statistics.early import early_failure
from aitk_core.statistics.explosion import explosion
from aitk_core.statistics.methods import METHODS
from aitk_core.statistics.overfit import overfit
from aitk_core.statistics.shift import level_shift
from aitk_core.statistics.speed import gaps_of, slow_down
from aitk_core.statistics.trend import trend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aitk_core.proving.traces import Trace

ROOT: Final = Path(__file__).parents[1]
SEED: Final = 2027
RUNS: Final = 200
"""Runs for each planted fault."""
INDEPENDENT_STEPS: Final = 43_000
"""What the steps of the public traces count for (domain/traces/README.md)."""
TURN: Final = 10
"""Index of the smallest validation loss."""


def rng(number: int, *more: int) -> np.random.Generator:
    """Return the generator of one run."""
    return np.random.default_rng((SEED, number, *more))


def on_noise(trials: int) -> dict[str, list[dict[str, Any]]]:
    """Return how often each method is wrong on noise."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for trial in TRIALS:
        for kind in trial.kinds:
            told(f"{trial.method} on {kind}")
            found = measure(trial, kind, trials=trials, seed=SEED)
            data = "generated noise" if kind == "noise" else "simulated flow matching"
            steps = trials * STEPS if trial.counts_steps else None
            unit = METHODS[trial.method].false_alarm_rate.unit
            rows.setdefault(trial.method, []).append(
                wrong_row(data, found.wrong, runs=trials, steps=steps, unit=unit)
                | {"wrong_at_a_look": found.wrong_at_a_look}
            )
    return rows


def on_traces(traces: Sequence[Trace]) -> dict[str, list[dict[str, Any]]]:
    """Return how often each method speaks up on the public traces."""
    losses = [trace.loss for trace in traces]
    steps = sum(map(len, losses))
    share = INDEPENDENT_STEPS / steps
    judged = [trace.validation for trace in traces if len(trace.validation) >= 6]
    sound = [values for values in judged if values[-3:].mean() <= 1.01 * values.min()]
    gaps = [gaps_of(np.cumsum(trace.gaps_s)) for trace in traces if trace.gaps_s is not None]

    def by_step(count: Callable[[Any], int]) -> dict[str, Any]:
        wrong = sum(count(loss) for loss in losses)
        return wrong_row(
            "public traces", wrong, runs=len(losses), steps=steps, unit="", independent=share
        )

    def by_run(
        items: Sequence[Any], is_wrong: Callable[[Any], bool], data: str = "public traces"
    ) -> dict[str, Any]:
        wrong = sum(map(is_wrong, items))
        return wrong_row(data, wrong, runs=len(items), steps=None, unit="per run")

    early = early_failure
    rows = {
        "numeric_v1": by_run(losses, lambda loss: numeric_health(loss).verdict != "ok"),
        "blowup_running_max_v1": by_step(lambda loss: len(one_step_blowup(loss).flags)),
        "oddness_robust_z_v1": by_step(lambda loss: len(describe_oddness(loss).odd_steps)),
        "shift_cusum_v2": by_step(lambda loss: len(level_shift(loss, setting="main").up)),
        "shift_cusum_short_v2": by_step(lambda loss: len(level_shift(loss, setting="short").up)),
        "trend_quarters_v1": by_run(
            losses,
            lambda loss: trend(loss).verdict == "increasing",
            "public traces, called increasing; one of them does rise",
        ),
        "noise_level_v1": by_run(losses, lambda loss: early(loss).severity != "none"),
        "spread_collapse_v1": by_run(
            losses, lambda loss: early(loss, prediction="flow").severity != "none"
        ),
        "explosion_v1": by_run(losses, lambda loss: explosion(loss).verdict != "none"),
        "overfit_val_v1": by_run(sound, lambda values: overfit(values).verdict == "overfitting"),
        "slowdown_median_v1": by_run(
            gaps, lambda one: slow_down(one.per_step_s, one.steps).verdict != "ok"
        ),
    }
    return {method: [row] for method, row in rows.items()}


def detections(traces: Sequence[Trace]) -> dict[str, list[dict[str, Any]]]:
    """Return what of planted faults is found, and how late."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for method, row in _shifts(traces):
        rows.setdefault(method, []).append(row)
    for method, row in _others():
        rows.setdefault(method, []).append(row)
    return rows


def _shifts(traces: Sequence[Trace]) -> Iterator[tuple[str, dict[str, Any]]]:
    long = [trace.loss for trace in traces if len(trace.loss) >= 3000]
    for factor in (1.5, 2.0, 3.0):
        for setting in ("main", "short"):
            onset = 1500 if setting == "main" else 600

            def delay(losses: Any, setting: Any = setting, onset: int = onset) -> int | None:
                alarms = level_shift(losses, setting=setting).up
                return first_after((alarm.step for alarm in alarms), onset)

            sets = {
                "generated noise": [noise_losses(rng(n, 1), onset + 1000) for n in range(RUNS)],
                "simulated flow matching": [
                    flow_losses(rng(n, 2), onset + 1000) for n in range(RUNS)
                ],
                "public traces": long,
            }
            method = "shift_cusum_v2" if setting == "main" else "shift_cusum_short_v2"
            for data, runs in sets.items():
                if runs:
                    planted = (shifted(loss, onset=onset, factor=factor) for loss in runs)
                    yield method, found_row(f"level x{factor:g}, {data}", map(delay, planted))


def _others() -> Iterator[tuple[str, dict[str, Any]]]:
    yield from _single_steps()
    for kind, make in (("generated noise", noise_losses), ("flow matching", flow_losses)):
        losses = [make(rng(n, 3), 1000) for n in range(RUNS)]
        for factor in (10.0, 30.0, 100.0):
            flags = (
                [flag.step for flag in one_step_blowup(spiked(one, at=500, factor=factor)).flags]
                for one in losses
            )
            yield (
                "blowup_running_max_v1",
                found_row(f"one step x{factor:g}, {kind}", (first_after(f, 500) for f in flags)),
            )
        bad = (numeric_health(not_finite_from(one, onset=500)).first_bad_step for one in losses)
        yield (
            "numeric_v1",
            found_row(
                f"not finite from step 500 on, {kind}",
                (None if step is None else first_after([step], 500) for step in bad),
            ),
        )
    for method, prediction, level, make in (
        ("noise_level_v1", "noise", 1.0, noise_losses),
        ("spread_collapse_v1", "flow", 2.0, flow_losses),
    ):
        delays = []
        for number in range(RUNS):
            run = diverging(rng(number, 4), make(rng(number, 5), 300), onset=20, to=level)
            ends = (
                end
                for end in range(30, 301, 5)
                if early_failure(run[:end], prediction=prediction).verdict == "diverged"
            )
            delays.append(first_after(ends, 20))
        yield method, found_row("diverges from step 20 on", delays)
    for factor in (1.5, 2.0, 2.5, 3.0):
        slow = (
            slow_down(shifted(step_times(rng(number, 6), 600), onset=300, factor=factor))
            for number in range(RUNS)
        )
        steps = ([] if one.first_slow_step is None else [one.first_slow_step] for one in slow)
        yield (
            "slowdown_median_v1",
            found_row(f"steps x{factor:g} as slow", (first_after(found, 300) for found in steps)),
        )
    for rise in (0.002, 0.005, 0.02):
        curves = (
            validation_losses(rng(number, 7), 30, turn=TURN, rise=rise) for number in range(RUNS)
        )
        fired = (overfit(curve).overfitting_step for curve in curves)
        yield (
            "overfit_val_v1",
            found_row(
                f"rises by {rise:.1%} at each evaluation",
                (None if step is None else step - TURN - 1 for step in fired),
                "evaluations",
            ),
        )


def _single_steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield how often a single odd step is taken for a lasting shift, which it is not."""
    for data, make, is_flow in (
        ("generated noise", noise_losses, False),
        ("flow matching", flow_losses, True),
    ):
        # Late enough for the setting that is chosen to judge it.
        runs = [make(rng(number, 8), 1500) for number in range(RUNS)]
        for factor in (10.0, 30.0, 100.0):
            alarms = (
                level_shift(spiked(run, at=1000, factor=factor), is_flow=is_flow).up for run in runs
            )
            method = "shift_cusum_short_v2" if is_flow else "shift_cusum_v2"
            row = found_row(
                f"a single step x{factor:g}, {data}: no shift, so finding one is wrong",
                (first_after((alarm.step for alarm in found), 1000) for found in alarms),
            )
            yield method, row


def told(what: str) -> None:
    """Say what is measured now."""
    sys.stderr.write(f"{what}\n")


def main() -> None:
    """Measure everything and print the reference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "domain")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    file = options.shared / "traces" / "public_loss_traces.npz"
    traces = read_traces(file) if file.is_file() else ()
    if not traces:
        told("the public traces are not there: rows about them are left out")
    measured = {
        "noise": on_noise(options.trials),
        "traces": on_traces(traces) if traces else {},
        "detection": detections(traces),
        "calibration": calibration(options.shared, traces),
    }
    unseen = heldout(options.shared)
    if unseen is None:
        told("the held-out traces are not there: their figures stay as they were measured last")
        unseen = json.loads(FIGURES.read_text(encoding="utf-8"))
    failures = with_the_first(failures_measured())
    text = methods_markdown(
        METHODS.values(), json.loads(json.dumps(measured)), heldout=unseen, failures=failures
    )
    if options.write:
        FAILURES.write_text(json.dumps(failures, indent=1) + "\n", encoding="utf-8")
        figures = json.dumps(measured, indent=1) + "\n"
        (ROOT / "benchmarks" / "detection.json").write_text(figures, encoding="utf-8")
        FIGURES.write_text(json.dumps(unseen, indent=1) + "\n", encoding="utf-8")
        (ROOT / "docs" / "methods.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
