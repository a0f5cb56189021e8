"""What a plan holds, what is left out of it, and that making one writes nothing."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from aitk_core.errors import InvalidArgumentsError
from aitk_datasets.repair.latents import stale_latents
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
from aitk_datasets.repair.system import FileSystem
from support.repairs import (
    NOW,
    applied,
    codes,
    everything,
    files_of,
    kinds,
    picture,
    state_of,
    undone,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_datasets.repair.plan import Request


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
