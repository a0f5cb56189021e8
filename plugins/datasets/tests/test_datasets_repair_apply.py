"""Carrying out a plan: what is done once, what is refused, what is left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from aitk_core.errors import ConflictError
from aitk_datasets.repair.apply import apply_plan
from aitk_datasets.repair.history import operations
from aitk_datasets.repair.plan import (
    Rewrite,
    remove_image,
    rewrite_image,
    write_caption,
)
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.stage import differ
from aitk_datasets.repair.system import METHODS, FileSystem
from support.repairs import (
    NOW,
    applied,
    contents_of,
    everything,
    files_of,
    picture,
    state_of,
    turned,
    undone,
    write,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "set"


def test_an_applied_plan_is_found_done(root: Path) -> None:
    plan = plan_repair(root, everything(root))
    first = applied(root, plan)
    assert first.is_finished
    assert first.operation.counts == {"done": 12}
    second = applied(root, plan)
    assert (second.was_done, second.changed, second.problems) == (True, 0, ())
    assert second.operation.id == first.operation.id


def test_what_somebody_took_away_since_is_done_again(root: Path) -> None:
    write(root, {"a.png": picture(1)})
    plan = plan_repair(root, [write_caption("a.png", "made", reason="missing")])
    first = applied(root, plan)
    (root / "a.txt").write_bytes(b"edited")
    again = applied(root, plan)
    assert (again.was_done, [one.state for one in again.problems]) == (True, ["left"])
    (root / "a.txt").unlink()
    second = applied(root, plan)
    assert (second.changed, second.was_done) == (1, False)
    assert second.operation.id > first.operation.id
    assert contents_of(root)["a.txt"] == b"made"


def test_an_apply_after_an_undo_is_a_new_operation(root: Path) -> None:
    plan = plan_repair(root, everything(root))
    first = applied(root, plan)
    undone(root, first)
    second = applied(root, plan)
    assert second.operation.id != first.operation.id
    assert [one.state for one in operations(root)].count("applied") == 1


def test_the_hash_of_another_plan_is_refused(root: Path) -> None:
    plan = plan_repair(root, everything(root))
    before = sorted(root.rglob("*"))
    with pytest.raises(ConflictError):
        apply_plan(root, plan, plan_hash="0" * 64, now=NOW)
    assert sorted(root.rglob("*")) == before


def same_size_and_time(file: Path) -> None:
    found = file.stat()
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(found.st_mtime_ns, found.st_mtime_ns))


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("sub/dup.jpg", same_size_and_time),
        ("sub/dup.jpg", Path.unlink),
        ("latin.txt", lambda file: file.write_bytes(b"mended by hand")),
        ("none.txt", lambda file: file.write_bytes(b"written by hand")),
        ("empty.txt", lambda file: file.write_bytes(b"filled by hand")),
        ("rot.jpg", os.utime),
        ("pair.webp", lambda file: file.write_bytes(picture(5, "WEBP"))),
    ],
)
def test_a_change_after_planning_is_refused_before_anything_is_done(
    root: Path, path: str, change: Any
) -> None:
    """The last one is a picture that came later and needs a caption that was to go."""
    plan = plan_repair(root, everything(root))
    change(root / path)
    before = state_of(root)
    with pytest.raises(ConflictError) as caught:
        applied(root, plan)
    assert caught.value.code == "CONFLICT"
    assert caught.value.remedy
    assert any(Path(path).stem in named for named in caught.value.details["paths"])
    assert state_of(root) == before
    assert operations(root) == ()


def test_a_file_with_two_names_may_be_moved(root: Path) -> None:
    write(root, {"a.png": picture(1)})
    (root / "b.png").hardlink_to(root / "a.png")
    for methods in (METHODS, METHODS[1:]):
        system = FileSystem(durable=False, methods=methods)
        before = state_of(root)
        outcome = applied(
            root, plan_repair(root, [remove_image("b.png", reason="x")]), system=system
        )
        assert files_of(root) == ["a.png"]
        undone(root, outcome)
        assert state_of(root) == before


def test_a_rewritten_picture_has_another_size_or_second_and_keeps_its_mode(root: Path) -> None:
    write(root, {"a.jpg": turned(1)})
    (root / "a.jpg").chmod(0o640)
    before = (root / "a.jpg").stat()
    plan = plan_repair(root, [rewrite_image("a.jpg", Rewrite(upright=True), reason="x")])
    applied(root, plan)
    after = (root / "a.jpg").stat()
    assert after.st_mode == before.st_mode
    assert (after.st_size, int(after.st_mtime)) != (before.st_size, int(before.st_mtime))


def test_a_new_file_of_the_same_size_and_second_is_dated_a_second_later(root: Path) -> None:
    write(root, {"old.png": b"12345", "new.png": b"54321", "longer.png": b"123456"})
    before = (root / "old.png").stat()
    for name in ("new.png", "longer.png"):
        os.utime(root / name, ns=(before.st_mtime_ns + 7, before.st_mtime_ns + 7))
        with (root / name).open("rb+") as file:
            differ(file.fileno(), before)
    assert (root / "new.png").stat().st_mtime_ns == before.st_mtime_ns + 1_000_000_000
    assert (root / "longer.png").stat().st_mtime_ns == before.st_mtime_ns + 7


@pytest.mark.parametrize("path", ["sub/dup.jpg", "rot.jpg"])
@pytest.mark.parametrize("methods", [METHODS, METHODS[1:]])
def test_a_file_that_is_replaced_at_the_last_moment_is_put_back(
    root: Path, path: str, methods: Any
) -> None:
    """Between the look and the call: it is somebody's, and stays where they put it."""
    plan = plan_repair(root, everything(root))
    (root / "theirs").write_bytes(b"theirs")

    def replace(kind: str, name: str) -> None:
        if (
            kind in ("rename", "link", "exchange")
            and name == Path(path).name
            and (root / "theirs").exists()
        ):
            (root / "theirs").replace(root / path)

    system = FileSystem(step=replace, durable=False, methods=methods)
    outcome = applied(root, plan, system=system)
    assert not outcome.is_finished
    assert ("conflict", path) == (outcome.problems[0].state, outcome.problems[0].paths[0])
    # Neither does a caption go from beside a picture that stayed.
    assert {one.paths[0] for one in outcome.problems} <= {path, "sub/dup.txt"}
    assert {"sub/dup.jpg", "sub/dup.txt"}.isdisjoint(contents_of(root)) == (path == "rot.jpg")
    assert ("sub/dup.jpg" in contents_of(root)) == ("sub/dup.txt" in contents_of(root))
    assert contents_of(root)[path] == b"theirs"
    back = undone(root, outcome)
    assert back.is_finished
    assert [(one.state, one.paths[0]) for one in back.problems] == [("left", path)]
    assert contents_of(root)[path] == b"theirs"


def test_a_picture_that_cannot_be_made_anew_is_told_and_left(root: Path) -> None:
    write(root, {"a.png": picture(1)[:60], "b.jpg": turned(2), "c.png": picture(3)})
    requests = [
        rewrite_image("a.png", Rewrite(long_side=4), reason="x"),
        rewrite_image("b.jpg", Rewrite(upright=True), reason="x"),
        rewrite_image("c.png", Rewrite(rgb=True), reason="x"),
    ]
    before = contents_of(root)
    outcome = applied(root, plan_repair(root, requests))
    assert outcome.operation.counts == {"failed": 1, "done": 1, "unchanged": 1}
    assert [(problem.state, problem.paths) for problem in outcome.problems] == [
        ("failed", ("a.png",))
    ]
    after = contents_of(root)
    assert (after["a.png"], after["c.png"]) == (before["a.png"], before["c.png"])
