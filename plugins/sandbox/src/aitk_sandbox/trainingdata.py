"""What a run trains on and validates on: pictures in buckets, captions, noise."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import numpy as np

from aitk_sandbox.model import (
    Array,
    embed_caption,
    make_batch,
    to_coefficients,
)
from aitk_sandbox.pictures import load_dataset, read_picture

if TYPE_CHECKING:
    from aitk_sandbox.jobconfig import DatasetPlan, TrainPlan, ValidationPlan
    from aitk_sandbox.model import (
        Batch,
        Network,
    )
    from aitk_sandbox.pictures import Picture
    from aitk_sandbox.trainlog import TrainLog

_BUCKET_STEP: Final = 8
_VALIDATION_SEED: Final = 1
_SKEW: Final = 3
"""Power that skews levels to one end, as in the real trainer's content_or_style."""


@attrs.frozen(kw_only=True, eq=False)
class _Entry:
    picture: Array
    """(768,) coefficients."""
    caption: Array
    dropout_fraction: float


class TrainingData:
    """Endless batches of noisy pictures, each epoch in another order."""

    def __init__(self, plan: TrainPlan, log: TrainLog, generator: np.random.Generator) -> None:
        """Read the datasets of a plan.

        Raises:
            FileNotFoundError: A dataset folder does not exist.
            RuntimeError: One holds no picture, or there is no dataset at all.
        """
        self.epoch = 0
        self._plan = plan
        self._generator = generator
        self._entries: list[_Entry] = []
        for dataset in plan.datasets:
            for resolution in dataset.resolutions:
                self._add(dataset, resolution, log)
        if not self._entries:
            raise RuntimeError("no datasets configured")
        self._order: list[int] = []

    def _add(self, dataset: DatasetPlan, resolution: int, log: TrainLog) -> None:
        if Path(dataset.folder_path).is_dir():
            log.line(f"Dataset: {dataset.folder_path}")
        pictures = load_dataset(dataset, log)
        log.line(f"Bucket sizes for {dataset.folder_path}:")
        buckets = Counter(bucket_of(picture.size, resolution) for picture in pictures)
        for (width, height), count in buckets.items():
            log.line(f"{width}x{height}: {count} files")
        log.line(f"{len(buckets)} buckets made")
        for picture in pictures * max(1, dataset.num_repeats):
            self._entries += _entries(picture, dataset)

    def batch(self) -> Batch:
        """Return the next batch; one that crosses the end of an epoch goes on in the next."""
        chosen = [self._entries[self._next()] for _ in range(self._plan.batch_size)]
        pictures = np.stack([entry.picture for entry in chosen])
        captions = np.stack([self._caption(entry) for entry in chosen])
        noise = self._generator.normal(size=pictures.shape).astype(np.float32)
        return make_batch(pictures, noise, self._levels(len(chosen)), captions)

    def _next(self) -> int:
        if not self._order:
            self._order = [int(value) for value in self._generator.permutation(len(self._entries))]
            self.epoch += 1
        return self._order.pop()

    def _caption(self, entry: _Entry) -> Array:
        dropped = self._generator.random() < entry.dropout_fraction
        return np.zeros_like(entry.caption) if dropped else entry.caption

    def _levels(self, count: int) -> Array:
        match self._plan.content_or_style, self._plan.timestep_type:
            case "content", _:
                levels = 1 - self._generator.random(count) ** _SKEW
            case "style", _:
                levels = self._generator.random(count) ** _SKEW
            case _, "sigmoid":
                levels = 1 / (1 + np.exp(-self._generator.normal(size=count)))
            case _, "one_step":
                levels = np.ones(count)
            case _:
                levels = self._generator.random(count)
        return levels.astype(np.float32)


class ValidationData:
    """Held-out pictures with noise that never changes, so that its loss is comparable."""

    def __init__(self, plan: ValidationPlan) -> None:
        """Read the pictures of a validation block.

        Raises:
            OSError: One of them cannot be read.
        """
        self.every = plan.every
        generator = np.random.default_rng(_VALIDATION_SEED)
        pictures = [read_picture(Path(path), caption=prompt) for path, prompt in plan.items]
        repeats = len(plan.sigmas)
        clean = to_coefficients(np.stack([item.pixels for item in pictures]))
        clean = np.repeat(clean, repeats, axis=0)
        captions = np.stack([embed_caption(item.caption) for item in pictures])
        levels = np.tile(np.asarray(plan.sigmas, dtype=np.float32), len(pictures))
        noise = generator.normal(size=clean.shape).astype(np.float32)
        self._batch = make_batch(clean, noise, levels, np.repeat(captions, repeats, axis=0))

    def loss(self, network: Network) -> float:
        """Return the mean loss over all pictures and levels; may be NaN or infinite."""
        return network.loss(self._batch)


def _entries(source: Picture, dataset: DatasetPlan) -> list[_Entry]:
    caption = embed_caption(source.caption)
    sides = [source.pixels, source.pixels[:, ::-1]] if dataset.flip_x else [source.pixels]
    return [
        _Entry(
            picture=picture,
            caption=caption,
            dropout_fraction=dataset.caption_dropout_fraction,
        )
        for picture in to_coefficients(np.stack(sides))
    ]


def bucket_of(size: tuple[int, int], resolution: int) -> tuple[int, int]:
    """Return the width and height a picture would train at in the real trainer.

    At most `resolution` squared pixels, sides divisible by 8, never enlarged
    (API of the backend, section 13).
    """
    width, height = size
    scale = min(1.0, math.sqrt(resolution * resolution / (width * height)))
    return (_floored(width * scale), _floored(height * scale))


def _floored(side: float) -> int:
    # The small addition keeps an exact multiple from falling by rounding error.
    return max(_BUCKET_STEP, int(side + 1e-6) // _BUCKET_STEP * _BUCKET_STEP)
