"""Charts of a dataset: what an assistant can show and a person can look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import field, frozen

from aitk_core.drawing import canvas as drawing
from aitk_core.drawing.theme import THEMES
from aitk_core.drawing.words import one_line
from aitk_datasets.charts.figures import (
    aspect_panels,
    bucket_panels,
    caption_panels,
    resolution_panels,
)
from aitk_datasets.charts.plot import PanelPlot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aitk_core.drawing.theme import Theme
    from aitk_core.evidence.dataset import DatasetEvidence
    from aitk_datasets.charts.records import Panel

OVERVIEW: Final = "overview"
WIDTH: Final = 1000
_TITLE: Final = 20
_MARGIN: Final = 20
_TOP: Final = 48
_TALL: Final = 350
"""Of one panel."""
_GAP: Final = 24
_ALT_CHARS: Final = 2000
_NAME_CHARS: Final = 60

_PANELS: Final[Mapping[str, tuple[str, Callable[[DatasetEvidence], Sequence[Any]]]]] = {
    "resolution": ("resolution", resolution_panels),
    "aspect": ("side ratios", aspect_panels),
    "buckets": ("buckets", bucket_panels),
    "captions": ("caption length", caption_panels),
}
NAMES: Final = (OVERVIEW, *_PANELS)
MISSING: Final[Mapping[str, str]] = {
    OVERVIEW: "no picture was looked at and no caption was read",
    "resolution": "the sides of no picture are known",
    "aspect": "the sides of no picture are known",
    "buckets": "no job's config says at which resolution the folder is trained, or the bucket "
    "step of its model is not known",
    "captions": "there is no caption with text",
}
"""Why a chart is not there."""


@frozen(kw_only=True)
class Chart:
    """One picture."""

    name: str
    """One of `NAMES`."""
    title: str
    """With the dataset's name, control characters removed; still the words of others."""
    alt: str
    """What it shows with its key figures, at most 2000 characters."""
    png: bytes = field(repr=False)
    width: int
    """Pixels."""
    height: int
    """Pixels."""


def dataset_charts(
    evidence: DatasetEvidence,
    *,
    names: Sequence[str],
    theme: Literal["light", "dark"] = "light",
    redact: Callable[[str], str],
) -> tuple[Chart, ...]:
    """Return charts of a dataset in the order of their names; the same input, the same bytes.

    Pure, and slow enough for a worker: some tenths of a second, and a second more for the first
    chart of the process, which imports matplotlib.

    Args:
        evidence: What is known of the folder.
        names: Any of `NAMES`; `overview` is the first panel of each other.
        theme: For a light or a dark page.
        redact: Takes secrets out of text, such as `ToolContext.redacted`.

    Returns:
        A chart whose evidence is missing is left out.
    """
    charts = []
    for name in dict.fromkeys(names):
        if name == OVERVIEW:
            what = "overview"
            panels = [panel for _, make in _PANELS.values() for panel in make(evidence)[:1]]
        else:
            what, make = _PANELS[name]
            panels = list(make(evidence))
        if panels:
            charts.append(_chart(name, what, panels, evidence, THEMES[theme], redact))
    return tuple(charts)


def _chart(
    name: str,
    what: str,
    panels: Sequence[Panel],
    evidence: DatasetEvidence,
    theme: Theme,
    redact: Callable[[str], str],
) -> Chart:
    columns = 2 if len(panels) > 1 and name == OVERVIEW else 1
    rows = -(-len(panels) // columns)
    height = _TOP + rows * _TALL + (rows - 1) * _GAP + _MARGIN
    of = f" of {evidence.found_images:,}" if evidence.is_limited else ""
    plural = "" if evidence.found_images == 1 else "s"
    subject = one_line(redact(evidence.name), _NAME_CHARS) or "(no name)"
    title = f"{subject}: {what} (n = {len(evidence.images):,}{of} picture{plural})"
    wide = (WIDTH - 2 * _MARGIN - (columns - 1) * 2 * _GAP) / columns
    with drawing.DRAWING:
        canvas = drawing.Canvas(
            width=WIDTH, height=height, background=theme.background, redact=redact
        )
        words = canvas.fitted(title, WIDTH - 2 * _MARGIN, size=_TITLE, bold=True)
        canvas.text(_MARGIN, 32, words, size=_TITLE, color=theme.roles["text"], bold=True)
        plot = PanelPlot(canvas, theme)
        for place, panel in enumerate(panels):
            row, column = divmod(place, columns)
            left = _MARGIN + column * (wide + 2 * _GAP)
            top = _TOP + row * (_TALL + _GAP)
            box = drawing.Box(left=left, top=top, right=left + wide, bottom=top + _TALL)
            plot.draw(panel, box)
        png = canvas.png()
    alt = one_line(redact(f"Chart {title}. " + ". ".join(p.told for p in panels) + "."), _ALT_CHARS)
    return Chart(name=name, title=title, alt=alt, png=png, width=WIDTH, height=height)
