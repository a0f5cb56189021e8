"""The pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.responses import Response

from aitk_core.errors import JobNotFoundError
from aitk_dashboard.pages import backend as training
from aitk_dashboard.pages import compare as comparing
from aitk_dashboard.pages import datasets as folders
from aitk_dashboard.pages import overview as overviews
from aitk_dashboard.pages import run as runs
from aitk_dashboard.pages import watches as watching
from aitk_dashboard.pages.asking import within
from aitk_dashboard.web.rendering import HEADERS, page, part

if TYPE_CHECKING:
    from starlette.requests import Request

    from aitk_core.protocols import ToolContext

_FIRST_S: Final = 0.06
"""Ours: a page is on the screen within 0.3 s of its request, the browser's own work included."""


async def overview(request: Request, context: ToolContext) -> Response:
    """Answer with the first page."""
    wait_s = _wait(request)
    if wait_s is None:
        await overviews.judge_some(context, None)
    values = await within(wait_s, overviews.overview(context))
    shown = part("parts/overview.html", values)
    return page("overview.html", {**_frame(request, context), "shown": shown})


async def run(request: Request, context: ToolContext) -> Response:
    """Answer with the page of a run."""
    job_id = request.path_params["job_id"]
    try:
        values = await runs.whole(context, job_id, wait_s=_wait(request))
    except JobNotFoundError:
        frame = _frame(request, context)
        return page("gone.html", {**frame, "what": "run"}, status=404)
    parts = {name: part(f"parts/{name}.html", found) for name, found in values["parts"].items()}
    return page("run.html", {**_frame(request, context), **values, "parts": parts})


async def watches(request: Request, context: ToolContext) -> Response:
    """Answer with watches and alerts."""
    shown = part("parts/watches.html", await within(_wait(request), watching.watches(context)))
    return page("watches.html", {**_frame(request, context), "shown": shown})


async def compare(request: Request, context: ToolContext) -> Response:
    """Answer with runs side by side."""
    ids, wait_s = comparing.asked(request.query_params.getlist("run")), _wait(request)
    shown = None
    if len(ids) > 1:
        shown = part("parts/compared.html", await within(wait_s, comparing.compared(context, ids)))
    found = await within(wait_s, comparing.choices(context))
    jobs = part("parts/choices.html", None if found is None else {**found, "chosen": ids})
    values = {"chosen": ids, "most": comparing.MOST, "shown": shown, "jobs": jobs}
    return page("compare.html", {**_frame(request, context), **values})


async def datasets(request: Request, context: ToolContext) -> Response:
    """Answer with the list of datasets."""
    shown = part("parts/datasets.html", await within(_wait(request), folders.datasets(context)))
    return page("datasets.html", {**_frame(request, context), "shown": shown})


async def dataset(request: Request, context: ToolContext) -> Response:
    """Answer with one dataset."""
    name, chosen = request.path_params["name"], request.query_params.getlist("do")
    plan = await within(_wait(request), folders.repair(context, name, chosen))
    values = {**folders.dataset(name, chosen), "shown": part("parts/repair.html", plan)}
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
        # It may stand in a page of ours, which asks how high it is; nothing runs in it.
        "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        "frame-ancestors 'self'; sandbox allow-same-origin",
    }
    body = content.data if content.data is not None else (content.text or "").encode()
    return Response(body, media_type=content.mime_type, headers=headers)


async def plugins(request: Request, context: ToolContext) -> Response:
    """Answer with what `aitk doctor` says: the backend, what is installed, what is set."""
    shown = None
    if _wait(request) is None:
        shown = part("parts/backend.html", await training.backend(context))
    values = {"shown": shown, "installed": context.installed()}
    return page("plugins.html", {**_frame(request, context), **values})


async def login(request: Request, _context: ToolContext) -> Response:
    """Answer with the form that takes the token."""
    target = request.query_params.get("next", "/dashboard")
    return page("login.html", {"next": target if target.startswith("/") else "/dashboard"})


def _wait(request: Request) -> float | None:
    """Return how long a page waits for what script would fetch; None for a browser without it."""
    return None if request.query_params.get("whole") == "yes" else _FIRST_S


def _frame(request: Request, context: ToolContext) -> dict[str, Any]:
    whole = request.url.include_query_params(whole="yes")
    return {
        "path": request.url.path,
        "read_only": context.read_only,
        "whole": f"{whole.path}?{whole.query}",
    }
