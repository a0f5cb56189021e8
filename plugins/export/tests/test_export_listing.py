"""list-exported-models on recorded jobs and real files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from support.exporting import RUNS, House, weights

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_models_are_listed_with_what_their_headers_and_runs_say(house: House) -> None:
    job = house.add(RUNS["ok_200_steps"])
    page = house.call("list-exported-models", sort="name")
    assert [each["name"] for each in page["models"]] == [
        "ok_200_steps.safetensors",
        "ok_200_steps_000000050.safetensors",
        "ok_200_steps_000000100.safetensors",
        "ok_200_steps_000000150.safetensors",
    ]
    first = page["models"][0]
    assert (first["kind"], first["run"], first["job_id"]) == ("final", "ok_200_steps", job)
    assert (first["rank"], first["epoch"]) == (8, 1)
    assert first["base_model"]
    assert first["modified"].endswith("Z")
    assert page["models"][1]["step"] == 50
    assert page["total"] == 4


def test_pitfall_125_one_bad_file_spoils_no_list_and_states_are_no_models(house: House) -> None:
    house.add(RUNS["ok_200_steps"])
    folder = house.outputs / "ok_200_steps"
    (folder / "dangling.safetensors").symlink_to(folder / "gone.safetensors")
    (folder / "optimizer.safetensors").write_bytes(weights())
    (folder / "cut.safetensors").write_bytes(weights()[:-1])
    page = house.call("list-exported-models", query="ok_200", sort="size", descending=False)
    names = [each["name"] for each in page["models"]]
    assert "optimizer.safetensors" not in names
    assert "dangling.safetensors" not in names
    problems = {each["name"]: each["problem"] for each in page["models"]}
    assert "1 bytes are missing" in problems["cut.safetensors"]
    assert "1 entries of outputs could not be read" in " ".join(page["notes"])


def test_lists_page_filter_and_sort(house: House) -> None:
    house.add(RUNS["ok_200_steps"])
    house.add(RUNS["overfit"])
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = house.call("list-exported-models", sort="step", limit=3, **cursor)
        seen += [each["name"] for each in page["models"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert len(seen) == len(set(seen)) == page["total"] == 7
    assert seen[0] == "overfit_000000400.safetensors"
    finals = house.call("list-exported-models", kind="final", sort="name")["models"]
    assert [each["name"] for each in finals] == ["ok_200_steps.safetensors", "overfit.safetensors"]
    assert house.call("list-exported-models", query="OVERFIT")["total"] == 3


def test_a_hash_is_computed_on_request_and_kept(house: House) -> None:
    data = weights()
    house.add(RUNS["ok_200_steps"], {"ok_200_steps.safetensors": data})
    before = house.call("list-exported-models")["models"][0]["sha256"]
    hashed = house.call("list-exported-models", with_hash=True)["models"][0]["sha256"]
    after = house.call("list-exported-models")["models"][0]["sha256"]
    assert (before, hashed, after) == (None, hashlib.sha256(data).hexdigest(), hashed)


def test_exported_copies_are_listed_with_what_their_metadata_says(house: House) -> None:
    job = house.add(RUNS["ok_200_steps"])
    house.call("export-model", job_id=job, copy_to="exports", name="a cat")
    (line,) = house.call("list-exported-models", where="exports")["models"]
    assert line["model_path"] == "exports:a cat.safetensors"
    assert (line["run"], line["job_id"]) == ("ok_200_steps", job)
    assert line["base_model"]


def test_without_visible_outputs_the_backend_lists_names_and_sizes(house: House) -> None:
    job = house.add(RUNS["ok_200_steps"])
    del house.settings["AITK_OUTPUTS_DIR"]
    page = house.call("list-exported-models", where="outputs", sort="name")
    assert len(page["models"]) == 4
    assert page["models"][0]["model_path"] == f"job:{job}/ok_200_steps.safetensors"
    assert page["models"][0]["where"] == "backend"
    assert "not visible" in page["notes"][0]


def test_a_metadata_file_that_leads_elsewhere_is_not_read(house: House) -> None:
    house.add(RUNS["ok_200_steps"])
    (house.folder / "secret.json").write_text('{"trigger_word": "s3cr3t"}', "utf-8")
    beside = house.outputs / "ok_200_steps" / "ok_200_steps.json"
    beside.symlink_to(house.folder / "secret.json")
    words = [each["trigger_word"] for each in house.call("list-exported-models")["models"]]
    assert "s3cr3t" not in words
