"""What the header of a LoRA file tells: its model by the layers, and its network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.weights.layouts import model_table
from aitk_core.weights.recognition import recognise
from support.weight_layouts import recorded
from support.weight_networks import (
    RANK,
    STYLES,
    attention_layers,
    counted,
    header_of,
    linear_layers,
    lora,
    models_of,
    of_roles,
)

Tensors = dict[str, tuple[str, tuple[int, ...]]]

LAYOUTS = recorded()
MODELS = model_table()
DIFFUSION = [
    name for name, layout in LAYOUTS.items() if MODELS[layout.models[0]].kind == "diffusion_model"
]
# A LoRA for one of these cannot be told, as no trainer here makes them.
WITHOUT_LORAS = ("animatediff-sd15", "svd")
# Its sizes are not known, so that the depth of a smaller relative decides.
UNSURE = ("prx-pixel",)
TRAINABLE = [
    name
    for name in DIFFUSION
    if LAYOUTS[name].models[0] not in (*WITHOUT_LORAS, *UNSURE) and linear_layers(LAYOUTS[name])
]


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
