"""From an answer that is not what was hoped for to the error that says so."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import attrs

from aitk_core.backend.wire import decode_json, excerpt
from aitk_core.errors import (
    BackendError,
    BackendProtocolError,
    BackendTimeoutError,
    BackendUnauthorizedError,
    BackendUnreachableError,
    ConflictError,
    FileMissingError,
    JobNotFoundError,
    NotFoundError,
    PathOutsideRootsError,
)

if TYPE_CHECKING:
    from aitk_core.errors import AitkError

STARTING: Final = "UI server unavailable"
"""Text of the front server's 502 while the server behind it boots (API.md section 1)."""

_WRONG_SERVER: Final = "Check that AI_TOOLKIT_SERVER_URL is the address of the AI Toolkit's web UI."
_AMBIGUOUS: Final = (
    "It may have happened or not: read the job or the queue again before repeating it."
)
_ANSWER_LENGTH: Final = 300


@attrs.frozen(kw_only=True)
class Ask:
    """One request."""

    method: str
    path: str
    """Encoded, without the query."""
    query: Mapping[str, str | int] = attrs.field(factory=dict)
    body: bytes | None = None
    """JSON."""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    job_id: str | None = None
    file: str | None = None
    """Path of the file asked for, on the file route."""
    repeatable: bool = False
    """It changes nothing, so it may be sent again."""
    secret: bool = False
    """The answer holds secrets: none of it goes into an error."""
    accepted: tuple[int, ...] = (200,)


@attrs.frozen(kw_only=True)
class Failure:
    """An answer with another status than was hoped for."""

    ask: Ask
    url: str
    status: int
    content_type: str
    body: str
    location: str = ""
    token_sent: bool = False

    @property
    def is_html(self) -> bool:
        """Tell whether a web page came."""
        return "html" in self.content_type

    def answer(self) -> str:
        """Return what the backend says about it, short, or nothing."""
        if self.ask.secret or self.is_html:
            return ""
        text: object = None
        try:
            value = decode_json(self.body)
            text = value.get("error") if isinstance(value, dict) else None
        except ValueError:
            pass
        return excerpt(text if isinstance(text, str) else self.body, _ANSWER_LENGTH)


def _unauthorized(failure: Failure) -> BackendUnauthorizedError:
    said = "refused the token of" if failure.token_sent else "wants a token from"
    return BackendUnauthorizedError(
        f"the AI Toolkit at {failure.url!r} {said} this server",
        remedy="Set AI_TOOLKIT_AUTH to the token that the AI Toolkit was started with.",
        status=failure.status,
        path=failure.ask.path,
        url=failure.url,
    )


def _not_found(failure: Failure, answer: str) -> AitkError:
    ask = failure.ask
    if ask.file is not None:
        return FileMissingError(
            f"{ask.file!r} is no file on the backend's machine",
            remedy="Ask for a path from the job's files or samples.",
            path=ask.file,
        )
    if failure.is_html or not answer:
        return BackendProtocolError(
            f"{failure.url!r} has no route {ask.path!r}: is this the AI Toolkit?",
            remedy=_WRONG_SERVER,
            status=failure.status,
            path=ask.path,
            content_type=excerpt(failure.content_type),
        )
    if ask.job_id is not None and answer == "Job not found":
        return unknown_job(ask.job_id)
    return NotFoundError(
        f"the backend answered {answer!r}",
        remedy="List what there is and ask again.",
        path=ask.path,
        answer=answer,
    )


def refusal(failure: Failure) -> AitkError:
    """Return the error for an answer with an unwanted status."""
    ask, status, answer = failure.ask, failure.status, failure.answer()
    if status == HTTPStatus.UNAUTHORIZED:
        return _unauthorized(failure)
    if status == HTTPStatus.NOT_FOUND or (status == HTTPStatus.BAD_REQUEST and ask.file):
        return _not_found(failure, answer)
    if status == HTTPStatus.CONFLICT:
        return ConflictError(
            f"the backend refused: {answer or 'conflict'}",
            remedy="Choose another name.",
            path=ask.path,
            answer=answer,
        )
    if status == HTTPStatus.FORBIDDEN and ask.file is not None:
        return PathOutsideRootsError(
            f"the backend does not serve {ask.file!r}",
            remedy="Ask for a file below the backend's training or datasets folder.",
            path=ask.file,
        )
    if failure.location:
        return BackendProtocolError(
            f"{failure.url!r} redirects to {excerpt(failure.location)!r} for {ask.path!r}",
            remedy="Set AI_TOOLKIT_SERVER_URL to the address that it leads to.",
            status=status,
            path=ask.path,
        )
    return BackendError(
        f"the backend answered {ask.path!r} with status {status}: {answer or 'no reason given'}",
        remedy="See the log of the AI Toolkit's web UI.",
        status=status,
        path=ask.path,
        answer=answer,
    )


def unknown_job(job_id: str) -> JobNotFoundError:
    """Return the error for an id that the backend does not know."""
    return JobNotFoundError(
        f"the backend has no job {job_id!r}",
        remedy="Take an id from list-training-jobs.",
        job_id=job_id,
    )


def unfit(ask: Ask, url: str, fault: str, *, content_type: str, body: str) -> AitkError:
    """Return the error for an answer of the right status and the wrong content.

    Args:
        ask: What was asked.
        url: Of the backend.
        fault: What is wrong, or the words of the exception that says so.
        content_type: Of the answer.
        body: Its beginning; a few characters are shown unless the answer holds secrets.
    """
    came = "" if ask.secret else excerpt(body)
    kind = excerpt(content_type) or "no content type"
    shown = f", began with {came!r}" if came else ""
    return BackendProtocolError(
        f"{url!r} answered {ask.path!r} not as the AI Toolkit does: {fault} ({kind}{shown})",
        remedy=_WRONG_SERVER,
        path=ask.path,
        content_type=kind,
    )


def unreachable(
    ask: Ask, url: str, reason: str, *, attempts: int, arrived: bool
) -> BackendUnreachableError:
    """Return the error for a backend that answers nothing.

    Args:
        ask: What was asked.
        url: Of the backend.
        reason: In the words of the transport.
        attempts: How often it was tried.
        arrived: The request may have reached the backend all the same.
    """
    if arrived and not ask.repeatable:
        return BackendUnreachableError(
            f"the AI Toolkit at {url!r} hung up without an answer: {excerpt(reason)}",
            remedy=_AMBIGUOUS,
            url=url,
            attempts=attempts,
        )
    return BackendUnreachableError(
        f"no connection to the AI Toolkit at {url!r}: {excerpt(reason) or 'no reason given'}",
        remedy="Is the AI Toolkit UI running? Start it with 'npm run start' in its ui folder, "
        "and check AI_TOOLKIT_SERVER_URL.",
        url=url,
        attempts=attempts,
    )


def late(ask: Ask, url: str, timeout_s: float) -> BackendTimeoutError:
    """Return the error for an answer that did not come in time."""
    remedy = "Ask again, or raise AITK_BACKEND_TIMEOUT_SECONDS." if ask.repeatable else _AMBIGUOUS
    return BackendTimeoutError(
        f"the AI Toolkit at {url!r} did not finish answering {ask.path!r} in {timeout_s:g} s",
        remedy=remedy,
        timeout_s=timeout_s,
        path=ask.path,
        url=url,
    )
