"""Emptying a quarantine: what was shown and nothing else goes, and then nothing comes back."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core.errors import ConflictError, NotFoundError
from aitk_datasets.repair.apply import apply_plan
from aitk_datasets.repair.emptying import empty_quarantine, plan_emptying
from aitk_datasets.repair.history import generated_captions, operations
from aitk_datasets.repair.plan import Rewrite, remove_image, rewrite_image
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.recovery import cut_off, recover
from aitk_datasets.repair.system import FileSystem
from aitk_datasets.repair.tree import Tree
from aitk_datasets.repair.undo import undo
from support.repairs import (
    NOW,
    Killer,
    all_contents,
    everything,
    files_of,
    in_a_process,
    picture,
    state_of,
    turned,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_datasets.repair.emptying import Emptied

QUICK = FileSystem(durable=False)
KEPT = 11
"""Files that the plan of `everything` puts into the quarantine."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "set"


def applied(root: Path, requests: Any) -> str:
    plan = plan_repair(root, requests)
    return apply_plan(root, plan, plan_hash=plan.hash, now=NOW, system=QUICK).operation.id


def emptied(root: Path, operation: str, **more: Any) -> Emptied:
    found = plan_emptying(root, operation)
    options = {"plan_hash": found.hash, "now": NOW + 9, "system": QUICK, **more}
    return empty_quarantine(root, operation, **options)


def in_quarantine(root: Path) -> list[str]:
    return [path for path in files_of(root, hidden=True) if path.startswith(".aitk/quarantine/")]


def test_looking_at_what_would_be_deleted_writes_nothing(root: Path) -> None:
    requests = everything(root)
    before = state_of(root)
    operation = applied(root, requests)
    entries = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    calls: list[str] = []
    system = FileSystem(step=lambda kind, _: calls.append(kind))
    plan = plan_emptying(root, operation, system=system)
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == entries
    assert (calls, len(plan.files), plan.foreign) == ([], KEPT, ())
    assert plan.size == sum(len(before[kept.was][0]) for kept in plan.files)
    assert {kept.path for kept in plan.files} == set(in_quarantine(root))
    assert plan.hash == plan_emptying(root, operation).hash


def test_an_emptied_operation_stands_and_cannot_be_undone(root: Path) -> None:
    operation = applied(root, everything(root))
    standing, generated = state_of(root), generated_captions(root)
    outcome = emptied(root, operation)
    assert (outcome.deleted, outcome.is_finished, outcome.problems) == (KEPT, True, ())
    assert (in_quarantine(root), state_of(root)) == ([], standing)
    # A caption of ours is ours still.
    assert generated_captions(root) == generated
    (told,) = operations(root)
    assert (told.state, told.quarantined_files, told.quarantined_bytes) == ("emptied", 0, 0)
    with pytest.raises(ConflictError, match="cannot be undone any more"):
        undo(root, operation, now=NOW)
    again = emptied(root, operation)
    assert (again.deleted, again.is_finished) == (0, True)
    assert recover(root, prefer="undo", now=NOW, system=QUICK) == ()
    assert state_of(root) == standing


def test_what_was_not_shown_is_not_deleted(root: Path) -> None:
    operation = applied(root, everything(root))
    found = plan_emptying(root, operation)
    (root / found.files[0].path).unlink()
    held = in_quarantine(root)
    with pytest.raises(ConflictError, match="not hold what was looked at"):
        empty_quarantine(root, operation, plan_hash=found.hash, now=NOW, system=QUICK)
    assert (in_quarantine(root), operations(root)[0].state) == (held, "applied")


def test_what_is_not_ours_stays_and_is_named(root: Path, tmp_path: Path) -> None:
    operation = applied(root, everything(root))
    folder = root / ".aitk" / "quarantine" / operation
    (folder / "mine.txt").write_bytes(b"somebody's")
    (folder / "old" / "deeper").mkdir()
    (folder / "old" / "deeper" / "also.png").write_bytes(picture(90))
    write(tmp_path / "outside", {"secret.png": picture(91)})
    (folder / "old" / "link.png").symlink_to(tmp_path / "outside" / "secret.png")
    (folder / "linked").symlink_to(tmp_path / "outside")
    edited = folder / "old" / "pair.png"
    edited.write_bytes(picture(92))
    replaced = folder / "old" / "pair.jpg"
    replaced.unlink()
    replaced.symlink_to(tmp_path / "outside" / "secret.png")
    theirs = sorted(
        f".aitk/quarantine/{operation}/{name}"
        for name in (
            "mine.txt",
            "linked",
            "old/deeper/also.png",
            "old/link.png",
            "old/pair.png",
            "old/pair.jpg",
        )
    )
    assert sorted(plan_emptying(root, operation).foreign) == theirs
    outcome = emptied(root, operation)
    assert (outcome.deleted, outcome.is_finished) == (KEPT - 2, True)
    assert in_quarantine(root) == [path for path in theirs if not path.endswith("/linked")]
    assert (folder / "linked").is_symlink()
    assert edited.read_bytes() == picture(92)
    assert (tmp_path / "outside" / "secret.png").read_bytes() == picture(91)


def test_a_file_that_changes_at_the_last_moment_stays(root: Path) -> None:
    write(root, {"a.png": picture(1), "b.png": picture(2)})
    operation = applied(root, [remove_image(f"{one}.png", reason="x") for one in "ab"])
    place = root / ".aitk" / "quarantine" / operation / "old" / "b.png"

    def edit(kind: str, name: str) -> None:
        if (kind, name) == ("unlink", "a.png"):
            place.write_bytes(b"edited")

    outcome = emptied(root, operation, system=FileSystem(step=edit, durable=False))
    assert (outcome.deleted, outcome.is_finished) == (1, False)
    assert [(one.state, one.paths) for one in outcome.problems] == [
        ("left", (f".aitk/quarantine/{operation}/old/b.png",))
    ]
    assert place.read_bytes() == b"edited"


@pytest.mark.parametrize("state", ["applying", "undoing", "undone"])
def test_only_what_was_applied_is_emptied(root: Path, state: str) -> None:
    requests = everything(root)
    plan = plan_repair(root, requests)
    if state == "applying":
        stop = Killer(at=60)
        assert in_a_process(
            lambda: apply_plan(
                root,
                plan,
                plan_hash=plan.hash,
                now=NOW,
                system=FileSystem(step=stop, durable=False),
            )
        )
        operation = operations(root)[0].id
    else:
        operation = applied(root, requests)
        if state == "undoing":
            (root / "pair.png").write_bytes(b"another picture")
        undo(root, operation, now=NOW, system=QUICK)
    assert operations(root)[0].state == state
    contents = all_contents(root)
    with pytest.raises(ConflictError) as caught:
        plan_emptying(root, operation)
    with pytest.raises(ConflictError):
        empty_quarantine(root, operation, plan_hash="0" * 64, now=NOW, system=QUICK)
    assert caught.value.remedy
    assert all_contents(root) == contents


def test_an_operation_below_one_that_was_emptied_says_why_it_stays(root: Path) -> None:
    write(root, {"a.jpg": turned(1)})
    first = applied(root, [rewrite_image("a.jpg", Rewrite(upright=True), reason="x")])
    second = applied(root, [remove_image("a.jpg", reason="x")])
    emptied(root, second)
    with pytest.raises(ConflictError) as caught:
        undo(root, first, now=NOW)
    assert "neither can be undone" in caught.value.remedy


def test_each_mount_s_quarantine_is_emptied(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, {"a.png": picture(1), "disk/b.png": picture(2)})
    real = Tree.mount

    def mount(tree: Tree, folder: str) -> tuple[int, int]:
        return (7, 7) if folder.split("/", maxsplit=1)[0] == "disk" else real(tree, folder)

    monkeypatch.setattr(Tree, "mount", mount)
    operation = applied(root, [remove_image(one, reason="x") for one in ("a.png", "disk/b.png")])
    assert emptied(root, operation).deleted == 2
    assert not [path for path in files_of(root, hidden=True) if "quarantine" in path]


def test_a_copied_dataset_knows_its_files_by_their_bytes(root: Path, tmp_path: Path) -> None:
    operation = applied(root, everything(root))
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, copy_function=shutil.copyfile)
    assert emptied(copy, operation).deleted == KEPT


def test_a_cancelled_deletion_is_not_finished_by_itself(root: Path) -> None:
    requests = everything(root)
    before = state_of(root)
    operation = applied(root, requests)

    def check(done: int, total: int) -> None:
        if done == 4 and total == KEPT:
            raise KeyError("cancelled")

    with pytest.raises(KeyError):
        emptied(root, operation, check=check, batch=3)
    (told,) = operations(root)
    assert (told.state, told.counts["deleted"], len(in_quarantine(root))) == ("emptying", 4, 7)
    held = in_quarantine(root)
    assert (cut_off(root), recover(root, prefer="settle", now=NOW, system=QUICK)) == ((), ())
    assert in_quarantine(root) == held
    # What is left can be given back; what is gone is named.
    back = undo(root, operation, now=NOW, system=QUICK)
    assert {problem.state for problem in back.problems} == {"refused"}
    assert len(back.problems) == 4
    lost = {problem.paths[0] for problem in back.problems}
    now = state_of(root)
    assert all(now[path] == found for path, found in before.items() if path not in lost)


def test_an_operation_that_never_was_has_no_quarantine(root: Path) -> None:
    everything(root)
    for operation in ("000001-20260101T000000-00000000", "../../etc"):
        with pytest.raises(NotFoundError):
            plan_emptying(root, operation)
