"""What a file's metadata say of its base, and whether that is one of some models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

_KEYS: Final = ("modelspec.architecture", "ss_base_model_version", "general.architecture")
_MAX_TEXT: Final = 200
"""Characters that are passed on."""

# beginning of what is said: models; a star stands for any end. Sources: library/sai_model_spec.py
# and the MODEL_VERSION constants of kohya-ss/sd-scripts; get_base_model_version and
# toolkit/metadata.py of ostris/ai-toolkit; tools/convert.py of city96/ComfyUI-GGUF;
# gguf-py/gguf/constants.py of ggml-org/llama.cpp; README of Stability-AI/ModelSpec.
_CLAIMS: Final = """
ace_step: ace-step*
anima: anima
aura: auraflow
boogu_image: boogu-image
chroma: chroma
chroma_radiance: chroma-radiance
cosmos: cosmos* anima
ernie: ernie-image
flex: flex*
flux: flux* flex* chroma*
flux-1: flux1* flex*
flux-1-schnell: flux1-schnell flux1
flux-2: flux2*
flux.1: flux1* flex*
flux1: flux1* flex*
flux2: flux2*
flux2_klein_4b: flux2-klein-4b
flux2_klein_9b: flux2-klein-9b
gemma2: gemma2*
gemma3: gemma3*
hidream: hidream*
hidream_i1: hidream-i1
hunyuan-image: hunyuan-image*
hunyuan-video: hunyuan-video*
hunyuan_video: hunyuan-video*
hyvid: hunyuan-video*
ideogram4: ideogram4
krea2: krea2
llama: llama3* mistral*
ltx2: ltx2*
ltxv: ltx*
lumina: lumina2
lumina2: lumina2 zimage*
mageflow: mageflow
minimax_h3: minimax-h3
mistral: mistral*
nucleus: nucleus-image
omnigen2: omnigen2
prx: prx*
qwen-image: qwen-image*
qwen2: qwen2.5*
qwen3: qwen3*
qwen_image: qwen-image*
sd1: sd15*
sd2: sd2
sd3: sd3*
sd_1: sd15*
sd_2: sd2
sd_v1: sd15*
sd_v2: sd2
sdxl: sdxl* ssd-1b
stable-diffusion-3: sd3*
stable-diffusion-v1: sd15*
stable-diffusion-v2: sd2
stable-diffusion-xl: sdxl* ssd-1b
stable-diffusion-xl-v1-refiner: sdxl-refiner
t5: t5* umt5* pile-t5* byt5*
wan: wan*
wan2.1: wan21*
wan2.2: wan22*
wan_2.1: wan21*
wan_2.2: wan22*
wan_2.2_5b: wan22-ti2v-5b
z-image: zimage*
z_image: zimage*
zeta_chroma: zeta-chroma
zimage: zimage*
"""


def _parsed() -> tuple[tuple[str, tuple[str, ...]], ...]:
    rows = [line.partition(": ") for line in _CLAIMS.strip().splitlines()]
    longest_first = sorted(rows, key=lambda row: -len(row[0]))
    return tuple((start, tuple(ids.split())) for start, _, ids in longest_first)


_ROWS: Final = _parsed()


def said_by(metadata: Mapping[str, Any]) -> str | None:
    """Return what the metadata say of the base, cut; None where they say nothing."""
    for key in _KEYS:
        value = metadata.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()[:_MAX_TEXT]
    return None


def agrees(said: str | None, models: Collection[str]) -> bool | None:
    """Return whether what is said means one of the models, None where it is not understood."""
    if said is None or not models:
        return None
    text = said.lower()
    meant = next((ids for start, ids in _ROWS if text.startswith(start)), None)
    if meant is None:
        return None
    return any(_is_meant(model, each) for model in models for each in meant)


def _is_meant(model: str, meant: str) -> bool:
    return model.startswith(meant[:-1]) if meant.endswith("*") else model == meant
