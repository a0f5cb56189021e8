from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.configkeys.archs import archs, resolve_arch, source_version
from aitk_core.configkeys.model_names import judge_name, table_rules, words_of
from aitk_core.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from aitk_core.configkeys.model_names import NameRule

NAMES_AND_ARCHS = [
    ("black-forest-labs/FLUX.1-schnell", "flux"),
    ("models/flux1-dev-fp8.safetensors", "flux"),
    ("flux1-dev-kontext_fp8.safetensors", "flux_kontext"),
    ("user/FLUX.2-dev-mirror", "flux2"),
    ("black-forest-labs/FLUX.2-klein-9B", "flux2_klein_9b"),
    ("someone/flux-2-klein-base-4b", "flux2_klein_4b"),
    ("ostris/Flex.2-preview-copy", "flex2"),
    ("user/reflex-sd15", "sd15"),
    ("runwayml/stable-diffusion-v1-5", "sd15"),
    ("v1-5-pruned-emaonly.safetensors", "sd15"),
    ("sd_xl_base_1.0.safetensors", "sdxl"),
    ("user/SDXL-finetune", "sdxl"),
    ("qwen_image_fp8_e4m3fn.safetensors", "qwen_image"),
    ("Qwen/Qwen-Image-Edit-2511-mirror", "qwen_image_edit_plus:2511"),
    ("qwen_image_edit_2509_fp8.safetensors", "qwen_image_edit_plus"),
    ("z_image_turbo_bf16.safetensors", "zimage:turbo"),
    ("user/ZImage-finetune", "zimage"),
    ("Wan-AI/Wan2.2-T2V-A14B-Diffusers", "wan22_14b:t2v"),
    ("wan2.2_i2v_high_noise_14B_fp8.safetensors", "wan22_14b_i2v"),
    ("wan2.2_ti2v_5B_fp16.safetensors", "wan22_5b"),
    ("Wan-AI/Wan2.1-T2V-1.3B", "wan21:1b"),
    ("Wan-AI/Wan2.1-I2V-14B-480P", "wan21_i2v:14b480p"),
    ("lodestones/Chroma1-HD", "chroma"),
    ("Alpha-VLLM/Lumina-Image-2.0-copy", "lumina2"),
    ("HiDream-ai/HiDream-I1-Dev", "hidream"),
    ("HiDream-ai/HiDream-E1-Full", "hidream_e1"),
    ("ltx-2-19b-dev.safetensors", "ltx2"),
    ("ltx-2.3-22b-distilled.safetensors", "ltx2.3"),
    ("/models/sdxl/my_checkpoint.safetensors", "sdxl"),
]

UNDECIDED = [
    ("flux-dev.safetensors", {"flux", "flux2"}),
    ("Wan-AI/Wan2.1-VACE-14B", {"wan21:14b", "wan21_i2v:14b"}),
    ("user/wan2.2-finetune", {"wan22_14b:t2v", "wan22_5b"}),
    ("user/flux1-chroma-merge", {"flux", "chroma"}),
    ("stabilityai/sdxl-turbo", {"sdxl"}),
    ("lodestones/Chroma1-Radiance", {"chroma"}),
    ("black-forest-labs/FLUX.2-klein", {"flux2_klein_4b", "flux2_klein_9b"}),
]

UNKNOWN = [
    "stabilityai/stable-diffusion-3.5-large",
    "user/SD3.5-medium",
    "user/reflex",
    "anthropic/fluxcapacitor",
    "Lightricks/LTXV-13B",
    "flux/some_checkpoint",
    "",
    "///",
]


def test_the_table_has_the_52_architectures_of_its_version() -> None:
    assert len(archs()) == 52
    assert source_version().startswith("ostris/ai-toolkit 0.12.26")
    assert all(key == arch.id for key, arch in archs().items())


@pytest.mark.parametrize("arch_id", list(archs()))
def test_every_default_model_leads_to_an_architecture_that_trains_it(arch_id: str) -> None:
    model = archs()[arch_id].default_name_or_path
    match = resolve_arch(model.upper(), None)
    assert match.source == "default_model"
    assert arch_id in {match.arch.id, *match.alternatives}
    assert match.arch.default_name_or_path == model


def test_of_two_architectures_with_one_model_the_plain_one_is_taken() -> None:
    match = resolve_arch("krea/Krea-2-Raw", None)
    assert (match.arch.id, match.alternatives) == ("krea2", ("krea2:o_edit",))
    assert resolve_arch("Comfy-Org/MiniMax-H3", None).arch.id == "minimax_h3"


@pytest.mark.parametrize(("model", "expected"), NAMES_AND_ARCHS)
def test_a_name_is_matched_by_whole_words(model: str, expected: str) -> None:
    match = resolve_arch(model, None)
    assert match.arch.id == expected
    assert match.source == "name_rule"
    assert match.rule


@pytest.mark.parametrize(("model", "among"), UNDECIDED)
def test_an_ambiguous_name_asks_for_the_arch(model: str, among: set[str]) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        resolve_arch(model, None)
    assert among <= set(caught.value.details["candidates"])
    assert "pass arch" in caught.value.remedy


@pytest.mark.parametrize("model", UNKNOWN)
def test_an_unknown_name_asks_for_the_arch(model: str) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        resolve_arch(model, None)
    assert caught.value.details["faults"][0]["path"] == "/model_name"
    assert "pass arch" in caught.value.remedy


@pytest.mark.parametrize("arch_id", list(archs()))
def test_an_explicit_arch_decides(arch_id: str) -> None:
    match = resolve_arch("/models/whatever.safetensors", arch_id.upper())
    assert (match.arch.id, match.source) == (arch_id, "argument")


def test_an_arch_without_its_only_tag_is_completed() -> None:
    assert resolve_arch("x", "wan22_14b").arch.id == "wan22_14b:t2v"


@pytest.mark.parametrize(
    ("arch", "candidate"),
    [
        ("wan21", "wan21:14b"),
        ("zimage:trubo", "zimage:turbo"),
        ("fluxx", "flux"),
        ("sd1", "sd15"),
    ],
)
def test_a_wrong_arch_names_the_nearest(arch: str, candidate: str) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        resolve_arch("stabilityai/stable-diffusion-xl-base-1.0", arch)
    assert candidate in caught.value.details["candidates"]
    assert caught.value.details["faults"][0]["path"] == "/arch"


def test_an_arch_that_contradicts_the_name_is_obeyed_and_said() -> None:
    match = resolve_arch("stabilityai/stable-diffusion-xl-base-1.0", "flux")
    assert (match.arch.id, match.suggested) == ("flux", "sdxl")
    assert resolve_arch("Tongyi-MAI/Z-Image-Turbo", "zimage").suggested is None


@pytest.mark.parametrize("rule", table_rules(), ids=lambda rule: str(rule.text))
def test_a_rule_is_made_of_the_words_of_each_architecture_it_names(rule: NameRule) -> None:
    for arch_id in rule.archs:
        arch = archs()[arch_id]
        names = [arch.id, arch.label, arch.default_name_or_path]
        glued = " ".join("".join(words_of(name)) for name in names)
        for phrase in rule.phrases:
            assert "".join(phrase) in glued


@given(st.text(max_size=80))
def test_any_name_gets_a_verdict_of_known_architectures(name: str) -> None:
    assert set(judge_name(name).archs) <= set(archs())


@given(st.sampled_from([rule.text for rule in table_rules()]), st.text("q", min_size=1))
def test_letters_before_a_word_make_it_another_word(text: str, letters: str) -> None:
    first = text.split(" + ", maxsplit=1)[0].split(maxsplit=1)[0]
    assert judge_name(letters + first).archs == ()


@pytest.mark.parametrize("arch_id", list(archs()))
def test_the_id_of_an_architecture_as_a_name_means_it_or_is_ambiguous(arch_id: str) -> None:
    assert arch_id in judge_name(arch_id).archs


def test_importing_the_configs_reads_neither_yaml_nor_the_table() -> None:
    code = (
        "import sys\n"
        "import aitk_training.configs\n"
        "from aitk_core.configkeys import archs, form, text\n"
        "from aitk_training.configs import build, describe, paths_dotted, store, validate\n"
        "heavy = {'yaml', 'numpy', 'PIL', 'httpx', 'jsonschema'} & set(sys.modules)\n"
        "read = archs.arch_table.cache_info().currsize\n"
        "sys.exit(f'{heavy} {read}' if heavy or read else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
