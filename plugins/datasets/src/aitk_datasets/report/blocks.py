"""What stands beside the document of inspect-dataset: a chart, sheets, and where the rest is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

from aitk_core.errors import AitkError
from aitk_core.records.results import Image, Link, Text
from aitk_core.wording import shown
from aitk_datasets.pictures.thumbs import read_thumbs
from aitk_datasets.resources import uris
from aitk_datasets.resources.target import folder_of, name_of

if TYPE_CHECKING:
    from aitk_core.protocols import Paths, ToolContext
    from aitk_core.records.results import Block
    from aitk_datasets.inspection import Inspection
    from aitk_datasets.sheets.records import Subject

_SHEETS: Final = 2
"""Ours: of the gravest findings, beside that of the duplicates; a picture costs a model some
thousand tokens, and the others have URIs."""
_ALT_CHARS: Final = 400
"""About 100 tokens beside the picture; the document holds every figure."""

Wanted = Literal["auto", "light", "dark", "none"]


async def pictures(wanted: Wanted, found: Inspection, context: ToolContext) -> tuple[Block, ...]:
    """Return an overview chart and sheets with their words, where they are wanted."""
    if wanted == "none" or (wanted == "auto" and not context.shows_images):
        return ()
    theme: Literal["light", "dark"] = "dark" if wanted == "dark" else "light"
    subjects = await context.run(_subjects, found)
    paths = [path for subject in subjects for path in subject.paths()]
    thumbs = await read_thumbs(context, found.target.folder, paths)
    redact, name = context.redacted, found.evidence.name

    def draw() -> tuple[Block, ...]:
        from aitk_datasets.charts.draw import OVERVIEW, dataset_charts
        from aitk_datasets.sheets.draw import draw_sheet

        blocks: list[Block] = []
        charts = dataset_charts(found.evidence, names=(OVERVIEW,), theme=theme, redact=redact)
        for chart in charts:
            blocks += [Text(shown(chart.alt, _ALT_CHARS)), Image(data=chart.png)]
        for subject in subjects:
            sheet = draw_sheet(subject, thumbs, name=name, theme=theme, redact=redact)
            blocks += [
                Text(shown(sheet.alt, _ALT_CHARS)),
                Image(data=sheet.data, mime_type=sheet.mime_type),
            ]
        return tuple(blocks)

    return await context.run(draw)


def _subjects(found: Inspection) -> list[Subject]:
    """Return what is shown unasked: the gravest findings with pictures, and the duplicates."""
    from aitk_datasets.sheets.groups import CODES
    from aitk_datasets.sheets.subjects import duplicates_of, subjects_of

    grave = {finding.code for finding in found.findings if finding.severity != "info"}
    # A copy is shown among the groups; a caption's fault is hardly seen in its picture.
    own = [
        subject
        for subject in subjects_of(found)
        if subject.code in grave
        and (subject.code not in CODES or subject.code == "DATASET_LEAK")
        and not subject.code.startswith(("CAPTION", "TAGS", "TRIGGER"))
    ]
    groups = duplicates_of(found)
    return [*own[:_SHEETS], *((groups,) if groups is not None else ())]


async def links(found: Inspection, context: ToolContext) -> tuple[Block, ...]:
    """Return where the page for a person is, for a folder that a URI can name."""
    if not await context.run(_is_named, found, context.paths):
        return ()
    return (
        Link(
            uri=uris.uri_of(uris.PAGE, found.evidence.name),
            name="page.html",
            description="For a person: findings with pictures, duplicates side by side, charts.",
            mime_type="text/html",
        ),
    )


def _is_named(found: Inspection, paths: Paths) -> bool:
    try:
        name = name_of(quote(found.evidence.name, safe=""))
        return folder_of(paths, name) == found.target.folder
    except (AitkError, UnicodeError):
        return False
