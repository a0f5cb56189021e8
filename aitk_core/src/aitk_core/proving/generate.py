"""Series with the measured statistics of diffusion training, and faults planted in them.

What real series look like is in STATS.md section 0; the figures are of 48 public runs. All
functions are pure: the generator is passed in, so a seed gives the same series again.

    rng = np.random.default_rng(7)
    losses = shifted(noise_losses(rng, 3000), onset=1500, factor=2.0)
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Timesteps = Literal["sigmoid", "uniform", "shift"]

LEVEL: Final = 0.12
"""Mean loss of the public runs; no 50 steps of them average above 0.25 (STATS.md section 12)."""

# Ours: a log-normal of sd 1.7 cut 1.4 sd above its median has the measured spread: a coefficient
# of variation of 1.24 and an sd of ln of 1.46 (STATS.md section 0). Uncut at 1.46 it would have
# twice the variation, and no largest value: the public runs stay below about 8 times their mean.
_SPREAD: Final = 1.7
_CUT: Final = 1.4

_MODES: Final = 512
_IMAGES: Final = 20
_DIFFICULTY: Final = 0.3
_PACE_SPREAD: Final = 0.05
"""Ours: sd of ln seconds per step between pauses."""
_PAUSE_STEPS: Final = 29.0
"""Longest gap of the median public run, in median steps (STATS.md section 9)."""
_SAVE_STEPS: Final = 3.0
"""Ours: a checkpoint of a LoRA takes about as long as a few steps."""


def noise_losses(
    rng: np.random.Generator,
    steps: int,
    *,
    batch: int = 1,
    level: float = LEVEL,
    fall: float = 0.0,
) -> NDArray[np.float64]:
    """Return losses of a healthy noise-prediction run: white noise about a slow mean.

    Args:
        rng: Source of the noise.
        steps: How many, 0 or more.
        batch: Samples averaged in each loss, 1 or more; the spread falls with its root.
        level: Mean of the first loss.
        fall: Share by which the mean falls over the run, below 1; 0.06 is the median of the
            public runs. Negative: a rise.

    Returns:
        (steps,) float64, above 0.
    """
    values = np.exp(_SPREAD * _cut_normal(rng, steps * batch)).reshape(steps, batch).mean(axis=1)
    losses: NDArray[np.float64] = level * values / _MEAN * slow_mean(steps, fall)
    return losses


def _cut_normal(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    values = rng.normal(size=count)
    while (above := values > _CUT).any():
        values[above] = rng.normal(size=int(above.sum()))
    return values


def _mean_of_cut() -> float:
    """Return the mean of exp(sd z) for a normal z cut at `_CUT` (exact)."""
    unit = NormalDist()
    return float(np.exp(_SPREAD**2 / 2)) * unit.cdf(_CUT - _SPREAD) / unit.cdf(_CUT)


_MEAN: Final = _mean_of_cut()


def slow_mean(steps: int, fall: float) -> NDArray[np.float64]:
    """Return the mean's course from 1 to 1 - `fall`, half of it in the first fifth.

    Args:
        steps: How many, 0 or more.
        fall: Share of the first mean, below 1.
    """
    course = 1 - np.exp(-np.log(2) * 5 * np.linspace(0.0, 1.0, steps))
    mean: NDArray[np.float64] = 1 - fall * course / (1 - 2.0**-5)
    return mean


def flow_losses(
    rng: np.random.Generator,
    steps: int,
    *,
    exponent: float = 1.2,
    timesteps: Timesteps = "sigmoid",
    level: float = 0.5,
    fall: float = 0.0,
) -> NDArray[np.float64]:
    """Return losses of a simulated flow-matching run at batch 1 (STATS.md, introduction).

    Optimal velocity error of Gaussian data with a power-law spectrum: each mode leaves
    lam / ((1 - t)^2 lam + t^2); 20 images of log-normal difficulty (sd 0.3), each once an epoch.

    Args:
        rng: Source of the noise.
        steps: How many, 0 or more.
        exponent: Of the spectrum: 0.8, 1.2 or 1.6 in STATS.md.
        timesteps: How t is drawn: `shift` is uniform shifted by 3.
        level: Mean of the first loss.
        fall: Share by which the mean falls over the run, below 1.

    Returns:
        (steps,) float64, above 0.
    """
    drawn = rng.uniform(size=steps)
    error = np.interp(_timesteps(drawn, timesteps), _GRID, _residual(exponent))
    difficulty = np.exp(rng.normal(0.0, _DIFFICULTY, _IMAGES))
    epochs = -(-steps // _IMAGES)
    order = rng.permuted(np.tile(np.arange(_IMAGES), (epochs, 1)), axis=1).ravel()[:steps]
    scale = _mean_error(exponent, timesteps) * float(difficulty.mean())
    losses: NDArray[np.float64] = level * error * difficulty[order] / scale * slow_mean(steps, fall)
    return losses


_GRID_POINTS: Final = 2001
_GRID: Final = np.linspace(0.0, 1.0, _GRID_POINTS)
_SHARES: Final = np.arange(1, _GRID_POINTS - 1) / (_GRID_POINTS - 1)
_NORMAL: Final = np.array([NormalDist().inv_cdf(share) for share in _SHARES.tolist()])


@cache
def _residual(exponent: float) -> NDArray[np.float64]:
    """Return the mean error over the modes at each point of the grid."""
    spectrum = np.arange(1, _MODES + 1, dtype=np.float64) ** -exponent
    spectrum /= spectrum.mean()
    t = _GRID[:, None]
    residual: NDArray[np.float64] = (spectrum / ((1 - t) ** 2 * spectrum + t**2)).mean(axis=1)
    return residual


@cache
def _mean_error(exponent: float, kind: Timesteps) -> float:
    middles = (np.arange(_GRID_POINTS) + 0.5) / _GRID_POINTS
    return float(np.interp(_timesteps(middles, kind), _GRID, _residual(exponent)).mean())


def _timesteps(shares: NDArray[np.float64], kind: Timesteps) -> NDArray[np.float64]:
    """Return the timesteps at these shares of their distribution, 0 to 1."""
    if kind == "sigmoid":
        # Quantiles of the normal distribution by table; its ends hold 0.05 % each.
        normal = np.interp(shares, _SHARES, _NORMAL)
        squashed: NDArray[np.float64] = 1 / (1 + np.exp(-normal))
        return squashed
    return 3 * shares / (1 + 2 * shares) if kind == "shift" else shares


def step_times(
    rng: np.random.Generator,
    steps: int,
    *,
    pace_s: float = 1.0,
    sample_every: int = 250,
    save_every: int = 250,
) -> NDArray[np.float64]:
    """Return seconds before each logged step, pauses for sampling and saving included.

    Args:
        rng: Source of the jitter.
        steps: How many, 0 or more.
        pace_s: Median seconds per step.
        sample_every: Steps between two pauses for samples.
        save_every: Steps between two pauses for a checkpoint.

    Returns:
        (steps,) float64 seconds, above 0.
    """
    paces = pace_s * np.exp(rng.normal(0.0, _PACE_SPREAD, steps))
    paces[sample_every::sample_every] += _PAUSE_STEPS * pace_s
    paces[save_every::save_every] += _SAVE_STEPS * pace_s
    return paces


def validation_losses(
    rng: np.random.Generator,
    evaluations: int,
    *,
    turn: int | None = None,
    rise: float = 0.01,
    level: float = 0.15,
) -> NDArray[np.float64]:
    """Return validation losses that fall, and rise again after a turn.

    Args:
        rng: Source of the noise; 0.05 % as between seeds at the minimum (STATS.md section 8).
        evaluations: How many.
        turn: Index of the smallest one; None: it never turns.
        rise: Share of the minimum by which each later evaluation lies higher.
        level: Of the first one.

    Returns:
        (evaluations,) float64, above 0.
    """
    index = np.arange(evaluations)
    last = evaluations - 1 if turn is None else turn
    course = 1 - 0.1 * np.minimum(index, last) / max(last, 1)
    course = course + 0.9 * rise * np.maximum(index - last, 0)
    losses: NDArray[np.float64] = level * course * np.exp(rng.normal(0.0, 0.0005, evaluations))
    return losses


def diverging(
    rng: np.random.Generator,
    healthy: NDArray[np.float64],
    *,
    onset: int = 20,
    to: float = 1.0,
) -> NDArray[np.float64]:
    """Return losses of a run that ends up predicting nothing (STATS.md section 12).

    From the onset on, the level goes to that of a model that predicts nothing within 20 steps,
    and the spread to a coefficient of variation of 0.15, as recorded at a learning rate 30 times
    too high.

    Args:
        rng: Source of the noise.
        healthy: (steps,) losses of the run without the fault.
        onset: First step that leaves them; -20 or less: there is no healthy step.
        to: The level: 1 for noise prediction, about 2 for flow matching.

    Returns:
        (steps,) float64, above 0.
    """
    share = np.clip((np.arange(len(healthy)) - onset + 1) / 20.0, 0.0, 1.0)
    broken = to * np.exp(rng.normal(0.0, 0.15, len(healthy)))
    mixed: NDArray[np.float64] = np.exp((1 - share) * np.log(healthy) + share * np.log(broken))
    return mixed


def shifted(values: NDArray[np.float64], *, onset: int, factor: float) -> NDArray[np.float64]:
    """Return the values with all from `onset` on multiplied; of step times, a slow-down."""
    planted = values.copy()
    planted[onset:] *= factor
    return planted


def spiked(values: NDArray[np.float64], *, at: int, factor: float) -> NDArray[np.float64]:
    """Return the values with a single one multiplied."""
    planted = values.copy()
    planted[at] *= factor
    return planted


def not_finite_from(values: NDArray[np.float64], *, onset: int) -> NDArray[np.float64]:
    """Return the values as the trainer logs them once they are not finite: exactly 0."""
    return shifted(values, onset=onset, factor=0.0)
