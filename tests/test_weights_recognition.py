"""What a file of weights is: every recorded layout, whole, wrapped, quantised, cut, and as LoRA."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.configkeys.archs import arch_table
from aitk_core.weights.layouts import layout_table, model_table
from aitk_core.weights.recognition import recognise
from support.weight_layouts import DATA, RECORDED, held_out, recorded, table, text
from support.weight_networks import header_of, linear_layers, lora, models_of

Tensors = dict[str, tuple[str, tuple[int, ...]]]

LAYOUTS = recorded()
HELD_OUT = held_out()
STRANGERS = held_out("strangers")
PUBLISHED = json.loads((RECORDED / "published.json").read_text(encoding="utf-8"))["files"]
MODELS = model_table()
DIFFUSION = [
    name for name, layout in LAYOUTS.items() if MODELS[layout.models[0]].kind == "diffusion_model"
]
WRAPPERS = ("model.diffusion_model.", "diffusion_model.", "model.", "net.", "transformer.", "abc.")


def packed(tensors: Tensors, dtype: str, divisor: int) -> Tensors:
    """As 4-bit quantisers write it: large matrices become columns of bytes."""
    found: Tensors = {}
    for name, (kept, shape) in tensors.items():
        count = 1
        for length in shape:
            count *= length
        is_packed = len(shape) == 2 and count > 4096
        found[name] = (dtype, (count // divisor, 1)) if is_packed else (kept, shape)
        if is_packed:
            found[f"{name}.absmax"] = ("F32", (count // 64,))
            found[f"{name}.quant_state.bitsandbytes__nf4"] = ("U8", (120,))
    return found


# The table -------------------------------------------------------------------------------------


def test_the_table_is_what_the_recordings_reduce_to() -> None:
    assert (DATA / "layouts.json").read_text(encoding="utf-8") == text(table())


def test_every_model_has_a_layout_and_every_arch_is_the_trainers() -> None:
    assert {model for layout in layout_table() for model in layout.models} == set(MODELS)
    archs = {arch["id"] for arch in arch_table()["archs"]}
    named = [arch for model in MODELS.values() for arch in model.archs]
    assert set(named) == archs


def test_every_layout_names_its_source() -> None:
    assert all(layout.source.startswith(("measured", "typed")) for layout in LAYOUTS.values())


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: str(row["file"]))
def test_a_layout_is_that_of_the_published_file(row: dict[str, str]) -> None:
    shapes = {
        row["prefix"] + name: "_".join(map(str, shape))
        for name, (_, shape) in LAYOUTS[row["layout"]].tensors.items()
        if name != row["without"]
    }
    lines = [*(f"{name}:{shape}" for name, shape in shapes.items()), *shapes]
    found = hashlib.md5(",".join(sorted(lines)).encode(), usedforsecurity=False)
    assert found.hexdigest() == row["md5"]


# Whole models ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_recorded_layout_is_recognised(name: str) -> None:
    layout = LAYOUTS[name]
    found = recognise(header_of(layout.tensors))
    assert models_of(found) == set(layout.models)
    assert found.kind == MODELS[layout.models[0]].kind
    assert (found.model is None) == (len(layout.models) > 1)
    assert set(found.archs) == {arch for each in layout.models for arch in MODELS[each].archs}
    assert found.label
    assert any(tensor in found.why for tensor in layout.tensors)
    assert found.network is None
    assert found.said is None
    assert found.agrees is None


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", DIFFUSION)
def test_a_wrapper_changes_nothing(name: str, wrapper: str) -> None:
    layout = LAYOUTS[name]
    found = recognise(header_of({wrapper + key: row for key, row in layout.tensors.items()}))
    assert (found.kind, models_of(found)) == ("diffusion_model", set(layout.models))


@pytest.mark.parametrize("name", DIFFUSION)
def test_scales_of_fp8_change_nothing(name: str) -> None:
    layout = LAYOUTS[name]
    tensors: Tensors = {"scaled_fp8": ("F8_E4M3", (2,))}
    for key, (dtype, shape) in layout.tensors.items():
        tensors[key] = ("F8_E4M3" if len(shape) == 2 else dtype, shape)
        if len(shape) == 2 and key.endswith(".weight"):
            tensors[f"{key.removesuffix('.weight')}.scale_weight"] = ("F32", (1,))
            tensors[f"{key.removesuffix('.weight')}.comfy_quant"] = ("U8", (64,))
    assert models_of(recognise(header_of(tensors))) == set(layout.models)


@pytest.mark.parametrize("name", DIFFUSION)
def test_packed_weights_leave_the_right_model_among_the_answers(name: str) -> None:
    layout = LAYOUTS[name]
    found = recognise(header_of(packed(layout.tensors, "U8", 2)))
    assert set(layout.models) <= models_of(found)


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("flux1-dev", {"flux1"}),
        ("sdxl-unet", {"sdxl"}),
        ("qwen-image", {"qwen-image"}),
        ("wan21-t2v-14b", {"wan21-t2v-14b", "wan22-t2v-14b"}),
        ("chroma", {"chroma"}),
    ],
)
def test_packed_weights_of_the_most_used_are_told_by_their_biases(
    name: str, models: set[str]
) -> None:
    assert models_of(recognise(header_of(packed(LAYOUTS[name].tensors, "U8", 2)))) == models


def test_a_gguf_file_may_have_reshaped_convolutions() -> None:
    tensors: Tensors = {
        key: ("Q8_0", (shape[0] * shape[1] * 9 // 256, 256))
        if len(shape) == 4 and shape[0] * shape[1] * 9 % 256 == 0 and shape[2] == 3
        else ("Q8_0", shape)
        for key, (_, shape) in LAYOUTS["sdxl-unet"].tensors.items()
    }
    said = {"general.architecture": "sdxl"}
    found = recognise(header_of(tensors, form="gguf", metadata=said))
    assert (found.model, found.agrees) == ("sdxl", True)


@pytest.mark.parametrize(
    ("name", "block", "model"),
    [
        ("flux1-dev", "double_blocks.12.", "flux1"),
        ("qwen-image", "transformer_blocks.40.", "qwen-image"),
        ("wan21-t2v-1.3b", "blocks.20.", "wan21-t2v-1.3b"),
        ("chroma", "single_blocks.20.", "chroma"),
        ("zimage", "layers.11.", "zimage"),
    ],
)
def test_a_dropped_block_changes_nothing(name: str, block: str, model: str) -> None:
    tensors = {k: row for k, row in LAYOUTS[name].tensors.items() if not k.startswith(block)}
    assert len(tensors) < len(LAYOUTS[name].tensors)
    assert recognise(header_of(tensors)).model == model


@pytest.mark.parametrize("name", DIFFUSION)
def test_a_shard_is_never_taken_for_another_model(name: str) -> None:
    layout = LAYOUTS[name]
    keys = sorted(layout.tensors)
    for part in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
        found = recognise(header_of({key: layout.tensors[key] for key in part}))
        assert not models_of(found) or set(layout.models) & models_of(found)


CHECKPOINTS: dict[str, tuple[dict[str, str], str, tuple[str, ...]]] = {
    "sd15": (
        {
            "model.diffusion_model.": "sd15-unet",
            "first_stage_model.": "sd-vae",
            "cond_stage_model.transformer.": "clip-l-hf",
        },
        "sd15",
        ("diffusion_model", "vae", "text_encoder:clip_l"),
    ),
    "sd2": (
        {
            "model.diffusion_model.": "sd21-unet",
            "first_stage_model.": "sd-vae",
            "cond_stage_model.model.": "openclip-h",
        },
        "sd2",
        ("diffusion_model", "vae", "text_encoder:clip_h"),
    ),
    "sdxl": (
        {
            "model.diffusion_model.": "sdxl-unet",
            "first_stage_model.": "sd-vae",
            "conditioner.embedders.0.transformer.": "clip-l-hf",
            "conditioner.embedders.1.model.": "openclip-g",
        },
        "sdxl",
        ("diffusion_model", "vae", "text_encoder:clip_l", "text_encoder:clip_g"),
    ),
    "sd35-large": (
        {
            "model.diffusion_model.": "sd35-large",
            "first_stage_model.": "flux1-vae",
            "text_encoders.clip_l.transformer.": "clip-l-hf",
            "text_encoders.clip_g.transformer.": "clip-g-hf",
            "text_encoders.t5xxl.transformer.": "t5-xxl-hf",
        },
        "sd35-large",
        (
            *("diffusion_model", "vae", "text_encoder:clip_l"),
            *("text_encoder:clip_g", "text_encoder:t5_xxl"),
        ),
    ),
    "flux1": (
        {
            "model.diffusion_model.": "flux1-dev",
            "vae.": "flux1-vae",
            "text_encoders.clip_l.transformer.": "clip-l-hf",
            "text_encoders.t5xxl.transformer.": "t5-xxl-hf",
        },
        "flux1",
        ("diffusion_model", "vae", "text_encoder:clip_l", "text_encoder:t5_xxl"),
    ),
    "zimage": (
        {
            "model.diffusion_model.": "zimage",
            "vae.": "flux1-vae",
            "text_encoders.qwen3_4b.transformer.": "qwen3-4b-hf",
        },
        "zimage",
        ("diffusion_model", "vae", "text_encoder:qwen3_4b"),
    ),
    "ltxv": (
        {"model.diffusion_model.": "ltxv-2b", "vae.": "ltx-vae-v1"},
        "ltxv-2b",
        ("diffusion_model", "vae"),
    ),
    "ltx2": (
        {
            "model.diffusion_model.": "ltx2",
            "vae.": "ltx2-vae",
            "audio_vae.": "ltx2-audio-vae",
        },
        "ltx2",
        ("diffusion_model", "vae", "audio_vae"),
    ),
    "auraflow": (
        {"model.": "auraflow", "vae.": "sd-vae"},
        "auraflow",
        ("diffusion_model", "vae"),
    ),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_is_told_with_its_parts(name: str) -> None:
    joined, model, parts = CHECKPOINTS[name]
    tensors = {
        prefix + key: row
        for prefix, part in joined.items()
        for key, row in LAYOUTS[part].tensors.items()
    }
    found = recognise(header_of(tensors))
    assert (found.kind, found.model) == ("checkpoint", model)
    assert set(found.parts) == set(parts)


def test_a_checkpoint_of_an_unknown_model_is_said_to_be_one() -> None:
    tensors = {f"first_stage_model.{key}": row for key, row in LAYOUTS["sd-vae"].tensors.items()}
    tensors |= {f"model.diffusion_model.new.{n}.weight": ("F16", (7, 7)) for n in range(9)}
    found = recognise(header_of(tensors))
    assert (found.kind, found.model, found.candidates) == ("checkpoint", None, ())
    assert found.parts == ("diffusion_model", "vae")


# Held out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HELD_OUT)
def test_a_header_from_elsewhere_is_recognised(name: str) -> None:
    kind, models, tensors = HELD_OUT[name]
    found = recognise(header_of(tensors))
    assert found.kind == kind
    assert set(models) <= models_of(found)


@pytest.mark.parametrize("name", STRANGERS)
def test_a_relative_is_not_taken_for_what_it_is_like(name: str) -> None:
    found = recognise(header_of(STRANGERS[name][2]))
    assert models_of(found) == set()
    assert found.why


def test_a_model_with_more_than_its_own_is_said_to_be_like_it() -> None:
    tensors: Tensors = dict(LAYOUTS["flux1-dev"].tensors)
    tensors["ip_layers.0.to_k.weight"] = ("BF16", (3072, 3072))
    found = recognise(header_of(tensors))
    assert (found.kind, found.model) == ("diffusion_model", None)
    assert found.why == "is like FLUX.1, but that has no ip_layers.0.to_k.weight"


# What is said -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "metadata", "agrees"),
    [
        ("sdxl-unet", {"modelspec.architecture": "stable-diffusion-xl-v1-base"}, True),
        ("sdxl-unet", {"modelspec.architecture": "stable-diffusion-v1"}, False),
        ("flux1-dev", {"modelspec.architecture": "flux-1-dev"}, True),
        ("flux1-dev", {"ss_base_model_version": "sdxl_base_v1-0"}, False),
        ("chroma", {"general.architecture": "flux"}, True),
        ("zimage", {"general.architecture": "lumina2"}, True),
        ("wan22-ti2v-5b", {"ss_base_model_version": "wan_2.2_5b"}, True),
        ("sd15-unet", {"ss_base_model_version": "sd_v1"}, True),
        ("zimage", {"ss_base_model_version": "a model of my own"}, None),
        ("zimage", {"ss_base_model_version": 7}, None),
        ("zimage", {}, None),
    ],
)
def test_what_a_file_says_is_compared(
    name: str, metadata: dict[str, Any], agrees: bool | None
) -> None:
    found = recognise(header_of(LAYOUTS[name].tensors, metadata=metadata))
    assert found.agrees is agrees


def test_what_a_lora_says_is_compared_and_cut() -> None:
    said = {"modelspec.architecture": "flux-1-dev/lora" + "x" * 500}
    tensors = lora(linear_layers(LAYOUTS["flux1-dev"]), "comfy")
    found = recognise(header_of(tensors, metadata=said))
    assert found.agrees is True
    assert found.said is not None
    assert len(found.said) == 200


# Other files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensors", "model"),
    [
        ({"<cat-toy>": ("F32", (768,))}, "embedding-sd15"),
        ({"my word": ("F32", (4, 1024))}, "embedding-sd2"),
        ({"emb_params": ("F32", (31, 768))}, "embedding-sd15"),
        ({"clip_l": ("F32", (3, 768)), "clip_g": ("F32", (3, 1280))}, "embedding-sdxl"),
    ],
)
def test_an_embedding_is_told(tensors: Tensors, model: str) -> None:
    found = recognise(header_of(tensors))
    assert (found.kind, found.model) == ("embedding", model)


def test_states_of_an_optimizer_are_told() -> None:
    tensors: Tensors = {f"state.{n}.exp_avg": ("F32", (4, 4)) for n in range(20)}
    assert recognise(header_of(tensors)).kind == "optimizer"


NAMES = st.text(max_size=30) | st.lists(
    st.sampled_from(["blocks", "0", "7", "weight", "to_q", "model", "alpha", "lora", "x" * 300]),
    max_size=6,
).map(".".join)


@given(
    st.dictionaries(
        NAMES,
        st.tuples(
            st.sampled_from(["BF16", "U8", "Q4_K"]),
            st.lists(st.integers(0, 5), max_size=5).map(tuple),
        ),
        max_size=30,
    )
)
def test_strange_names_are_unknown(tensors: Tensors) -> None:
    found = recognise(header_of(tensors))
    assert found.kind in ("unknown", "lora", "optimizer")
    assert (found.model, found.candidates, found.archs) == (None, (), ())
    assert found.why


ROLES = st.sampled_from(
    (
        *("lora_down.weight", "lora_up.weight", "alpha", "lokr_w1", "lokr_w2", "lokr_t2"),
        *("hada_w1_a", "hada_w1_b", "oft_blocks", "diff", "a1.weight"),
        *("lora_A.default.weight", "lora.down.weight"),
    )
)
MODULES = st.sampled_from(
    (
        *("", ".", "\n", "lora_te_", "lora_unet_double_blocks_0_img_attn_qkv"),
        *("diffusion_model.blocks.99999999999.x", "unet.mid.processor.to_out_lora"),
        "transformer.transformer_blocks.0.attn.to_q",
    )
)


@given(
    st.dictionaries(
        st.tuples(MODULES, ROLES).map(".".join),
        st.tuples(st.just("F16"), st.lists(st.integers(0, 4096), max_size=5).map(tuple)),
        max_size=20,
    )
)
def test_broken_networks_are_told_without_an_exception(tensors: Tensors) -> None:
    assert recognise(header_of(tensors)).why


def test_huge_headers_are_read_to_the_end() -> None:
    chosen = random.Random(7)  # noqa: S311 - nothing secret
    names = [f"{chosen.randrange(10**9)}.{chosen.randrange(99)}" for _ in range(100_000)]
    tensors: Tensors = {f"a{n}.{name}.weight": ("F16", (0, n)) for n, name in enumerate(names)}
    tensors |= {f"m.{name}.{n}.lora_down.weight": ("F16", (4, 0)) for n, name in enumerate(names)}
    tensors["x" * 100_000] = ("F16", (2**60, 2**60))
    found = recognise(header_of(tensors))
    assert (found.kind, found.model) == ("lora", None)
    assert len(found.why) < 1000


def test_an_empty_file_is_unknown() -> None:
    found = recognise(header_of({}))
    assert (found.kind, found.why) == ("unknown", "the file holds no tensors")
