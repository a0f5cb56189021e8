"""Does what a person asks for on a page: asked back first, then done by the tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

from aitk_core.errors import AitkError, InvalidArgumentsError
from aitk_core.frontends.http.sessions import own_path, read_form
from aitk_dashboard.pages.actions import ACTIONS
from aitk_dashboard.web.rendering import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from aitk_core.protocols import ToolContext


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
    subject, detail, chosen = (form.get(name, "") for name in ("subject", "detail", "chosen"))
    values: dict[str, Any] = {
        "path": request.url.path,
        "read_only": context.read_only,
        "action": action,
        "name": form["action"],
        "subject": subject,
        "label": form.get("label", ""),
        "detail": detail,
        "chosen": chosen,
        "back": back,
        "problem": None,
    }
    if form.get("confirmed") != "yes":
        return page("confirm.html", values)
    try:
        result = await context.call_tool(action.tool, action.arguments(subject, detail, chosen))
    except AitkError as error:
        problem = f"{error.code}: {error}"
        if error.remedy:
            problem += f" ({error.remedy})"
        return page("confirm.html", values | {"problem": problem}, status=error.status)
    if action.shows_answer:
        return page("done.html", values | {"said": (result.summary or "").splitlines()})
    return RedirectResponse(back, status_code=303)
