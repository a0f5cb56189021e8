"""Generated pictures with the statistics of photographs, for tests and for measuring false alarms.

picture = natural_picture(np.random.default_rng(0), width=256, height=192)

Random fields alone would make any measure look good (datasets.md section E6), so there are
gradients, hard and soft shapes, and grain as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from numpy.random import Generator

Pixels = npt.NDArray[np.uint8]
_Plane = npt.NDArray[np.float64]

_EXPONENTS: Final = (2.0, 2.6)
"""Power falls as 1/f^a: the range of natural images (datasets.md section E6)."""
_SHAPES: Final = 6
_GRAIN: Final = (0.0, 6.0)
"""Standard deviation in levels of 255: none, to a photograph at high sensitivity. Ours."""


def natural_picture(generator: Generator, *, width: int = 256, height: int = 256) -> Pixels:
    """Return a picture, (height, width, 3) uint8; equal generators give equal pictures."""
    ground = _field(generator, height, width)
    canvas = np.empty((height, width, 3))
    for channel in range(3):
        own = _field(generator, height, width)
        canvas[..., channel] = 0.8 * ground + 0.2 * own
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    slope = generator.uniform(-1.0, 1.0, size=2)
    canvas += (slope[0] * down + slope[1] * across)[..., None]
    for _ in range(generator.integers(0, _SHAPES)):
        _draw_shape(generator, canvas, down, across)
    levels = generator.uniform(80, 170) + generator.uniform(20, 60) * canvas
    levels += generator.normal(0.0, generator.uniform(*_GRAIN), size=levels.shape)
    return np.clip(levels, 0, 255).astype(np.uint8)


def _field(generator: Generator, height: int, width: int) -> _Plane:
    """Return a random field of mean 0 and deviation 1 whose power falls as 1/f^a."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(generator.normal(size=(height, width)))
    spectrum *= frequency ** (-generator.uniform(*_EXPONENTS) / 2)
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(height, width))
    shaped: _Plane = field / field.std()
    return shaped


def _draw_shape(
    generator: Generator, canvas: npt.NDArray[np.float64], down: _Plane, across: _Plane
) -> None:
    centre = generator.uniform(0.1, 0.9, size=2)
    radius = generator.uniform(0.05, 0.3, size=2)
    distance = np.hypot((down - centre[0]) / radius[0], (across - centre[1]) / radius[1])
    if generator.random() < 0.5:  # noqa: PLR2004 - half of them are boxes
        distance = np.maximum(np.abs(down - centre[0]), np.abs(across - centre[1])) / radius[0]
    softness = generator.choice([0.01, 0.3])
    opacity = np.clip((1 - distance) / softness, 0, 1)[..., None]
    canvas[:] = canvas * (1 - opacity) + generator.normal(0, 1.2, size=3) * opacity
