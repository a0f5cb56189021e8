"""A run played back: the backend as it stood at each of the polls that were recorded of it.

    stage = Stage(at_poll(recording, polls[0]))
    async with stage.backend() as backend:
        ...                                       # what is asked now sees the first poll
        stage.show(at_poll(recording, polls[1]))  # and now the second
    print(stage.asked, stage.bytes_sent)

Polls are lines of JSON, each the row's changing fields, `log_bytes`, the size of the log, and
`t`, seconds since the job was created.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from aitk_core.testing.recorded import recorded_app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from aitk_core.backend.client import AiToolkitBackend
    from aitk_core.testing.recorded import Recording

_OF_THE_ROW: Final = ("status", "step", "info", "speed_string", "stop", "updated_at")


def load_polls(path: Path) -> list[dict[str, Any]]:
    """Return the polls of a file, in order."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def at_poll(
    recording: Recording,
    poll: Mapping[str, Any],
    *,
    log: str | None = None,
    metrics: Mapping[str, list[list[Any]]] | None = None,
) -> Recording:
    """Return a run as it stood at one poll.

    Args:
        recording: The run at its end.
        poll: What was seen.
        log: The whole log of which the poll saw a part, where it is not the one of the end.
        metrics: All metrics, where they are not those of the end.
    """
    text = (recording.log if log is None else log).encode("utf-8")
    # A character that was half written stays half written.
    seen = text[: poll["log_bytes"]].decode("utf-8", "surrogateescape")
    now = datetime.fromisoformat(recording.row["created_at"]).timestamp() + poll["t"]
    known = recording.metrics if metrics is None else metrics
    written = {
        key: kept
        for key, points in known.items()
        if (kept := [point for point in points if point[1] <= now])
    }
    row = {name: poll[name] for name in _OF_THE_ROW}
    row["pid"] = recording.row["pid"] if poll["pid"] else None
    return evolve(recording, row={**recording.row, **row}, log=seen, metrics=written)


class Stage:
    """The backend's routes over runs that change between requests; counts what it is asked."""

    def __init__(self, *runs: Recording) -> None:
        """Show these runs first."""
        self.asked: list[str] = []
        """Last part of each path, with its query."""
        self.bytes_sent = 0
        """Of the answers' bodies."""
        self.faults: dict[str, int] = {}
        """Status in place of an answer, by last part of the path; `job` is the row's."""
        self.before_answer: Callable[[str], Awaitable[None]] | None = None
        """Awaited with the last part of each path; one that never ends is an answer that hangs."""
        self.show(*runs)

    def show(self, *runs: Recording) -> None:
        """Show these runs from now on."""
        self._app = recorded_app(runs)

    def forget(self) -> None:
        """Count anew."""
        self.asked.clear()
        self.bytes_sent = 0

    def backend(self) -> AiToolkitBackend:
        """Return the real client, connected to the stage, which repeats no request."""
        import httpx

        from aitk_core.backend.client import AiToolkitBackend

        transport = httpx.ASGITransport(app=self)
        return AiToolkitBackend("http://stage.test", transport=transport, backoff_s=())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        what = scope["path"].rpartition("/")[2]
        query = scope["query_string"].decode()
        self.asked.append(f"{what}?{query}" if query else what)
        if self.before_answer is not None:
            await self.before_answer(what)
        fault = self.faults.get("job" if "id=" in query else what)

        async def count(message: Any) -> None:
            self.bytes_sent += len(message.get("body", b""))
            await send(message)

        if fault is None:
            await self._app(scope, receive, count)
            return
        headers = [(b"content-type", b"application/json")]
        await count({"type": "http.response.start", "status": fault, "headers": headers})
        await count({"type": "http.response.body", "body": b'{"error": "boom"}'})
