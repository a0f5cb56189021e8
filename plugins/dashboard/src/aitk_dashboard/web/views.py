"""The pages, and the parts of them that are fetched anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from aitk_core.backend.ids import checked_job_id
from aitk_core.errors import JobNotFoundError, NotFoundError
from aitk_core.records.results import Image
from aitk_dashboard.pages import compare as comparing
from aitk_dashboard.pages import datasets as folders
from aitk_dashboard.pages import overview as overviews
from aitk_dashboard.pages import run as runs
from aitk_dashboard.pages import watches as watching
from aitk_dashboard.pages.asking import ask, within
from aitk_dashboard.web.rendering import HEADERS, page

if TYPE_CHECKING:
    from starlette.requests import Request

    from aitk_core.protocols import ToolContext

_FIRST_S: Final = 0.12
"""Ours: a page is on the screen within 0.3 s of its request, the browser's own work included."""
_LONGEST_STEP: Final = 9
"""Digits."""


async def overview(request: Request, context: ToolContext) -> Response:
    """Answer with the first page."""
    values = await within(_wait(request), overviews.overview(context))
    found = {"waiting": values is None, **(values or {})}
    return page("overview.html", {**_frame(request, context), **found})


async def live_overview(_request: Request, context: ToolContext) -> Response:
    """Answer with what changes on the first page."""
    return page("parts/overview.html", await overviews.overview(context))


async def run(request: Request, context: ToolContext) -> Response:
    """Answer with the page of a run."""
    job_id = request.path_params["job_id"]
    try:
        values = await runs.whole(context, job_id, wait_s=_wait(request))
    except JobNotFoundError:
        frame = _frame(request, context)
        return page("gone.html", {**frame, "what": "run"}, status=404)
    return page("run.html", {**_frame(request, context), **values})


async def live_state(request: Request, context: ToolContext) -> Response:
    """Answer with how a run is."""
    job_id = checked_job_id(request.path_params["job_id"])
    return page("parts/state.html", await runs.state(context, job_id))


async def live_findings(request: Request, context: ToolContext) -> Response:
    """Answer with what was found in a run."""
    job_id = checked_job_id(request.path_params["job_id"])
    return page("parts/findings.html", await runs.findings(context, job_id))


async def live_log(request: Request, context: ToolContext) -> Response:
    """Answer with the end of a run's log."""
    job_id = checked_job_id(request.path_params["job_id"])
    return page("parts/log.html", await runs.log(context, job_id))


async def series(request: Request, context: ToolContext) -> Response:
    """Answer with the curves of a run, as JSON."""
    job_id = checked_job_id(request.path_params["job_id"])
    given = request.query_params.get("since", "")
    is_step = given.isascii() and given.isdigit() and len(given) <= _LONGEST_STEP
    since = int(given) if is_step else None
    return JSONResponse(await runs.series(context, job_id, since), headers=dict(HEADERS))


async def samples(request: Request, context: ToolContext) -> Response:
    """Answer with the sheet of a run's samples.

    Raises:
        NotFoundError: There are none.
    """
    job_id = checked_job_id(request.path_params["job_id"])
    asked = {"job_id": job_id, "include_dataset": False, "include_nlp": False, "charts": "light"}
    if context.offers("evaluate-lora"):
        for block in (await context.call_tool("evaluate-lora", asked)).blocks:
            if isinstance(block, Image):
                headers = {**HEADERS, "Cache-Control": "private, max-age=10"}
                return Response(block.data, media_type=block.mime_type, headers=headers)
    raise NotFoundError("the run has no samples to show yet")


async def watches(request: Request, context: ToolContext) -> Response:
    """Answer with watches and alerts."""
    values = await watching.watches(context)
    return page("watches.html", {**_frame(request, context), **values})


async def live_watches(_request: Request, context: ToolContext) -> Response:
    """Answer with what changes on that page."""
    return page("parts/watches.html", await watching.watches(context))


async def compare(request: Request, context: ToolContext) -> Response:
    """Answer with runs side by side."""
    values = await comparing.compare(context, request.query_params.getlist("run"))
    return page("compare.html", {**_frame(request, context), **values})


async def compare_series(request: Request, context: ToolContext) -> Response:
    """Answer with the curves of several runs, as JSON."""
    found = await comparing.curves(context, request.query_params.getlist("run"))
    return JSONResponse(found, headers=dict(HEADERS))


async def datasets(request: Request, context: ToolContext) -> Response:
    """Answer with the list of datasets."""
    return page("datasets.html", {**_frame(request, context), **await folders.datasets(context)})


async def dataset(request: Request, context: ToolContext) -> Response:
    """Answer with one dataset."""
    values = await folders.dataset(context, request.path_params["name"])
    return page("dataset.html", {**_frame(request, context), **values})


async def dataset_check(request: Request, context: ToolContext) -> Response:
    """Answer with the page of a dataset's check, which brings its own policy.

    Raises:
        NotFoundError: There is no such dataset.
        AitkError: It could not be looked at.
    """
    name = quote(request.path_params["name"], safe="")
    content = await context.read_resource(f"aitk://datasets/{name}/page.html")
    headers = {
        **HEADERS,
        # It may stand in a page of ours; nothing runs in it.
        "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        "frame-ancestors 'self'; sandbox",
    }
    body = content.data if content.data is not None else (content.text or "").encode()
    return Response(body, media_type=content.mime_type, headers=headers)


async def plugins(request: Request, context: ToolContext) -> Response:
    """Answer with the backend, and what is offered here."""
    status = await ask(context, "get-training-status")
    values = {"status": status.data, "problem": status.problem, "installed": context.installed()}
    return page("plugins.html", {**_frame(request, context), **values})


async def login(request: Request, _context: ToolContext) -> Response:
    """Answer with the form that takes the token."""
    target = request.query_params.get("next", "/dashboard")
    return page("login.html", {"next": target if target.startswith("/") else "/dashboard"})


def _wait(request: Request) -> float | None:
    """Return how long a page waits for what script would fetch; None for a browser without it."""
    return None if request.query_params.get("whole") == "yes" else _FIRST_S


def _frame(request: Request, context: ToolContext) -> dict[str, Any]:
    return {"path": request.url.path, "read_only": context.read_only}
