"""export-model, list-exported-models, download-model on recorded jobs and real files."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from attrs import evolve
from safetensors.numpy import save

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.errors import (
    BrokenWeightsError,
    ConflictError,
    FileMissingError,
    InvalidArgumentsError,
    NotFoundError,
    PathOutsideRootsError,
    TooLargeError,
)
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend, recorded_runs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from aitk_core.errors import (
        AitkError,
    )
    from aitk_core.proving.recorded import Recording
    from aitk_core.records.results import ToolResult

RUNS: Final = recorded_runs()
TRAINING: Final = "/toolkit/output"


def weights(step: int = 0, *, value: float = 0.5, rank: int = 8, up: float = 0.25) -> bytes:
    arrays = {
        "lora_unet_a.alpha": np.array(4, dtype=np.float16),
        "lora_unet_a.lora_down.weight": np.full((rank, 16), value, dtype=np.float16),
        "lora_unet_a.lora_up.weight": np.full((16, rank), up, dtype=np.float16),
    }
    info = json.dumps({"step": step, "epoch": 1})
    return save(arrays, metadata={"training_info": info, "ss_output_name": "x"})


class House:
    """Folders of one machine, and the jobs of a recorded backend whose files are there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outputs = folder / "output"
        self.comfy = folder / "comfy"
        (self.comfy / "loras").mkdir(parents=True)
        self.runs: list[Recording] = []
        self.settings = {
            "AITK_HOME": str(folder / "home"),
            "AITK_OUTPUTS_DIR": str(self.outputs),
            "COMFYUI_MODEL_ROOTS": str(self.comfy),
            "AITK_PARALLEL": "threads",
        }

    def add(self, run: Recording, files: dict[str, bytes] | None = None) -> str:
        """Put a run's files there, those of the recording by default, and return its id."""
        names = [Path(str(each["path"])).name for each in run.files]
        contents = {name: weights() for name in names} if files is None else files
        listed: list[Mapping[str, Any]] = []
        for name, data in contents.items():
            path = self.outputs / run.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            listed.append({"path": f"{TRAINING}/{run.name}/{name}", "size": len(data)})
        self.runs.append(evolve(run, files=listed))
        return run.job_id

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Callable[..., Any]]:
        source = SettingsSource(environment=self.settings)
        application = Application(source=source, backend=recorded_backend(self.runs))
        async with application:

            async def call(tool: str, **arguments: Any) -> ToolResult:
                session = Session(request_id="t", policy=application.policy)
                return await application.dispatcher.call(tool, arguments, session)

            yield call

    def call(self, tool_: str, **arguments: Any) -> Any:
        return self.results([(tool_, arguments)])[0].data

    def results(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[ToolResult]:
        async def work() -> list[ToolResult]:
            async with self.open() as call:
                return [await call(tool, **arguments) for tool, arguments in calls]

        return asyncio.run(work())

    def names(self) -> list[str]:
        return sorted(
            path.relative_to(self.folder).as_posix()
            for root in ("comfy", "home/exports")
            for path in (self.folder / root).rglob("*")
            if path.is_file()
        )


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


# --- export-model: which checkpoint ---


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


# --- export-model: checks ---


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


# --- export-model: copies ---


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


# --- list-exported-models ---


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


# --- download-model ---


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
