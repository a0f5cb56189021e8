"""Combinations that are known to go wrong, each with the thread or file that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.configkeys.facts import FLOW_SCHEDULERS
from aitk_core.configkeys.json_values import shown
from aitk_core.configkeys.model_names import words_of
from aitk_guardrails.lint.sources import CURVES, SIMPLETUNER, trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_guardrails.lint.issues import Issue
    from aitk_guardrails.lint.subject import Subject

_SCHNELL_RANK: Final = 32
_HUB_SLASHES: Final = 2


def nothing_trained(subject: Subject) -> Iterator[Issue]:
    """Neither the model nor the text encoder is trained."""
    others = any(subject.given(each) is not None for each in ("adapter", "embedding", "decorator"))
    if others or subject.on("train.train_unet") or subject.on("train.train_text_encoder"):
        return
    yield subject.issue(
        "NOTHING_TRAINED",
        "error",
        "train.train_unet",
        "train_unet and train_text_encoder are both off",
        why="nothing reaches the optimizer, and the first step fails",
        source="failure catalogue, NO_GRADIENT: torch's own message",
        expected=True,
        change={"train.train_unet": True},
    )


def text_encoder(subject: Subject) -> Iterator[Issue]:
    """A text encoder trained where that brings nothing or does not work."""
    if not subject.on("train.train_text_encoder"):
        return
    flows = subject.text("train.noise_scheduler") in FLOW_SCHEDULERS
    yield subject.issue(
        "TEXT_ENCODER_TRAINED",
        "warning" if flows else "info",
        "train.train_text_encoder",
        "the text encoder is trained, too",
        why="the trainer's examples say that it does not work with Flux models"
        if flows
        else "on SD1.5 it brought no lower validation loss, only an earlier one",
        source=f"{CURVES}; {trainer('config/examples')}",
        expected=False,
        change={"train.train_text_encoder": False},
    )


def mixed_buckets(subject: Subject) -> Iterator[Issue]:
    """Buckets on some datasets only."""
    flags = [(index, each.get("buckets", True)) for index, each in subject.process.datasets]
    off = [index for index, flag in flags if not flag]
    if off and len(off) < len(flags):
        yield subject.issue(
            "BUCKETS_MIXED",
            "error",
            f"datasets.{off[0]}.buckets",
            "some datasets have buckets and some have none",
            why="the trainer stops: all of them must have buckets, or none",
            source=trainer("toolkit/data_loader.py"),
            expected=True,
            change={f"datasets.{index}.buckets": True for index in off},
        )


def schnell_rank(subject: Subject) -> Iterator[Issue]:
    """A high rank on FLUX.1-schnell."""
    model, rank = subject.text("model.name_or_path"), subject.rank
    if subject.process.arch != "flux" or not model or "schnell" not in words_of(model):
        return
    if rank is not None and rank > _SCHNELL_RANK and subject.trains_lora:
        yield subject.issue(
            "SCHNELL_RANK_HIGH",
            "warning",
            "network.linear",
            f"rank {rank:g} on FLUX.1-schnell with its adapter may not fit into 24 GB",
            why="runs above rank 32 ended for lack of memory",
            source="ostris/ai-toolkit#98",
            expected={"maximum": _SCHNELL_RANK},
        )


def offloading(subject: Subject) -> Iterator[Issue]:
    """Layers offloaded and quantized."""
    if subject.on("model.layer_offloading") and subject.on("model.quantize"):
        yield subject.issue(
            "OFFLOADING_WITH_QUANTIZATION",
            "info",
            "model.layer_offloading",
            "layers are offloaded and quantized",
            why="with some releases parts of the model stayed on the CPU and the first step failed",
            source="ostris/ai-toolkit#557, ostris/ai-toolkit#214",
        )


def lion_in_four_bits(subject: Subject) -> Iterator[Issue]:
    """Lion on weights of four bits or fewer."""
    optimizer, qtype = subject.text("train.optimizer") or "", subject.text("model.qtype") or ""
    bits = qtype.partition("|")[0]
    few = bits.endswith(("2", "3", "4")) or bits == "nvfp4"
    if subject.on("model.quantize") and few and optimizer.lower().startswith("lion"):
        yield subject.issue(
            "LION_WITH_FEW_BITS",
            "warning",
            "train.optimizer",
            f"Lion with weights of type {shown(bits)} is hard to keep stable",
            why="the loss jumps or becomes NaN; optimizers of the AdamW type hold",
            source=SIMPLETUNER,
            expected="adamw8bit",
            change={"train.optimizer": "adamw8bit"},
        )


def recovery_path(subject: Subject) -> Iterator[Issue]:
    """A qtype whose adapter path cannot be read."""
    qtype = subject.text("model.qtype") or ""
    _, bar, path = qtype.partition("|")
    of_hub = path.count("/") == _HUB_SLASHES and path.endswith(".safetensors")
    if not bar or not subject.on("model.quantize") or of_hub or path.startswith("/"):
        return
    if ":\\" not in path:
        yield subject.issue(
            "RECOVERY_ADAPTER_PATH",
            "warning",
            "model.qtype",
            f"the adapter {shown(path)} is neither an absolute path nor a file of the Hub",
            why="the trainer looks for it below its own folder, and stops where it is not there",
            source=trainer("toolkit/util/quantize.py"),
            expected="type|owner/repository/file.safetensors",
        )


def timesteps(subject: Subject) -> Iterator[Issue]:
    """An empty range of timesteps."""
    low = subject.number("train.min_denoising_steps")
    high = subject.number("train.max_denoising_steps")
    if low is not None and high is not None and low >= high:
        yield subject.issue(
            "TIMESTEPS_EMPTY",
            "error",
            "train.min_denoising_steps",
            f"min_denoising_steps {low:g} is not below max_denoising_steps {high:g}",
            why="there is no timestep to train on",
            source=trainer("jobs/process/BaseSDTrainProcess.py: process_general_training_batch"),
            expected={"exclusive_maximum": high},
        )


def start_step(subject: Subject) -> Iterator[Issue]:
    """A start at or after the end."""
    start, steps = subject.number("train.start_step"), subject.count("train.steps")
    if start is not None and steps is not None and start >= steps:
        yield subject.issue(
            "NOTHING_LEFT_TO_TRAIN",
            "error",
            "train.start_step",
            f"the run starts at step {start:g} and has {steps} steps",
            why="it ends at once",
            source=trainer("jobs/process/BaseSDTrainProcess.py"),
            expected={"exclusive_maximum": steps},
        )


def upload(subject: Subject) -> Iterator[Issue]:
    """An upload to no repository."""
    if subject.on("save.push_to_hub") and not subject.text("save.hf_repo_id"):
        yield subject.issue(
            "UPLOAD_WITHOUT_REPOSITORY",
            "warning",
            "save.hf_repo_id",
            "save.push_to_hub is on, and save.hf_repo_id names no repository",
            why="the upload at the end fails; the files stay on the backend's disk",
            source="failure catalogue, PUSH_FAILED: huggingface_hub's own message",
            expected="owner/name",
            change={"save.push_to_hub": False},
        )


CHECKS: Final = (
    nothing_trained,
    text_encoder,
    mixed_buckets,
    schnell_rank,
    offloading,
    lion_in_four_bits,
    recovery_path,
    timesteps,
    start_step,
    upload,
)
