"""Settings that decide whether a run fits into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.configkeys.facts import FLOW_SCHEDULERS
from aitk_guardrails.lint.sources import CONTRACT, MUSUBI, SIMPLETUNER, trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_guardrails.lint.issues import Issue
    from aitk_guardrails.lint.subject import Subject

SMALL_CARD: Final = 24e9
"""Bytes; where no other setting makes up for kept activations."""
LARGE_CARD: Final = 40e9
"""Bytes; FLUX.1 in 16 bits needs more than 30 GB, Qwen-Image 42."""
LARGE_MODEL: Final = 10.0
"""Billions of parameters."""
OFTEN: Final = 10
"""Steps between swaps below which they are said to cost too much."""
_HALF: Final = frozenset({"fp16", "float16", "half"})


def _fits(subject: Subject, least: float) -> bool:
    memory = subject.facts.gpu_memory_bytes
    return memory is not None and memory >= least


def checkpointing(subject: Subject) -> Iterator[Issue]:
    """Gradient checkpointing switched off."""
    if subject.on("train.gradient_checkpointing") or _fits(subject, SMALL_CARD * 1.1):
        return
    yield subject.issue(
        "GRADIENT_CHECKPOINTING_OFF",
        "warning",
        "train.gradient_checkpointing",
        "gradient checkpointing is off",
        why="with 24 GB or less no other setting saves as much memory",
        source=f"{SIMPLETUNER}; {trainer('config/examples')}",
        expected=True,
        change={"train.gradient_checkpointing": True},
    )


def quantization(subject: Subject) -> Iterator[Issue]:
    """A large model in full size."""
    entry = subject.arch
    size = entry.transformer_params_billion if entry else None
    if not size or size <= LARGE_MODEL or subject.on("model.quantize"):
        return
    if _fits(subject, LARGE_CARD):
        return
    unknown = subject.facts.gpu_memory_bytes is None
    yield subject.issue(
        "LARGE_MODEL_NOT_QUANTIZED",
        "info" if unknown else "warning",
        "model.quantize",
        f"a model of {size:g} billion parameters is not quantized"
        + (", and the memory of the GPU is not known" if unknown else ""),
        why=f"its weights alone take {2 * size:g} GB in 16 bits",
        source=f"{SIMPLETUNER}; {MUSUBI}",
        expected=True,
        change={"model.quantize": True},
    )


def low_vram(subject: Subject) -> Iterator[Issue]:
    """Low-memory loading switched off for a Flux model."""
    if subject.process.arch != "flux" or subject.on("model.low_vram"):
        return
    if not _fits(subject, LARGE_CARD):
        yield subject.issue(
            "LOW_VRAM_DISABLED_FOR_FLUX",
            "warning",
            "model.low_vram",
            "model.low_vram is off for a Flux model",
            why="the model is then quantized on the GPU, where it must fit as a whole for a moment",
            source=f"{CONTRACT}; {trainer('toolkit/stable_diffusion_model.py')}",
            expected=True,
            change={"model.low_vram": True},
        )


def half_precision(subject: Subject) -> Iterator[Issue]:
    """Half floats on a model that predicts a velocity."""
    scheduler = subject.text("train.noise_scheduler")
    if (subject.text("train.dtype") or "").lower() in _HALF and scheduler in FLOW_SCHEDULERS:
        yield subject.issue(
            "FP16_ON_FLOW_MODEL",
            "warning",
            "train.dtype",
            "train.dtype is fp16 on a flow-matching model",
            why="it overflows: the usual cause of a loss that is NaN and of black samples",
            source=f"ostris/ai-toolkit#503; {trainer('config/examples')}",
            expected="bf16",
            change={"train.dtype": "bf16"},
        )


def full_precision(subject: Subject) -> Iterator[Issue]:
    """A large model trained in 32 bits."""
    size = subject.arch.transformer_params_billion if subject.arch else None
    dtype = (subject.text("train.dtype") or "").lower()
    if size and size > LARGE_MODEL and dtype in {"fp32", "float32", "float"}:
        yield subject.issue(
            "FP32_ON_LARGE_MODEL",
            "warning",
            "train.dtype",
            "train.dtype is fp32"
            + ("" if subject.has("train.dtype") else ", the trainer's default,")
            + f" for a model of {size:g} billion parameters",
            why=f"weights and activations take twice the memory: {4 * size:g} GB unquantized",
            source=trainer("toolkit/config_modules.py: TrainConfig"),
            expected="bf16",
            change={"train.dtype": "bf16"},
        )


def expert_swaps(subject: Subject) -> Iterator[Issue]:
    """Two experts that are swapped at every step."""
    every = subject.count("train.switch_boundary_every")
    two = (subject.process.arch or "").startswith("wan22_14b")
    kwargs = "model.model_kwargs"
    both = all(subject.on(f"{kwargs}.{each}") for each in ("train_high_noise", "train_low_noise"))
    if two and both and subject.on("model.low_vram") and every is not None and every < OFTEN:
        yield subject.issue(
            "EXPERTS_SWAPPED_OFTEN",
            "warning",
            "train.switch_boundary_every",
            f"with low_vram the two experts are swapped every {every} steps",
            why="each swap moves a model between host and GPU, which takes longer than a step",
            source=trainer("ui/src/docs.tsx"),
            expected={"minimum": OFTEN},
            change={"train.switch_boundary_every": OFTEN},
        )


CHECKS: Final = (
    checkpointing,
    quantization,
    low_vram,
    half_precision,
    full_precision,
    expert_swaps,
)
