"""Charts of a run: what an assistant can show and a person can look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from attrs import evolve, frozen

from aitk_core.errors import InvalidArgumentsError
from aitk_core.services.redaction import Redactor
from aitk_observability.charts import canvas as drawing
from aitk_observability.charts.loss_panel import loss_panel
from aitk_observability.charts.marks import grave
from aitk_observability.charts.other_panels import (
    learning_rate_panel,
    step_time_panel,
    validation_panel,
)
from aitk_observability.charts.plot import PanelPlot
from aitk_observability.charts.records import ChartName
from aitk_observability.charts.theme import THEMES
from aitk_observability.charts.words import code_words, name_of, one_line, status_of, step_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aitk_core.evidence.records import RunEvidence
    from aitk_core.records.findings import Finding
    from aitk_observability.charts.records import Panel
    from aitk_observability.charts.theme import Role, Theme

NAMES: Final[tuple[ChartName, ...]] = get_args(ChartName)
WIDTH: Final = 800
_HEIGHT: Final = 620
_LOW_HEIGHT: Final = 420
"""Of a chart with one panel."""
_TITLE: Final = 16
_SUBTITLE: Final = 12
_LEFT: Final = 70
_RIGHT: Final = 16
_TOP: Final = 56
_SMALL_TOP: Final = 430
_SMALL_GAP: Final = 60
"""Between small panels: room for the numbers of the next one's axis."""
_BETWEEN: Final = 12
_SYMBOLS: Final[dict[str, str]] = {"critical": "▲", "warning": "△"}
_ALT_CHARS: Final = 2000
_TOLD_STEPS: Final = 5
_NO_TOKENS: Final = Redactor().text


@frozen(kw_only=True)
class Chart:
    """One picture."""

    name: str
    """One of `NAMES`."""
    title: str
    """With the job's name, control characters removed; still the words of others."""
    alt: str
    """What it shows with its key figures, at most 2000 characters: for people who cannot see it,
    and for models."""
    png: bytes
    width: int
    """Pixels."""
    height: int
    """Pixels."""


def run_charts(
    evidence: RunEvidence,
    findings: Sequence[Finding],
    *,
    theme: Literal["light", "dark"] = "light",
    names: Sequence[str] = ("run",),
    redact: Callable[[str], str] = _NO_TOKENS,
) -> tuple[Chart, ...]:
    """Return charts of a run, in the order of their names.

    Pure, and slow enough for a worker: some tenths of a second, and a second more for the first
    chart of the process, which imports matplotlib.

    Args:
        evidence: What is known of the run.
        findings: What analyzers said of it; they are marked where they name a step.
        theme: For a light or a dark page.
        names: Any of `NAMES`; `run` is an overview of all that exists.
        redact: Takes secrets out of text, such as `ToolContext.redacted`; by default tokens of
            the model hub only.

    Returns:
        A chart whose evidence is missing is left out; none for a run without any.

    Raises:
        InvalidArgumentsError: A name or the theme is unknown.
    """
    _check(theme, names)
    evidence = _without_secrets(evidence, redact)
    panels = _panels(evidence, findings)
    charts = []
    for name in dict.fromkeys(names):
        shown = panels if name == "run" else [panel for panel in panels if panel.name == name]
        if shown:
            charts.append(_chart(name, shown, evidence, findings, THEMES[theme], redact))
    return tuple(charts)


def _without_secrets(evidence: RunEvidence, redact: Callable[[str], str]) -> RunEvidence:
    """Take secrets out of what others wrote and charts show, before it is shortened."""
    job = evidence.job
    name, status = (text and redact(text) for text in (job.name, job.status))
    return evolve(evidence, job=evolve(job, name=name, status=status))


def _check(theme: str, names: Sequence[str]) -> None:
    faults: list[dict[str, Any]] = [
        {"path": f"/names/{index}", "message": f"must be one of {', '.join(NAMES)}"}
        for index, name in enumerate(names)
        if name not in NAMES
    ]
    if theme not in THEMES:
        faults.append({"path": "/theme", "message": f"must be one of {', '.join(THEMES)}"})
    if faults:
        told = "; ".join(f"{fault['path']} {fault['message']}" for fault in faults[:3])
        raise InvalidArgumentsError(f"no such chart: {told}", faults=faults)


def _panels(evidence: RunEvidence, findings: Sequence[Finding]) -> list[Panel]:
    found = (
        loss_panel(evidence, findings),
        learning_rate_panel(evidence),
        step_time_panel(evidence, findings),
        validation_panel(evidence, findings),
    )
    return [panel for panel in found if panel is not None]


def _chart(
    name: str,
    panels: Sequence[Panel],
    evidence: RunEvidence,
    findings: Sequence[Finding],
    theme: Theme,
    redact: Callable[[str], str],
) -> Chart:
    is_small = len(panels) == 1
    height = _LOW_HEIGHT if is_small else _HEIGHT
    what = "Overview" if name == "run" else panels[0].heading
    title = f"{name_of(evidence.job.name)}: {what.lower()}"
    with drawing.DRAWING:
        canvas = drawing.Canvas(
            width=WIDTH, height=height, background=theme.background, redact=redact
        )
        _write_title(canvas, title, evidence, findings, theme)
        _draw_panels(canvas, panels, theme)
        png = canvas.png()
    alt = _alt(title, panels, evidence, findings)
    return Chart(name=name, title=title, alt=alt, png=png, width=WIDTH, height=height)


def _write_title(
    canvas: drawing.Canvas,
    title: str,
    evidence: RunEvidence,
    findings: Sequence[Finding],
    theme: Theme,
) -> None:
    room = WIDTH - 2 * _RIGHT
    words = canvas.fitted(title, room, size=_TITLE, bold=True)
    canvas.text(_RIGHT, 25, words, size=_TITLE, color=theme.roles["text"], bold=True)
    x = float(_RIGHT)
    for part, role in _subtitle(canvas, evidence, findings):
        words = canvas.fitted(part, WIDTH - _RIGHT - x, size=_SUBTITLE)
        canvas.text(x, 45, words, size=_SUBTITLE, color=theme.roles[role])
        x += canvas.width_of(words, size=_SUBTITLE) + _BETWEEN


def _subtitle(
    canvas: drawing.Canvas, evidence: RunEvidence, findings: Sequence[Finding]
) -> list[tuple[str, Role]]:
    """Return the parts of the line below the title, as many findings as fit, the worst first."""
    parts: list[tuple[str, Role]] = [(_state(evidence), "muted")]
    worst = grave(findings)
    room = WIDTH - 2 * _RIGHT - canvas.width_of(parts[0][0], size=_SUBTITLE)
    for shown, finding in enumerate(worst):
        role: Role = "critical" if finding.severity == "critical" else "warning"
        part = f"{_SYMBOLS[role]} {finding.severity}: {code_words(finding)}"
        room -= canvas.width_of(part, size=_SUBTITLE) + _BETWEEN
        more = f"and {len(worst) - shown:,} more"
        is_last = shown + 1 == len(worst)
        if shown and room < (0 if is_last else _BETWEEN + canvas.width_of(more, size=_SUBTITLE)):
            parts.append((more, "muted"))
            break
        parts.append((part, role))
    return parts


def _state(evidence: RunEvidence) -> str:
    job = evidence.job
    state = status_of(job.shown_status)
    if job.step is None:
        return state
    planned = "" if job.planned_steps is None else f" of {step_number(job.planned_steps)}"
    return f"{state}, {step_number(job.step)}{planned} steps done"


def _draw_panels(canvas: drawing.Canvas, panels: Sequence[Panel], theme: Theme) -> None:
    first, *others = panels
    # One axis of steps for all, so that what lies below each other happened together.
    steps = min(panel.steps[0] for panel in panels), max(panel.steps[1] for panel in panels)
    bottom = _SMALL_TOP - 22 if others else canvas.height - 14
    large = drawing.Box(left=_LEFT, top=_TOP, right=WIDTH - _RIGHT, bottom=bottom)
    PanelPlot(canvas, first, theme).draw(large, steps=steps, note=first.note, rows=len(first.lanes))
    if not others:
        return
    rows = max(len(panel.lanes) for panel in others)
    width = (large.width - _SMALL_GAP * (len(others) - 1)) / len(others)
    for index, panel in enumerate(others):
        left = _LEFT + index * (width + _SMALL_GAP)
        box = drawing.Box(left=left, top=_SMALL_TOP, right=left + width, bottom=canvas.height - 14)
        PanelPlot(canvas, panel, theme).draw(box, steps=steps, note=panel.short_note, rows=rows)


def _alt(
    title: str, panels: Sequence[Panel], evidence: RunEvidence, findings: Sequence[Finding]
) -> str:
    shown = [f"Chart {title}. {_state(evidence).capitalize()}"]
    shown += ["; ".join(panel.told) for panel in panels]
    worst = [f"{finding.severity} {code_words(finding)}" for finding in grave(findings)]
    if worst:
        shown.append(f"Findings: {', '.join(worst[:10])}")
    for panel in panels:
        shown += [
            f"{panel.heading}, marked: {rule.label} from step {step_number(rule.step)}"
            for rule in panel.rules
        ]
        shown += [f"{panel.heading}, {lane.label}: {_steps(lane.steps)}" for lane in panel.lanes]
    return one_line(". ".join(shown) + ".", _ALT_CHARS)


def _steps(steps: Sequence[int]) -> str:
    """Return the first steps of a row, and how many there are."""
    told = ", ".join(map(step_number, steps[:_TOLD_STEPS]))
    more = len(steps) - _TOLD_STEPS
    return f"step {told}" + (f" and {more:,} more" if more > 0 else "")
