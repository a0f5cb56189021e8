"""auto-improve-dataset, cancelled, killed and called twice at once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core.context import Session
from aitk_core.errors import ConflictError, NotFoundError, TooLargeError
from aitk_core.testing.replay import Stage
from aitk_datasets.repair.apply import apply_plan
from aitk_datasets.repair.history import operations
from aitk_datasets.repair.moves import Mover
from aitk_datasets.repair.plan import Rewrite, remove_image, rewrite_image
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.system import REAL, FileSystem
from aitk_datasets.repair.undo import undo
from aitk_datasets.underway import Course
from support.repairs import (
    KILLED,
    NOW,
    QUICK,
    all_contents,
    everything,
    in_a_process,
    picture,
    state_of,
    turned,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitk_core.application import Application
    from aitk_datasets.repair.plan import Plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give eight pictures without captions, and one that is broken."""
    made = tmp_path / "sets" / "cats"
    write(made, {f"{number}.png": picture(number) for number in range(8)})
    write(made, {"bad.png": picture(9)[:60], "bad.txt": b"of a broken one"})
    return made


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"AITK_DATASETS_DIR": str(tmp_path / "sets"), "AITK_PARALLEL": "threads"}


@pytest.fixture
def improve(call: Callable[..., Any], environment: dict[str, str]) -> Callable[..., dict[str, Any]]:
    """Give a function that runs the tool on the folder."""

    def run(**arguments: Any) -> dict[str, Any]:
        asked = {"dataset_path": "cats", **arguments}
        answer = call(Stage().backend(), "auto-improve-dataset", asked, environment=environment)
        data: dict[str, Any] = answer.data
        return {**data, "summary": answer.summary}

    return run


def killed_at(root: Path, plan: Plan, kind: str, name: str) -> None:
    """Begin a plan in a process that ends in place of that call."""

    def step(this: str, of: str) -> None:
        if (this, of) == (kind, name):
            os._exit(KILLED)

    system = FileSystem(step=step, durable=False)
    assert in_a_process(
        partial(apply_plan, root, plan, plan_hash=plan.hash, now=NOW, system=system)
    )


class Cancelled:
    """Cancels the call that runs once so many files were moved, and waits until it heard of it."""

    def __init__(self, after: int, patch: pytest.MonkeyPatch) -> None:
        self.after, self.moved = after, 0
        self.call: asyncio.Task[Any] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.heard = threading.Event()
        run, stop = Mover.run, Course.stop

        def counted(mover: Mover, *arguments: Any) -> Any:
            if self.moved == self.after and self.loop is not None and self.call is not None:
                self.loop.call_soon_threadsafe(self.call.cancel)
                assert self.heard.wait(60)
            self.moved += 1
            return run(mover, *arguments)

        def heard(course: Course) -> None:
            stop(course)
            self.heard.set()

        patch.setattr(Mover, "run", counted)
        patch.setattr(Course, "stop", heard)

    def run(self, application: Application, arguments: dict[str, Any]) -> list[float]:
        """Run the tool, and return the progress that its client was told."""
        told: list[float] = []

        async def progress(done: float, _total: float | None, _message: str) -> None:
            told.append(done)

        async def once() -> None:
            async with application:
                session = Session(policy=application.policy, progress=progress)
                asked = {"dataset_path": "cats", **arguments}
                self.loop = asyncio.get_running_loop()
                self.call = asyncio.ensure_future(
                    application.dispatcher.call("auto-improve-dataset", asked, session)
                )
                with pytest.raises(asyncio.CancelledError):
                    await self.call

        asyncio.run(once())
        return told


@pytest.mark.parametrize("after", [0, 1, 4, 9])
def test_a_cancelled_call_stops_at_a_file_and_the_next_call_tells(
    application_with: Callable[..., Application],
    improve: Callable[..., dict[str, Any]],
    environment: dict[str, str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    before = state_of(folder)
    with monkeypatch.context() as patch:
        cancelled = Cancelled(after, patch)
        told = cancelled.run(application_with(Stage().backend(), environment), {"apply": True})
    # The file at which it heard of it was finished; none was begun after that.
    (operation,) = operations(folder)
    done = after + 1
    assert operation.counts == {"done": done, **({"skipped": 10 - done} if done < 10 else {})}
    assert max(told) > 9
    data = improve()
    (noted,) = data["operations"]
    assert (noted["state"], noted["skipped"]) == ("applied", 10 - done)
    stopped = f"cancelled after {done} of 10 actions"
    assert (stopped in data["summary"]) == (done < 10)
    back = improve(undo=operation.id)
    assert (back["undo_result"]["changed"], state_of(folder)) == (done, before)


def test_a_cancelled_undo_is_finished_by_the_next_change(
    application_with: Callable[..., Application],
    improve: Callable[..., dict[str, Any]],
    environment: dict[str, str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = state_of(folder)
    operation = improve(apply=True)["apply_result"]["operation_id"]
    with monkeypatch.context() as patch:
        cancelled = Cancelled(3, patch)
        cancelled.run(application_with(Stage().backend(), environment), {"undo": operation})
    assert operations(folder)[0].counts == {"undone": 4, "done": 6}
    assert "half done, being taken back, 4 of 10 actions done" in improve()["summary"]
    data = improve(undo=operation)
    assert (data["undo_result"]["changed"], data["recovered"]) == (6, [])
    assert "taken back, because this call asked for it" in data["notes"][0]
    assert state_of(folder) == before


def test_what_a_killed_process_left_is_finished_before_a_change(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    before = state_of(folder)
    plan = plan_repair(
        folder, [remove_image("0.png", reason="x"), remove_image("1.png", reason="x")]
    )
    killed_at(folder, plan, "rename", "1.png")
    half = state_of(folder)
    looked = improve()
    assert state_of(folder) == half
    assert looked["recovered"] == []
    assert "was found half done" in looked["notes"][0]
    data = improve(apply=True, fill_missing_captions=False)
    (one,) = data["recovered"]
    assert (one["became"], one["changed"], one["problems"]) == ("finished", 1, [])
    assert "its plan had been confirmed" in one["why"]
    assert f"an earlier operation ({one['operation_id']}) was found half done" in data["summary"]
    assert not {"0.png", "1.png", "bad.png"} & set(state_of(folder))
    for operation in reversed(operations(folder)):
        improve(undo=operation.id)
    assert state_of(folder) == before


def test_a_plan_made_while_an_operation_was_half_done_is_made_again(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    """What became of the operation is said in the refusal, and in no answer after it."""
    plan = plan_repair(
        folder, [remove_image("0.png", reason="x"), remove_image("1.png", reason="x")]
    )
    killed_at(folder, plan, "rename", "1.png")
    plan_hash = improve()["plan"]["hash"]
    with pytest.raises(ConflictError, match="found half done and brought to its end") as caught:
        improve(apply=True, plan_hash=plan_hash)
    assert caught.value.details["recovered"] == [operations(folder)[0].id]
    assert operations(folder)[0].state == "applied"
    plan_hash = improve()["plan"]["hash"]
    assert improve(apply=True, plan_hash=plan_hash)["apply_result"]["is_finished"]


def test_a_call_that_is_refused_brings_nothing_to_its_end(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    plan = plan_repair(
        folder, [remove_image("0.png", reason="x"), remove_image("1.png", reason="x")]
    )
    killed_at(folder, plan, "rename", "1.png")
    half = state_of(folder)
    write(folder, {f"more/{number}.png": picture(number) for number in range(100)})
    with pytest.raises(TooLargeError):
        improve(apply=True, max_dataset_files=100)
    with pytest.raises(NotFoundError):
        improve(undo="000009-20260101T000000-00000000")
    assert operations(folder)[0].state == "applying"
    assert {path: found for path, found in state_of(folder).items() if path in half} == half


def test_what_was_killed_before_any_file_moved_is_taken_back(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    write(folder, {"turned.jpg": turned(3)})
    before = state_of(folder)
    plan = plan_repair(
        folder,
        [
            rewrite_image("turned.jpg", Rewrite(upright=True), reason="x"),
            remove_image("1.png", reason="x"),
        ],
    )
    killed_at(folder, plan, "write", "turned.jpg")
    data = improve(apply=True, fill_missing_captions=False, quarantine_corrupt=False)
    (one,) = data["recovered"]
    assert (one["became"], one["why"]) == ("taken_back", "nothing had been moved yet")
    assert state_of(folder) == before


def test_the_same_confirmation_finishes_what_was_killed_and_then_says_so(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    plan_hash = improve()["plan"]["hash"]

    def killed() -> None:
        def step(kind: str, name: str) -> None:
            if (kind, name) == ("rename", "4.txt"):
                os._exit(KILLED)

        object.__setattr__(REAL, "step", step)
        improve(apply=True, plan_hash=plan_hash)

    assert in_a_process(killed)
    data = improve(apply=True, plan_hash=plan_hash)
    assert (data["apply_result"]["state"], data["recovered"]) == ("applied", [])
    assert data["apply_result"]["changed"] > 0
    assert data["apply_result"]["captions_created"] == 8
    assert [one["type"] for one in data["apply_result"]["moved_files"]] == [
        "corrupt_image",
        "corrupt_caption",
    ]
    assert "finished, because this call asked for it" in data["notes"][0]
    standing = state_of(folder)
    again = improve(apply=True, plan_hash=plan_hash)
    assert (again["apply_result"]["was_done"], again["apply_result"]["changed"]) == (True, 0)
    assert state_of(folder) == standing


def test_an_undo_of_what_was_killed_takes_it_back(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    before = state_of(folder)
    plan = plan_repair(folder, [remove_image(f"{one}.png", reason="x") for one in range(4)])
    killed_at(folder, plan, "rename", "2.png")
    data = improve(undo=operations(folder)[0].id)
    assert (data["undo_result"]["state"], data["recovered"]) == ("undone", [])
    assert state_of(folder) == before


HOLD = """
import sys
from pathlib import Path
from aitk_datasets.repair.lock import locked
from aitk_datasets.repair.tree import Tree

with Tree(Path(sys.argv[1])) as tree, locked(tree):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_server_at_work_keeps_every_change_off_and_is_not_taken_for_a_dead_one(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    plan = plan_repair(
        folder, [remove_image("0.png", reason="x"), remove_image("1.png", reason="x")]
    )
    killed_at(folder, plan, "rename", "1.png")
    (operation,) = operations(folder)
    before = state_of(folder)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        for arguments in ({"apply": True}, {"undo": operation.id}):
            with pytest.raises(ConflictError, match="under way") as caught:
                improve(**arguments)
            assert caught.value.details["pid"] == other.pid
        # Whatever it is at may be that operation.
        assert not any("half done" in note for note in improve()["notes"])
        other.communicate()
    assert state_of(folder) == before
    assert "half done" in improve()["notes"][0]
    assert improve(undo=operation.id)["undo_result"]["is_finished"]


def test_the_answer_names_what_the_trainer_would_reuse(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    write(folder, {"turned.jpg": turned(3), "turned.txt": b""})
    cached = ["_latent_cache/turned_00.safetensors", "_t_e_cache/turned_11.safetensors"]
    write(folder, dict.fromkeys(cached, b"cached"))
    planned = improve(apply_rotation=True)["stale_latents"]
    done = improve(apply_rotation=True, apply=True)
    assert done["stale_latents"] == planned
    assert [(one["path"], one["of"], one["is_reused"]) for one in planned["files"]] == [
        (cached[0], "turned.jpg", True),
        (cached[1], "turned.txt", False),
    ]
    assert (planned["count"], planned["reused_count"]) == (2, 1)
    assert "delete" in planned["advice"]
    assert planned["advice"] in done["summary"]
    assert all((folder / path).read_bytes() == b"cached" for path in cached)
    back = improve(undo=done["apply_result"]["operation_id"])
    # They are older than the operation: made of the files that are back.
    assert back["stale_latents"] == {
        "count": 0,
        "reused_count": 0,
        "files": [],
        "advice": None,
    }


def test_a_killed_call_loses_nothing(
    improve: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """The tool's own way out of every tenth kill, with an action of each kind."""
    root = tmp_path / "sets" / "cats"
    requests = everything(root)
    before = state_of(root)
    plan = plan_repair(root, requests)
    for at in range(0, 90, 10):
        calls = 0

        def step(_kind: str, _name: str, at: int = at) -> None:
            nonlocal calls
            calls += 1
            if calls > at:
                os._exit(KILLED)

        system = FileSystem(step=step, durable=False)
        assert in_a_process(
            partial(apply_plan, root, plan, plan_hash=plan.hash, now=NOW, system=system)
        )
        improve(
            apply=True,
            fill_missing_captions=False,
            fill_empty_captions=False,
            quarantine_corrupt=False,
        )
        assert all_contents(root) >= {data for data, _, _ in before.values()}
        for operation in operations(root):
            assert operation.state in ("applied", "undone")
            if operation.state == "applied":
                undo(root, operation.id, now=NOW, system=QUICK)
        assert state_of(root) == before
