"""Measures of one picture, and of two: darkness, likeness to noise, change and shift by blocks.

Pictures are (H, W, 3) uint8 RGB, as `aitk_core.evidence.samples` has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.evidence.samples import SampleImage

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float64]

BLOCK: Final = 8
"""Side of the blocks that are compared, in pixels; the JPEG block of a picture not reduced."""

_LUMA: Final = (0.299, 0.587, 0.114)
"""Rec. 601, as Pillow's `convert("L")`."""
_SCALES: Final = (1, 2, 4)
"""Halvings of the 256 px picture, down to 64 px. A latent has 8 px of a sample (SD, SDXL, Flux), so
noise that the VAE has decoded is white at 1/8: 128 px of 1024, 64 px of 512."""
_SHORTEST: Final = 32
"""A side below that has too few pixels for a spectrum; ours."""


def pixels_of(sample: SampleImage) -> Pixels:
    """Return the pixels of a sample that could be read.

    Raises:
        ValueError: It could not be.
    """
    if sample.pixels is None:
        raise ValueError("a sample that could not be read has no pixels")
    return sample.pixels


def luma(pixels: Pixels) -> Plane:
    """Return brightness, (H, W) float64, 0 to 255."""
    plane: Plane = pixels @ np.asarray(_LUMA)
    return plane


def dark_fraction(pixels: Pixels, level: float) -> float:
    """Return the share of pixels with no channel above the level, 0 to 1; 1 for none at all."""
    return float((pixels.max(axis=2) <= level).mean()) if pixels.size else 1.0


def scales(pixels: Pixels) -> Iterator[Plane]:
    """Give the brightness at each scale that has enough pixels, the finest first."""
    plane = luma(pixels)
    for scale in _SCALES:
        if min(plane.shape) // scale < _SHORTEST:
            return
        yield area_means(plane, scale)


def neighbour_correlation(plane: Plane) -> float:
    """Return the correlation of neighbours, the stronger of across and down, -1 to 1.

    White noise of n pixels has 0 with a standard deviation of 1/sqrt(n); a flat plane has 1.

    Args:
        plane: (H, W) float64, both sides 2 or more.
    """
    centred = plane - plane.mean()
    across = _correlation(centred[:, :-1], centred[:, 1:])
    down = _correlation(centred[:-1], centred[1:])
    return max(across, down, key=abs)


def spectral_flatness(plane: Plane) -> float:
    """Return the geometric over the arithmetic mean of the power spectrum, 0 to 1.

    The Wiener entropy of the periodogram without its zero frequency. Each ordinate of white noise
    is exponential, so that has exp(-0.577) = 0.56; a flat plane has 0.
    """
    power = np.abs(np.fft.fft2(plane - plane.mean())).ravel()[1:] ** 2
    mean = float(power.mean()) if power.size else 0.0
    if mean <= 0:
        return 0.0
    # A frequency with no power at all would make the geometric mean 0 for its own sake.
    return float(np.exp(np.log(power / mean + 1e-12).mean()))


def area_means(plane: Plane, scale: int) -> Plane:
    """Return the means of squares of `scale` pixels; rows and columns left over are dropped."""
    height, width = (side // scale * scale for side in plane.shape)
    squares = plane[:height, :width].reshape(height // scale, scale, width // scale, scale)
    means: Plane = squares.mean(axis=(1, 3))
    return means


def block_change(before: Pixels, after: Pixels) -> float | None:
    """Return the mean absolute difference of the block that changed most, levels of 255.

    A small change in one place is not lost in the mean of the whole, and noise of single
    pixels averages out within a block.

    Returns:
        None where the two differ in size, so that nothing can be compared.
    """
    if before.shape != after.shape:
        return None
    change = np.abs(before.astype(np.float64) - after).mean(axis=2)
    scale = min(BLOCK, *change.shape)
    return float(area_means(change, scale).max()) if scale else 0.0


def block_shift(before: Pixels, after: Pixels) -> float | None:
    """Return by how much the brightness of the block that shifted most did, levels of 255.

    The mean of a block is its lowest cosine coefficient, the one that JPEG keeps most exactly; what
    quantising does to the others averages out, so that equal pictures stay near 0.

    Returns:
        None where the two differ in size, so that nothing can be compared.
    """
    if before.shape != after.shape:
        return None
    shift = luma(before) - luma(after)
    scale = min(BLOCK, *shift.shape)
    return float(np.abs(area_means(shift, scale)).max()) if scale else 0.0


def _correlation(one: Plane, other: Plane) -> float:
    scale = float(np.sqrt((one**2).mean() * (other**2).mean()))
    return float((one * other).mean() / scale) if scale > 0 else 1.0
