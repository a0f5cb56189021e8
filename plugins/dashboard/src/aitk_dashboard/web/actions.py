"""Changes that a person asks for on a page: asked back first, then done by the tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen
from starlette.responses import RedirectResponse

from aitk_core.errors import AitkError, InvalidArgumentsError
from aitk_core.frontends.http.sessions import own_path, read_form
from aitk_dashboard.pages.datasets import REPAIR
from aitk_dashboard.web.rendering import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from aitk_core.protocols import ToolContext


@frozen(kw_only=True)
class Action:
    """Something that can be asked for."""

    tool: str
    argument: str
    """Of the tool, which the form's `subject` is for."""
    question: str
    verb: str
    detail: str = ""
    """Argument that the form's `detail` is for."""
    fixed: Mapping[str, Any] = field(factory=dict)
    """Further arguments."""


ACTIONS: Final = {
    "stop": Action(
        tool="stop-training",
        argument="job_id",
        question="Stop this run? What was trained since its last save is lost.",
        verb="Stop the run",
    ),
    "watch": Action(
        tool="guard-training-job",
        argument="job_id",
        question="Watch this run until it ends? Its rules may stop it if it breaks.",
        verb="Watch the run",
    ),
    "end-watch": Action(
        tool="end-watch",
        argument="watch_id",
        question="End this watch? The run goes on unwatched.",
        verb="End the watch",
    ),
    "repair": Action(
        tool="auto-improve-dataset",
        argument="dataset_path",
        detail="plan_hash",
        fixed={**REPAIR, "apply": True},
        question="Repair this dataset as planned? It can be taken back.",
        verb="Repair the dataset",
    ),
    "undo": Action(
        tool="auto-improve-dataset",
        argument="dataset_path",
        detail="undo",
        question="Take this repair back? The files become what they were.",
        verb="Take it back",
    ),
}


async def act(request: Request, context: ToolContext) -> Response:
    """Ask back, or do what was confirmed.

    Raises:
        InvalidArgumentsError: There is no such action.
    """
    form = await read_form(request)
    action = ACTIONS.get(form.get("action", ""))
    if action is None:
        raise InvalidArgumentsError("there is no such action", remedy="go back to the page")
    back = own_path(form.get("back", "/dashboard"))
    subject = form.get("subject", "")
    values: dict[str, Any] = {
        "path": request.url.path,
        "read_only": context.read_only,
        "action": action,
        "name": form["action"],
        "subject": subject,
        "label": form.get("label", ""),
        "detail": form.get("detail", ""),
        "back": back,
        "problem": None,
    }
    if form.get("confirmed") != "yes":
        return page("confirm.html", values)
    arguments = {action.argument: subject, **action.fixed}
    if action.detail:
        arguments[action.detail] = form.get("detail", "")
    try:
        await context.call_tool(action.tool, arguments)
    except AitkError as error:
        problem = f"{error.code}: {error}"
        return page("confirm.html", values | {"problem": problem}, status=error.status)
    return RedirectResponse(back, status_code=303)
