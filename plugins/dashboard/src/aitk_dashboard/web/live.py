"""What pages fetch anew: parts of them, curves, pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response

from aitk_core.backend.ids import checked_job_id
from aitk_core.errors import NotFoundError
from aitk_core.records.results import Image
from aitk_dashboard.pages import backend as training
from aitk_dashboard.pages import compare as comparing
from aitk_dashboard.pages import curves
from aitk_dashboard.pages import datasets as folders
from aitk_dashboard.pages import overview as overviews
from aitk_dashboard.pages import run as runs
from aitk_dashboard.pages import samples as sampling
from aitk_dashboard.pages import watches as watching
from aitk_dashboard.web.rendering import HEADERS, page

if TYPE_CHECKING:
    from starlette.requests import Request

    from aitk_core.protocols import ToolContext

_LONGEST_STEP: Final = 9
"""Digits."""
_JUDGING_S: Final = 0.8
"""Ours: after which one request begins no further run."""


async def overview(_request: Request, context: ToolContext) -> Response:
    """Answer with what changes on the first page."""
    return page("parts/overview.html", await overviews.overview(context))


async def judged(_request: Request, context: ToolContext) -> Response:
    """Judge some of the runs on the first page, and say how many are left."""
    left = await overviews.judge_some(context, _JUDGING_S)
    return JSONResponse({"left": left}, headers=dict(HEADERS))


async def watches(_request: Request, context: ToolContext) -> Response:
    """Answer with what changes on the page of watches."""
    return page("parts/watches.html", await watching.watches(context))


async def datasets(_request: Request, context: ToolContext) -> Response:
    """Answer with the list of datasets."""
    return page("parts/datasets.html", await folders.datasets(context))


async def repair(request: Request, context: ToolContext) -> Response:
    """Answer with what a repair of a dataset would do."""
    chosen = request.query_params.getlist("do")
    values = await folders.repair(context, request.path_params["name"], chosen)
    return page("parts/repair.html", values)


async def backend(_request: Request, context: ToolContext) -> Response:
    """Answer with whether the backend answers."""
    return page("parts/backend.html", await training.backend(context))


async def run_part(request: Request, context: ToolContext) -> Response:
    """Answer with a part of a run's page.

    Raises:
        NotFoundError: It has no such part.
    """
    job_id, name = checked_job_id(request.path_params["job_id"]), request.path_params["part"]
    made = runs.PARTS.get(name)
    if made is None:
        raise NotFoundError("a run's page has no such part")
    return page(f"parts/{name}.html", await made(context, job_id))


async def run_series(request: Request, context: ToolContext) -> Response:
    """Answer with the curves of a run, as JSON."""
    job_id = checked_job_id(request.path_params["job_id"])
    given = request.query_params.get("since", "")
    is_step = given.isascii() and given.isdigit() and len(given) <= _LONGEST_STEP
    since = int(given) if is_step else None
    return JSONResponse(await curves.series(context, job_id, since), headers=dict(HEADERS))


async def compared(request: Request, context: ToolContext) -> Response:
    """Answer with who is ahead of whom."""
    ids = comparing.asked(request.query_params.getlist("run"))
    return page("parts/compared.html", await comparing.compared(context, ids))


async def choices(request: Request, context: ToolContext) -> Response:
    """Answer with the runs to choose from."""
    ids = comparing.asked(request.query_params.getlist("run"))
    values = {**await comparing.choices(context), "chosen": ids}
    return page("parts/choices.html", values)


async def compare_series(request: Request, context: ToolContext) -> Response:
    """Answer with the curves of several runs, as JSON."""
    found = await comparing.curves(context, request.query_params.getlist("run"))
    return JSONResponse(found, headers=dict(HEADERS))


async def sample(request: Request, context: ToolContext) -> Response:
    """Answer with one sample; a browser keeps it, for its address names when it was made."""
    parts = request.path_params
    size: sampling.Size = "small" if request.query_params.get("size") == "small" else "full"
    data, kind = await sampling.picture(
        context, parts["job_id"], parts["step"], parts["prompt"], size
    )
    headers = {
        **HEADERS,
        "Cache-Control": "private, max-age=86400, immutable",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(data, media_type=kind, headers=headers)


async def sheet(request: Request, context: ToolContext) -> Response:
    """Answer with the sheet of a run's samples, as evaluate-lora draws it.

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
