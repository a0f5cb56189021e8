"""export-model on recorded jobs and real files."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from aitk_core.errors import (
    BrokenWeightsError,
    ConflictError,
    FileMissingError,
    InvalidArgumentsError,
    NotFoundError,
    PathOutsideRootsError,
)
from support.exporting import RUNS, House, weights

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.errors import AitkError


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_pitfall_109_the_final_weights_are_taken_and_never_the_optimizer(house: House) -> None:
    job = house.add(RUNS["ok_200_steps"])
    answer = house.call("export-model", job_id=job)
    assert [each["name"] for each in answer["files"]] == ["ok_200_steps.safetensors"]
    assert (answer["checkpoint"]["asked"], answer["checkpoint"]["step"]) == ("default", 200)


def test_pitfall_109_without_final_weights_the_highest_step_is_taken(house: House) -> None:
    run = RUNS["stop_midway"]
    saves = {f"{run.name}_{step:09d}.safetensors": weights(step) for step in (500, 1000, 20)}
    job = house.add(run, saves | {"optimizer.pt": b"x"})
    answer = house.call("export-model", job_id=job)
    assert [each["name"] for each in answer["files"]] == [f"{run.name}_000001000.safetensors"]
    assert "no final weights" in answer["checkpoint"]["reason"]


def test_pitfall_109_a_format_that_is_not_there_is_refused_and_nothing_is_renamed(
    house: House,
) -> None:
    job = house.add(RUNS["ok_200_steps"])
    with pytest.raises(FileMissingError, match=r"left no \.ckpt file, and none is made"):
        house.call("export-model", job_id=job, format="ckpt")
    with pytest.raises(InvalidArgumentsError):
        house.call("export-model", job_id=job, format="exe")


@pytest.mark.parametrize(
    ("asked", "name", "step"),
    [
        ("final", "ok_200_steps.safetensors", 200),
        ("latest", "ok_200_steps.safetensors", 200),
        (100, "ok_200_steps_000000100.safetensors", 100),
        ("50", "ok_200_steps_000000050.safetensors", 50),
    ],
)
def test_a_checkpoint_is_found_by_word_or_step(
    house: House, asked: str | int, name: str, step: int
) -> None:
    job = house.add(RUNS["ok_200_steps"])
    answer = house.call("export-model", job_id=job, checkpoint=asked)
    assert answer["files"][0]["name"] == name
    assert answer["checkpoint"]["step"] == step


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        (300, FileMissingError, "no save of step 300"),
        ("newest", InvalidArgumentsError, "none of final, latest, best"),
        ("-1", InvalidArgumentsError, "no step"),
    ],
)
def test_a_checkpoint_that_is_none_is_refused_with_what_there_is(
    house: House, asked: str | int, error: type[AitkError], said: str
) -> None:
    job = house.add(RUNS["ok_200_steps"])
    with pytest.raises(error, match=said) as refusal:
        house.call("export-model", job_id=job, checkpoint=asked)
    assert refusal.value.remedy


def test_final_weights_of_an_earlier_run_are_said_to_be_that(house: House) -> None:
    run = RUNS["stop_midway"]
    names = (f"{run.name}.safetensors", f"{run.name}_000000040.safetensors")
    job = house.add(run, {name: weights() for name in names})
    answers = house.results(
        [
            ("export-model", {"job_id": job, "checkpoint": "final"}),
            ("export-model", {"job_id": job, "checkpoint": "latest"}),
        ]
    )
    final, latest = (each.data or {} for each in answers)
    assert "earlier run" in final["checkpoint"]["reason"]
    assert final["checkpoint"]["step"] is None
    assert latest["checkpoint"]["step"] == 40


def test_a_run_without_weights_says_when_there_will_be_some(house: House) -> None:
    job = house.add(RUNS["fail_missing_dataset"], {"optimizer.pt": b"x"})
    with pytest.raises(FileMissingError, match="no weights yet"):
        house.call("export-model", job_id=job)


def test_the_best_checkpoint_of_a_run_that_overfits_is_the_one_of_the_lowest_validation_loss(
    house: House,
) -> None:
    job = house.add(RUNS["overfit"])
    answer = house.call("export-model", job_id=job, checkpoint="best")
    choice = answer["checkpoint"]
    losses = {each["step"]: each["loss"] for each in choice["judged"]}
    assert set(losses) == {200, 400, 420}
    assert choice["step"] == min(losses, key=lambda step: losses[step])
    assert choice["step"] in choice["as_good"]
    assert choice["n"] == 42
    assert choice["interval"][0] < choice["estimate"] < choice["interval"][1]
    assert choice["method"] == "checkpoint_val_v1"
    assert choice["false_alarm_rate"]["rate"] == 0.01


def test_without_validation_the_evidence_chooses_nothing_and_samples_are_offered(
    house: House,
) -> None:
    job = house.add(RUNS["ok_200_steps"])
    (result,) = house.results([("export-model", {"job_id": job, "checkpoint": "best"})])
    assert result.data is not None
    assert result.data["files"] == []
    assert result.data["checkpoint"]["decided"] is False
    assert "Training loss never chooses" in result.summary
    assert [getattr(block, "uri", "") for block in result.blocks] == [f"aitk://runs/{job}/samples"]


def test_both_halves_of_a_two_expert_model_are_exported(house: House) -> None:
    run = RUNS["ok_200_steps"]
    halves = [f"{run.name}_000000100_{half}_noise.safetensors" for half in ("high", "low")]
    job = house.add(run, {name: weights() for name in halves})
    answer = house.call("export-model", job_id=job, checkpoint=100, copy_to="exports", name="wan")
    assert [each["name"] for each in answer["files"]] == halves
    assert [each["copy"]["model_path"] for each in answer["files"]] == [
        "exports:wan_high_noise.safetensors",
        "exports:wan_low_noise.safetensors",
    ]


def test_a_sound_file_is_described_by_what_is_in_it(house: House) -> None:
    data = weights(199)
    job = house.add(RUNS["ok_200_steps"], {"ok_200_steps.safetensors": data})
    (file,) = house.call("export-model", job_id=job)["files"]
    assert file["check"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert (file["check"]["verdict"], file["check"]["nonfinite"]) == ("sound", 0)
    assert (file["rank"], file["alpha"], file["tensors"]) == (8, 4.0, 3)
    assert (file["step_in_header"], file["size_bytes"]) == (199, len(data))
    assert file["model_path"] == "ok_200_steps/ok_200_steps.safetensors"


def test_nan_in_the_weights_is_told_and_never_copied(house: House) -> None:
    data = weights(value=float("nan"))
    job = house.add(RUNS["nan_loss"], {"nan_loss_000000040.safetensors": data})
    (file,) = house.call("export-model", job_id=job)["files"]
    assert file["check"]["verdict"] == "damaged"
    assert file["check"]["nonfinite"] == 8 * 16
    assert file["check"]["nonfinite_examples"] == ["lora_unet_a.lora_down.weight"]
    with pytest.raises(BrokenWeightsError, match="was not copied"):
        house.call("export-model", job_id=job, copy_to="exports")
    assert house.names() == []


def test_a_lora_that_never_learned_is_said_to_change_nothing(house: House) -> None:
    job = house.add(RUNS["ok_200_steps"], {"ok_200_steps.safetensors": weights(up=0.0)})
    answer = house.call("export-model", job_id=job)
    assert answer["files"][0]["check"]["verdict"] == "no_effect"
    assert "changes no picture" in " ".join(answer["notes"])


def test_a_file_that_is_still_being_written_is_refused_with_a_remedy(house: House) -> None:
    job = house.add(RUNS["ok_200_steps"], {"ok_200_steps.safetensors": weights()[:-3]})
    with pytest.raises(BrokenWeightsError, match="3 bytes are missing") as refusal:
        house.call("export-model", job_id=job, copy_to="exports")
    assert "moment later" in refusal.value.remedy
    assert house.names() == []


def test_header_only_reads_no_values(house: House) -> None:
    data = weights(value=float("nan"))
    job = house.add(RUNS["ok_200_steps"], {"ok_200_steps.safetensors": data})
    (file,) = house.call("export-model", job_id=job, verify="header")["files"]
    assert file["check"]["verdict"] == "header_only"
    assert file["check"]["sha256"] is None
    assert file["check"]["nonfinite"] is None


def test_a_copy_has_its_metadata_beside_it(house: House) -> None:
    data = weights(199)
    job = house.add(RUNS["ok_200_steps"], {"ok_200_steps.safetensors": data})
    answer = house.call(
        "export-model", job_id=job, copy_to="comfyui", subfolder="mine/cats", name="my cat"
    )
    copy = answer["files"][0]["copy"]
    assert copy == {
        "model_path": "models:loras/mine/cats/my cat.safetensors",
        "sidecar": "models:loras/mine/cats/my cat.json",
        "already_there": False,
    }
    folder = house.comfy / "loras" / "mine" / "cats"
    assert (folder / "my cat.safetensors").read_bytes() == data
    said = json.loads((folder / "my cat.json").read_text("utf-8"))
    assert said["file"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert said["run"]["job_id"] == job
    assert said["run"]["name"] == "ok_200_steps"
    assert said["config"]["config"]["name"] == "ok_200_steps"
    assert said["base_model"]
    assert said["datasets"][0]["method"] == "names_sizes_captions_v1"
    assert said["datasets"][0]["sha256"] is None
    assert "not seen" in said["datasets"][0]["note"]
    assert "grade" in said["score"]


def test_a_second_copy_of_the_same_is_no_second_file(house: House) -> None:
    job = house.add(RUNS["ok_200_steps"])
    wanted = ("export-model", {"job_id": job, "copy_to": "exports"})
    first, second = house.results([wanted, wanted])
    assert first.data is not None
    assert second.data is not None
    assert first.data["files"][0]["copy"]["already_there"] is False
    assert second.data["files"][0]["copy"]["already_there"] is True
    assert house.names() == [
        "home/exports/ok_200_steps.json",
        "home/exports/ok_200_steps.safetensors",
    ]


@pytest.mark.parametrize("there", ["a.safetensors", "a.json"])
def test_nothing_is_ever_replaced(house: House, there: str) -> None:
    job = house.add(RUNS["ok_200_steps"])
    path = house.comfy / "loras" / there
    path.write_bytes(b"somebody else's")
    with pytest.raises(ConflictError, match="there") as refusal:
        house.call("export-model", job_id=job, copy_to="comfyui", name="a")
    assert "another name" in refusal.value.remedy
    assert house.names() == [f"comfy/loras/{there}"]
    assert path.read_bytes() == b"somebody else's"


@pytest.mark.parametrize(
    "bad",
    [
        {"subfolder": "../../x"},
        {"subfolder": ".."},
        {"subfolder": "/etc"},
        {"name": "../x"},
        {"name": ".hidden"},
        {"name": "a/b"},
        {"name": "a\x00b"},
        {"name": "CON:x"},
        {"name": "  "},
    ],
)
def test_a_copy_stays_in_its_folder(house: House, bad: dict[str, str]) -> None:
    job = house.add(RUNS["ok_200_steps"])
    if bad.get("subfolder") == "/etc":
        answer = house.call("export-model", job_id=job, copy_to="exports", **bad)
        assert answer["files"][0]["copy"]["model_path"].startswith("exports:etc/")
        return
    with pytest.raises((InvalidArgumentsError, PathOutsideRootsError)):
        house.call("export-model", job_id=job, copy_to="exports", **bad)
    assert house.names() == []


def test_a_linked_folder_that_leads_out_is_refused(house: House) -> None:
    job = house.add(RUNS["ok_200_steps"])
    outside = house.folder / "outside"
    outside.mkdir()
    (house.comfy / "loras" / "away").symlink_to(outside)
    with pytest.raises(PathOutsideRootsError):
        house.call("export-model", job_id=job, copy_to="comfyui", subfolder="away")
    assert list(outside.iterdir()) == []


def test_without_a_comfyui_folder_the_setting_is_named(house: House) -> None:
    job = house.add(RUNS["ok_200_steps"])
    del house.settings["COMFYUI_MODEL_ROOTS"]
    with pytest.raises(NotFoundError) as refusal:
        house.call("export-model", job_id=job, copy_to="comfyui")
    assert "COMFYUI_MODEL_ROOTS" in refusal.value.remedy


def test_secrets_of_the_settings_do_not_reach_the_metadata_file(house: House) -> None:
    house.settings["AI_TOOLKIT_AUTH"] = "s3cr3t-t0ken"
    run = RUNS["ok_200_steps"]
    config = json.loads(json.dumps(run.row["job_config"]).replace("a photo", "s3cr3t-t0ken"))
    loaded = json.loads(config) if isinstance(config, str) else dict(config)
    loaded["config"]["process"][0]["note"] = "s3cr3t-t0ken"
    job = house.add(evolve(run, row={**run.row, "job_config": json.dumps(loaded)}))
    house.call("export-model", job_id=job, copy_to="exports")
    text = (house.folder / "home" / "exports" / "ok_200_steps.json").read_text("utf-8")
    assert "s3cr3t" not in text
