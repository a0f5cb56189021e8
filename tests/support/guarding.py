"""Watches over runs that are played back: time passes between the looks only.

async with guarding(tmp_path) as guard:
    await guard.watch(first)
    for shown in polls: await guard.look(shown)
guard.stops  # what the backend was asked to do
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve
from typing_extensions import override

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.settings import SettingsSource
from aitk_core.testing.evidence import changed
from aitk_core.testing.recorded import recorded_runs
from aitk_core.testing.replay import Stage, at_poll, load_polls
from aitk_guardrails.rules.memory import Memory
from aitk_guardrails.rules.settings import Guardrails
from aitk_guardrails.watch.attend import Attendant
from aitk_guardrails.watch.records import Decision, Watch
from aitk_guardrails.watch.store import WatchStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aitk_core.context import CallContext
    from aitk_core.testing.recorded import Recording

FOLDER: Final = Path(__file__).parents[1] / "recordings"
RUNS: Final = recorded_runs()
POLL_S: Final = 2


class Taking(Stage):
    """A stage whose backend also stops jobs, in the way it is told to."""

    def __init__(self) -> None:
        """Take stops as the real backend does: the row says stopped at once."""
        super().__init__()
        self.shown: Recording | None = None
        self.changes: list[str] = []
        """Routes that change something, as they were asked for."""
        self.saved: list[dict[str, Any]] = []
        """Checkpoints that were asked for."""
        self.stop_moves_row = True
        self.stop_fails = 0
        """Stops to come that are answered with an error."""

    def play(self, run: Recording) -> None:
        """Show the run from now on; one that was stopped stays so."""
        run = evolve(run, files=[*run.files, *self.saved])
        taken = {"stop", "mark_stopped"} & set(self.changes)
        if taken and self.stop_moves_row:
            run = changed(run, status="stopped", info="Job stopped", stop=True)
        self.shown = run
        self.show(run)

    @override
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request; routes that change the row are played here."""
        what = scope["path"].rpartition("/")[2]
        if what not in ("stop", "mark_stopped", "save_now"):
            await super().__call__(scope, receive, send)
            return
        if self.stop_fails:
            self.stop_fails -= 1
            self.asked.append(what)
            await _send(send, 500, {"error": "boom"})
            return
        self.changes.append(what)
        if what == "save_now" and self.shown is not None:
            name, step = self.shown.row["name"], int(self.shown.row["step"])
            self.saved.append({"path": f"/out/{name}/{name}_{step:09d}.safetensors", "size": 9})
            self.play(self.shown)
        row = dict(self.shown.row) if self.shown else {}
        if what != "save_now" and self.shown is not None and self.stop_moves_row:
            self.play(self.shown)
        await _send(send, 200, row)


async def _send(send: Any, status: int, body: Any) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


class Guard:
    """One watch over one run, and the backend under it."""

    def __init__(self, application: Application, stage: Taking) -> None:
        """Take an open application on the stage's backend."""
        self.stage = stage
        self.time = 0.0
        session = Session(request_id="guard", policy=application.policy, timeout_s=60)
        context = application.dispatcher.context(session)
        self.context: CallContext = evolve(context, clock=lambda: self.time)
        self.store = WatchStore(self.context.store)
        self.attendant: Attendant

    @property
    def watch(self) -> Watch:
        """The watch as it stands in the store."""
        return self.store.get(self.attendant.watch.id) or self.attendant.watch

    @property
    def alerts(self) -> list[str]:
        """Codes of what was to be told, with the state where it is over."""
        told = self.store.alerts(self.attendant.watch.id)
        return [
            each["code"] + (":resolved" if each["state"] == "resolved" else "") for each in told
        ]

    @property
    def stops(self) -> list[str]:
        """What the backend was asked to change."""
        return self.stage.changes

    def begin(self, run: Recording, *, owner: str = "a", **guardrails: Any) -> None:
        """Begin to watch a run; no look yet."""
        self.stage.play(run)
        watch = Watch(
            id="w-1",
            job_id=run.job_id,
            job_name=str(run.row["name"]),
            config_name=None,
            guardrails=Guardrails(poll_interval_seconds=POLL_S, **guardrails),
            memory=Memory(),
            state="active",
            created_at=self.time,
            next_at=self.time,
        )
        self.store.add(watch, Decision(at=self.time, action="begin"))
        self.take(owner)

    def take(self, owner: str) -> None:
        """Let a server take the watch, as one that was just started."""
        (claimed,) = self.store.claim(owner, self.time)
        self.attendant = Attendant(self.store, claimed)

    async def look(self, run: Recording | None = None, *, after_s: float = POLL_S) -> None:
        """Let time pass, show a run, and give the watch its turn."""
        self.time += after_s
        if run is not None:
            self.stage.play(run)
        watch = self.attendant.watch
        if not self.attendant.is_over:
            self.store.renew(str(watch.owner), {watch.id: watch.fence}, self.time)
            await self.attendant.turn(self.context)

    async def play(self, name: str, *, every: int = 4, **guardrails: Any) -> int | None:
        """Watch a recorded run from its launch on; returns the step at which it was stopped."""
        begun = False
        for at, run in polls_of(name, every):
            self.time = at
            if not begun:
                self.begin(run, **guardrails)
                begun = True
            await self.look(run, after_s=0)
            if self.stops:
                return int(run.row["step"])
            if self.attendant.is_over:
                break
        return None


def polls_of(name: str, every: int = 4) -> Iterator[tuple[float, Recording]]:
    """Yield Unix time and run at each of the polls from the launch on, and at the last."""
    polls = load_polls(FOLDER / "polls" / f"{name}.jsonl")
    created = datetime.fromisoformat(RUNS[name].row["created_at"]).timestamp()
    launched = next(i for i, poll in enumerate(polls) if poll["status"] == "running")
    chosen = [*polls[launched:-1:every], polls[-1]]
    for poll in chosen:
        yield created + poll["t"], at_poll(RUNS[name], poll)


@asynccontextmanager
async def guarding(folder: Path, environment: dict[str, str] | None = None) -> AsyncIterator[Guard]:
    """Open everything that is installed on a stage."""
    stage = Taking()
    source = SettingsSource(environment={"AITK_HOME": str(folder), **(environment or {})})
    async with (
        stage.backend() as backend,
        Application(source=source, backend=backend) as application,
    ):
        yield Guard(application, stage)
