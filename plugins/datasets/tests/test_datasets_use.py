"""A config is read as the trainer reads it, and never breaks the reader."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.evidence.dataset import DatasetUse
from aitk_core.testing.recorded import recorded_runs
from aitk_datasets.folder.architectures import architectures, trainer_arch
from aitk_datasets.folder.use import folder_of, uses_of

FOLDER = "/toolkit/datasets/shapes"
OFFERED = [
    "ace_step_15",
    "ace_step_15_xl",
    "anima",
    "boogu_image",
    "boogu_image_edit",
    "chroma",
    "ernie_image",
    "flex1",
    "flex2",
    "flux",
    "flux_kontext",
    "flux2",
    "flux2_klein_4b",
    "flux2_klein_9b",
    "hidream",
    "hidream_e1",
    "hidream_o1",
    "ideogram4",
    "krea2",
    "krea2:o_edit",
    "krea2:turbo",
    "krea2:o_edit_turbo",
    "ltx2",
    "ltx2.3",
    "ltx2.5",
    "lumina2",
    "mageflow",
    "mageflow_edit",
    "minimax_h3",
    "minimax_h3_ref2va",
    "nucleus_image",
    "omnigen2",
    "prx_pixel",
    "qwen_image",
    "qwen_image:2512",
    "qwen_image_edit",
    "qwen_image_edit_plus",
    "qwen_image_edit_plus:2511",
    "sd15",
    "sdxl",
    "wan21:1b",
    "wan21:14b",
    "wan21_i2v:14b480p",
    "wan21_i2v:14b",
    "wan22_14b:t2v",
    "wan22_14b_i2v",
    "wan22_5b",
    "zimage",
    "zimage:deturbo",
    "zimage_l2p",
    "zimage:turbo",
    "zeta_chroma",
]
"""What the form of AI Toolkit 0.12.26 offers."""


def config(*datasets: Any, **process: Any) -> dict[str, Any]:
    return {
        "job": "extension",
        "config": {"name": "run", "process": [{"datasets": list(datasets)} | process]},
    }


def use_of(entry: dict[str, Any], **process: Any) -> DatasetUse:
    (found,) = uses_of(config({"folder_path": FOLDER} | entry, **process), FOLDER)
    return found.use


def test_an_entry_that_names_the_folder_alone_has_the_trainers_defaults() -> None:
    assert use_of({}) == DatasetUse(
        resolutions=(512,),
        divisibility=16,
        steps=1000,
        arch="sd1",
        text_limit=77,
        text_encoder="clip",
        job="run",
    )


def test_every_key_is_read() -> None:
    use = use_of(
        {
            "resolution": [512, 1024],
            "caption_ext": "caption",
            "num_repeats": 2,
            "flip_x": True,
            "flip_y": True,
            "random_crop": True,
            "square_crop": True,
            "scale": 0.5,
            "is_reg": True,
            "num_frames": 41,
            "default_caption": "a shape",
            "caption_dropout_rate": 0.05,
        },
        train={"batch_size": 3, "gradient_accumulation": 2, "steps": 500},
        model={"arch": "wan21:14b"},
        trigger_word="p3rs0n",
    )
    assert use == DatasetUse(
        resolutions=(512, 1024),
        divisibility=16,
        batch_size=3,
        gradient_accumulation=2,
        steps=500,
        num_repeats=2,
        flip_x=True,
        flip_y=True,
        random_crop=True,
        square_crop=True,
        scale=0.5,
        is_regularisation=True,
        num_frames=41,
        trigger_word="p3rs0n",
        caption_ext=".caption",
        default_caption="a shape",
        caption_dropout_rate=0.05,
        arch="wan21",
        text_limit=512,
        text_encoder="t5",
        job="run",
    )


def test_the_datasets_own_batch_size_and_trigger_win() -> None:
    train = {"batch_size": 3}
    assert use_of({"batch_size": 5}, train=train).batch_size == 5
    assert use_of({"batch_size": None}, train=train).batch_size == 3
    assert use_of({"trigger_word": "own"}, trigger_word="all").trigger_word == "own"
    assert use_of({"trigger_word": None}, trigger_word="all").trigger_word == "all"
    # An empty word is a word to the trainer, so the process's is not taken.
    assert use_of({"trigger_word": ""}, trigger_word="all").trigger_word is None


def test_one_record_for_each_entry_that_names_the_folder() -> None:
    found = uses_of(
        config(
            {"folder_path": "/elsewhere"},
            {"folder_path": FOLDER + "/", "control_path_1": "/c/1", "control_path_2": ""},
            {"folder_path": "/reg", "is_reg": True},
            {"folder_path": "/toolkit/datasets/./shapes", "auto_frame_count": True},
        ),
        FOLDER,
    )
    assert [each.path for each in found] == [
        "config.process.0.datasets.1",
        "config.process.0.datasets.3",
    ]
    assert found[0].control_paths == ("/c/1",)
    assert [each.reads_videos for each in found] == [False, True]
    assert [each.other_datasets for each in found] == [2, 2]
    assert all(each.has_regularisation for each in found)
    assert uses_of(config({"folder_path": "/elsewhere"}), FOLDER) == ()


def test_either_name_of_the_folder_is_enough() -> None:
    entry = {"folder_path": "/as/the/backend/sees/it"}
    assert uses_of(config(entry), "/as/we/see/it") == ()
    assert len(uses_of(config(entry), "/as/we/see/it", "/as/the/backend/sees/it")) == 1


def test_dataset_path_wins_and_the_jobs_name_is_put_in() -> None:
    assert folder_of({"folder_path": "/a", "dataset_path": "/b"}) == "/b"
    assert folder_of({"folder_path": "/a/[name]"}, "run") == "/a/run"
    assert folder_of({"folder_path": 3}) is None


@pytest.mark.parametrize(
    ("value", "resolutions"),
    [
        (768, (768,)),
        ([512, 768, 512], (512, 768, 512)),
        ([512, "768", None, -1, True, 1e9], (512,)),
        ([], ()),
        (["large"], (512,)),
        ("1024", (512,)),
        (None, (512,)),
        (True, (512,)),
        (10**30, (512,)),
    ],
)
def test_resolutions(value: Any, resolutions: tuple[int, ...]) -> None:
    assert use_of({"resolution": value}).resolutions == resolutions


@pytest.mark.parametrize(
    ("value", "ext"),
    [("txt", ".txt"), (".json", ".json"), ("", ".txt"), ("../x", ".txt"), (7, ".txt")],
)
def test_caption_extensions(value: Any, ext: str) -> None:
    assert use_of({"caption_ext": value}).caption_ext == ext


def test_the_older_caption_type_wins_as_it_stands() -> None:
    assert use_of({"caption_type": "json", "caption_ext": "txt"}).caption_ext == "json"


def test_steps_are_none_where_they_make_no_sense() -> None:
    assert use_of({}, train={"steps": "many"}).steps is None
    assert use_of({}, train={}).steps == 1000


def test_older_flags_name_the_architecture() -> None:
    assert trainer_arch({"is_xl": True}) == "sdxl"
    assert trainer_arch({}) == "sd1"
    assert trainer_arch({"arch": "flex1"}) == "flux"
    assert trainer_arch({"arch": ["flux"]}) is None
    assert trainer_arch({"arch": "x" * 101}) is None


def test_an_unknown_architecture_leaves_its_facts_open() -> None:
    use = use_of({}, model={"arch": "made_up"})
    assert (use.arch, use.divisibility, use.text_limit) == ("made_up", None, None)


def test_a_model_may_be_told_another_text_limit() -> None:
    kwargs = {"max_text_length": 256}
    assert use_of({}, model={"arch": "krea2", "model_kwargs": kwargs}).text_limit == 256
    assert use_of({}, model={"arch": "flux", "model_kwargs": kwargs}).text_limit == 512
    assert use_of({}, model={"arch": "krea2", "model_kwargs": {"max_text_length": -1}}).text_limit


def test_a_model_that_cuts_no_text_beside_control_images_has_no_limit_there() -> None:
    model = {"arch": "krea2:o_edit"}
    assert use_of({}, model=model).text_limit == 512
    assert use_of({"control_path": "/toolkit/controls"}, model=model).text_limit is None


@pytest.mark.parametrize("arch", OFFERED)
def test_every_offered_architecture_has_a_row(arch: str) -> None:
    known = trainer_arch({"arch": arch})
    assert known is not None
    row = architectures()[known]
    is_audio = arch.startswith("ace_step")
    assert (row.divisibility is None) == is_audio
    assert (row.text_encoder is None) == is_audio
    assert row.divisibility in (None, 16, 32)
    assert row.source.endswith(".py")
    assert row.text_limit is not None or row.note


def test_recorded_configs_are_read() -> None:
    read = 0
    for run in recorded_runs().values():
        job_config = json.loads(run.row["job_config"])
        entries = job_config["config"]["process"][0]["datasets"]
        for entry in entries:
            found = uses_of(job_config, entry["folder_path"])
            assert found
            assert found[0].use.resolutions
            read += 1
    assert read


KEYS = st.sampled_from(
    [
        *("config", "process", "datasets", "train", "model", "name", "arch", "model_kwargs"),
        *("folder_path", "dataset_path", "resolution", "batch_size", "scale", "caption_ext"),
        *("control_path", "steps", "num_repeats", "flip_x", "trigger_word", "caption_type"),
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([FOLDER, "flux", 512, 1.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)


@given(JSON, JSON, JSON)
def test_no_config_breaks_the_reader(whole: Any, entry: Any, model: Any) -> None:
    uses_of(whole, FOLDER)
    more = entry if isinstance(entry, dict) else {}
    for found in uses_of(config(entry, more | {"folder_path": FOLDER}, model=model), FOLDER):
        use = found.use
        assert all(each > 0 for each in use.resolutions)
        assert use.batch_size > 0
        assert use.scale > 0
        assert use.caption_ext
        assert use.steps is None or use.steps > 0
