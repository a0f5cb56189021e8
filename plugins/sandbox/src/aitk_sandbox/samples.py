"""Sample pictures: deterministic sampling from the network, written as the trainer names them."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from aitk_sandbox.model import (
    COEFFICIENTS,
    LEVEL_MAX,
    LEVEL_MIN,
    embed_caption,
    from_coefficients,
    schedule,
    to_coefficients,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_sandbox.jobconfig import SamplePlan
    from aitk_sandbox.model import Array, Network

_THUMB_SIDE: Final = 300
_ENDINGS: Final[dict[str, str]] = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}


def draw_sample(network: Network, plan: SamplePlan, index: int) -> Image.Image:
    """Sample one picture for a prompt.

    DDIM without noise (Song et al. 2020, equation 12) with classifier-free guidance
    (Ho and Salimans 2022, equation 6).

    Args:
        network: Base with adapters as they are now.
        plan: What to draw.
        index: Which of its prompts.
    """
    seed = plan.seed + index if plan.walk_seed else plan.seed
    generator = np.random.default_rng(seed)
    picture: Array = generator.normal(size=(1, COEFFICIENTS)).astype(np.float32)
    clean = picture
    wanted = embed_caption(plan.prompts[index])[None]
    unwanted = embed_caption(plan.negative)[None]
    levels = np.linspace(LEVEL_MAX, LEVEL_MIN, plan.steps + 1, dtype=np.float32)
    for level, following in itertools.pairwise(levels):
        at = np.asarray([level], dtype=np.float32)
        steered = network.predict(picture, at, wanted)
        plain = network.predict(picture, at, unwanted)
        noise = plain + plan.guidance_scale * (steered - plain)
        signal, share = schedule(at)
        # Clipping keeps a strong guidance inside the range of pictures.
        pixels = from_coefficients((picture - share * noise) / signal)
        clean = to_coefficients(np.clip(pixels, -1, 1))
        signal, share = schedule(np.asarray([following], dtype=np.float32))
        picture = signal * clean + share * noise
    shades = np.clip(from_coefficients(clean)[0], -1, 1) * 127.5 + 127.5
    image = Image.fromarray(np.nan_to_num(shades).astype(np.uint8))
    return image.resize((plan.width, plan.height), Image.Resampling.BICUBIC)


def write_sample(image: Image.Image, folder: Path, *, step: int, index: int, ending: str) -> Path:
    """Write a sample and its thumbnail, the thumbnail first, each moved into place.

    Args:
        image: The picture.
        folder: The run's `samples` folder.
        step: Step in the name.
        index: Number of the prompt, from 0.
        ending: File format, `png`, `jpg` or `webp`; anything else is written as `jpg`.

    Returns:
        The file written.
    """
    ending = ending if ending in _ENDINGS else "jpg"
    stamp_ms = time.time_ns() // 1_000_000
    name = f"{stamp_ms}__{step:09d}_{index}.{ending}"
    thumbs, waiting = folder / ".thumbs", folder / ".tmp"
    for needed in (thumbs, waiting):
        needed.mkdir(parents=True, exist_ok=True)
    thumb = image.copy()
    thumb.thumbnail((_THUMB_SIDE, _THUMB_SIDE))
    part = waiting / name
    thumb.save(part, format="JPEG")
    part.replace(thumbs / f"{name}.jpg")
    image.save(part, format=_ENDINGS[ending])
    part.replace(folder / name)
    return folder / name
