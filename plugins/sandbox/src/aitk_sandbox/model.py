"""The small denoiser: a frozen base network with LoRA adapters, gradients written by hand.

Pictures of 16 by 16 pixels are handled as cosine coefficients, where noise stays noise and each
coefficient has its own spread. The noise is predicted in two parts: what a linear filter gets
from the spread of each coefficient alone, and what the network adds from the whole picture, the
noise level and the caption. Noise levels run from 0 (clean) to 1 (noise only) on the cosine
schedule (Nichol and Dhariwal 2021, section 3.2).
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any, Final

import attrs
import numpy as np
import numpy.typing as npt

from aitk_sandbox.pictures import SIDE, generic_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = npt.NDArray[np.floating[Any]]

COEFFICIENTS: Final = SIDE * SIDE * 3
CAPTION_DIM: Final = 24
_LEVEL_DIM: Final = 16
HIDDEN: Final = 192
INPUT_DIM: Final = COEFFICIENTS + _LEVEL_DIM + CAPTION_DIM

LEVEL_MIN: Final = 0.02
LEVEL_MAX: Final = 0.98
"""Levels are kept off the ends, where nothing is left to predict or nothing to see."""

LAYERS: Final = ("layer_in", "layer_hidden", "layer_out")

ADAPTER_GAIN: Final = 0.125
"""Share of alpha over rank that counts, so that the learning rates of real LoRA runs train this
small network. Of 1, 0.5, 0.25 and 0.125 the only one at which each of six seeds improved the
held-out demo pictures in 300 steps at 1e-4, 1e-3, 2e-3 and 1e-2; with the others one
or two seeds got worse at 1e-2."""

_BASE_SEED: Final = 7
_BASE_PICTURES: Final = 600
_BASE_LEVELS_PER_PICTURE: Final = 8
_BASE_WITHOUT_CAPTION_FRACTION: Final = 0.1
_RIDGE: Final = 30.0
"""Ridge penalty of the base fit; chosen by hand on held-out generic pictures, with an eye on the
demo pictures and their samples, so neither is an independent test of the base."""


@attrs.frozen(kw_only=True, eq=False)
class Batch:
    """Noisy pictures and what was added to them."""

    noisy: Array
    """(batch, 768) coefficients."""
    noise: Array
    """(batch, 768), what the network has to predict."""
    levels: Array
    """(batch,), from 0.02 to 0.98."""
    captions: Array
    """(batch, 24); a dropped caption is a row of zeros."""


@attrs.define(kw_only=True, eq=False)
class Network:
    """Base weights and the adapters on them."""

    base: dict[str, Array]
    """`<layer>.weight` (out, in), `<layer>.bias` (out,), and `spread` (768,) of the pictures."""
    adapters: dict[str, Array]
    """`<layer>.down` (rank, in) and `<layer>.up` (out, rank)."""
    strength: float
    """`ADAPTER_GAIN` times alpha over rank."""
    dtype: str = "fp32"
    """`fp32`, `bf16` or `fp16`: what every intermediate result is rounded to."""

    def predict(self, noisy: Array, levels: Array, captions: Array) -> Array:
        """Return the predicted noise, (batch, 768)."""
        return self._forward(noisy, levels, captions)[0]

    def loss(self, batch: Batch) -> float:
        """Return the mean squared error of the predicted noise."""
        error = self.predict(batch.noisy, batch.levels, batch.captions) - batch.noise
        return float(np.mean(error * error))

    def loss_and_gradients(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        """Return the loss and its gradient for each adapter array.

        A loss that is not finite comes with gradients that are not finite either.
        """
        predicted, kept = self._forward(batch.noisy, batch.levels, batch.captions)
        error = predicted - batch.noise
        loss = float(np.mean(error * error))
        _, gain, _ = preconditioning(batch.levels, self.base["spread"])
        gradient = self._round(error * gain * (2.0 / error.size))
        gradients: dict[str, Array] = {}
        back = self._dense_back("layer_out", kept["hidden_2"], gradient, gradients)
        inner = self._dense_back(
            "layer_hidden", kept["hidden_1"], back * _silu_slope(kept["before_2"]), gradients
        )
        back = self._round(back + inner)
        self._dense_back(
            "layer_in", kept["features"], back * _silu_slope(kept["before_1"]), gradients
        )
        return loss, gradients

    def _forward(
        self, noisy: Array, levels: Array, captions: Array
    ) -> tuple[Array, dict[str, Array]]:
        skip, gain, scale = preconditioning(levels, self.base["spread"])
        features = self._round(_features(noisy * scale, levels, captions))
        before_1 = self._dense("layer_in", features)
        hidden_1 = self._round(_silu(before_1))
        before_2 = self._dense("layer_hidden", hidden_1)
        hidden_2 = self._round(hidden_1 + _silu(before_2))
        predicted = self._round(skip * noisy + gain * self._dense("layer_out", hidden_2))
        kept = {
            "features": features,
            "before_1": before_1,
            "hidden_1": hidden_1,
            "before_2": before_2,
            "hidden_2": hidden_2,
        }
        return predicted, kept

    def _dense(self, layer: str, values: Array) -> Array:
        plain = values @ self.base[f"{layer}.weight"].T + self.base[f"{layer}.bias"]
        if f"{layer}.down" not in self.adapters:
            return self._round(plain)
        narrow = self._round(values @ self.adapters[f"{layer}.down"].T)
        added = self._round(narrow @ self.adapters[f"{layer}.up"].T)
        return self._round(plain + self.strength * added)

    def _dense_back(
        self, layer: str, values: Array, gradient: Array, gradients: dict[str, Array]
    ) -> Array:
        gradient = self._round(gradient)
        down, up = self.adapters[f"{layer}.down"], self.adapters[f"{layer}.up"]
        narrow = self._round(self.strength * (gradient @ up))
        gradients[f"{layer}.up"] = self.strength * (gradient.T @ (values @ down.T))
        gradients[f"{layer}.down"] = narrow.T @ values
        return self._round(gradient @ self.base[f"{layer}.weight"] + narrow @ down)

    def _round(self, values: Array) -> Array:
        if self.dtype == "fp16":
            return values.astype(np.float16).astype(np.float32)
        if self.dtype == "bf16":
            return round_bf16(values)
        return values


def round_bf16(values: Array) -> Array:
    """Round to bfloat16: the upper half of a float32, to nearest; keeps NaN and infinity."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = ((bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isfinite(values), rounded, values)


def preconditioning(levels: Array, spread: Array) -> tuple[Array, Array, Array]:
    """Return the parts of a prediction that follow from the spread of each coefficient alone.

    The preconditioning of Karras et al. 2022, table 1, for each coefficient, written for the
    noise instead of the clean picture.

    Args:
        levels: (batch,).
        spread: (768,), root mean square of each coefficient over pictures.

    Returns:
        Each (batch, 768): the share of the noisy coefficient that is the best linear guess of
        its noise, the size of what is left to predict, and what scales the input to size 1.
    """
    signal, noise = schedule(levels[:, None])
    variance = (signal * spread) ** 2 + noise**2
    return noise / variance, signal * spread / np.sqrt(variance), 1 / np.sqrt(variance)


def schedule(levels: Array) -> tuple[Array, Array]:
    """Return the shares of picture and noise at these levels, squares adding up to 1."""
    angle = levels * (math.pi / 2)
    return np.cos(angle), np.sin(angle)


def make_batch(pictures: Array, noise: Array, levels: Array, captions: Array) -> Batch:
    """Add noise to pictures, both as coefficients; shapes as in `Batch`."""
    levels = np.clip(levels, LEVEL_MIN, LEVEL_MAX)
    signal, share = schedule(levels[:, None])
    noisy = signal * pictures + share * noise
    return Batch(noisy=noisy, noise=noise, levels=levels, captions=captions)


def embed_caption(caption: str) -> npt.NDArray[np.float32]:
    """Return (24,) float32: the mean of a fixed random direction for each word.

    An empty caption is all zeros.
    """
    total = np.zeros(CAPTION_DIM, dtype=np.float32)
    words = caption.lower().replace(",", " ").split()
    for word in words:
        seed = zlib.crc32(word.encode())
        total += np.random.default_rng(seed).normal(size=CAPTION_DIM).astype(np.float32)
    return total / np.float32(max(1, len(words)))


def fit_base() -> dict[str, npt.NDArray[np.float32]]:
    """Fit the base network on generic pictures; the same weights every time.

    The first two layers are random features, the caption and level weighted up against the many
    coefficients; the last one is the ridge solution on those features (Rahimi and Recht 2008),
    with a weight between that of the training objective and an even one. It is a weak network:
    most of the denoising is the linear filter's, and captions hardly matter before training.
    """
    generator = np.random.default_rng(_BASE_SEED)
    drawn = generic_pictures(_BASE_PICTURES, seed=_BASE_SEED)
    pictures = to_coefficients(np.stack([item.pixels for item in drawn]))
    spread = _spread_of(pictures)
    weights = _random_layers(generator, spread)
    network = Network(base=weights, adapters={}, strength=0.0)
    pictures = np.repeat(pictures, _BASE_LEVELS_PER_PICTURE, axis=0)
    captions = np.stack([embed_caption(item.caption) for item in drawn])
    captions = np.repeat(captions, _BASE_LEVELS_PER_PICTURE, axis=0)
    # Some without caption, as caption dropout does, so that guidance has something to steer by.
    captions[generator.random(len(captions)) < _BASE_WITHOUT_CAPTION_FRACTION] = 0
    noise = generator.normal(size=pictures.shape).astype(np.float32)
    levels = generator.uniform(LEVEL_MIN, LEVEL_MAX, size=len(pictures)).astype(np.float32)
    batch = make_batch(pictures, noise, levels, captions)
    hidden = network._forward(batch.noisy, batch.levels, batch.captions)[1]["hidden_2"]  # noqa: SLF001 - same module
    skip, gain, _ = preconditioning(batch.levels, spread)
    weight = np.sqrt(gain.mean(axis=1, keepdims=True))
    target = (noise - skip * batch.noisy) / gain * weight
    rows = np.concatenate([hidden, np.ones((len(hidden), 1), np.float32)], axis=1) * weight
    solution = _ridge(rows, target)
    weights["layer_out.weight"] = np.ascontiguousarray(solution[:-1].T)
    weights["layer_out.bias"] = solution[-1]
    return {name: value.astype(np.float32) for name, value in weights.items()}


def _ridge(rows: Array, target: Array) -> Array:
    """Solve for every coefficient, and drop those that the fit does not help with.

    What helps is seen on the last quarter of the rows, which the fit leaves out.
    """
    end = len(rows) * 3 // 4
    gram = rows[:end].T @ rows[:end] + _RIDGE * np.eye(rows.shape[1], dtype=np.float32)
    solution: Array = np.linalg.solve(gram, rows[:end].T @ target[:end])
    left = np.mean((target[end:] - rows[end:] @ solution) ** 2, axis=0)
    helps: Array = (left < np.mean(target[end:] ** 2, axis=0)).astype(solution.dtype)
    return solution * helps


def _spread_of(pictures: Array) -> Array:
    """Return the root mean square of each coefficient, the three colours taken together."""
    squares = (pictures.reshape(-1, SIDE * SIDE, 3) ** 2).mean(axis=(0, 2))
    return np.repeat(np.sqrt(squares), 3).astype(np.float32)


def _random_layers(generator: np.random.Generator, spread: Array) -> dict[str, Array]:
    # Coefficients that carry more of a picture count for more; level and caption are few.
    importance = np.sqrt(spread / spread.max())
    importance /= math.sqrt(float(np.sum(importance**2)))
    rest = np.full(_LEVEL_DIM + CAPTION_DIM, 3 * float(np.sqrt(np.mean(importance**2))))
    scale = 2 * np.concatenate([importance, rest])
    drawn = {
        "layer_in.weight": generator.normal(size=(HIDDEN, INPUT_DIM)) * scale,
        "layer_in.bias": generator.normal(size=HIDDEN) * 0.3,
        "layer_hidden.weight": generator.normal(size=(HIDDEN, HIDDEN)) / math.sqrt(HIDDEN),
        "layer_hidden.bias": generator.normal(size=HIDDEN) * 0.3,
        "layer_out.weight": np.zeros((COEFFICIENTS, HIDDEN)),
        "layer_out.bias": np.zeros(COEFFICIENTS),
        "spread": spread,
    }
    return {name: value.astype(np.float32) for name, value in drawn.items()}


def new_adapters(
    base: Mapping[str, Array], *, rank: int, generator: np.random.Generator
) -> dict[str, Array]:
    """Return fresh adapters: random down, zero up, so that training starts at the base network.

    Initialisation as in Hu et al. 2021, section 4.1.
    """
    adapters: dict[str, Array] = {}
    for layer in LAYERS:
        outputs, inputs = base[f"{layer}.weight"].shape
        bound = 1 / math.sqrt(inputs)
        down = generator.uniform(-bound, bound, size=(rank, inputs))
        adapters[f"{layer}.down"] = down.astype(np.float32)
        adapters[f"{layer}.up"] = np.zeros((outputs, rank), dtype=np.float32)
    return adapters


def to_coefficients(pictures: Array) -> Array:
    """Turn (batch, 16, 16, 3) into cosine coefficients, (batch, 768).

    The transform is orthonormal (DCT-II), so white noise stays white noise.
    """
    turned: Array = np.einsum("ua,vb,nabc->nuvc", _COSINES, _COSINES, pictures, optimize=True)
    return turned.reshape(-1, COEFFICIENTS).astype(pictures.dtype)


def from_coefficients(coefficients: Array) -> Array:
    """Turn cosine coefficients, (batch, 768), back into (batch, 16, 16, 3)."""
    grid = coefficients.reshape(-1, SIDE, SIDE, 3)
    turned: Array = np.einsum("ua,vb,nuvc->nabc", _COSINES, _COSINES, grid, optimize=True)
    return turned.astype(coefficients.dtype)


def _cosines() -> Array:
    place = np.arange(SIDE)
    waves = np.cos(np.pi * (place[None] + 0.5) * place[:, None] / SIDE) * math.sqrt(2 / SIDE)
    waves[0] /= math.sqrt(2)
    return np.asarray(waves)


_COSINES: Final = _cosines()


def _features(scaled: Array, levels: Array, captions: Array) -> Array:
    # A caption is a mean of random directions, so small; twice its size it matters as much.
    joined = np.concatenate([scaled, _level_waves(levels), 2 * captions], axis=1)
    return joined.astype(scaled.dtype)


def _level_waves(levels: Array) -> Array:
    octaves = 2.0 ** np.arange(_LEVEL_DIM // 2, dtype=levels.dtype)
    angles = levels[:, None] * (octaves * (math.pi / 4))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def _sigmoid(values: Array) -> Array:
    # By way of tanh, which does not overflow.
    half: Array = np.tanh(0.5 * values)
    return 0.5 * (1 + half)


def _silu(values: Array) -> Array:
    return values * _sigmoid(values)


def _silu_slope(values: Array) -> Array:
    share = _sigmoid(values)
    return share * (1 + values * (1 - share))
