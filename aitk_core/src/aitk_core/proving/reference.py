"""The reference of the methods: what each states, and beside it what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aitk_core.statistics.description import MethodInfo

_INTRODUCTION = """\
# Methods

What every method on losses and step times answers, when it refuses to, and how often it is wrong.
Made from the table of methods and from `benchmarks/detection.json` by
`uv run python benchmarks/bench_detection.py --write`; a test compares.

Stated rates are what findings carry. Measured rates come from generated noise with the measured
statistics of real runs and nothing else in it, so whatever is said of it is wrong; from 48 public
traces of SD1.5 runs, which share their noise in seven families and count as about 43,000
independent steps; and from faults planted in either. Intervals are exact 95 % ones (Clopper and
Pearson; Garwood). Delays count from the first step that is wrong to the last step of the block,
window or evaluation that shows it. `aitk doctor --prove` repeats a smaller such measurement with
the analyzers that are installed.
"""


def methods_markdown(methods: Iterable[MethodInfo], measured: Mapping[str, Any]) -> str:
    """Return the reference, a section for each method, and the table of calibration.

    Args:
        methods: To describe.
        measured: What the benchmark wrote: `noise`, `traces` and `detection` by method's name,
            and `calibration`.
    """
    lines = [_INTRODUCTION]
    for info in methods:
        lines += _section(info, measured)
    lines += _calibration(measured.get("calibration", ()))
    return "\n".join(lines).rstrip() + "\n"


def _section(info: MethodInfo, measured: Mapping[str, Any]) -> list[str]:
    rate = info.false_alarm_rate
    stated = "none" if rate.rate is None else f"{rate.rate:g} {rate.unit}"
    lines = [
        f"## `{info.name}`",
        "",
        info.what,
        "",
        f"Needs {info.minimum_n} {info.minimum_unit}; below that the verdict is `undetermined`.",
        "",
        "| parameter | value | source |",
        "|---|---|---|",
        *(
            f"| `{name}` | {parameter.value} | {_cell(parameter.source)} |"
            for name, parameter in info.parameters.items()
        ),
        "",
        f"Stated false-alarm rate: {stated} ({rate.source}).",
        "",
    ]
    wrong = [*measured["noise"].get(info.name, ()), *measured["traces"].get(info.name, ())]
    if wrong:
        lines += ["| nothing to find | wrong | rate | asked every 250 steps |", "|---|---|---|---|"]
        lines += [_wrong(row) for row in wrong]
    else:
        lines.append("On noise: not measured, it claims nothing that could be wrong there.")
    lines.append("")
    found = measured["detection"].get(info.name, ())
    if found:
        lines += [
            "| planted fault | found | delay, median / 90 % |",
            "|---|---|---|",
            *(_found(row) for row in found),
            "",
        ]
    return lines


def _wrong(row: Mapping[str, Any]) -> str:
    low, high = row["interval"]
    looks = row.get("wrong_at_a_look")
    asked = "" if looks is None else f"{looks} of {row['runs']} runs"
    return (
        f"| {row['data']} | {row['wrong']} in {row['over']} | "
        f"{row['rate']:.3g} {row['unit']} ({low:.2g} to {high:.2g}) | {asked} |"
    )


def _found(row: Mapping[str, Any]) -> str:
    delay = row["delay"]
    told = "" if delay is None else f"{delay['median']:g} / {delay['p90']:g} {row['delay_unit']}"
    return f"| {row['fault']} | {row['found']} of {row['runs']} | {told} |"


def _calibration(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    lines = [
        "## Calibration of `confidence`",
        "",
        "How often findings that state a confidence were right. The lines of the catalogue are",
        "those its signatures were checked on: they show agreement, not a rate for new logs.",
        "Most findings of the statistical methods state no confidence but a false-alarm rate.",
        "",
        "| data | stated | findings | right | observed |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        observed = ""
        if row["interval"] is not None:
            low, high = row["interval"]
            observed = f"{row['right'] / row['findings']:.3f} ({low:.3f} to {high:.3f})"
        stated = "" if row["stated_mean"] is None else f", mean {row['stated_mean']:.3f}"
        lines.append(
            f"| {row['data']} | {row['stated']}{stated} | {row['findings']} | {row['right']} "
            f"| {observed} |"
        )
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
