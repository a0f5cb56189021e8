"""What the system refuses: rights, room, mounts, links, and somebody else at work."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from aitk_core.errors import (
    ConflictError,
    NotPermittedError,
)
from aitk_datasets.repair.history import operations
from aitk_datasets.repair.lock import locked
from aitk_datasets.repair.plan import remove_image
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.recovery import recover
from aitk_datasets.repair.system import FileSystem
from aitk_datasets.repair.tree import Tree
from aitk_datasets.repair.undo import undo
from support.repairs import (
    NOW,
    QUICK,
    all_contents,
    applied,
    everything,
    picture,
    state_of,
    undone,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "set"


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EXDEV, errno.ENOSPC])
def test_a_folder_that_refuses_is_told_before_anything_is_done(root: Path, number: int) -> None:
    plan = plan_repair(root, everything(root))
    before = state_of(root)

    def refuse(kind: str, name: str) -> None:
        if kind in ("open", "rename") and name == ".aitk-probe":
            raise OSError(number, os.strerror(number), name)

    with pytest.raises((ConflictError, NotPermittedError)) as caught:
        applied(root, plan, system=FileSystem(step=refuse, durable=False))
    assert caught.value.remedy
    assert caught.value.details["path"] == "set"
    expected = "NOT_PERMITTED" if number in (errno.EROFS, errno.EACCES) else "CONFLICT"
    assert caught.value.code == expected
    assert (state_of(root), operations(root)) == (before, ())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_dataset_is_refused(root: Path) -> None:
    plan = plan_repair(root, everything(root))
    root.chmod(0o555)
    try:
        with pytest.raises(NotPermittedError):
            applied(root, plan)
    finally:
        root.chmod(0o755)


def test_a_disk_that_fills_up_at_any_call_loses_nothing(root: Path) -> None:
    """Every call that takes room fails from some moment on, then there is room again."""
    plan = plan_repair(root, everything(root))
    before = state_of(root)
    kept = {data for data, _, _ in before.values()}
    for first in range(200):
        calls = 0

        def full(kind: str, name: str, first: int = first) -> None:
            nonlocal calls
            calls += 1
            if calls > first and kind not in ("unlink", "rmdir", "truncate", "fsync"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

        try:
            outcome = applied(root, plan, batch=3, system=FileSystem(step=full, durable=False))
        except ConflictError as error:
            refusal = str(error)
        else:
            refusal = ""
            if outcome.is_finished:
                break
            assert outcome.problems[-1].state == "stopped"
        assert not refusal or ("space" in refusal and state_of(root) == before)
        assert all_contents(root) >= kept
        assert all(one.is_finished for one in recover(root, prefer="undo", now=NOW, system=QUICK))
        assert state_of(root) == before
    else:
        pytest.fail("the disk was always full")
    assert first > 60


def test_the_way_back_has_room_on_a_full_disk(root: Path) -> None:
    """The bytes set aside are given up first."""
    requests = everything(root)
    before = state_of(root)
    outcome = applied(root, plan_repair(root, requests))

    def full(kind: str, name: str) -> None:
        takes_room = kind in ("open", "write", "mkdir") and name != "lock"
        if takes_room and (root / ".aitk" / "spare").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

    system = FileSystem(step=full, durable=False)
    assert undo(root, outcome.operation.id, now=NOW, system=system).is_finished
    assert state_of(root) == before


def test_too_little_room_is_told_before_anything_is_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_repair(root, everything(root))
    real = os.statvfs(root)
    nearly_full = os.statvfs_result((*tuple(real)[:3], 100, 100, *tuple(real)[5:]))
    monkeypatch.setattr(os, "fstatvfs", lambda _: nearly_full)
    with pytest.raises(ConflictError) as caught:
        applied(root, plan)
    assert caught.value.details["free_bytes"] < caught.value.details["needed_bytes"]
    assert operations(root) == ()


def test_two_applies_at_once_are_kept_apart(root: Path) -> None:
    plan = plan_repair(root, everything(root))
    (root / ".aitk").mkdir()
    with Tree(root) as tree, locked(tree):
        caught: list[BaseException] = []

        def other() -> None:
            try:
                applied(root, plan)
            except ConflictError as error:
                caught.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(caught) == 1
    assert caught[0].details["pid"] == os.getpid()  # type: ignore[attr-defined]  # of a ConflictError
    assert applied(root, plan).is_finished


def test_the_lock_of_a_process_that_is_gone_is_taken_over(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the file system has no locks: pid and start time decide."""
    monkeypatch.setattr("aitk_datasets.repair.lock._take", lambda _: None)
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    root.mkdir()
    (root / ".aitk").mkdir()
    host = os.uname().nodename
    lock = root / ".aitk" / "lock"
    for pid, start in ((int(gone.stdout), "1"), (os.getpid(), "another start")):
        lock.write_text(json.dumps({"pid": pid, "start": start, "host": host}))
        with Tree(root) as tree, locked(tree), pytest.raises(ConflictError), locked(tree):
            pass
    lock.write_text("torn")
    with Tree(root) as tree, locked(tree):
        pass


def test_a_folder_of_another_mount_has_a_quarantine_of_its_own(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, {"a.png": picture(1), "disk/in/b.png": picture(2), "disk/in/b.txt": b"hers"})
    before = state_of(root)
    real = Tree.mount

    def mount(tree: Tree, folder: str) -> tuple[int, int]:
        return (7, 7) if folder.split("/", maxsplit=1)[0] == "disk" else real(tree, folder)

    monkeypatch.setattr(Tree, "mount", mount)
    requests = [remove_image(path, reason="x") for path in ("a.png", "disk/in/b.png")]
    plan = plan_repair(root, requests)
    assert [action.store for action in plan.actions] == ["", "disk", "disk"]
    outcome = applied(root, plan)
    for row in outcome.operation.rows:
        assert (root / row.quarantine).exists()
    assert outcome.operation.rows[1].quarantine.startswith("disk/.aitk/quarantine/")
    undone(root, outcome)
    assert state_of(root) == before


def test_our_folder_as_a_link_is_refused(root: Path, tmp_path: Path) -> None:
    plan = plan_repair(root, everything(root))
    (tmp_path / "outside").mkdir()
    (root / ".aitk").symlink_to(tmp_path / "outside")
    with pytest.raises(ConflictError):
        applied(root, plan)
    assert list((tmp_path / "outside").iterdir()) == []
