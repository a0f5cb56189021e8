"""What happened at single steps: findings, saves, samples and resumes."""

from __future__ import annotations

from bisect import bisect_right
from itertools import chain
from typing import TYPE_CHECKING, Final

from aitk_core.evidence.logevents import LogEventKind
from aitk_core.records.findings import SEVERITIES
from aitk_observability.charts.records import Lane, Rule
from aitk_observability.charts.words import code_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitk_core.drawing.canvas import Marker
    from aitk_core.evidence.logscan import LogScan
    from aitk_core.evidence.records import RunEvidence
    from aitk_core.records.findings import Finding
    from aitk_observability.charts.records import PanelName

SPIKE: Final = "LOSS_BLOWUP"
_OF_VALIDATION: Final = frozenset({"OVERFITTING", "VALIDATION_RISING"})
_PANEL_OF: Final[dict[str, PanelName]] = {"quality": "loss", "speed": "step_time"}
_MOST_RULES: Final = 4
"""Ours: the labels of more would not fit above one panel."""
_SAMPLED: Final = frozenset({LogEventKind.BASELINE_SAMPLING})
_SAVED: Final = frozenset({LogEventKind.SAVING, LogEventKind.SAVED})
_RESUMED: Final = frozenset({LogEventKind.RESUME})
_ROWS: Final[tuple[tuple[str, frozenset[LogEventKind], Marker], ...]] = (
    ("resumed", _RESUMED, "right"),
    ("sampled", _SAMPLED, "circle"),
    ("saved", _SAVED, "square"),
)


def panel_of(finding: Finding) -> PanelName | None:
    """Return the panel that shows what a finding is about."""
    if finding.code in _OF_VALIDATION:
        return "validation_loss"
    return _PANEL_OF.get(finding.category)


def grave(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are no notes, the worst first, else in their order."""
    found = [finding for finding in findings if finding.severity != "info"]
    return sorted(found, key=lambda finding: -SEVERITIES.index(finding.severity))


def rules(findings: Sequence[Finding], panel: PanelName, steps: tuple[int, int]) -> list[Rule]:
    """Return where findings begin, by step; at most four, the worst.

    A finding that rests on the run from its first step on has no such step.

    Args:
        findings: All of them.
        panel: Which of them to take.
        steps: First and last step of the panel.
    """
    first, last = steps
    found: list[Rule] = []
    for finding in grave(findings):
        at = _first_step(finding)
        if panel_of(finding) != panel or finding.code == SPIKE or at is None:
            continue
        if first < at <= last and len(found) < _MOST_RULES:
            role = finding.severity if finding.severity == "critical" else "warning"
            label = code_words(finding).removeprefix("loss ")
            found.append(Rule(step=at, label=label, role=role))
    return sorted(found, key=lambda rule: rule.step)


def spike_steps(findings: Sequence[Finding]) -> set[int]:
    """Return the steps that findings name as single spikes."""
    return {
        reference.first_step
        for finding in findings
        if finding.code == SPIKE
        for reference in finding.evidence
        if reference.first_step is not None
    }


def event_lanes(evidence: RunEvidence, steps: tuple[int, int]) -> list[Lane]:
    """Return what happened in the run between two steps, a row for each kind.

    The log says it, and of samples the names of their files: inside a run it is silent of them.
    """
    # The log counts finished steps, so what follows the last step bears the next number.
    first, last = steps[0] - 1, steps[1] + 1
    found: dict[str, set[int]] = {}
    told = _events(evidence.log.scan) if evidence.log is not None else ()
    sampled = ((LogEventKind.BASELINE_SAMPLING, step) for step in evidence.sampled_steps or ())
    for kind, step in chain(told, sampled):
        for label, kinds, _ in _ROWS:
            if kind in kinds and first <= step <= last:
                found.setdefault(label, set()).add(step)
    return [
        Lane(label=label, steps=tuple(sorted(found[label])), marker=marker, role="event")
        for label, _, marker in _ROWS
        if label in found
    ]


def _events(scan: LogScan) -> Iterator[tuple[LogEventKind, int]]:
    """Go through the events of this run, the newest first.

    A log may hold several starts. Those before the newest belong to this run as far as it went
    on from them; without a resume the newest start began anew.
    """
    ceiling: int | None = None
    resumed_at: int | None = None
    run = newest = len(scan.restarts)
    for event in reversed(scan.events):
        at = bisect_right(scan.restarts, event.number)
        if at < run:
            if resumed_at is None:
                return
            ceiling = resumed_at if ceiling is None else min(ceiling, resumed_at)
            run, resumed_at = at, None
        # Samples before the first step stand before the first bar.
        step = (scan.first_step or 0) if event.step is None and at == newest else event.step
        if step is None or (ceiling is not None and step > ceiling):
            continue
        if event.kind is LogEventKind.RESUME:
            resumed_at = step
        yield event.kind, step


def _first_step(finding: Finding) -> int | None:
    steps = [one.first_step for one in finding.evidence if one.first_step is not None]
    return min(steps, default=None)
