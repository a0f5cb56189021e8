"""What this distribution adds to AI ToolKit MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.hookspecs import hookimpl
from aitk_core.specs import Lazy, WebRouteSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOGIN: Final = "/dashboard/login"
_PAGES: Final = {
    "/dashboard": "overview",
    "/dashboard/runs/{job_id}": "run",
    "/dashboard/compare": "compare",
    "/dashboard/datasets": "datasets",
    "/dashboard/datasets/{name}": "dataset",
    "/dashboard/datasets/{name}/check": "dataset_check",
    "/dashboard/watches": "watches",
    "/dashboard/plugins": "plugins",
}
_PARTS: Final = {
    "/dashboard/live/overview": "overview",
    "/dashboard/live/judged": "judged",
    "/dashboard/live/watches": "watches",
    "/dashboard/live/datasets": "datasets",
    "/dashboard/live/datasets/{name}/repair": "repair",
    "/dashboard/live/backend": "backend",
    "/dashboard/live/runs/{job_id}/{part}": "run_part",
    "/dashboard/runs/{job_id}/series": "run_series",
    "/dashboard/live/compared": "compared",
    "/dashboard/live/choices": "choices",
    "/dashboard/compare/series": "compare_series",
    "/dashboard/runs/{job_id}/samples/{step}/{prompt}": "sample",
    "/dashboard/runs/{job_id}/sheet": "sheet",
}


@hookimpl
def aitk_web_routes() -> Iterable[WebRouteSpec]:
    """Declare the pages, what they are updated with, and the actions."""
    for path, name in _PAGES.items():
        yield WebRouteSpec(
            path=path, handler=Lazy(f"aitk_dashboard.web.views:{name}"), login=_LOGIN
        )
    for path, name in _PARTS.items():
        yield WebRouteSpec(path=path, handler=Lazy(f"aitk_dashboard.web.live:{name}"))
    yield WebRouteSpec(
        path="/dashboard/actions",
        method="POST",
        handler=Lazy("aitk_dashboard.web.actions:act"),
        login=_LOGIN,
    )
    yield WebRouteSpec(
        path=_LOGIN, handler=Lazy("aitk_dashboard.web.views:login"), needs_token=False
    )
    yield WebRouteSpec(
        path="/dashboard/static/{name}",
        handler=Lazy("aitk_dashboard.web.static:serve"),
        needs_token=False,
    )
