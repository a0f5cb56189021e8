"""What a file of weights is: every recorded layout, whole, wrapped, quantised, cut, and as LoRA."""

from __future__ import annotations

import hashlib
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.configkeys.archs import arch_table
from aitk_core.weights.layouts import layout_table, model_table
from aitk_core.weights.recognition import recognise
from support.weight_layouts import DATA, RECORDED, held_out, recorded, table, text
from support.weight_networks import (
    RANK,
    STYLES,
    attention_layers,
    header_of,
    linear_layers,
    lora,
    of_roles,
)

if TYPE_CHECKING:
    from aitk_core.weights.recognition import Recognition

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
# A LoRA for one of these cannot be told, as no trainer here makes them.
WITHOUT_LORAS = ("animatediff-sd15", "svd")
# Its sizes are not known, so that the depth of a smaller relative decides.
UNSURE = ("prx-pixel",)
TRAINABLE = [
    name
    for name in DIFFUSION
    if LAYOUTS[name].models[0] not in (*WITHOUT_LORAS, *UNSURE) and linear_layers(LAYOUTS[name])
]


def models_of(found: Recognition) -> set[str]:
    return set(found.candidates) | ({found.model} if found.model else set())


def counted(models: tuple[str, ...]) -> set[str]:
    return {MODELS[each].lora_as for each in models}


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


# LoRA ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", TRAINABLE)
def test_a_lora_of_all_layers_or_of_attention_is_told(name: str, style: str) -> None:
    layers = linear_layers(LAYOUTS[name])
    for chosen in (layers, attention_layers(layers)):
        if not chosen:
            continue
        found = recognise(header_of(lora(chosen, style)))
        assert found.kind == "lora"
        assert counted(LAYOUTS[name].models) <= models_of(found)
        assert found.network is not None
        assert found.network.rank == RANK
        assert found.network.ranks == {RANK: len(chosen)}
        assert found.network.modules == len(chosen)
        assert found.network.targets == {"diffusion_model": len(chosen)}
        assert found.network.alpha_tensors in (0, len(chosen))


EXACT = {
    "sd15-unet": {"sd15"},
    "sd15-unet-diffusers": {"sd15"},
    "sd21-unet": {"sd2"},
    "sdxl-unet": {"sdxl"},
    "sdxl-unet-diffusers": {"sdxl"},
    "sdxl-refiner-unet": {"sdxl-refiner"},
    "sd3-medium": {"sd3-medium", "sd35-medium"},
    "sd35-large": {"sd35-large"},
    "flux1-dev": {"flux1"},
    "flux1-dev-diffusers": {"flux1"},
    "flex1": {"flex1"},
    "chroma": {"chroma"},
    "flux2-dev": {"flux2-dev"},
    "flux2-klein-4b": {"flux2-klein-4b"},
    "flux2-klein-9b": {"flux2-klein-9b"},
    "qwen-image": {"qwen-image"},
    "zimage": {"zimage"},
    "zimage-diffusers": {"zimage"},
    "lumina2": {"lumina2"},
    "hidream": {"hidream-i1"},
    "wan21-t2v-1.3b": {"wan21-t2v-1.3b"},
    "wan21-t2v-14b": {"wan21-t2v-14b", "wan21-i2v-14b", "wan22-t2v-14b", "wan22-i2v-14b"},
    "wan21-i2v-14b": {"wan21-i2v-14b"},
    "wan22-ti2v-5b": {"wan22-ti2v-5b"},
    "hunyuan-video": {"hunyuan-video"},
    "hunyuan-image": {"hunyuan-image-2.1"},
    "ltxv-2b": {"ltxv-2b"},
    "ltx2": {"ltx2"},
    "ltx23": {"ltx2.3"},
    "omnigen2": {"omnigen2"},
    "krea2": {"krea2"},
    "anima": {"anima"},
    "ernie-image-diffusers": {"ernie-image"},
    "ace-step-15": {"ace-step-1.5"},
    "kandinsky5-lite-diffusers": {"kandinsky5-lite"},
}


@pytest.mark.parametrize("name", EXACT)
def test_a_lora_of_all_layers_is_told_from_all_others(name: str) -> None:
    for style in ("kohya", "comfy"):
        found = recognise(header_of(lora(linear_layers(LAYOUTS[name]), style)))
        assert models_of(found) == EXACT[name]


@given(data=st.data())
def test_a_lora_of_any_layers_keeps_its_model_among_the_answers(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(TRAINABLE))
    layers = linear_layers(LAYOUTS[name])
    kept = data.draw(st.lists(st.sampled_from(sorted(layers)), min_size=1, unique=True))
    style = data.draw(st.sampled_from(sorted(STYLES)))
    found = recognise(header_of(lora({key: layers[key] for key in kept}, style)))
    assert found.kind == "lora"
    assert counted(LAYOUTS[name].models) <= models_of(found)


ALGORITHMS = ("dora", "loha", "lokr", "oft", "boft", "glora", "ia3", "full_diff")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", ["sdxl-unet-diffusers", "flux1-dev", "zimage", "wan22-ti2v-5b"])
def test_other_algorithms_are_told_with_their_model(name: str, algorithm: str) -> None:
    layers = linear_layers(LAYOUTS[name])
    for style in ("kohya", "lycoris", "comfy"):
        found = recognise(header_of(of_roles(layers, style, algorithm)))
        assert found.network is not None
        assert found.network.algorithm == algorithm
        assert found.network.modules == len(layers)
        assert counted(LAYOUTS[name].models) <= models_of(found)


@pytest.mark.parametrize(
    ("style", "naming"),
    [
        ("kohya", "kohya"),
        ("kohya_transformer", "kohya"),
        ("lycoris", "lycoris"),
        ("peft", "peft"),
        ("peft_unet", "peft"),
        ("peft_saved", "peft"),
        ("comfy", "comfy"),
        ("comfy_checkpoint", "comfy"),
        ("plain", "plain"),
    ],
)
def test_a_naming_is_told(style: str, naming: str) -> None:
    found = recognise(header_of(lora(linear_layers(LAYOUTS["flux1-dev"]), style)))
    assert found.network is not None
    assert found.network.naming == naming


def test_an_old_diffusers_network_is_told() -> None:
    base = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    tensors: Tensors = {}
    for layer in ("to_q", "to_k", "to_v", "to_out"):
        tensors[f"{base}.processor.{layer}_lora.down.weight"] = ("F32", (4, 320))
        tensors[f"{base}.processor.{layer}_lora.up.weight"] = ("F32", (320, 4))
    found = recognise(header_of(tensors))
    assert found.network is not None
    assert (found.network.naming, found.network.rank) == ("diffusers_old", 4)
    assert "sd15" in models_of(found)


def test_a_processor_of_the_models_own_keeps_its_name() -> None:
    name = "double_stream_layers.0.img_instruct_attn.processor.img_out"
    layers = {name: linear_layers(LAYOUTS["boogu-image"])[name]}
    found = recognise(header_of(lora(layers, "plain")))
    assert found.model == "boogu-image"
    assert found.network is not None
    assert found.network.naming == "plain"


def test_differing_ranks_are_counted() -> None:
    layers = linear_layers(LAYOUTS["flux1-dev"])
    half = dict(list(layers.items())[: len(layers) // 2])
    tensors = lora(layers, "comfy") | lora(half, "comfy", rank=4)
    found = recognise(header_of(tensors))
    assert found.network is not None
    assert found.network.rank is None
    assert found.network.ranks == {4: len(half), RANK: len(layers) - len(half)}


def test_encoders_count_as_targets_of_their_own() -> None:
    encoder = {
        f"text_model.encoder.layers.{n}.self_attn.{layer}": (768, 768)
        for n in range(12)
        for layer in ("q_proj", "k_proj", "v_proj", "out_proj")
    }
    second = dict.fromkeys(encoder, (1280, 1280))
    tensors = lora(linear_layers(LAYOUTS["sdxl-unet"]), "kohya")
    for prefix, layers in (("lora_te1_", encoder), ("lora_te2_", second)):
        for key, row in lora(layers, "kohya").items():
            tensors[key.replace("lora_unet_", prefix)] = row
    found = recognise(header_of(tensors))
    assert found.model == "sdxl"
    assert found.network is not None
    assert found.network.targets["text_encoder"] == 48
    assert found.network.targets["text_encoder_2"] == 48


@pytest.mark.parametrize(
    ("prefix", "width", "models"),
    [
        ("lora_te_", 768, {"sd15"}),
        ("lora_te1_", 768, {"sd15", "sdxl", "flux1", "sd3-medium", "sd35-medium", "sd35-large"}),
        ("lora_te2_", 1280, {"sdxl", "sd3-medium", "sd35-medium", "sd35-large"}),
        ("lora_te_", 1024, {"sd2"}),
        ("lora_te_", 999, set()),
    ],
)
def test_a_lora_of_an_encoder_alone_has_the_models_with_it(
    prefix: str, width: int, models: set[str]
) -> None:
    layers = {f"text_model.encoder.layers.{n}.self_attn.q_proj": (width, width) for n in range(12)}
    tensors = {key.replace("lora_unet_", prefix): row for key, row in lora(layers, "kohya").items()}
    found = recognise(header_of(tensors))
    assert (found.kind, models_of(found)) == ("lora", models)


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
