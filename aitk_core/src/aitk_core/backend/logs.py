"""The log route (API.md section 4.8): increments by byte offset, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.backend.answers import Ask
from aitk_core.backend.fields import whole_number
from aitk_core.backend.ids import checked_job_id, segment
from aitk_core.backend.records import LogChunk
from aitk_core.backend.streaming import PIECE_BYTES, LogReader
from aitk_core.errors import BackendError, InvalidArgumentsError

if TYPE_CHECKING:
    import httpx

    from aitk_core.backend.exchange import Exchange
    from aitk_core.backend.streaming import StreamedLog

STREAM_LIMIT_BYTES: Final = 1024 * 1024 * 1024
"""Where reading ends even when the body does not; our own."""

_UNREADABLE: Final = "Error reading log file"
"""The route's text for a failure, with status 200."""

_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
_HEAD_BYTES: Final = 4096


async def read_log(exchange: Exchange, job_id: str, offset: int | None, max_bytes: int) -> LogChunk:
    """Return the log from a byte offset on, or its end where there is none.

    Raises:
        InvalidArgumentsError: The offset is negative, which the backend answers with NULs.
        BackendError: In its kinds; plainly where the backend cannot read the log.
        JobNotFoundError: The backend has no such job.
    """
    checked_job_id(job_id)
    if offset is not None and offset < 0:
        message = f"offset must be 0 or more, not {offset!r}"
        raise InvalidArgumentsError(
            message,
            remedy="Pass the offset of an earlier answer.",
            faults=[{"path": "/offset", "message": message}],
        )
    ask = Ask(
        method="GET",
        path=f"/api/jobs/{segment(job_id)}/log",
        query={} if offset is None else {"offset": offset},
        job_id=job_id,
        repeatable=True,
    )

    async def take(response: httpx.Response) -> LogChunk:
        reader = LogReader(max_bytes)
        kind = response.headers.get("content-type", "")
        head = b""
        size = 0
        fault = "a web page" if "html" in kind else ""
        try:
            async for part in response.aiter_bytes(PIECE_BYTES):
                head = head or part[:_HEAD_BYTES]
                size += len(part)
                if size > STREAM_LIMIT_BYTES:
                    fault = f"a log of more than {STREAM_LIMIT_BYTES} bytes"
                if fault:
                    break
                reader.feed(part)
            if not fault:
                return _chunk(reader.finish(), ask, offset)
        except ValueError as error:
            fault = str(error)
        raise exchange.unfit(ask, fault, content_type=kind, body=head)

    return await exchange.send(ask, take)


def _chunk(log: StreamedLog, ask: Ask, asked: int | None) -> LogChunk:
    size = whole_number(log.frame.get("offset"))
    reset = log.frame.get("reset")
    if size is None or size < 0 or not isinstance(reset, bool):
        fault = "offset is no size, or reset is not true or false"
        raise ValueError(fault)
    if log.text == _UNREADABLE and size == 0 and reset:
        raise BackendError(
            f"the backend cannot read the log of job {ask.job_id!r}",
            remedy="See the log of the AI Toolkit's web UI, and the rights of the job's folder.",
            path=ask.path,
            answer=_UNREADABLE,
        )
    start: int | None = None
    if not reset and not log.truncated:
        start = asked
    elif _REPLACED not in log.text and log.kept_bytes <= size:
        # Every character stands for its own bytes, so the end tells the beginning.
        start = size - log.kept_bytes
    return LogChunk(
        text=log.text, offset=size, reset=reset, truncated=log.truncated, start_offset=start
    )
