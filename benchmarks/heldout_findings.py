"""What the installed analyzers find in held-out runs; used by heldout.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rows import wrong_row

from aitk_core.proving.build import generated_run
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.generate import shifted
from aitk_core.proving.growth import as_it_stood, looks_of
from aitk_core.registry import load_registry
from aitk_core.services.analysis import analyze_one
from aitk_core.statistics.rates import binomial_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.evidence.records import RunEvidence
    from aitk_core.proving.traces import Trace
    from aitk_core.specs import AnalyzerSpec

_SLOW: Final = "STEPS_SLOWED_DOWN"
_CODES: Final = (
    "LOSS_NONFINITE", "LOSS_LEVEL_SHIFT", "LOSS_DIVERGED", "LOSS_AT_NOISE_LEVEL", "LOSS_EXPLODED",
    "LOSS_BLOWUP", _SLOW,
)  # fmt: skip
"""Shown also where they were never raised."""


def _analyzers() -> list[AnalyzerSpec]:
    registry = load_registry()
    return [one.spec for one in registry.analyzers.values() if one.spec.subject == "run"]


def _grave(analyzers: Sequence[AnalyzerSpec], evidence: RunEvidence) -> set[str]:
    said = (finding for spec in analyzers for finding in analyze_one(spec, evidence).findings)
    return {finding.code for finding in said if finding.severity != "info"}


def alarms_on(
    known: dict[str, dict[str, Any]], sound: Sequence[Trace], paced: Sequence[Trace]
) -> list[dict[str, Any]]:
    """Return the warnings of all analyzers of runs on sound runs that grow, by code.

    A slow-down is wrong only where the pace was steady, and is counted there.
    """
    analyzers = _analyzers()
    raised: dict[str, list[str]] = {}
    for trace in sound:
        evidence, standing = trace.evidence(), set[str]()
        moments = [as_it_stood(evidence, step) for step in looks_of(_case(evidence))]
        for moment in [*moments, evidence]:
            codes = _grave(analyzers, moment)
            for code in codes - standing:
                if code == _SLOW and all(trace is not one for one in paced):
                    continue
                raised.setdefault(code, []).append(trace.key)
            standing = codes
    rows = []
    for code in sorted({*raised, *_CODES}):
        where = raised.get(code, [])
        runs = paced if code == _SLOW else sound
        steps = sum(len(trace.loss) for trace in runs)
        row = wrong_row(code, len(where), runs=len(runs), steps=steps, unit="")
        rows.append(row | {"sources": sorted({known[key]["source"] for key in where})})
    return rows


def _case(evidence: RunEvidence) -> ProofCase:
    return ProofCase(name="held-out", evidence=evidence)


def verdicts_on(
    sound: Sequence[Trace],
    paced: Sequence[Trace],
    failed: Sequence[tuple[Trace, dict[str, Any]]],
) -> list[dict[str, Any]]:
    """Return precision and recall of findings at the end of runs, faults planted or not.

    Each code is asked on the sound runs, which are all wrong to warn of, and on the same runs
    with its fault planted in the middle; non-finite losses on the runs that did fail as well.
    """
    analyzers = _analyzers()
    at_end = [_grave(analyzers, trace.evidence()) for trace in sound]
    at_pace = [_grave(analyzers, trace.evidence()) for trace in paced]
    long = [trace for trace in sound if len(trace.loss) >= 1000]
    situations: list[tuple[str, str, list[RunEvidence]]] = [
        ("LOSS_NONFINITE", "did turn NaN", [trace.evidence() for trace, _ in failed]),
        ("LOSS_NONFINITE", "not finite from the middle on", [_with(t, 0.0) for t in long]),
        ("LOSS_LEVEL_SHIFT", "level x2 from three quarters on", [_with(t, 2.0) for t in long]),
        ("LOSS_LEVEL_SHIFT", "level x3 from three quarters on", [_with(t, 3.0) for t in long]),
        (_SLOW, "steps x3 as slow from the middle on", [_slow(t) for t in paced]),
    ]
    rows = []
    for code, what, runs in situations:
        quiet = at_pace if code == _SLOW else at_end
        wrong = sum(code in codes for codes in quiet)
        right = sum(code in _grave(analyzers, evidence) for evidence in runs)
        rows.append(
            {
                "code": code, "situation": what, "runs": len(runs), "found": right,
                "recall": right / len(runs) if runs else None,
                "recall_interval": list(binomial_interval(right, len(runs))) if runs else None,
                "sound_runs": len(quiet), "wrong": wrong,
                "precision": right / (right + wrong) if right + wrong else None,
                "precision_interval": list(binomial_interval(right, right + wrong))
                if right + wrong else None,
            }
        )  # fmt: skip
    return rows


def _with(trace: Trace, factor: float) -> RunEvidence:
    onset = len(trace.loss) * 3 // 4 if factor else len(trace.loss) // 2
    return generated_run(
        shifted(trace.loss, onset=onset, factor=factor),
        times=trace.gaps_s,
        batch=trace.batch,
        is_flow=trace.is_flow,
    )


def _slow(trace: Trace) -> RunEvidence:
    gaps = np.empty(0) if trace.gaps_s is None else trace.gaps_s
    return generated_run(
        trace.loss, times=shifted(gaps, onset=len(gaps) // 2, factor=3.0), batch=trace.batch
    )
