"""The reference of the methods: what each states, and beside it what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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


_HELDOUT = """\
Rows with "held-out" are of {runs} real runs from {sources} sources that no rule was made or tuned
on: {sound_runs} healthy ones with {sound_values:,} losses, of which {flow_runs} with
{flow_values:,} by flow matching, and {failed_runs} that failed. Half of the losses are of one
source. What each run is, and the label that it was given before anything was measured, is in
`benchmarks/heldout_sources.json`; the figures are in `benchmarks/heldout.json`. Rates count logged
losses as steps.
"""


def methods_markdown(
    methods: Iterable[MethodInfo],
    measured: Mapping[str, Any],
    *,
    heldout: Mapping[str, Any],
    failures: Mapping[str, Any],
) -> str:
    """Return the reference: each method, calibration, held-out runs, and causes of failures.

    Args:
        methods: To describe.
        measured: What the benchmark wrote: `noise`, `traces` and `detection` by method's name,
            and `calibration`.
        heldout: What it wrote about held-out runs: `data`, `wrong` and `found` by method's name,
            `alarms`, `verdicts` and `not_held`.
        failures: What the benchmark of the failure catalogue wrote: `first` and `now`, each by
            corpus and half.
    """
    lines = [_INTRODUCTION]
    lines.append(_HELDOUT.format_map(heldout["data"]))
    for info in methods:
        lines += _section(info, measured, heldout)
    lines += _calibration(measured.get("calibration", ()))
    lines += _unseen(heldout)
    lines += _failures(failures)
    return "\n".join(lines).rstrip() + "\n"


def _section(
    info: MethodInfo, measured: Mapping[str, Any], heldout: Mapping[str, Any]
) -> list[str]:
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
    tables = (measured["noise"], measured["traces"], heldout["wrong"])
    wrong = [row for table in tables for row in table.get(info.name, ())]
    if wrong:
        lines += ["| nothing to find | wrong | rate | asked every 250 steps |", "|---|---|---|---|"]
        lines += [_wrong(row) for row in wrong]
    else:
        lines.append("On noise: not measured, it claims nothing that could be wrong there.")
    lines.append("")
    planted = (measured["detection"], heldout["found"])
    found = [row for table in planted for row in table.get(info.name, ())]
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
        stated, observed = _stated(row)
        lines.append(
            f"| {row['data']} | {stated} | {row['findings']} | {row['right']} | {observed} |"
        )
    return lines


def _unseen(heldout: Mapping[str, Any]) -> list[str]:
    lines = [
        "",
        "## Findings on held-out runs",
        "",
        "Warnings of all installed analyzers on the healthy runs, asked as the runs grew.",
        "",
        "| code | raised | rate | in runs of |",
        "|---|---|---|---|",
    ]
    for row in heldout["alarms"]:
        low, high = row["interval"]
        lines.append(
            f"| `{row['data']}` | {row['wrong']} in {row['over']} | "
            f"{row['rate']:.3g} {row['unit']} ({low:.2g} to {high:.2g}) | "
            f"{', '.join(row['sources'])} |"
        )
    lines += [
        "",
        "Findings at the end of runs: the fault was real, or planted in healthy runs of 1,000",
        "losses and more; precision is against the healthy runs without it.",
        "",
        "| code | fault | found | recall | wrong | precision |",
        "|---|---|---|---|---|---|",
    ]
    for row in heldout["verdicts"]:
        lines.append(
            f"| `{row['code']}` | {row['situation']} | {row['found']} of {row['runs']} | "
            f"{_share(row['recall'], row['recall_interval'])} | "
            f"{row['wrong']} of {row['sound_runs']} | "
            f"{_share(row['precision'], row['precision_interval'])} |"
        )
    lines += ["", "Stated rates that lie below the 95 % interval of these runs:", ""]
    for row in heldout["not_held"]:
        low, high = row["interval"]
        lines.append(
            f"- `{row['method']}`, {row['data']}: stated {row['stated']:g}, "
            f"measured {row['rate']:.3g} ({low:.2g} to {high:.2g})"
        )
    return lines if heldout["not_held"] else [*lines, "none."]


def _share(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None or interval is None:
        return ""
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _stated(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the stated and the observed confidence of a row, as cells."""
    observed = ""
    if row["interval"] is not None:
        low, high = row["interval"]
        observed = f"{row['right'] / row['findings']:.3f} ({low:.3f} to {high:.3f})"
    mean = "" if row["stated_mean"] is None else f", mean {row['stated_mean']:.3f}"
    return f"{row['stated']}{mean}", observed


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


_FAILURES = """\
## Causes of failures on logs of others

How often the failure catalogue names the true cause of logs that it was not written from, by two
corpora from public issue threads: A (`benchmarks/heldout_logs.json`) and B
(`benchmarks/heldout_logs_b.json`), which was made after the catalogue had been mended from A, from
other threads. Each log was judged before the scanner saw it. Threads that the catalogue names as
sources were left out, and logs with a line that is one of its examples, so that the rest may be
harder than logs at large. Only odd threads are held out; what is wrong in the even ones may be
mended, so their later figures prove nothing. `first` was measured before anything was mended from
that corpus; pooled, A and B were first measured at two states of the catalogue. First figures of B
are the only ones of logs that nobody had read when the catalogue was written. The lines are
re-typed with neutral names and shortened, those of B mostly to the beginning of a thread, and
whoever judged the logs of both halves also wrote what was mended after, from the even half, the
catalogue's own examples and the libraries' texts, so the later held-out figures may flatter. Made
by `uv run python benchmarks/bench_failures.py --write`, from the log alone, without the reason that
the job's row often gives. Intervals are exact 95 % ones.

Recall counts causes that the catalogue had an entry for when the logs were judged; the next
column counts all causes. The aim is 95 %.

| logs | measured | cause named | of all causes | named and right | rightly left unknown |
|---|---|---|---|---|---|"""
_HEALTHY = """\

Logs of healthy runs: critical findings, and causes named if a run that printed the same had failed
without a word.

| logs | measured | healthy | with a critical finding | a cause named |
|---|---|---|---|---|"""
_STATED = """\

| logs | measured | stated | findings | right | observed |
|---|---|---|---|---|---|"""


def _failures(measured: Mapping[str, Any]) -> list[str]:
    cells = [
        (half, when, found) for when, halves in measured.items() for half, found in halves.items()
    ]
    asked = ("recall", "recall_all", "precision", "unknown")
    lines = ["", _FAILURES]
    for half, when, found in cells:
        shares = " | ".join(_counted(found[name]) for name in asked)
        lines.append(f"| {half}, {found['failed']} failed | {when} | {shares} |")
    lines.append(_HEALTHY)
    lines += [
        f"| {half} | {when} | {found['healthy']} | {found['critical_on_healthy']} "
        f"| {found['named_if_silent']} |"
        for half, when, found in cells
    ]
    lines.append(_STATED)
    for half, when, found in cells:
        for row in found["calibration"]:
            stated, observed = _stated(row)
            told = f"{row['findings']} | {row['right']} | {observed}"
            lines.append(f"| {half} | {when} | {stated} | {told} |")
    return lines


def _counted(share: Mapping[str, Any]) -> str:
    if share["interval"] is None:
        return "none"
    low, high = share["interval"]
    return f"{share['count']} of {share['of']} ({low:.2f} to {high:.2f})"
