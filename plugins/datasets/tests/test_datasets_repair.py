"""Plan, apply, undo: what is refused, what is kept, what is told."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aitk_core.errors import (
    ConflictError,
    FileMissingError,
    InvalidArgumentsError,
    NotFoundError,
    NotPermittedError,
)
from aitk_datasets.repair.apply import apply_plan
from aitk_datasets.repair.history import generated_captions, operations
from aitk_datasets.repair.journal import parse
from aitk_datasets.repair.latents import stale_latents
from aitk_datasets.repair.lock import locked
from aitk_datasets.repair.plan import (
    Rewrite,
    canonical,
    from_json,
    reencode_caption,
    remove_image,
    rewrite_image,
    to_json,
    write_caption,
)
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.recovery import recover
from aitk_datasets.repair.stage import differ
from aitk_datasets.repair.system import METHODS, FileSystem
from aitk_datasets.repair.tree import Tree
from aitk_datasets.repair.undo import undo
from support.repairs import (
    KILLED,
    NOW,
    all_contents,
    contents_of,
    digest,
    everything,
    files_of,
    in_a_process,
    picture,
    state_of,
    turned,
    write,
)

if TYPE_CHECKING:
    from aitk_datasets.repair.plan import (
        Plan,
        Request,
    )
    from aitk_datasets.repair.run import Outcome

QUICK = FileSystem(durable=False)


def applied(root: Path, plan: Plan, **more: Any) -> Outcome:
    return apply_plan(root, plan, plan_hash=plan.hash, now=NOW, **{"system": QUICK, **more})


def undone(root: Path, outcome: Outcome) -> Outcome:
    return undo(root, outcome.operation.id, now=NOW, system=QUICK)


def kinds(plan: Plan) -> list[tuple[str, str]]:
    return [(action.kind, action.path) for action in plan.actions]


def codes(plan: Plan) -> list[str]:
    return [conflict.code for conflict in plan.conflicts]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "set"


def test_planning_writes_nothing(root: Path) -> None:
    requests = everything(root)
    before, entries = state_of(root), sorted(root.rglob("*"))
    calls: list[str] = []
    system = FileSystem(step=lambda kind, _: calls.append(kind))
    plan = plan_repair(root, requests, system=system)
    assert (state_of(root), sorted(root.rglob("*")), calls) == (before, entries, [])
    assert plan.hash == plan_repair(root, requests).hash


def test_a_plan_survives_its_json_with_names_that_are_no_text(root: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xff.png")
    write(root, {name: picture(1)})
    plan = plan_repair(root, [remove_image(name, reason="duplicate")])
    again = from_json(json.loads(canonical(to_json(plan))))
    assert (again, again.hash) == (plan, plan.hash)
    before = state_of(root)
    outcome = applied(root, again)
    assert files_of(root) == []
    undone(root, outcome)
    assert state_of(root) == before


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


def test_undo_twice_does_nothing_the_second_time(root: Path) -> None:
    outcome = applied(root, plan_repair(root, everything(root)))
    assert undone(root, outcome).changed == 12
    again = undone(root, outcome)
    assert (again.was_done, again.changed, again.problems) == (True, 0, ())


def test_operations_tell_counts_bytes_and_times(root: Path) -> None:
    plan = plan_repair(root, everything(root))
    outcome = applied(root, plan)
    (told,) = operations(root)
    assert told == outcome.operation
    assert (told.state, told.plan_hash, told.created_at) == ("applied", plan.hash, NOW)
    assert (told.quarantined_files, told.quarantined_bytes) == (11, plan.quarantined_bytes)
    for row in told.rows:
        if row.kind != "create_caption":
            assert (root / row.quarantine).exists()


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


def test_pitfall_95_a_caption_that_another_file_needs_stays(root: Path) -> None:
    write(
        root,
        {
            "b.jpg": picture(1, "JPEG"),
            "b.png": picture(1),
            "b.txt": b"of both",
            "c.jpg": picture(2, "JPEG"),
            "c.bmp": picture(2, "BMP"),
            "e.jpg": picture(4, "JPEG"),
            "e.JFIF": picture(4, "JPEG"),
            "e.txt": b"of a file under a name that the trainer passes over",
            "c.txt": b"of a file that is not trained too",
            "D.jpg": picture(3, "JPEG"),
            "d.png": picture(3),
            "D.txt": b"of one by name, of two where case does not count",
        },
    )
    requests = [
        remove_image(path, reason="duplicate") for path in ("b.jpg", "c.jpg", "D.jpg", "e.jpg")
    ]
    plan = plan_repair(root, requests)
    assert kinds(plan) == [("move", one) for one in ("b.jpg", "c.jpg", "D.jpg", "e.jpg")]
    assert {(kept.path, kept.needed_by) for kept in plan.kept} == {
        ("b.txt", "b.png"),
        ("c.txt", "c.bmp"),
        ("D.txt", "d.png"),
        ("e.txt", "e.JFIF"),
    }
    applied(root, plan)
    assert {"b.txt", "c.txt", "D.txt", "e.txt"} <= set(files_of(root))


def test_pitfall_95_the_last_picture_takes_the_caption_after_it(root: Path) -> None:
    write(root, {"b.jpg": picture(1, "JPEG"), "b.png": picture(1), "b.txt": b"of both"})
    requests = [remove_image(path, reason="damaged") for path in ("b.png", "b.jpg")]
    plan = plan_repair(root, requests)
    assert kinds(plan) == [("move", "b.png"), ("move", "b.jpg"), ("move", "b.txt")]


def test_pitfall_95_a_picture_that_stays_because_of_a_clash_keeps_its_caption(root: Path) -> None:
    paths = ["x.png", "X.png", "x.jpg"]
    write(root, {path: picture(number) for number, path in enumerate(paths)} | {"x.txt": b"hers"})
    plan = plan_repair(root, [remove_image(path, reason="duplicate") for path in paths])
    assert kinds(plan) == [("move", "x.jpg")]
    assert codes(plan) == ["name_clash"] * 2
    assert [kept.path for kept in plan.kept] == ["x.txt"]


def test_pitfall_96_the_picture_that_stays_of_two_gets_the_caption(root: Path) -> None:
    write(root, {"a.png": picture(1), "a.jpg": picture(1, "JPEG")})
    requests = [write_caption(path, "of both", reason="missing") for path in ("a.png", "a.jpg")]
    plan = plan_repair(root, [*requests, remove_image("a.png", reason="damaged")])
    assert kinds(plan) == [("create_caption", "a.txt"), ("move", "a.png")]
    assert codes(plan) == []


def test_pitfall_96_no_no_caption_is_made_for_a_picture_that_goes(root: Path) -> None:
    write(root, {"bad.jpg": b"\xff\xd8\xff broken"})
    requests = [
        write_caption("bad.jpg", "training image", reason="missing"),
        remove_image("bad.jpg", reason="damaged"),
    ]
    plan = plan_repair(root, requests)
    assert (kinds(plan), codes(plan)) == ([("move", "bad.jpg")], ["removed_image"])
    outcome = applied(root, plan)
    assert (files_of(root), generated_captions(root)) == ([], {})
    undone(root, outcome)
    assert files_of(root) == ["bad.jpg"]


def test_pitfall_97_the_configured_extension_counts_in_any_case(root: Path) -> None:
    write(
        root,
        {
            "a.png": picture(1),
            "a.TXT": b"there already",
            "b.png": picture(2),
            "b.caption": b"as the config says",
            "c.png": picture(3),
        },
    )
    plan = plan_repair(root, [write_caption("a.png", "new", reason="missing")])
    assert (kinds(plan), codes(plan)) == ([], ["name_clash"])
    requests = [write_caption(path, "new", reason="missing") for path in ("b.png", "c.png")]
    plan = plan_repair(root, requests, caption_ext="caption")
    assert kinds(plan) == [("create_caption", "c.caption")]
    assert codes(plan) == ["caption_exists"]
    plan = plan_repair(root, [remove_image("a.png", reason="damaged")])
    assert kinds(plan) == [("move", "a.png"), ("move", "a.TXT")]


def test_pitfall_102_generated_captions_are_marked_and_an_edited_one_is_a_persons(
    root: Path,
) -> None:
    write(root, {"a.png": picture(1), "b.png": picture(2), "c.png": picture(3), "c.txt": b"mine"})
    requests = [
        write_caption(f"{stem}.png", f"made for {stem}", reason="missing", generator="names v1")
        for stem in "ab"
    ]
    outcome = applied(root, plan_repair(root, requests))
    assert generated_captions(root) == {
        "a.txt": digest(b"made for a"),
        "b.txt": digest(b"made for b"),
    }
    (root / "b.txt").write_bytes(b"made for B")
    back = undone(root, outcome)
    assert back.is_finished
    assert [(problem.state, problem.paths) for problem in back.problems] == [("left", ("b.txt",))]
    assert contents_of(root)["b.txt"] == b"made for B"
    assert "a.txt" not in files_of(root)
    assert generated_captions(root) == {}


def test_our_own_caption_may_be_written_again_and_an_edited_one_not(root: Path) -> None:
    write(root, {"a.png": picture(1), "b.png": picture(2)})
    names = ("a.png", "b.png")
    applied(root, plan_repair(root, [write_caption(one, "first", reason="x") for one in names]))
    (root / "b.txt").write_bytes(b"by a person")
    plan = plan_repair(root, [write_caption(one, "second", reason="x") for one in names])
    assert (kinds(plan), codes(plan)) == ([("fill_caption", "a.txt")], ["caption_exists"])
    outcome = applied(root, plan)
    assert generated_captions(root)["a.txt"] == digest(b"second")
    undone(root, outcome)
    assert contents_of(root)["a.txt"] == b"first"
    assert generated_captions(root)["a.txt"] == digest(b"first")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (remove_image("gone.png", reason="x"), "missing"),
        (remove_image("link.png", reason="x"), "linked"),
        (remove_image("inner/a.png", reason="x"), "linked"),
        (remove_image("folder.png", reason="x"), "linked"),
        (remove_image("pipe.png", reason="x"), "linked"),
        (remove_image("_controls/a.png", reason="x"), "control_image"),
        (remove_image(".hidden/a.png", reason="x"), "hidden"),
        (remove_image("a.txt", reason="x"), "not_an_image"),
        (rewrite_image("twice.png", Rewrite(rgb=True), reason="x"), "hard_links"),
        (rewrite_image("a.webp", Rewrite(format="PNG"), reason="x"), "name_clash"),
        (rewrite_image("a.png", Rewrite(), reason="x"), "nothing_to_do"),
        (reencode_caption("a.txt", "cp1252", reason="x"), "nothing_to_do"),
        (reencode_caption("a.png", "cp1252", reason="x"), "not_text"),
        (reencode_caption("odd.txt", "utf-16", reason="x"), "not_text"),
        (write_caption("a.png", "new", reason="x"), "caption_exists"),
        (write_caption("a.webp", "\ud800", reason="x"), "not_text"),
        (write_caption("twice.png", " \n", reason="x"), "not_text"),
        (write_caption("link2.png", "new", reason="x"), "linked"),
    ],
)
def test_what_cannot_be_done_is_left_out_and_told(
    root: Path, tmp_path: Path, request_: Request, code: str
) -> None:
    write(
        root,
        {
            "a.png": picture(1),
            "a.webp": picture(1, "WEBP"),
            "a.txt": b"a caption",
            "odd.txt": b"odd",
            "_controls/a.png": picture(2),
            ".hidden/a.png": picture(3),
            "folder.png/x": b"",
            "twice.png": picture(4),
            "link2.png": picture(5),
        },
    )
    write(tmp_path / "outside", {"a.png": picture(6), "secret.txt": b"not yours"})
    (root / "link.png").symlink_to(tmp_path / "outside" / "a.png")
    (root / "link2.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (root / "inner").symlink_to(tmp_path / "outside")
    (root / "other.png").hardlink_to(root / "twice.png")
    os.mkfifo(root / "pipe.png")
    plan = plan_repair(root, [request_])
    assert (kinds(plan), codes(plan)) == ([], [code])


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


@pytest.mark.parametrize("path", ["../a.png", "/etc/a.png", "a//b.png", "./a.png", "", "a\0.png"])
def test_a_path_out_of_the_dataset_is_refused(root: Path, path: str) -> None:
    root.mkdir()
    with pytest.raises(InvalidArgumentsError):
        plan_repair(root, [remove_image(path, reason="x")])


def test_wishes_that_contradict_each_other_are_left_out(root: Path) -> None:
    write(
        root,
        {
            "a.png": picture(1),
            "a.jpg": picture(1, "JPEG"),
            "b.png": picture(2),
            "c.png": picture(3),
            "c.jpg": picture(3, "JPEG"),
        },
    )
    plan = plan_repair(
        root,
        [
            write_caption("a.png", "one", reason="x"),
            write_caption("a.jpg", "another", reason="x"),
            rewrite_image("b.png", Rewrite(rgb=True), reason="x"),
            rewrite_image("b.png", Rewrite(long_side=4), reason="x"),
            write_caption("c.png", "the same", reason="x"),
            write_caption("c.jpg", "the same", reason="x"),
        ],
    )
    assert kinds(plan) == [("create_caption", "c.txt")]
    assert codes(plan) == ["different_captions", "contradiction"]


@pytest.mark.parametrize(("one", "other"), [("stra\u00dfe", "STRASSE"), ("e\u0301", "\u00e9")])
def test_names_that_some_system_takes_for_one_are_a_conflict(
    root: Path, one: str, other: str
) -> None:
    write(root, {f"{one}.png": picture(1), f"{other}.png": picture(2)})
    paths = [f"{one}.png", f"{other}.png"]
    plan = plan_repair(root, [write_caption(path, path, reason="x") for path in paths])
    assert (kinds(plan), codes(plan)) == ([], ["name_clash"] * 2)
    plan = plan_repair(root, [remove_image(path, reason="x") for path in paths])
    assert (kinds(plan), codes(plan)) == ([], ["name_clash"] * 2)


def test_undo_refuses_a_place_that_is_taken_and_restores_the_rest(root: Path) -> None:
    before_requests = everything(root)
    before = state_of(root)
    outcome = applied(root, plan_repair(root, before_requests))
    (root / "pair.png").write_bytes(b"another picture")
    (root / "rot.jpg").write_bytes(b"edited since")
    back = undone(root, outcome)
    assert not back.is_finished
    refused = {problem.paths[0]: problem for problem in back.problems}
    assert set(refused) == {"pair.png", "rot.jpg"}
    assert refused["pair.png"].paths[1].endswith("/old/pair.png")
    now = contents_of(root)
    assert (now.pop("pair.png"), now.pop("rot.jpg")) == (b"another picture", b"edited since")
    assert {path: data for path, (data, _, _) in before.items() if path in now} == now
    assert all_contents(root) >= {data for data, _, _ in before.values()}
    # Nobody waits for it, and it can be finished once the places are free.
    (root / "pair.png").unlink()
    (root / "rot.jpg").unlink()
    assert undone(root, outcome).is_finished
    assert state_of(root) == before


def test_what_stands_later_is_undone_first(root: Path) -> None:
    write(root, {"a.jpg": turned(1)})
    before = state_of(root)
    plan = plan_repair(root, [rewrite_image("a.jpg", Rewrite(upright=True), reason="x")])
    first = apply_plan(root, plan, plan_hash=plan.hash, now=NOW)
    plan = plan_repair(root, [remove_image("a.jpg", reason="x")])
    second = apply_plan(root, plan, plan_hash=plan.hash, now=NOW + 5)
    with pytest.raises(ConflictError) as caught:
        undone(root, first)
    assert second.operation.id in caught.value.remedy
    undone(root, second)
    undone(root, first)
    assert state_of(root) == before


def test_a_dataset_that_was_copied_can_still_be_taken_back(root: Path, tmp_path: Path) -> None:
    """Other inodes, other times: then the bytes decide."""
    requests = everything(root)
    before = contents_of(root)
    outcome = applied(root, plan_repair(root, requests))
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, copy_function=shutil.copyfile)
    back = undone(copy, outcome)
    assert (back.is_finished, back.problems) == (True, ())
    assert contents_of(copy) == before


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


def test_a_picture_that_comes_between_kill_and_recovery_keeps_its_caption(root: Path) -> None:
    write(root, {"a.png": picture(1), "a.txt": b"hers", "b.png": picture(2), "b.txt": b"his"})
    plan = plan_repair(root, [remove_image(path, reason="x") for path in ("a.png", "b.png")])

    def killed(kind: str, name: str) -> None:
        if (kind, name) == ("rename", "a.txt"):
            os._exit(KILLED)

    system = FileSystem(step=killed, durable=False)
    assert in_a_process(lambda: applied(root, plan, system=system))
    (root / "a.webp").write_bytes(picture(3, "WEBP"))
    (outcome,) = recover(root, prefer="continue", now=NOW, system=QUICK)
    assert outcome.is_finished
    assert files_of(root) == ["a.txt", "a.webp"]
    assert [problem.paths for problem in outcome.problems] == [("a.txt",)]


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


def test_a_torn_line_at_the_end_of_a_journal_is_dropped(root: Path) -> None:
    plan = plan_repair(root, everything(root))
    before = state_of(root)
    outcome = applied(root, plan)
    journal = root / ".aitk" / "journal" / f"{outcome.operation.id}.jsonl"
    whole = journal.read_bytes()
    # The last line says `applied`; without it the operation is half done.
    for cut in (len(whole) - 1, len(whole) - 20):
        journal.write_bytes(whole[:cut])
        assert operations(root)[0].state == "applying"
    undone(root, outcome)
    assert state_of(root) == before
    assert operations(root)[0].state == "undone"
    record = parse(outcome.operation.id, journal.read_bytes())
    assert record is not None
    assert record.length == journal.stat().st_size


@pytest.mark.parametrize("damage", [b'"version":1', b'"kind":"move"'])
def test_a_journal_of_another_version_is_told(root: Path, damage: bytes) -> None:
    outcome = applied(root, plan_repair(root, everything(root)))
    journal = root / ".aitk" / "journal" / f"{outcome.operation.id}.jsonl"
    _, _, body = journal.read_bytes().partition(b"\n")[0].partition(b" ")
    body = body.replace(damage, damage.replace(b"1", b"9").replace(b"move", b"melt"))
    journal.write_bytes(digest(body)[:16].encode() + b" " + body + b"\n")
    with pytest.raises(ConflictError) as caught:
        operations(root)
    assert outcome.operation.id in str(caught.value)


def test_a_journal_from_outside_leads_nowhere_out(root: Path, tmp_path: Path) -> None:
    """A dataset may come from anybody, its journal with it."""
    write(tmp_path, {"secret.png": picture(1)})
    write(root, {"a.png": picture(1)})
    outcome = applied(root, plan_repair(root, [remove_image("a.png", reason="x")]))
    journal = root / ".aitk" / "journal" / f"{outcome.operation.id}.jsonl"
    lines = journal.read_bytes().splitlines()
    for path in (b"../secret.png", b"/secret.png", b"sub/../../secret.png"):
        body = lines[0].partition(b" ")[2].replace(b"a.png", path)
        journal.write_bytes(digest(body)[:16].encode() + b" " + body + b"\n")
        with pytest.raises(InvalidArgumentsError):
            undone(root, outcome)
    assert contents_of(tmp_path) == {"secret.png": picture(1)}


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


def test_what_the_trainer_cached_of_files_that_change_is_named(root: Path) -> None:
    write(
        root,
        {
            "a.png": picture(1, mode="I;16"),
            "a.txt": b"",
            "a_b.png": picture(2),
            "c.webp": picture(3, "WEBP"),
            "_latent_cache/a_0f3.safetensors": b"",
            "_latent_cache/a_b_77e.safetensors": b"",
            "_latent_cache/c_1.safetensors": b"",
            "_clip_vision_cache/a_11.safetensors": b"",
            "_t_e_cache/a_5.safetensors": b"",
        },
    )
    requests = [
        rewrite_image("a.png", Rewrite(eight_bit=True), reason="x"),
        rewrite_image("c.webp", Rewrite(format="PNG"), reason="x"),
        write_caption("a.png", "a text", reason="x"),
        remove_image("a_b.png", reason="x"),
    ]
    plan = plan_repair(root, requests)
    assert [(one.path, one.of, one.is_reused) for one in stale_latents(root, plan.actions)] == [
        ("_latent_cache/a_0f3.safetensors", "a.png", True),
        ("_clip_vision_cache/a_11.safetensors", "a.png", True),
        ("_t_e_cache/a_5.safetensors", "a.txt", False),
    ]
    # What was cached before an operation is right again once it was taken back.
    os.utime(root / "_latent_cache/a_0f3.safetensors", (NOW + 5, NOW + 5))
    again = stale_latents(root, plan.actions, since=NOW)
    assert [one.path for one in again] == ["_latent_cache/a_0f3.safetensors"]


def test_our_folder_as_a_link_is_refused(root: Path, tmp_path: Path) -> None:
    plan = plan_repair(root, everything(root))
    (tmp_path / "outside").mkdir()
    (root / ".aitk").symlink_to(tmp_path / "outside")
    with pytest.raises(ConflictError):
        applied(root, plan)
    assert list((tmp_path / "outside").iterdir()) == []


def test_unknown_operations_and_folders_are_told(root: Path) -> None:
    with pytest.raises(FileMissingError):
        operations(root)
    root.mkdir()
    assert operations(root) == ()
    assert recover(root, prefer="undo", now=NOW) == ()
    for operation in ("000001-20260101T000000-00000000", "../../etc/passwd"):
        with pytest.raises(NotFoundError):
            undo(root, operation, now=NOW)


STEMS = st.sampled_from(["a", "A", "b", "\u00e9", "e\u0301", "x.y"])
FOLDERS = st.sampled_from(["", "one/", "one/two/", "_controls/"])
FILES = st.dictionaries(
    st.tuples(FOLDERS, STEMS, st.sampled_from([".png", ".jpg", ".webp", ".bmp"])),
    st.sampled_from(["PNG", "turned", "deep", "damaged"]),
    max_size=6,
)
TEXTS = st.dictionaries(
    st.tuples(FOLDERS, STEMS, st.sampled_from([".txt", ".TXT"])),
    st.sampled_from([b"", b" \n", b"text", "caf\u00e9".encode("cp1252"), b"\xef\xbb\xbfmarked"]),
    max_size=6,
)
MADE = {
    "PNG": picture(1),
    "turned": turned(2),
    "deep": picture(3, mode="I;16"),
    "damaged": picture(4)[:50],
}
WISHES = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.sampled_from(["remove", "write", "reencode", "upright", "png", "small"]),
    ),
    max_size=8,
)


def wish(paths: list[str], number: int, kind: str) -> Request:
    path = paths[number % len(paths)]
    if kind == "remove":
        return remove_image(path, reason="x")
    if kind == "write":
        return write_caption(path, f"text {number % 2}", reason="x")
    if kind == "reencode":
        return reencode_caption(path, "cp1252" if number % 2 else "utf-8-sig", reason="x")
    rewrites = {
        "upright": Rewrite(upright=True, eight_bit=True),
        "png": Rewrite(format="PNG"),
        "small": Rewrite(long_side=4),
    }
    return rewrite_image(path, rewrites[kind], reason="x")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FILES, texts=TEXTS, wishes=WISHES, methods=st.sampled_from([METHODS, METHODS[1:]]))
def test_apply_then_undo_is_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    files: dict[tuple[str, str, str], str],
    texts: dict[tuple[str, str, str], bytes],
    wishes: list[tuple[int, str]],
    methods: Any,
) -> None:
    root = tmp_path_factory.mktemp("tree")
    tree = {"".join(parts): MADE[kind] for parts, kind in files.items()}
    tree |= {"".join(parts): data for parts, data in texts.items()}
    write(root, tree)
    requests = [wish(sorted(tree), number, kind) for number, kind in wishes if tree]
    before = state_of(root)
    plan = plan_repair(root, requests)
    assert len(plan.actions) + len(plan.conflicts) >= bool(requests)
    system = FileSystem(durable=False, methods=methods)
    outcome = applied(root, plan, system=system)
    assert outcome.is_finished
    assert {problem.state for problem in outcome.problems} <= {"failed"}
    kept = {data for data, _, _ in before.values()}
    assert all_contents(root) >= kept
    # A text that a person wrote is as it was, went with its picture, or was re-encoded on demand.
    for action in plan.actions:
        if action.kind == "fill_caption":
            assert before[action.path][0].strip(b" \n") in (b"", b"\xef\xbb\xbf")
        elif action.kind == "move" and action.path.lower().endswith(".txt"):
            stem = action.path[:-4]
            needing = [path for path in files_of(root) if path[:-4] == stem]
            assert not [path for path in needing if not path.lower().endswith(".txt")]
    concerned = {path for action in plan.actions for path in (action.path, action.target)}
    after = state_of(root)
    assert all(after[path] == before[path] for path in before if path not in concerned)
    standing = state_of(root)
    assert applied(root, plan, system=system).changed == 0
    assert state_of(root) == standing
    undo(root, outcome.operation.id, now=NOW, system=system)
    assert state_of(root) == before
