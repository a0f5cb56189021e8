"""The report, the charts, the sheets and the page of one dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.errors import NotFoundError
from aitk_core.records.results import ResourceContent
from aitk_datasets.pictures.thumbs import read_thumbs
from aitk_datasets.resources.target import inspected
from aitk_datasets.resources.uris import CHARTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext


async def read_sheet(_uri: str, parts: Mapping[str, str], context: ToolContext) -> ResourceContent:
    """Return the sheet of a finding's pictures, or of all duplicates.

    Raises:
        NotFoundError: There is no such finding, or it names no picture.
        AitkError: As `aitk_datasets.resources.target.inspected`.
    """
    from aitk_datasets.sheets.subjects import subject_named, subjects_of

    found = await inspected(context, parts["name"])
    subject = await context.run(subject_named, found, parts["code"])
    if subject is None:
        there = await context.run(lambda: [each.code for each in subjects_of(found)])
        raise NotFoundError(
            f"nothing of {parts['code'][:60]!r} was found in this dataset",
            remedy=f"sheets there are: {', '.join(there) or 'none'}",
            sheets=there,
        )
    thumbs = await read_thumbs(context, found.target.folder, subject.paths())

    def draw() -> ResourceContent:
        from aitk_datasets.sheets.draw import draw_sheet

        sheet = draw_sheet(subject, thumbs, name=found.evidence.name, redact=context.redacted)
        return ResourceContent(mime_type=sheet.mime_type, data=sheet.data)

    return await context.run(draw)


async def read_chart(_uri: str, parts: Mapping[str, str], context: ToolContext) -> ResourceContent:
    """Return one chart as PNG.

    Raises:
        NotFoundError: There is no such chart, or nothing to draw in it.
        AitkError: As `aitk_datasets.resources.target.inspected`.
    """
    which = parts["chart"]
    if which not in CHARTS:
        raise NotFoundError(
            f"there is no chart {which[:60]!r}", remedy=f"charts there are: {', '.join(CHARTS)}"
        )
    found = await inspected(context, parts["name"])

    def draw() -> ResourceContent:
        from aitk_datasets.charts.draw import MISSING, dataset_charts

        charts = dataset_charts(found.evidence, names=(which,), redact=context.redacted)
        if not charts:
            raise NotFoundError(
                f"nothing to draw: {MISSING[which]}",
                remedy="read the dataset's report, which says what is missing",
            )
        return ResourceContent(mime_type="image/png", data=charts[0].png)

    return await context.run(draw)


async def read_page(_uri: str, parts: Mapping[str, str], context: ToolContext) -> ResourceContent:
    """Return the page of the dataset, self-contained HTML.

    Raises:
        AitkError: As `aitk_datasets.resources.target.inspected`.
    """
    from aitk_datasets.page.build import build_page, page_paths

    found = await inspected(context, parts["name"])
    paths = await context.run(page_paths, found)
    thumbs = await read_thumbs(context, found.target.folder, paths)
    page = await context.run(lambda: build_page(found, thumbs, redact=context.redacted))
    return ResourceContent(mime_type="text/html", text=page.decode())
