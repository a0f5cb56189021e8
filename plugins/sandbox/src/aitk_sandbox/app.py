"""The sandbox's HTTP application: the AI Toolkit's routes over one data folder.

Not served: zip, scripts, monitor stream, audio art, image upload for samples. Nothing of ours
calls them.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from aitk_sandbox import routes_datasets, routes_files, routes_jobs, routes_system
from aitk_sandbox.folders import Folders
from aitk_sandbox.state import FILE_NAME, State
from aitk_sandbox.web import Backend, failure
from aitk_sandbox.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

_PUBLIC: Final = ("/api/img/", "/api/files/")
"""Prefixes that never ask for the token, as in the real middleware."""

_NOT_FOUND_PAGE: Final = (
    '<!DOCTYPE html><html lang="en"><head><title>404: This page could not be found.</title></head>'
    "<body><h1>404</h1><p>This page could not be found.</p></body></html>"
)


def open_backend(data_dir: Path) -> Backend:
    """Open the data folder of a sandbox, creating what is missing."""
    data_dir.mkdir(parents=True, exist_ok=True)
    state = State(data_dir / FILE_NAME)
    folders = Folders(data=data_dir, state=state)
    return Backend(state=state, folders=folders, worker=Worker(state, folders))


def create_app(backend: Backend, *, token: str | None = None) -> ASGIApp:
    """Return the application.

    Args:
        backend: What it serves.
        token: Bearer token to ask for, or None to let everybody in.
    """
    app = Starlette(
        routes=[
            *routes_jobs.routes(backend),
            *routes_datasets.routes(backend),
            *routes_files.routes(backend),
            *routes_system.routes(backend),
        ],
        exception_handlers={HTTPException: _refused, Exception: _crashed},
    )
    # The router would answer a trailing slash by redirecting to our own host with 307.
    app.router.redirect_slashes = False
    return _Gate(app, token)


class _Gate:
    """What happens before routing: trailing slashes, and the token."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app if scope["type"] != "http" else self._answer(Request(scope))
        await app(scope, receive, send)

    def _answer(self, request: Request) -> ASGIApp:
        path = request.url.path
        if path.endswith("/") and path != "/" and not path.startswith(_PUBLIC):
            target = path.rstrip("/") or "/"
            return PlainTextResponse(target, status_code=308, headers={"location": target})
        if self._token and path.startswith("/api/") and not path.startswith(_PUBLIC):
            # Only the second word counts; the scheme is not looked at.
            words = request.headers.get("authorization", "").split(" ")
            given = words[1] if len(words) > 1 else ""
            if not secrets.compare_digest(given.encode(), self._token.encode()):
                return failure("Unauthorized", 401)
        return self._app


def _refused(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code != HTTPStatus.NOT_FOUND:
        return Response(status_code=error.status_code)
    headers = {"cache-control": "private, no-cache, no-store, max-age=0, must-revalidate"}
    return HTMLResponse(_NOT_FOUND_PAGE, status_code=404, headers=headers)


def _crashed(_request: Request, _error: Exception) -> Response:
    return Response(status_code=500)
