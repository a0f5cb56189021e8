"""Captions in a repair: whose they are, which stay, which go with their picture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aitk_datasets.repair.history import generated_captions
from aitk_datasets.repair.plan import (
    remove_image,
    write_caption,
)
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.recovery import recover
from aitk_datasets.repair.system import FileSystem
from support.repairs import (
    KILLED,
    NOW,
    QUICK,
    applied,
    codes,
    contents_of,
    digest,
    files_of,
    in_a_process,
    kinds,
    picture,
    undone,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "set"


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
