"""list-comfyui-models: by header and not by name, whatever the folders are like."""

from __future__ import annotations

import asyncio
import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from aitk_comfyui.folders.extra import read_extra
from aitk_comfyui.remote import ask_comfyui
from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend
from aitk_core.weights import index as index_module
from aitk_core.weights.facts import facts_of
from support.servers import served
from support.weight_files import lora_tensors, write_weights
from support.weight_layouts import recorded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aitk_core.records.results import ToolResult
    from aitk_core.weights.facts import FileFacts


@cache
def layouts() -> dict[str, Any]:
    return dict(recorded())


class House:
    """A folder of ComfyUI's models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = folder / "ComfyUI" / "models"
        self.models.mkdir(parents=True)
        self.settings = {
            "AITK_HOME": str(folder / "home"),
            "COMFYUI_MODEL_ROOTS": str(self.models),
            "AITK_PARALLEL": "threads",
        }

    def put(self, path: str, layout: str | None = None, metadata: Any = None) -> Path:
        tensors = lora_tensors() if layout is None else layouts()[layout].tensors
        return write_weights(self.models / path, tensors, metadata)

    def results(self, *calls: dict[str, Any]) -> list[ToolResult]:
        async def work() -> list[ToolResult]:
            source = SettingsSource(environment=self.settings)
            application = Application(source=source, backend=recorded_backend(()))
            async with application:
                session = Session(request_id="t", policy=application.policy)
                call = application.dispatcher.call
                return [await call("list-comfyui-models", each, session) for each in calls]

        return asyncio.run(work())

    def page(self, **arguments: Any) -> Any:
        return self.results(arguments)[0].data

    def names(self, **arguments: Any) -> list[str]:
        return [each["path"] for each in self.page(**arguments)["models"]]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_models_are_known_by_their_headers_whatever_they_are_called(house: House) -> None:
    house.put("diffusion_models/final_v2.safetensors", "flux1-dev")
    house.put("vae/sdxl.safetensors", "flux1-vae")
    house.put("text_encoders/a.safetensors", "t5-xxl-hf")
    house.put("loras/flux style.safetensors")
    found = {each["folder"]: each for each in house.page()["models"]}
    model = found["diffusion_models"]
    assert (model["kind"], model["model"]) == ("diffusion_model", "flux1")
    assert model["archs"] == ["flux", "flux_kontext"]
    assert model["why"]
    assert found["vae"]["kind"] == "vae"
    assert found["text_encoders"]["kind"] == "text_encoder"
    lora = found["loras"]
    assert (lora["kind"], lora["rank"], lora["algorithm"]) == ("lora", 16, "lora")
    assert "sd15" in (lora["model"], *lora["candidates"])
    assert all(each["warning"] is None for each in found.values())


def test_a_file_in_the_wrong_folder_is_told(house: House) -> None:
    house.put("checkpoints/a lora.safetensors")
    house.put("loras/a model.safetensors", "flux1-dev")
    warnings = {each["folder"]: each["warning"] for each in house.page()["models"]}
    assert warnings["checkpoints"] == "it lies in checkpoints, and its tensors are those of a lora"
    assert "those of a diffusion model" in warnings["loras"]


def test_trigger_words_come_from_the_metadata_and_are_not_guessed(house: House) -> None:
    tags = json.dumps({"10_cat": {"ohwx": 12, "sitting": 5}})
    house.put("loras/a.safetensors", metadata={"modelspec.trigger_phrase": "ohwx cat"})
    house.put("loras/b.safetensors", metadata={"ss_tag_frequency": tags})
    first, second = house.page()["models"]
    assert first["trigger_words"] == ["ohwx cat"]
    assert second["trigger_words"] == []
    assert second["frequent_tags"] == ["ohwx", "sitting"]


def test_a_trigger_word_that_the_file_beside_a_model_names_is_shown(house: House) -> None:
    for name, said in (
        ("ours", {"trigger_word": "lntrn"}),
        ("card", {"activation text": " ohwx cat "}),
        ("odd", ["lntrn"]),
        ("none", {"trigger_word": 7}),
    ):
        house.put(f"loras/{name}.safetensors").with_suffix(".json").write_text(json.dumps(said))
    (house.folder / "secret.json").write_text('{"trigger_word": "s3cr3t"}')
    linked = house.put("loras/linked.safetensors").with_suffix(".json")
    linked.symlink_to(house.folder / "secret.json")
    found = {each["name"]: each["trigger_words"] for each in house.page()["models"]}
    assert found == {
        "ours.safetensors": ["lntrn"],
        "card.safetensors": ["ohwx cat"],
        "odd.safetensors": [],
        "none.safetensors": [],
        "linked.safetensors": [],
    }


def test_the_query_is_a_part_of_name_or_path_in_any_case(house: House) -> None:
    for path in ("loras/Cats/a.safetensors", "loras/b.safetensors", "vae/cat.safetensors"):
        house.put(path)
    assert house.names(query="CAT") == ["loras/Cats/a.safetensors", "vae/cat.safetensors"]
    assert house.names(query="nothing") == []
    assert house.names(folder="vae") == ["vae/cat.safetensors"]


def test_pages_hold_every_model_once_and_say_how_many_there_are(house: House) -> None:
    for number in range(7):
        house.put(f"loras/{number}.safetensors")
    seen, cursor = [], None
    while True:
        page = house.page(limit=3, **({} if cursor is None else {"cursor": cursor}))
        assert page["total"] == 7
        seen += [each["path"] for each in page["models"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"loras/{number}.safetensors" for number in range(7)]
    assert page["by_folder"] == {"loras": 7}


def test_models_for_a_base_are_found_by_what_they_are(house: House) -> None:
    house.put("diffusion_models/x.safetensors", "flux1-dev")
    house.put("diffusion_models/flux-not.safetensors", "wan21-t2v-1.3b")
    assert house.names(base="flux") == ["diffusion_models/x.safetensors"]
    assert house.names(base="Wan 2.1") == ["diffusion_models/flux-not.safetensors"]
    assert house.names(base="sdxl") == []


def test_pitfall_91_headers_are_read_once_and_off_the_event_loop(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        house.put(f"loras/{number}.safetensors")
    read: list[str] = []

    def counted(path: Path) -> FileFacts:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        read.append(path.name)
        return facts_of(path)

    monkeypatch.setattr(index_module, "facts_of", counted)
    house.results({}, {"base": "sd15"}, {"query": "1"})
    house.page()
    assert sorted(read) == [f"{number}.safetensors" for number in range(5)]


def test_broken_files_and_pickles_are_listed_and_never_opened(house: House) -> None:
    house.put("loras/cut.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    pickled = house.models / "checkpoints" / "old.ckpt"
    pickled.parent.mkdir()
    pickled.write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    house.put("vae/good.safetensors", "sd-vae")
    problems = {each["name"]: each["problem"] for each in house.page()["models"]}
    assert "ends inside its header" in problems["cut.safetensors"]
    assert "never opened" in problems["old.ckpt"]
    assert problems["good.safetensors"] is None


def test_links_and_loops_are_safe(house: House) -> None:
    house.put("loras/a.safetensors")
    (house.models / "loras" / "loop").symlink_to(house.models)
    (house.models / "loras" / "gone.safetensors").symlink_to(house.models / "nowhere")
    secret = write_weights(house.folder / "secret" / "s.safetensors", lora_tensors())
    (house.models / "loras" / "out").symlink_to(secret.parent)
    page = house.page()
    assert [each["path"] for each in page["models"]] == ["loras/a.safetensors"]
    notes = " ".join(page["notes"])
    assert "1 entries of models could not be read" in notes
    assert "1 links of models lead to folders that are not configured" in notes


def test_a_root_that_is_itself_one_of_comfyuis_folders_is_known_as_that(house: House) -> None:
    house.put("loras/sub/a.safetensors")
    house.settings["COMFYUI_MODEL_ROOTS"] = str(house.models / "loras")
    (line,) = house.page()["models"]
    assert (line["folder"], line["path"]) == ("loras", "sub/a.safetensors")


def test_without_a_visible_root_the_answer_says_what_to_set(house: House) -> None:
    house.settings["COMFYUI_MODEL_ROOTS"] = str(house.folder / "nowhere")
    (result,) = house.results({})
    assert result.data is not None
    assert result.data["models"] == []
    assert "None of the folders in COMFYUI_MODEL_ROOTS is visible" in result.summary
    del house.settings["COMFYUI_MODEL_ROOTS"]
    (result,) = house.results({})
    assert "Set COMFYUI_MODEL_ROOTS" in result.summary


def test_hashes_are_computed_on_request_and_kept(house: House) -> None:
    house.put("loras/a.safetensors")
    before, hashed, after = house.results({}, {"with_hash": True}, {})
    digests = [(each.data or {})["models"][0]["sha256"] for each in (before, hashed, after)]
    assert digests[0] is None
    assert len(digests[1]) == 64
    assert digests[2] == digests[1]


def test_no_answer_shows_where_the_folders_are(house: House) -> None:
    house.put("loras/a.safetensors")
    (result,) = house.results({})
    assert str(house.folder) not in json.dumps(result.data) + result.summary


def test_names_that_are_no_text_are_survived(house: House) -> None:
    write_weights(house.models / "loras" / os.fsdecode(b"a\xff.safetensors"), lora_tensors())
    (result,) = house.results({})
    assert result.data is not None
    assert result.data["total"] == 1
    assert json.dumps(result.data).encode("utf-8")


# --- extra_model_paths.yaml ---


def test_extra_model_paths_are_looked_into(house: House) -> None:
    webui = house.folder / "webui"
    write_weights(webui / "models" / "Lora" / "a.safetensors", lora_tensors())
    write_weights(webui / "models" / "LyCORIS" / "b.safetensors", lora_tensors())
    write_weights(house.folder / "abs" / "c.safetensors", lora_tensors())
    (house.models.parent / "extra_model_paths.yaml").write_text(
        "a1111:\n"
        "  base_path: ../webui\n"
        "  is_default: true\n"
        "  loras: |\n    models/Lora\n    models/LyCORIS\n"
        "  configs: models/Lora\n"
        "  clip: models/none\n"
        f"other:\n  loras: {house.folder / 'abs'}\n"
        "empty:\n",
        "utf-8",
    )
    page = house.page()
    found = {(each["root"], each["folder"], each["path"]) for each in page["models"]}
    assert found == {
        ("a1111", "loras", "a.safetensors"),
        ("a1111", "loras", "b.safetensors"),
        ("other", "loras", "c.safetensors"),
    }
    assert "1 folders of extra_model_paths.yaml are not there." in page["notes"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2]", "is no list of folders"),
        ("- a", "has no sections"),
        ("a: {b: 3}", "is no folder"),
        ("a: &x [*x]", "is no list of folders"),
        ("a: !!python/object/apply:os.system ['true']", "cannot be read"),
        ("a: {b: [", "cannot be read"),
        ("\x00", "cannot be read"),
    ],
)
def test_a_broken_extra_file_is_a_note_and_no_error(house: House, text: str, said: str) -> None:
    house.put("loras/a.safetensors")
    (house.models.parent / "extra_model_paths.yaml").write_text(text, "utf-8")
    page = house.page()
    assert len(page["models"]) == 1
    assert said in " ".join(page["notes"])


def test_variables_of_the_environment_are_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_FOLDER", "/secret")
    path = tmp_path / "extra_model_paths.yaml"
    path.write_text("a:\n  base_path: $SECRET_FOLDER\n  loras: x\n", "utf-8")
    (folder,) = read_extra(path).folders
    assert folder.path == tmp_path / "$SECRET_FOLDER" / "x"


# --- a running ComfyUI ---

LISTED = {
    "loras": ["a.safetensors", "sub\\far.safetensors", "readme.txt"],
    "unet": ["far.gguf"],
    "custom_nodes": [],
}


def comfyui(listed: dict[str, list[str]]) -> Starlette:
    system = {"system": {"comfyui_version": "0.3.70"}}
    return Starlette(
        routes=[
            Route("/models", lambda _r: JSONResponse(list(listed))),
            Route("/models/{name}", lambda r: JSONResponse(listed[r.path_params["name"]])),
            Route("/system_stats", lambda _r: JSONResponse(system)),
        ]
    )


def test_a_running_comfyui_says_what_it_sees(house: House) -> None:
    house.put("loras/a.safetensors")
    house.put("loras/new.safetensors")

    async def work() -> Any:
        async with served(comfyui(LISTED)) as address:
            source = SettingsSource(environment={**house.settings, "COMFYUI_URL": address})
            application = Application(source=source, backend=recorded_backend(()))
            async with application:
                session = Session(request_id="t", policy=application.policy)
                return await application.dispatcher.call("list-comfyui-models", {}, session)

    result = asyncio.run(work())
    lines = {(each["root"], each["path"]): each["loadable"] for each in result.data["models"]}
    assert lines == {
        ("models", "loras/a.safetensors"): True,
        ("models", "loras/new.safetensors"): False,
        ("comfyui", "loras/sub/far.safetensors"): True,
        ("comfyui", "diffusion_models/far.gguf"): True,
    }
    assert result.data["comfyui_version"] == "0.3.70"


def refusing(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("no", 403)


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ([], "HTTP 404"),
        ([Route("/models", refusing)], "HTTP 403"),
        ([Route("/models", lambda _r: JSONResponse({"a": 1}))], "TypeError"),
        ([Route("/models", lambda _r: PlainTextResponse("<html>"))], "JSONDecodeError"),
    ],
)
def test_something_else_at_that_address_is_a_note(routes: Sequence[Route], said: str) -> None:
    transport = httpx.ASGITransport(app=Starlette(routes=list(routes)))
    seen = asyncio.run(ask_comfyui("http://comfy.test", transport=transport))
    assert seen.fault is not None
    assert said in seen.fault
    assert "comfy.test" not in seen.fault


def test_an_address_that_nobody_answers_costs_its_own_part_only(house: House) -> None:
    house.put("loras/a.safetensors")
    house.settings["COMFYUI_URL"] = "http://127.0.0.1:9"
    page = house.page()
    assert len(page["models"]) == 1
    assert page["models"][0]["loadable"] is None
    assert "does not answer" in " ".join(page["notes"])
