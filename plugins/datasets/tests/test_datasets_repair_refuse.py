"""Captions that were made are taken away alone; one that somebody edited stays."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core.testing.replay import Stage
from aitk_datasets.repair.apply import apply_plan
from aitk_datasets.repair.choose import refusals_of
from aitk_datasets.repair.emptying import empty_quarantine, plan_emptying
from aitk_datasets.repair.history import generated_captions, operations, refused_captions
from aitk_datasets.repair.plan import refuse_caption, remove_image, write_caption
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.recovery import recover
from aitk_datasets.repair.system import METHODS, FileSystem
from aitk_datasets.repair.undo import undo
from support.repairs import (
    NOW,
    Killer,
    all_contents,
    contents_of,
    files_of,
    in_a_process,
    picture,
    state_of,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitk_datasets.repair.run import Outcome
    from aitk_datasets.repair.system import Method

QUICK = FileSystem(durable=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a dataset of which three captions were made, and a copy went."""
    made = tmp_path / "sets" / "cats"
    write(
        made,
        {
            **{f"{one}.png": picture(number) for number, one in enumerate("abcde")},
            "b.txt": b" \n",
            "d.txt": b"by a person",
        },
    )
    requests = [
        *(write_caption(f"{one}.png", f"made for {one}", reason="missing") for one in "abc"),
        remove_image("e.png", reason="duplicate"),
    ]
    applied(made, requests)
    return made


def applied(root: Path, requests: Any, system: FileSystem = QUICK) -> Outcome:
    plan = plan_repair(root, requests)
    return apply_plan(root, plan, plan_hash=plan.hash, now=NOW, batch=2, system=system)


def refused(root: Path, system: FileSystem = QUICK) -> Outcome:
    return applied(root, refusals_of(generated_captions(root)), system)


def test_what_was_made_goes_and_the_rest_of_its_operation_stands(root: Path) -> None:
    before = state_of(root)
    outcome = refused(root)
    assert (outcome.is_finished, outcome.problems) == (True, ())
    now = contents_of(root)
    # An empty caption is trained as it was before; a missing one is missing again.
    assert {path: data for path, data in now.items() if path.endswith(".txt")} == {
        "b.txt": b"",
        "d.txt": b"by a person",
    }
    assert "e.png" not in now
    assert generated_captions(root) == {}
    assert refused_captions(root) == {"a.txt", "b.txt", "c.txt"}
    undo(root, outcome.operation.id, now=NOW, system=QUICK)
    assert state_of(root) == before
    assert (set(generated_captions(root)), refused_captions(root)) == (
        {"a.txt", "b.txt", "c.txt"},
        frozenset(),
    )


def test_one_that_somebody_edited_stays_and_is_named(root: Path) -> None:
    (root / "a.txt").write_bytes(b"made for a, and improved")
    plan = plan_repair(root, refusals_of(generated_captions(root)))
    assert [action.path for action in plan.actions] == ["b.txt", "c.txt"]
    assert [(one.code, one.paths) for one in plan.conflicts] == [("edited", ("a.txt",))]
    refused(root)
    assert contents_of(root)["a.txt"] == b"made for a, and improved"
    assert refused_captions(root) == {"b.txt", "c.txt"}


def test_one_that_is_edited_at_the_last_moment_stays(root: Path) -> None:
    def edit(kind: str, name: str) -> None:
        if (kind, name) == ("rename", "a.txt"):
            (root / "edited").write_bytes(b"by a person")
            (root / "edited").replace(root / "a.txt")

    outcome = refused(root, FileSystem(step=edit, durable=False))
    assert [(one.state, one.paths[0]) for one in outcome.problems] == [("conflict", "a.txt")]
    assert contents_of(root)["a.txt"] == b"by a person"


@pytest.mark.parametrize("path", ["d.txt", "e.txt", "a.png", ".aitk/lock"])
def test_only_a_caption_of_ours_can_be_refused(root: Path, path: str) -> None:
    plan = plan_repair(root, [refuse_caption(path, reason="x")])
    assert (plan.actions, len(plan.conflicts)) == ((), 1)


def test_one_that_is_written_again_is_ours_again(root: Path) -> None:
    refused(root)
    applied(root, [write_caption("a.png", "another", reason="missing")])
    assert set(generated_captions(root)) == {"a.txt"}
    assert refused_captions(root) == {"b.txt", "c.txt"}


def test_a_refusal_outlives_its_quarantine(root: Path) -> None:
    operation = refused(root).operation.id
    plan_hash = plan_emptying(root, operation).hash
    empty_quarantine(root, operation, plan_hash=plan_hash, now=NOW, system=QUICK)
    assert refused_captions(root) == {"a.txt", "b.txt", "c.txt"}
    assert generated_captions(root) == {}


@pytest.mark.parametrize("methods", [METHODS, METHODS[1:], METHODS[2:]], ids=lambda one: one[0])
def test_a_killed_refusal_loses_nothing(root: Path, methods: tuple[Method, ...]) -> None:
    before = state_of(root)
    first = operations(root)[0].id
    system = FileSystem(durable=False, methods=methods)
    at = 0

    def killed(step: Killer) -> None:
        refused(root, FileSystem(step=step, durable=False, methods=methods))

    while in_a_process(partial(killed, Killer(at=at))):
        found = all_contents(root)
        assert {data for data, _, _ in before.values()} | {picture(4), b" \n"} <= found
        for outcome in recover(
            root, prefer="continue" if at % 2 else "undo", now=NOW, system=system
        ):
            assert (outcome.is_finished, outcome.problems) == (True, ())
        last = operations(root)[-1]
        if last.id != first and last.state == "applied":
            assert set(files_of(root)) == {"a.png", "b.png", "c.png", "d.png", "b.txt", "d.txt"}
            undo(root, last.id, now=NOW, system=system)
        assert state_of(root) == before
        at += 1
    assert at > 20


@pytest.fixture
def improve(call: Callable[..., Any], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Give a function that runs the tool on the dataset."""

    def run(**arguments: Any) -> dict[str, Any]:
        environment = {"AITK_DATASETS_DIR": str(tmp_path / "sets"), "AITK_PARALLEL": "threads"}
        asked = {"dataset_path": "cats", **arguments}
        answer = call(Stage().backend(), "auto-improve-dataset", asked, environment=environment)
        return {**answer.data, "summary": answer.summary}

    return run


def test_the_tool_refuses_captions_and_makes_none_there_again(
    improve: Callable[..., dict[str, Any]], root: Path
) -> None:
    (root / "a.txt").write_bytes(b"edited")
    (root / "f.png").write_bytes(picture(5)[:40])
    planned = improve(refuse_captions=True)
    assert {one["action"]: one["count"] for one in planned["plan_actions"] if one["count"]} == {
        "refuse_captions": 2
    }
    assert [one["code"] for one in planned["plan"]["conflicts"]] == ["edited"]
    done = improve(refuse_captions=True, apply=True, plan_hash=planned["plan"]["hash"])
    assert done["apply_result"]["captions_refused"] == 2
    assert "placeholders" not in done["summary"]
    assert (root / "f.png").exists()
    later = improve(quarantine_corrupt=False)
    assert later["plan"]["action_count"] == 0
    assert any(note.startswith("2 captions made of file names refused") for note in later["notes"])
    assert improve(undo=done["apply_result"]["operation_id"])["undo_result"]["is_finished"]
    assert (root / "c.txt").read_bytes() == b"made for c"
