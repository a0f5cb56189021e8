"""The names of ComfyUI's model folders (folder_paths.py of comfyanonymous/ComfyUI)."""

from __future__ import annotations

from typing import Final

LEGACY: Final = {"unet": "diffusion_models", "clip": "text_encoders", "t2i_adapter": "controlnet"}
"""Older names of the same folders."""

FOLDERS: Final = frozenset(
    {
        "audio_encoders",
        "checkpoints",
        "clip_vision",
        "controlnet",
        "diffusers",
        "diffusion_models",
        "embeddings",
        "gligen",
        "hypernetworks",
        "ipadapter",
        "latent_upscale_models",
        "loras",
        "model_patches",
        "photomaker",
        "style_models",
        "text_encoders",
        "unet_gguf",
        "upscale_models",
        "vae",
        "vae_approx",
    }
)
OTHER: Final = "other"

FITS: Final = {
    "checkpoints": {"checkpoint", "diffusion_model"},
    "diffusion_models": {"diffusion_model", "checkpoint"},
    "unet_gguf": {"diffusion_model"},
    "loras": {"lora"},
    "vae": {"vae"},
    "vae_approx": {"vae"},
    "text_encoders": {"text_encoder"},
    "clip_vision": {"clip_vision"},
    "controlnet": {"controlnet"},
    "ipadapter": {"ip_adapter"},
    "embeddings": {"embedding"},
    "upscale_models": {"upscaler"},
}
"""Kinds that a header shows, by the folder that ComfyUI loads them from."""


def folder_of(name: str) -> str:
    """Return ComfyUI's name of a folder, `other` where it has none."""
    lowered = name.lower()
    lowered = LEGACY.get(lowered, lowered)
    return lowered if lowered in FOLDERS else OTHER
