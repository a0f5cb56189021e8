"""download-model on recorded jobs and real files."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from aitk_core.errors import (
    FileMissingError,
    InvalidArgumentsError,
    PathOutsideRootsError,
    TooLargeError,
)
from support.exporting import RUNS, House, weights

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_small_model_comes_whole_with_its_checksum_and_metadata(house: House) -> None:
    data = weights(7)
    house.add(RUNS["ok_200_steps"], {"ok_200_steps.safetensors": data})
    folder = house.outputs / "ok_200_steps"
    (folder / "config.yaml").write_text("config:\n  name: ok_200_steps\n", "utf-8")
    answer = house.call("download-model", model_path="ok_200_steps/ok_200_steps.safetensors")
    assert base64.b64decode(answer["content"]) == data
    assert (answer["filename"], answer["size"]) == ("ok_200_steps.safetensors", len(data))
    assert answer["sha256"] == hashlib.sha256(data).hexdigest()
    assert answer["next_offset"] is None
    assert answer["metadata_source"] == "header"
    assert answer["metadata"]["ss_output_name"] == "x"
    assert answer["training_config"] == {"config": {"name": "ok_200_steps"}}


@pytest.mark.parametrize(
    ("files", "source"),
    [
        (["a.json"], "a.json"),
        (["a.metadata.json"], "a.metadata.json"),
        (["a.json", "a.metadata.json"], "a.json"),
    ],
)
def test_metadata_is_looked_for_in_the_order_of_the_contract(
    house: House, files: list[str], source: str
) -> None:
    folder = house.outputs / "r"
    folder.mkdir(parents=True)
    (folder / "a.safetensors").write_bytes(weights())
    for name in files:
        (folder / name).write_text(json.dumps({"from": name}), "utf-8")
    answer = house.call("download-model", model_path="r/a.safetensors")
    assert answer["metadata_source"] == source
    assert answer["metadata"] == {"from": source}
    bare = house.call("download-model", model_path="r/a.safetensors", include_metadata=False)
    assert "metadata" not in bare


def test_pitfall_89_a_large_model_comes_by_reference_or_in_pieces(house: House) -> None:
    house.settings["AITK_DOWNLOAD_INLINE_BYTES"] = "300"
    data = weights()
    path = house.outputs / "r" / "a b.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    asked = {"model_path": "r/a b.safetensors"}
    whole = house.call("download-model", **asked)
    assert whole["content"] is None
    assert whole["download"]["http_path"] == "/models/r/a%20b.safetensors"
    assert whole["sha256"] == hashlib.sha256(data).hexdigest()
    pieces = b""
    offset: int | None = 0
    while offset is not None:
        piece = house.call("download-model", **asked, offset=offset, include_metadata=False)
        pieces += base64.b64decode(piece["content"])
        assert piece["length"] <= 300
        offset = piece["next_offset"]
    assert pieces == data
    with pytest.raises(TooLargeError, match="300 bytes"):
        house.call("download-model", **asked, max_bytes=301)
    with pytest.raises(InvalidArgumentsError, match="beyond the end"):
        house.call("download-model", **asked, offset=len(data) + 1)


@pytest.mark.parametrize(
    "path",
    [
        "../secret.safetensors",
        "r/../../secret.safetensors",
        "/etc/passwd.safetensors",
        "linked.safetensors",
        "exports:../secret.safetensors",
        "models:../secret.safetensors",
    ],
)
def test_pitfall_52_a_download_stays_below_its_folder(house: House, path: str) -> None:
    (house.folder / "secret.safetensors").write_bytes(weights())
    house.outputs.mkdir()
    (house.outputs / "linked.safetensors").symlink_to(house.folder / "secret.safetensors")
    with pytest.raises(PathOutsideRootsError) as refusal:
        house.call("download-model", model_path=path)
    assert str(house.folder) not in json.dumps(refusal.value.to_json())


@pytest.mark.parametrize(
    "path", ["r/config.yaml", "secret.txt", "r/.job_config.json", "optimizer.pt"]
)
def test_pitfall_52_only_models_are_handed_out(house: House, path: str) -> None:
    (house.outputs / "r").mkdir(parents=True)
    with pytest.raises(InvalidArgumentsError, match="no model"):
        house.call("download-model", model_path=path)


def test_pitfall_110_what_tools_answer_is_a_name_and_no_path_of_the_server(house: House) -> None:
    job = house.add(RUNS["ok_200_steps"])
    answers = house.results(
        [
            ("export-model", {"job_id": job, "copy_to": "exports"}),
            ("list-exported-models", {}),
            ("download-model", {"model_path": "ok_200_steps/ok_200_steps.safetensors"}),
        ]
    )
    for answer in answers:
        assert str(house.folder) not in json.dumps(answer.data)
        assert str(house.folder) not in answer.summary


def test_a_model_of_a_job_is_taken_by_its_listed_name_only(house: House) -> None:
    job = house.add(RUNS["ok_200_steps"])
    answer = house.call("download-model", model_path=f"job:{job}/ok_200_steps.safetensors")
    assert answer["size"] == len(weights())
    assert answer["training_config"]["config"]["name"] == "ok_200_steps"
    for name in ("../ok_200_steps/ok_200_steps.safetensors", "other.safetensors"):
        with pytest.raises(FileMissingError, match="has no file"):
            house.call("download-model", model_path=f"job:{job}/{name}")
