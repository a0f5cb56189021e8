from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest

from aitk_sandbox import optimizers
from aitk_sandbox.model import (
    ADAPTER_GAIN,
    COEFFICIENTS,
    INPUT_DIM,
    LAYERS,
    Batch,
    Network,
    embed_caption,
    fit_base,
    from_coefficients,
    make_batch,
    new_adapters,
    round_bf16,
    to_coefficients,
)
from aitk_sandbox.pictures import ensure_demo_pictures, generic_pictures, read_picture

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_sandbox.pictures import Picture


@functools.cache
def base() -> dict[str, Any]:
    return dict(fit_base())


def network(*, dtype: str = "fp32", rank: int = 16) -> Network:
    adapters = new_adapters(base(), rank=rank, generator=np.random.default_rng(1))
    return Network(base=base(), adapters=adapters, strength=ADAPTER_GAIN, dtype=dtype)


def fixed_batch(pictures: list[Picture], *, seed: int = 5) -> Batch:
    generator = np.random.default_rng(seed)
    clean = to_coefficients(np.stack([item.pixels for item in pictures])).repeat(4, axis=0)
    captions = np.stack([embed_caption(item.caption) for item in pictures]).repeat(4, axis=0)
    levels = np.tile(np.asarray([1, 0.75, 0.5, 0.25], np.float32), len(pictures))
    noise = generator.normal(size=clean.shape).astype(np.float32)
    return make_batch(clean, noise, levels, captions)


def demo_pictures(folder: Path) -> tuple[list[Picture], list[Picture]]:
    ensure_demo_pictures(folder)
    read = [
        [
            read_picture(path, caption=path.with_suffix(".txt").read_text(encoding="utf-8"))
            for path in sorted((folder / name).glob("*.png"))
        ]
        for name in ("demo_pictures", "demo_pictures_validation")
    ]
    return read[0], read[1]


def train(
    net: Network, pictures: list[Picture], *, lr: float, steps: int, seed: int = 3
) -> list[float]:
    generator = np.random.default_rng(seed)
    optimizer = optimizers.new_optimizer("adamw", {"weight_decay": 1e-4})
    clean = to_coefficients(np.stack([item.pixels for item in pictures]))
    captions = np.stack([embed_caption(item.caption) for item in pictures])
    losses: list[float] = []
    with np.errstate(all="ignore"):
        for _ in range(steps):
            chosen = generator.integers(len(pictures), size=1)
            levels = (1 / (1 + np.exp(-generator.normal(size=1)))).astype(np.float32)
            noise = generator.normal(size=(1, COEFFICIENTS)).astype(np.float32)
            batch = make_batch(clean[chosen], noise, levels, captions[chosen])
            loss, gradients = net.loss_and_gradients(batch)
            if not math.isfinite(loss):
                loss, gradients = 0.0, {key: np.zeros_like(v) for key, v in gradients.items()}
            optimizers.clip_gradients(gradients, max_norm=1.0)
            optimizer.step(net.adapters, gradients, lr=lr)
            losses.append(loss)
    return losses


def test_gradients_agree_with_finite_differences() -> None:
    generator = np.random.default_rng(0)
    net = Network(
        base={name: value.astype(np.float64) for name, value in base().items()},
        adapters={
            f"{layer}.{part}": generator.normal(size=shape) * 0.1
            for layer in LAYERS
            for part, shape in (
                ("down", (3, base()[f"{layer}.weight"].shape[1])),
                ("up", (base()[f"{layer}.weight"].shape[0], 3)),
            )
        },
        strength=0.7,
    )
    small = fixed_batch(generic_pictures(2, seed=4))
    batch = Batch(
        noisy=small.noisy.astype(np.float64),
        noise=small.noise.astype(np.float64),
        levels=small.levels.astype(np.float64),
        captions=small.captions.astype(np.float64),
    )
    _, gradients = net.loss_and_gradients(batch)
    width = 1e-5
    for name, gradient in gradients.items():
        for _ in range(4):
            place = tuple(int(generator.integers(side)) for side in gradient.shape)
            around = []
            for sign in (1, -1):
                net.adapters[name][place] += sign * width
                around.append(net.loss(batch))
                net.adapters[name][place] -= sign * width
            numeric = (around[0] - around[1]) / (2 * width)
            assert gradient[place] == pytest.approx(numeric, rel=1e-5, abs=1e-9), name


def test_coefficients_keep_the_size_of_a_picture_and_lead_back_to_it() -> None:
    pictures = np.random.default_rng(0).normal(size=(2, 16, 16, 3))
    coefficients = to_coefficients(pictures)
    assert np.sum(coefficients**2) == pytest.approx(np.sum(pictures**2))
    assert from_coefficients(coefficients) == pytest.approx(pictures)


def test_the_base_network_is_fitted_and_always_the_same() -> None:
    batch = fixed_batch(generic_pictures(64, seed=99))
    fitted = Network(base=base(), adapters={}, strength=0.0)
    blank = {name: np.zeros_like(value) for name, value in base().items()}
    empty = Network(base={**blank, "spread": base()["spread"]}, adapters={}, strength=0.0)
    assert fitted.loss(batch) < empty.loss(batch)
    again = fit_base()
    assert all(np.array_equal(base()[name], again[name]) for name in again)
    assert again["layer_in.weight"].shape[1] == INPUT_DIM


def test_fresh_adapters_change_nothing() -> None:
    batch = fixed_batch(generic_pictures(2, seed=1))
    assert network().loss(batch) == Network(base=base(), adapters={}, strength=0.0).loss(batch)


@pytest.mark.parametrize("lr", [1e-4, 1e-3, 1e-2])
def test_training_improves_the_loss_on_held_out_pictures(tmp_path: Path, lr: float) -> None:
    """Averaged over seeds: one seed alone once hid that 1e-2 made things worse."""
    pictures, held_out = demo_pictures(tmp_path)
    batch = fixed_batch(held_out)
    ratios: list[float] = []
    for seed in range(3):
        net = network()
        before = net.loss(batch)
        train(net, pictures, lr=lr, steps=300, seed=seed)
        ratios.append(net.loss(batch) / before)
    assert np.mean(ratios) < 0.97


def test_training_teaches_the_network_what_a_caption_says(tmp_path: Path) -> None:
    """A caption of another colour costs about one percent; the base network hardly notices."""
    pictures, held_out = demo_pictures(tmp_path)
    kinds = sorted({item.caption for item in held_out})
    assert len(kinds) > 1
    following = dict(zip(kinds, kinds[1:] + kinds[:1], strict=True))
    mistaken = [attrs.evolve(item, caption=following[item.caption]) for item in held_out]
    right, wrong = 0.0, 0.0
    for seed in range(3):
        net = network()
        train(net, pictures, lr=2e-3, steps=300, seed=seed)
        for noise in range(4):
            right += net.loss(fixed_batch(held_out, seed=noise))
            wrong += net.loss(fixed_batch(mistaken, seed=noise))
    assert right < wrong


def test_an_absurd_learning_rate_diverges(tmp_path: Path) -> None:
    pictures, held_out = demo_pictures(tmp_path)
    net = network()
    losses = train(net, pictures, lr=0.5, steps=60)
    assert np.mean(losses[20:]) > 1
    assert net.loss(fixed_batch(held_out)) > 1
    assert all(math.isfinite(loss) for loss in losses)


def test_float16_overflows_where_float32_does_not(tmp_path: Path) -> None:
    pictures, _ = demo_pictures(tmp_path)
    net = network(dtype="fp16")
    losses = train(net, pictures, lr=0.5, steps=60)
    assert losses.count(0.0) > 30
    with np.errstate(all="ignore"):
        assert not math.isfinite(net.loss(fixed_batch(pictures)))


def test_float16_and_bfloat16_train_at_a_sane_learning_rate(tmp_path: Path) -> None:
    pictures, held_out = demo_pictures(tmp_path)
    batch = fixed_batch(held_out)
    for dtype in ("fp16", "bf16"):
        net = network(dtype=dtype)
        before = net.loss(batch)
        train(net, pictures, lr=1e-3, steps=100)
        assert net.loss(batch) < before, dtype


def test_bfloat16_keeps_eight_bits_and_what_is_not_finite() -> None:
    values = np.asarray([1.0, 1.001, 3.14159, -65504.0, np.inf, np.nan], dtype=np.float32)
    rounded = round_bf16(values)
    assert rounded[:4].tolist() == [1.0, 1.0, 3.140625, -65536.0]
    assert np.isinf(rounded[4])
    assert np.isnan(rounded[5])


def test_adam_takes_a_first_step_of_the_learning_rate() -> None:
    parameters: dict[str, Any] = {"w": np.asarray([1.0, -2.0])}
    optimizers.new_optimizer("adam", {}).step(parameters, {"w": np.asarray([0.3, -7.0])}, lr=0.1)
    assert parameters["w"] == pytest.approx([0.9, -1.9], abs=1e-6)


def test_adamw_shrinks_weights_apart_from_the_gradient() -> None:
    parameters: dict[str, Any] = {"w": np.asarray([2.0])}
    optimizer = optimizers.new_optimizer("adamw8bit", {"weight_decay": 0.5})
    optimizer.step(parameters, {"w": np.asarray([0.0])}, lr=0.1)
    assert parameters["w"] == pytest.approx([1.9])


def test_sgd_remembers_its_momentum() -> None:
    parameters: dict[str, Any] = {"w": np.asarray([0.0])}
    optimizer = optimizers.new_optimizer("sgd", {"momentum": 0.5})
    for _ in range(2):
        optimizer.step(parameters, {"w": np.asarray([1.0])}, lr=1.0)
    assert parameters["w"] == pytest.approx([-2.5])


def test_unknown_optimizers_and_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="Unknown optimizer type lion"):
        optimizers.new_optimizer("lion", {})
    with pytest.raises(TypeError, match="unexpected keyword argument 'd0'"):
        optimizers.new_optimizer("adamw", {"d0": 1})


def test_gradients_are_clipped_to_a_common_norm() -> None:
    gradients: dict[str, Any] = {"a": np.asarray([3.0]), "b": np.asarray([4.0])}
    optimizers.clip_gradients(gradients, max_norm=1.0)
    assert gradients["a"] == pytest.approx([0.6], rel=1e-5)
    assert gradients["b"] == pytest.approx([0.8], rel=1e-5)
