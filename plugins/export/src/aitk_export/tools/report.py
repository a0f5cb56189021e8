"""export-observability-report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aitk_core.errors import InvalidArgumentsError, ToolFailedError
from aitk_core.records.results import ToolResult
from aitk_core.wording import counted
from aitk_export.places.references import OUTPUTS
from aitk_export.reporting.document import document, encoded
from aitk_export.reporting.gathered import gather
from aitk_export.reporting.markdown import markdown
from aitk_export.reporting.shown import show
from aitk_export.reporting.writing import (
    checked_prefix,
    report_folder,
    write_plugin_page,
    write_report,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.protocols import ToolContext
    from aitk_export.arguments import ExportObservabilityReport


async def export_observability_report(
    arguments: ExportObservabilityReport, context: ToolContext
) -> ToolResult:
    """Write a run's report as JSON, Markdown and one HTML page.

    Raises:
        JobNotFoundError: There is no such job, or no such baseline.
        PathOutsideRootsError: The folder lies in no root.
        InvalidArgumentsError: A prefix or a folder that is none.
        NotFoundError: The job's folder is not visible here, and its tab was asked for.
        ConflictError: Something else wrote the page in that tab.
        ToolFailedError: The files cannot be written.
        BackendError: In its kinds.
    """
    prefix = checked_prefix(arguments.filename_prefix)
    folder = await context.run(report_folder, context.paths, arguments.output_dir)
    gathered = await gather(arguments, context)
    tab = None
    if arguments.plugin_page:
        tab = await context.run(context.paths.inside, OUTPUTS, gathered.job_name or "")
        if gathered.job_name is None or tab == context.paths.root(OUTPUTS):
            raise InvalidArgumentsError("the job has no name, so it has no folder")
    await context.progress(3, 4, "writing")
    now = context.now()

    def write() -> tuple[dict[str, Path], Path | None]:
        # Here: the template engine, which nothing else of the plugin needs.
        from aitk_export.reporting.page import page

        generated_at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        report = show(gathered, generated_at)
        contents = {
            "json": encoded(document(gathered, generated_at)),
            "md": markdown(report),
            "html": page(report, gathered),
        }
        shown = None if tab is None else write_plugin_page(tab, contents["html"])
        return write_report(folder, prefix, gathered.job_id, now, contents), shown

    try:
        made, shown_in_tab = await context.run(write)
    except OSError as error:
        raise ToolFailedError(
            f"the report cannot be written: {error.strerror or type(error).__name__}",
            remedy="free space, or name another folder with output_dir",
        ) from error
    snapshot, evaluation = gathered.snapshot, gathered.evaluation or {}
    data: dict[str, Any] = {
        "success": True,
        "job_id": gathered.job_id,
        "json_report_path": str(made["json"]),
        "markdown_report_path": str(made["md"]),
        "html_report_path": str(made["html"]),
        "plugin_page_path": None if shown_in_tab is None else str(shown_in_tab),
        "output_dir": str(folder),
        "overall_health": snapshot.get("overall_health"),
        "alert_count": len(snapshot.get("alerts") or ()),
        "evaluation_score": evaluation.get("overall_score"),
        "notes": gathered.notes,
    }
    lines = [
        (
            f"{gathered.job_name or gathered.job_id}: {data['overall_health']}, "
            f"{counted(data['alert_count'], 'alert')}."
        ),
        f"Page for a browser: {data['html_report_path']}",
        f"Markdown: {data['markdown_report_path']}",
        f"JSON: {data['json_report_path']}",
        *(["It is in the job's Plugin tab, too."] if shown_in_tab else []),
        *gathered.notes,
    ]
    return ToolResult(data=data, summary="\n".join(lines))
