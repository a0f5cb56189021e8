"""`aitk doctor --prove`: what the installed analyzers find, how late, and how often wrongly."""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aitk_core.application import Application
    from aitk_core.proving.outcomes import AlarmCount, Card, NoiseCount
    from aitk_core.services.proving import Proof

_TEXT: Final = 300
"""Characters of a sentence that a plugin had a part in."""
_MISSING: Final = "-"


def prove_installed(application: Application, *, traces: str | None) -> dict[str, Any]:
    """Return the report: `ok`, `analyzers`, `noise`, `recorded_failures`, `traces`, `seconds`.

    Args:
        application: Its analyzers are proven; no backend is asked.
        traces: File with further loss traces.

    Raises:
        FileMissingError: There is no such file.
        InvalidArgumentsError: It holds no traces.
        TooLargeError: It holds too much.
    """
    from aitk_core.services.executor import WorkerPool
    from aitk_core.services.failures import FailureLibrary
    from aitk_core.services.proving import prove_analyzers

    registry, limit_s = application.registry, application.settings.analyzer_timeout_s
    runs = []
    if traces is not None:
        from aitk_core.proving.traces import read_traces

        # A warning on a run that failed is no false alarm.
        read = read_traces(Path(traces))
        runs = [trace.evidence() for trace in read if trace.is_healthy]

    async def prove() -> Proof:
        with closing(WorkerPool(workers=1)) as pool:
            library = FailureLibrary(registry, pool=pool, timeout_s=limit_s)
            return await prove_analyzers(
                registry.analyzers.values(),
                timeout_s=limit_s,
                catalogue=await library.catalogue(),
                traces=runs,
                progress=_progress,
            )

    proof = asyncio.run(prove())
    _progress("")
    return report_of(proof)


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what[:79]}")
        sys.stderr.flush()


def report_of(proof: Proof) -> dict[str, Any]:
    """Return the proof as JSON."""
    return {
        "ok": proof.ok,
        "analyzers": [_analyzer(card) for card in proof.cards],
        "noise": {"runs": proof.noise_runs, "steps_of_each": proof.noise_steps},
        "recorded_failures": [
            {
                "run": run,
                "cause": cause,
                "found_by": {
                    card.name: list(card.recorded[run])
                    for card in proof.cards
                    if card.recorded.get(run)
                },
            }
            for run, cause in proof.causes.items()
        ],
        "traces": proof.traces,
        "seconds": round(proof.seconds, 2),
    }


def _analyzer(card: Card) -> dict[str, Any]:
    delays = card.delays
    return {
        "name": card.name,
        "distribution": card.distribution,
        "subject": card.subject,
        "has_proofs": card.has_proofs,
        "ok": not card.failures,
        "cases": len(card.cases),
        "must_find": len(card.to_find),
        "found": card.found,
        "delay_steps": None if delays is None else {"median": delays[0], "p90": delays[1]},
        "false_alarms": _alarms(card.false_alarms),
        "noise": [_noise(card, count) for count in card.noise.values()],
        "traces": None
        if card.traces is None
        else _alarms(card.traces) | {"codes": dict(sorted(card.trace_codes.items()))},
        "ms_per_evidence": None
        if not card.seconds
        else {
            "median": round(1000 * median(card.seconds), 3),
            "largest": round(1000 * max(card.seconds), 3),
        },
        "failures": [_plain(failure) for failure in card.failures],
    }


def _alarms(count: AlarmCount) -> dict[str, Any]:
    return {
        "count": count.alarms,
        "steps": count.steps,
        "per_1000_steps": count.per_1000_steps,
        "upper_95": count.upper,
    }


def _noise(card: Card, count: NoiseCount) -> dict[str, Any]:
    return {
        "code": count.code,
        "severity": count.severity,
        "method": _plain(count.method),
        "runs": card.noise_runs,
        "runs_at_the_end": count.at_end,
        "runs_at_any_look": count.at_any_look,
        "stated_rate": None if count.stated is None else count.stated.rate,
        "stated_unit": None if count.stated is None else _plain(count.stated.unit),
        "within_stated": count.is_within(card.noise_runs, card.noise_steps),
    }


def _plain(text: str) -> str:
    """Return a plugin's words as one bounded line without control characters."""
    return "".join(char if char.isprintable() else " " for char in text)[:_TEXT]


def render(report: dict[str, Any]) -> str:
    """Return the report for a terminal of 100 columns."""
    analyzers, noise = report["analyzers"], report["noise"]
    on_noise = f"{noise['runs']} runs of pure noise, {noise['steps_of_each']} steps each"
    lines = [
        _COLUMNS.format(*_HEADS).rstrip(),
        *(_COLUMNS.format(*_row(one)).rstrip() for one in analyzers),
        "",
        f"Said of {on_noise}, looked at every 250 steps",
        *(_noise_lines(analyzers) or ["  nothing"]),
        "",
        "Recorded runs with something wrong, and who warns of it",
        *(_failure_line(one) for one in report["recorded_failures"]),
    ]
    if report["traces"]:
        lines += ["", f"Warnings on {report['traces']} traces, as if their steps were independent"]
        lines += [_trace_line(one) for one in analyzers if one["traces"]]
    failures = [
        f"  {one['name']} ({one['distribution']}): {failure}"
        for one in analyzers
        for failure in one["failures"]
    ]
    lines += ["", *(["Failures", *failures] if failures else ["All was found, and nothing else."])]
    unproven = [one["name"] for one in analyzers if not one["has_proofs"]]
    if unproven:
        lines.append(f"Without cases of their own: {', '.join(unproven)}")
    lines.append(f"Took {report['seconds']:.1f} s.")
    return "\n".join(lines) + "\n"


_COLUMNS: Final = "{:16.16} {:19.19} {:>7} {:>14} {:>26} {:>6}  {}"
_HEADS: Final = (
    "Analyzer", "Distribution", "Found", "Delay 50/90 %", "False alarms / 1000 steps", "ms", "",
)  # fmt: skip


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    delay, cost = one["delay_steps"], one["ms_per_evidence"]
    return (
        one["name"],
        one["distribution"],
        f"{one['found']}/{one['must_find']}" if one["must_find"] else _MISSING,
        _MISSING if delay is None else f"{delay['median']:.0f} / {delay['p90']:.0f}",
        _rate(one["false_alarms"]),
        _MISSING if cost is None else f"{cost['median']:.1f}",
        "ok" if one["ok"] else "FAILS",
    )


def _rate(alarms: dict[str, Any]) -> str:
    if not alarms["steps"]:
        return _MISSING
    return f"{alarms['per_1000_steps']:.3g} (95 %: < {alarms['upper_95']:.2g})"


def _noise_lines(analyzers: list[dict[str, Any]]) -> list[str]:
    words = {True: "as stated", False: "MORE", None: ""}
    return [
        f"  {one['name']:12.12} {said['code']:24.24} at the end {said['runs_at_the_end']:3}, "
        f"at a look {said['runs_at_any_look']:3}; {_stated(said):18.18} "
        f"{words[said['within_stated']]}".rstrip()
        for one in analyzers
        for said in one["noise"]
    ]


def _stated(said: dict[str, Any]) -> str:
    if said["stated_rate"] is None:
        return "no rate stated"
    return f"{said['stated_rate']:g} {said['stated_unit']}"


def _failure_line(one: dict[str, Any]) -> str:
    told = "; ".join(f"{name}: {', '.join(codes)}" for name, codes in one["found_by"].items())
    return f"  {one['run']:26.26} {told or 'nobody'}"[:100]


def _trace_line(one: dict[str, Any]) -> str:
    told = ", ".join(f"{code} {count}" for code, count in one["traces"]["codes"].items())
    counted = f"{one['traces']['count']} in {one['traces']['steps']} steps"
    return f"  {one['name']:16.16} {counted:24} {_rate(one['traces']):28} {told}".rstrip()[:100]
