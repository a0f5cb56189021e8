"""Pictures: the demo set, the generic set the base network is fitted on, and folder loading.

Folder rules are those of the AI Toolkit trainer (`toolkit/data_loader.py`,
`toolkit/dataloader_mixins.py`): which files count as images, which are skipped, where the
caption comes from, and what is said when something is wrong.
"""

from __future__ import annotations

import json
import math
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from aitk_sandbox.demo import DATASET, VALIDATION_COUNT, VALIDATION_DATASET

if TYPE_CHECKING:
    from aitk_sandbox.jobconfig import DatasetPlan
    from aitk_sandbox.trainlog import TrainLog

Pixels = npt.NDArray[np.float32]

SIDE: Final = 16
"""Side of the pictures the network sees, in pixels."""

DRAWN_SIDE: Final = 64
"""Side of the generated picture files, in pixels."""

_DEMO_COUNT: Final = 16
_DEMO_SEED: Final = 20

IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")
"""What the trainer reads as an image, whatever the case."""

_COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "red": (205, 45, 40),
    "orange": (240, 140, 30),
    "gold": (235, 200, 60),
    "green": (60, 160, 75),
    "teal": (30, 150, 150),
    "blue": (45, 85, 200),
    "violet": (130, 65, 180),
    "white": (240, 240, 235),
    "grey": (128, 128, 128),
    "black": (25, 25, 30),
}
_LANTERN_COLOURS: Final = ("red", "orange", "gold", "violet")
_WATER_LINE: Final = 0.72
_SHAPES: Final = ("circle", "square", "triangle", "ring")


@attrs.frozen(kw_only=True, eq=False)
class Picture:
    """One picture ready for training."""

    path: str
    """Where it was read from; empty for a picture that was never a file."""
    caption: str
    pixels: Pixels
    """(16, 16, 3) float32, from -1 to 1."""
    size: tuple[int, int]
    """Width and height of the file in pixels."""


def generic_pictures(count: int, *, seed: int) -> list[Picture]:
    """Draw plain shapes on plain grounds: what the base network knows."""
    generator = np.random.default_rng(seed)
    return [_as_picture(*_draw_shape(generator)) for _ in range(count)]


def ensure_demo_pictures(datasets_folder: Path) -> Path:
    """Write the demo picture sets, training and validation, where they are missing.

    Args:
        datasets_folder: Folder that holds the datasets, as in the backend's settings.

    Returns:
        The folder of the training pictures.
    """
    generator = np.random.default_rng(_DEMO_SEED)
    for name, count in ((DATASET, _DEMO_COUNT), (VALIDATION_DATASET, VALIDATION_COUNT)):
        folder = datasets_folder / name
        drawn = [_draw_lantern(generator) for _ in range(count)]
        if folder.is_dir():
            continue
        folder.mkdir(parents=True)
        for number, (pixels, caption) in enumerate(drawn):
            stem = folder / f"lantern_{number:02d}"
            Image.fromarray(pixels).save(stem.with_suffix(".png"))
            stem.with_suffix(".txt").write_text(caption, encoding="utf-8")
    return datasets_folder / DATASET


def _draw_shape(generator: np.random.Generator) -> tuple[npt.NDArray[np.uint8], str]:
    ground, ink = generator.choice(list(_COLOURS), size=2, replace=False)
    shape = str(generator.choice(_SHAPES))
    canvas = _gradient(_COLOURS[ground], _COLOURS[ground], generator)
    y, x = _grid()
    centre_x, centre_y = generator.uniform(0.3, 0.7, size=2)
    radius = generator.uniform(0.15, 0.35)
    across, down = np.abs(x - centre_x), np.abs(y - centre_y)
    distance = np.hypot(across, down)
    mask = {
        "circle": distance < radius,
        "square": np.maximum(across, down) < radius,
        "triangle": (y - centre_y < radius) & (across * 2 < (y - centre_y) + radius),
        "ring": (distance < radius) & (distance > radius * 0.6),
    }[shape]
    canvas[mask] = _COLOURS[ink]
    return _finish(canvas, generator), f"a {ink} {shape} on a {ground} ground"


def _draw_lantern(generator: np.random.Generator) -> tuple[npt.NDArray[np.uint8], str]:
    colour = str(generator.choice(_LANTERN_COLOURS))
    canvas = _gradient((10, 14, 45), (40, 30, 80), generator)
    y, x = _grid()
    centre_x, centre_y = generator.uniform(0.35, 0.65), generator.uniform(0.28, 0.42)
    width, height = generator.uniform(0.13, 0.2), generator.uniform(0.18, 0.25)
    distance = np.hypot((x - centre_x) / width, (y - centre_y) / height)
    glow = np.exp(-0.5 * distance**2)[..., None] * 0.7
    light = np.asarray(_COLOURS[colour], dtype=np.float64)
    canvas = canvas * (1 - glow) + light * glow
    ribs = 0.75 + 0.25 * np.cos((x - centre_x) / width * 3 * math.pi)
    canvas[distance < 1] = (light * ribs[..., None])[distance < 1]
    # The reflection breaks into bars that follow the lantern's column.
    water = (y > _WATER_LINE) & (np.abs(x - centre_x) < width * 1.4) & (np.sin(y * 70) > 0)
    canvas[water] = canvas[water] * 0.4 + light * 0.6
    return _finish(canvas, generator), f"a {colour} lantern over dark water at night"


def _grid() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    axis = (np.arange(DRAWN_SIDE) + 0.5) / DRAWN_SIDE
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x


def _gradient(
    top: tuple[int, int, int], bottom: tuple[int, int, int], generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    share = _grid()[0][..., None]
    blend = np.asarray(top) * (1 - share) + np.asarray(bottom) * share
    return np.asarray(blend * generator.uniform(0.8, 1.1), dtype=np.float64)


def _finish(
    canvas: npt.NDArray[np.float64], generator: np.random.Generator
) -> npt.NDArray[np.uint8]:
    grain = generator.normal(0, 4, size=canvas.shape)
    return np.clip(canvas + grain, 0, 255).astype(np.uint8)


def _as_picture(pixels: npt.NDArray[np.uint8], caption: str) -> Picture:
    image = Image.fromarray(pixels)
    return Picture(path="", caption=caption, pixels=to_network(image), size=image.size)


def to_network(image: Image.Image) -> Pixels:
    """Scale a picture to what the network sees: (16, 16, 3) float32, from -1 to 1."""
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) / 127.5 - 1


def read_picture(path: Path, *, caption: str) -> Picture:
    """Read one picture file.

    Raises:
        OSError: The file cannot be read as an image.
    """
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened)
        return Picture(
            path=str(path), caption=caption, pixels=to_network(upright), size=upright.size
        )


def load_dataset(plan: DatasetPlan, log: TrainLog) -> list[Picture]:
    """Read the pictures of one dataset, reporting and leaving out those that cannot be read.

    Args:
        plan: The dataset block of the job config.
        log: Where the trainer's own messages about the dataset go.

    Raises:
        FileNotFoundError: The folder does not exist.
        RuntimeError: There is no picture in it.
    """
    listed = _listed(plan.folder_path)
    log.line("  -  Preprocessing image dimensions")
    bar = log.bar("", total=len(listed))
    pictures: list[Picture] = []
    for path, given in listed:
        caption = given if given is not None else _caption_beside(path, plan)
        try:
            pictures.append(read_picture(path, caption=_with_trigger(caption, plan)))
        except (OSError, UnidentifiedImageError) as error:
            log.line(traceback.format_exc())
            log.line(f"Error processing image: {path}\n{error}")
        bar.update(1)
    bar.close()
    log.line(f"  -  Found {len(pictures)} images")
    if not pictures:
        raise RuntimeError(f"no images found in {plan.folder_path}")
    return pictures


def _listed(folder_path: str) -> list[tuple[Path, str | None]]:
    folder = Path(folder_path)
    if not folder.is_dir():
        # As the trainer does: what is no folder is opened as a list of files, so a missing
        # folder fails with the message of a missing file.
        with folder.open(encoding="utf-8") as stream:
            entries: dict[str, dict[str, Any]] = json.load(stream)
        return [(Path(path), str(item.get("caption", ""))) for path, item in entries.items()]
    found: list[tuple[Path, str | None]] = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if Path(root).name == "_controls":
            continue
        found += [
            (Path(root) / name, None)
            for name in sorted(files)
            if not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES)
        ]
    if not found:
        raise RuntimeError(f"no images found in {folder_path}")
    return found


def _caption_beside(path: Path, plan: DatasetPlan) -> str:
    extension = "." + plan.caption_ext.removeprefix(".")
    try:
        text = path.with_suffix(extension).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        text = ""
    return text or plan.default_caption


def _with_trigger(caption: str, plan: DatasetPlan) -> str:
    trigger = plan.trigger_word or ""
    text = caption.replace("[trigger]", trigger).replace("[name]", trigger)
    if trigger and not plan.is_reg and trigger not in text:
        text = f"{trigger}, {text}" if text else trigger
    return text
