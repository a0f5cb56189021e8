"""The settings of a config that decide how much memory a run takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import frozen

from aitk_core.configkeys.archs import archs, archs_named
from aitk_core.configkeys.rules import Process
from aitk_core.configkeys.table import key_table
from aitk_core.evidence.config import first_process
from aitk_guardrails.lint.facts import LintFacts
from aitk_guardrails.lint.subject import Subject, finite
from aitk_guardrails.vram.models import model_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

NetworkKind = Literal["lora", "lokr", "none", "other"]
"""`none`: the whole transformer is trained; `other`: an adapter, an embedding or a slider."""

_MOST: Final = 1e6
"""Ours: larger numbers of a hostile config count as this."""
_CONTROLS: Final = ("control_path", "control_path_1", "control_path_2", "control_path_3")
_FULL: Final = frozenset({"float32", "fp32", "float", "single"})
_SWITCHES: Final = (("is_xl", "sdxl"), ("is_lumina2", "lumina2"))
_ELSE: Final = ("adapter", "embedding", "decorator", "slider")
_DEFAULT_SIDE: Final = 512
"""The trainer's own resolution where a dataset names none (DatasetConfig)."""


@frozen(kw_only=True)
class VramSettings:
    """All that the estimate depends on; runs with equal settings are comparable."""

    arch_id: str | None
    """Of the backend's form; None for an architecture that it does not know."""
    dtype_bytes: int
    """Of weights that are not quantized, and of activations."""
    qtype: str | None
    """Quantization of the transformer; None for none."""
    has_adapter: bool
    """An accuracy recovery adapter stays beside the quantized weights."""
    qtype_te: str | None
    text_encoder_stays: bool
    """It is neither unloaded nor are its outputs cached."""
    offloaded: float
    """Share of the transformer's layers that live in host memory, 0 to 1."""
    offloaded_te: float
    low_vram: bool
    network: NetworkKind
    rank: float
    lokr_factor: float
    optimizer: str
    ema: bool
    resolution: float
    """The largest, pixels."""
    batch_size: float
    checkpointing: bool
    latents_cached: bool
    frames: float
    controls: int
    """Control images beside each picture."""


def settings_of(config: Mapping[str, Any]) -> VramSettings:
    """Return the settings of the first process of a config, with the trainer's defaults."""
    return settings_of_process(first_process(config))


def settings_of_process(block: Mapping[str, Any]) -> VramSettings:
    """Return the settings of a process block; values that the trainer cannot use count as none."""
    process = Process(table=key_table(), block=block)
    subject = Subject(config={}, index=0, process=process, facts=LintFacts())
    quantized = subject.on("model.quantize")
    qtype, bar, _ = (subject.text("model.qtype") or "").partition("|")
    te_given = subject.given("model.quantize_te")
    quantized_te = quantized if te_given is None else bool(te_given)
    datasets = [dataset for _, dataset in process.datasets]
    return VramSettings(
        arch_id=arch_id_of(subject),
        dtype_bytes=4 if (subject.text("train.dtype") or "").lower() in _FULL else 2,
        qtype=qtype.lower() if quantized and qtype else None,
        has_adapter=bool(quantized and (bar or subject.given("model.accuracy_recovery_adapter"))),
        qtype_te=(subject.text("model.qtype_te") or "").lower() or None if quantized_te else None,
        text_encoder_stays=_text_encoder_stays(subject, datasets),
        offloaded=_offloaded(subject, "transformer"),
        offloaded_te=_offloaded(subject, "text_encoder"),
        low_vram=subject.on("model.low_vram"),
        network=_network(subject),
        rank=_number(subject.rank, 4) if subject.trains_lora else 0,
        lokr_factor=subject.number("network.lokr_factor") or -1,
        optimizer=(subject.text("train.optimizer") or "").lower(),
        ema=subject.on("train.ema_config.use_ema"),
        resolution=_number(max(subject.resolutions, default=None), _DEFAULT_SIDE),
        batch_size=_number(subject.number("train.batch_size"), 1),
        checkpointing=subject.on("train.gradient_checkpointing"),
        latents_cached=bool(datasets)
        and all(
            each.get("cache_latents") or each.get("cache_latents_to_disk") for each in datasets
        ),
        frames=max([1.0, *(_number(finite(each.get("num_frames")), 1) for each in datasets)]),
        controls=max([0, *(sum(bool(each.get(key)) for key in _CONTROLS) for each in datasets)]),
    )


def arch_id_of(subject: Subject) -> str | None:
    """Return the architecture whose size counts; None where the config leaves it open.

    The trainer drops the tag of an id, and several sizes may share what is left: then the name of
    the model decides. The older switches `is_flux`, `is_xl` and `is_lumina2` are ids, too.
    """
    named = subject.given("model.arch")
    if isinstance(named, str) and named in archs():
        return named
    bare = subject.process.arch
    if bare is None:
        bare = next((arch for key, arch in _SWITCHES if subject.on(f"model.{key}")), None)
    family = [each.id for each in archs().values() if each.trainer_arch == bare]
    spoken = archs_named(subject.text("model.name_or_path") or "")
    left = [each for each in family if each in spoken] or family
    sizes = model_sizes()
    return left[0] if left and all(sizes[each] is sizes[left[0]] for each in left) else None


def _text_encoder_stays(subject: Subject, datasets: list[Mapping[str, Any]]) -> bool:
    away = subject.on("train.unload_text_encoder") or subject.on("train.cache_text_embeddings")
    return not (away or any(each.get("cache_text_embeddings") for each in datasets))


def _offloaded(subject: Subject, what: str) -> float:
    if not subject.on("model.layer_offloading"):
        return 0.0
    share = subject.number(f"model.layer_offloading_{what}_percent")
    return 1.0 if share is None else min(1.0, max(0.0, share))


def _network(subject: Subject) -> NetworkKind:
    if not subject.trains_lora:
        return "other" if any(subject.given(key) for key in _ELSE) else "none"
    return "lokr" if (subject.text("network.type") or "").lower() == "lokr" else "lora"


def _number(value: float | None, default: float) -> float:
    return min(_MOST, value) if value is not None and value > 0 else default
