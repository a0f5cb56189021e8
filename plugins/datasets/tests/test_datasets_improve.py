"""auto-improve-dataset: it plans, does what was planned, and takes it back."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.errors import AitkError, ConflictError, NotFoundError, TooLargeError
from aitk_core.testing.recorded import recorded_runs
from aitk_core.testing.replay import Stage
from aitk_datasets.repair.choose import caption_from
from support.samplepictures import encoded, picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give twelve captioned pictures, of which some are spoiled."""
    made = tmp_path / "sets" / "cats"
    made.mkdir(parents=True)
    for number in range(12):
        (made / f"{number:02d}.jpg").write_bytes(encoded(picture(number)))
        (made / f"{number:02d}.txt").write_text(f"a thing of kind {number}", encoding="utf-8")
    (made / "03.jpg").write_bytes(encoded(picture(3))[:3000])
    (made / "05.txt").unlink()
    (made / "06.txt").write_bytes(b" \n")
    shutil.copyfile(made / "07.jpg", made / "Red_Cat_07.jpg")
    return made


@pytest.fixture
def improve(call: Callable[..., Any], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Give a function that runs the tool on the folder."""

    def run(**arguments: Any) -> dict[str, Any]:
        environment = {"AITK_DATASETS_DIR": str(tmp_path / "sets"), "AITK_PARALLEL": "threads"}
        asked = {"dataset_path": "cats", **arguments}
        data: dict[str, Any] = call(
            Stage().backend(), "auto-improve-dataset", asked, environment=environment
        ).data
        return data

    return run


def state_of(folder: Path) -> dict[str, tuple[str, int]]:
    """Give digest and time of every file that the trainer could see."""
    return {
        str(file.relative_to(folder)): (
            hashlib.sha256(file.read_bytes()).hexdigest(),
            file.stat().st_mtime_ns,
        )
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".aitk" not in file.parts
    }


def planned(data: dict[str, Any]) -> dict[str, int]:
    return {one["action"]: one["count"] for one in data["plan_actions"] if one["count"]}


def test_it_only_plans_unless_it_is_asked_to_apply(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    before = state_of(folder)
    data = improve(quarantine_duplicates=True)
    assert (data["applied"], data["apply_result"]) == (False, {"skipped": True})
    assert planned(data) == {
        "create_missing_captions": 1,
        "fill_empty_captions": 1,
        "quarantine_duplicates": 1,
        "quarantine_corrupt": 1,
    }
    assert data["inspection"]["corrupt_files"] == ["03.jpg"]
    assert data["inspection"]["duplicate_files"] == ["Red_Cat_07.jpg"]
    assert state_of(folder) == before
    assert not (folder / ".aitk").exists()


def test_what_was_applied_is_taken_back_to_the_byte_and_the_time(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    before = state_of(folder)
    plan = improve(quarantine_duplicates=True)["plan"]
    done = improve(quarantine_duplicates=True, apply=True, plan_hash=plan["hash"])
    result = done["apply_result"]
    assert (result["captions_created"], result["empty_captions_filled"]) == (1, 1)
    assert (result["duplicates_quarantined"], result["corrupt_quarantined"]) == (1, 1)
    assert {one["type"] for one in result["moved_files"]} == {
        "duplicate_image",
        "corrupt_image",
        "corrupt_caption",
    }
    assert done["analysis_after"]["corrupt_image_count"] == 0
    assert not (folder / "03.jpg").exists()
    # A caption made of a file's name is no coverage.
    assert done["analysis_after"]["caption_coverage_pct"] < 100
    back = improve(undo=result["operation_id"])
    assert (back["undo_result"]["is_finished"], back["undo_result"]["problems"]) == (True, [])
    assert state_of(folder) == before


def test_a_second_apply_changes_nothing(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    improve(apply=True)
    after = state_of(folder)
    again = improve(apply=True)
    assert planned(again) == {}
    assert state_of(folder) == after


def test_a_plan_that_is_no_longer_the_one_looked_at_is_refused(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    plan = improve()["plan"]
    (folder / "08.txt").unlink()
    before = state_of(folder)
    with pytest.raises(ConflictError, match="not the one that was looked at"):
        improve(apply=True, plan_hash=plan["hash"])
    assert state_of(folder) == before


def test_copies_that_only_look_alike_stay_unless_near_ones_may_go(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    (folder / "small.jpg").write_bytes(encoded(picture(9), quality=40))
    assert planned(improve(quarantine_duplicates=True))["quarantine_duplicates"] == 1
    near = improve(quarantine_duplicates=True, near_duplicates=True)
    assert planned(near)["quarantine_duplicates"] == 2
    assert "small.jpg" in near["inspection"]["duplicate_files"]


def test_rotation_is_baked_in_only_where_asked(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    (folder / "08.jpg").write_bytes(encoded(picture(8), exif=exif))
    assert "rewrite_images" not in planned(improve())
    done = improve(apply_rotation=True, apply=True)
    assert planned(done)["rewrite_images"] == 1
    with Image.open(folder / "08.jpg") as image:
        assert (image.size, image.getexif().get(0x0112, 1)) == ((270, 360), 1)


def test_a_persons_caption_is_never_changed(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    own = {name: digest for name, digest in state_of(folder).items() if name.endswith(".txt")}
    improve(apply=True, quarantine_duplicates=True, reencode_captions=True, trigger_word="ohwx")
    now = state_of(folder)
    kept = {name: found for name, found in own.items() if name not in ("03.txt", "06.txt")}
    assert {name: now[name] for name in kept} == kept
    assert (folder / "06.txt").read_text(encoding="utf-8").startswith("ohwx, ")


def test_pitfall_131_two_applies_at_once_are_kept_apart(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    from aitk_datasets.repair.lock import locked
    from aitk_datasets.repair.stage import make_own_folders
    from aitk_datasets.repair.system import REAL
    from aitk_datasets.repair.tree import Tree

    before = state_of(folder)
    with Tree(folder, REAL) as tree:
        make_own_folders(tree)
        with locked(tree), pytest.raises(ConflictError):
            improve(apply=True)
    assert state_of(folder) == before


def test_a_part_of_a_folder_is_no_ground_for_moving_files(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    for number in range(100, 200):
        (folder / f"{number}.jpg").write_bytes(encoded(picture(number, (64, 48))))
    with pytest.raises(TooLargeError, match="pictures are more than 100"):
        improve(max_dataset_files=100)


@pytest.mark.usefixtures("folder")
def test_an_operation_that_never_was_cannot_be_taken_back(
    improve: Callable[..., dict[str, Any]],
) -> None:
    with pytest.raises(NotFoundError):
        improve(undo="20261123T000000Z-00000000")


@pytest.mark.parametrize("operation", ["../../etc", "a/b", "x" * 200, "..", "\x00"])
@pytest.mark.usefixtures("folder")
def test_a_hostile_operation_id_finds_nothing(
    improve: Callable[..., dict[str, Any]], operation: str
) -> None:
    with pytest.raises(AitkError) as raised:
        improve(undo=operation)
    assert raised.value.code in ("NOT_FOUND", "INVALID_ARGUMENTS")


def test_a_job_that_uses_the_folder_holds_the_repair_off(
    call: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    from attrs import evolve

    run = recorded_runs()["ok_with_validation"]
    config = {
        "config": {"name": "n", "process": [{"datasets": [{"folder_path": "/x/cats"}]}]},
        "job": "extension",
    }
    row = {**run.row, "status": "running", "job_config": config, "name": "evening run"}
    stage = Stage()
    stage.show(evolve(run, row=row))
    environment = {"AITK_DATASETS_DIR": str(tmp_path / "sets"), "AITK_PARALLEL": "threads"}
    asked = {"dataset_path": "cats", "apply": True}
    before = state_of(folder)
    with pytest.raises(ConflictError, match="evening run"):
        call(stage.backend(), "auto-improve-dataset", asked, environment=environment)
    assert state_of(folder) == before


def test_a_quarantine_is_emptied_only_with_the_hash_of_what_was_shown(
    improve: Callable[..., dict[str, Any]], folder: Path
) -> None:
    done = improve(apply=True, quarantine_duplicates=True)
    operation = done["apply_result"]["operation_id"]
    held = {path: path.read_bytes() for path in folder.glob(".aitk/quarantine/**/*.*")}
    foreign = folder / ".aitk" / "quarantine" / operation / "notes.md"
    foreign.write_bytes(b"mine")
    standing = state_of(folder)
    shown = improve(empty_quarantine=operation)
    found = shown["quarantine_result"]
    assert (found["deleted"], found["can_be_undone"], shown["applied"]) == (None, True, False)
    assert (found["file_count"], found["bytes"]) == (4, sum(len(data) for data in held.values()))
    assert {one["was"] for one in found["files"]} == {
        "03.jpg",
        "03.txt",
        "06.txt",
        "Red_Cat_07.jpg",
    }
    assert [name.rpartition("/")[2] for name in found["foreign"]] == ["notes.md"]
    for wrong in ({}, {"plan_hash": "0" * 64}, {"plan_hash": found["hash"], "undo": operation}):
        with pytest.raises(AitkError):
            improve(empty_quarantine=operation, apply=True, **wrong)
    assert all(path.read_bytes() == data for path, data in held.items())
    emptied = improve(empty_quarantine=operation, apply=True, plan_hash=found["hash"])
    result = emptied["quarantine_result"]
    assert (result["deleted"], result["can_be_undone"], emptied["applied"]) == (4, False, True)
    assert (state_of(folder), foreign.read_bytes()) == (standing, b"mine")
    assert not any(path.exists() for path in held)
    assert emptied["operations"][-1]["quarantined_bytes"] == 0
    with pytest.raises(ConflictError, match="cannot be undone any more"):
        improve(undo=operation)


@given(st.text(max_size=60), st.none() | st.just("ohwx"))
def test_a_caption_from_a_name_is_text_that_can_be_written(name: str, trigger: str | None) -> None:
    text = caption_from(name + ".jpg", trigger)
    assert text.encode().decode() == text
    assert text.strip()
    assert "\n" not in text
    assert trigger is None or text.startswith("ohwx, ")


def test_pitfall_102_names_of_any_script_give_words() -> None:
    assert caption_from("IMG_2041_Rotes-Haus (2).jpg") == "rotes haus"
    assert caption_from("赤い家.png") == "赤い家"
    assert caption_from("0001.png", "ohwx") == "ohwx, training image"
