"""The watcher's rules on runs that are well and runs that are not, reading by reading.

    uv run python benchmarks/bench_guardrails.py [--shared FOLDER] [--every STEPS] [--write]

Healthy: all public traces (48 SD1.5 runs), and runs resampled from them in blocks, labelled so,
up to a hundred. Each is shown as it grew, a reading every so many steps, with a window of 2,000
losses as the watcher keeps it. A stop is a false one. Broken: the recorded runs of the real
backend, and faults planted into the traces; told is how many readings after the first bad step a
rule stopped or warned. `--write` puts the figures into `benchmarks/guardrails.json`.
"""

from __future__ import annotations

import argparse
import json
import math
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from attrs import evolve

from aitk_core.evidence.follow import WINDOW_POINTS, Tick
from aitk_core.evidence.records import LOSS
from aitk_core.proving.generate import not_finite_from, shifted
from aitk_core.proving.growth import as_it_stood
from aitk_core.proving.recorded import evidence_of, recorded_runs
from aitk_core.proving.traces import read_traces
from aitk_core.registry import load_registry
from aitk_core.services.analysis import AnalysisOutcomes, analyze_one
from aitk_guardrails.rules.judge import judge
from aitk_guardrails.rules.memory import Memory
from aitk_guardrails.rules.settings import Guardrails
from aitk_guardrails.watch.look import _reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aitk_core.evidence.records import RunEvidence, Series
    from aitk_core.proving.traces import Trace

ROOT: Final = Path(__file__).parents[1]
FIGURES: Final = ROOT / "benchmarks" / "guardrails.json"
RUNS: Final = 100
BLOCK: Final = 200
"""Steps of one piece of a resampled run: ten times over which losses hang together."""


def told(evidence: RunEvidence, every: int) -> list[tuple[int, int, str, str]]:
    """Return (reading, step, code, mode) of what the rules said of a run as it grew."""
    loss = evidence.loss
    assert loss is not None
    analyzers = [o.spec for o in load_registry().analyzers.values() if o.spec.subject == "run"]
    memory, guardrails = Memory(), Guardrails()
    said = []
    for number, step in enumerate(range(loss.steps[0] + every, loss.steps[-1] + 1, every), 1):
        grown = _windowed(as_it_stood(evidence, step))
        outcomes = AnalysisOutcomes(
            analyses={spec.name: analyze_one(spec, grown) for spec in analyzers}, notes=()
        )
        tick = Tick(at=grown.collected_at, job=grown.job, added={LOSS: every})
        reading = evolve(
            _reading(tick, None, grown, outcomes, memory, None), grew=True, launched=1.0
        )
        said += [
            (number, step, each.code, each.mode)
            for each in judge(reading, guardrails, memory)
            if each.state == "open"
        ]
        if any(mode == "stop" for _, _, _, mode in said):
            break
    return said


def _windowed(evidence: RunEvidence) -> RunEvidence:
    return evolve(evidence, series={key: _last(series) for key, series in evidence.series.items()})


def _last(series: Series) -> Series:
    return evolve(
        series,
        steps=series.steps[-WINDOW_POINTS:],
        wall_times=series.wall_times[-WINDOW_POINTS:],
        values=series.values[-WINDOW_POINTS:],
    )


def resampled(traces: Iterable[Trace], count: int, seed: int) -> Iterator[Trace]:
    """Yield runs put together from blocks of one healthy run each, in its own order of levels.

    A block is drawn from around the place it is put at, so that the course of the loss stays.
    """
    random = np.random.default_rng(seed)
    known = list(traces)
    for number in range(count):
        source = known[int(random.integers(len(known)))]
        length = len(source.loss)
        pieces = []
        for begin in range(0, length, BLOCK):
            jitter = int(random.integers(-2 * BLOCK, 2 * BLOCK + 1))
            place = min(max(0, begin + jitter), max(0, length - BLOCK))
            pieces.append(np.arange(place, min(place + BLOCK, length)))
        chosen = np.concatenate(pieces)[:length]
        yield evolve(
            source,
            key=f"resampled-{number}-{source.key}",
            loss=source.loss[chosen],
            gaps_s=None if source.gaps_s is None else source.gaps_s[: len(chosen)],
        )


def _healthy(job: tuple[Trace, int]) -> dict[str, Any]:
    trace, every = job
    said = told(trace.evidence(), every)
    return {"key": trace.key, "steps": len(trace.loss), "said": said}


def healthy(shared: Path, every: int, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """Return what was said of a hundred healthy runs."""
    traces = list(read_traces(shared / "traces" / "public_loss_traces.npz"))
    more = list(resampled(traces, max(0, RUNS - len(traces)), seed=20261123))
    found = list(pool.map(_healthy, [(trace, every) for trace in [*traces, *more]], chunksize=1))
    figures = {}
    for name, part in (("public", found[: len(traces)]), ("resampled", found[len(traces) :])):
        stops = [row["key"] for row in part if any(m == "stop" for *_, m in row["said"])]
        warned = [row["key"] for row in part if any(m == "warn" for *_, m in row["said"])]
        figures[name] = {
            "runs": len(part),
            "steps": sum(row["steps"] for row in part),
            "stopped": stops,
            "warned": {
                key: sorted({code for *_, code, _ in row["said"]})
                for key in warned
                for row in part
                if row["key"] == key
            },
            # Rule of three: the rate that a count of none allows, at 95 %.
            "stop_rate_below": round(1 - 0.05 ** (1 / len(part)), 4) if not stops else None,
        }
    return figures


def _planted(job: tuple[str, Trace, int, int]) -> dict[str, Any]:
    what, trace, onset, every = job
    said = told(trace.evidence(), every)
    stops = [(number, step, code) for number, step, code, mode in said if mode == "stop"]
    after = None
    if stops:
        after = math.ceil((stops[0][1] - onset + 1) / every)
    return {"what": what, "key": trace.key, "code": stops[0][2] if stops else None, "after": after}


def planted(shared: Path, every: int, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """Return how late planted faults were stopped, in readings from the first bad step on."""
    jobs: list[tuple[str, Trace, int, int]] = []
    for trace in read_traces(shared / "traces" / "public_loss_traces.npz"):
        half = min(len(trace.loss), 3000) // 2
        short = evolve(
            trace,
            loss=trace.loss[: 2 * half],
            gaps_s=None if trace.gaps_s is None else trace.gaps_s[: 2 * half],
        )
        for what, loss in (
            ("nan", not_finite_from(short.loss, onset=half)),
            ("exploded x100", shifted(short.loss, onset=half, factor=100.0)),
            ("level x4", shifted(short.loss, onset=half, factor=4.0)),
        ):
            jobs.append((what, evolve(short, loss=np.asarray(loss)), half, every))
    found = list(pool.map(_planted, jobs, chunksize=1))
    figures: dict[str, Any] = {}
    for what in dict.fromkeys(job[0] for job in jobs):
        rows = [row for row in found if row["what"] == what]
        late = sorted(row["after"] for row in rows if row["after"] is not None and row["after"] > 0)
        early = sum(1 for row in rows if row["after"] is not None and row["after"] <= 0)
        figures[what] = {
            "runs": len(rows),
            "stopped": len(late),
            "stopped_too_early": early,
            "readings_median": late[len(late) // 2] if late else None,
            "readings_90": late[int(0.9 * (len(late) - 1))] if late else None,
            "readings_most": late[-1] if late else None,
        }
    return figures


def recorded(every: int) -> dict[str, Any]:
    """Return what the rules said of the recorded runs that have a loss."""
    figures = {}
    for name, run in recorded_runs().items():
        evidence = evidence_of(run)
        if evidence.loss is None:
            continue
        said = told(evidence, every)
        figures[name] = {
            "what_happened": run.expected.get("cause"),
            "said": [f"{mode} {code} at step {step}" for _, step, code, mode in said],
        }
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "domain")
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with ProcessPoolExecutor(2) as pool:
        figures = {
            "steps_between_readings": options.every,
            "healthy": healthy(options.shared, options.every, pool),
            "planted": planted(options.shared, options.every, pool),
            "recorded": recorded(10),
        }
    text = json.dumps(figures, indent=1) + "\n"
    print(text)
    if options.write:
        FIGURES.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
