"""Rules about several keys of a config: the table's cross-checks that a config alone decides.

Each function names, below `config.process[]`, where its rule is broken; the rule's words, result
and remedy are data, in the table. Most are listed in backend/API.md 14.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import frozen

from aitk_core.configkeys.facts import FLOW_SCHEDULERS, trainer_arch
from aitk_core.configkeys.problems import problem
from aitk_core.configkeys.table import KeyTable

if TYPE_CHECKING:
    from aitk_core.configkeys.paths import Keys
    from aitk_core.configkeys.problems import PatchProblem

_EDIT_ENCODERS: Final = frozenset({"qwen_image_edit", "boogu_image_edit"})
_TWO_EXPERTS: Final = "wan22_14b"
_BLOCKS: Final = ("network", "adapter", "embedding", "decorator")


@frozen(kw_only=True)
class Process:
    """One process of a config as the trainer reads it: with defaults where a key is absent."""

    table: KeyTable
    block: Mapping[str, Any]

    def given(self, path: str) -> Any:
        """Return the value at a dotted path below the process, None where there is none."""
        value: Any = self.block
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def value(self, path: str) -> Any:
        """Return the value that the trainer uses: a null inside a block replaces the default."""
        block_path, _, name = path.rpartition(".")
        block = self.given(block_path) if block_path else self.block
        if isinstance(block, Mapping) and name in block:
            return block[name]
        key = self.table.find(f"config.process.0.{path}")
        return key.default if key else None

    def on(self, path: str) -> bool:
        """Return whether the trainer takes the value for true, as Python does."""
        return bool(self.value(path))

    def above(self, path: str, limit: float) -> bool:
        """Return whether the value is a number greater than a limit."""
        value = self.value(path)
        return isinstance(value, int | float) and value > limit

    @property
    def trains(self) -> bool:
        """Return whether the process trains a model, and not writes captions."""
        return not self.table.captions(self.block.get("type"))

    @property
    def arch(self) -> str | None:
        """Return the architecture as the trainer names it, None where the config has none."""
        arch = self.given("model.arch")
        if isinstance(arch, str) and arch:
            return trainer_arch(arch)
        return "flux" if self.on("model.is_flux") else None

    @property
    def datasets(self) -> tuple[tuple[int, Mapping[str, Any]], ...]:
        """Return the datasets that are objects, with their indexes."""
        datasets = self.block.get("datasets")
        rows = datasets if isinstance(datasets, list) else []
        return tuple((index, each) for index, each in enumerate(rows) if isinstance(each, Mapping))


Rule: TypeAlias = Callable[[Process], Iterator[str]]


def rule_problems(table: KeyTable, keys: Keys, block: Mapping[str, Any]) -> Iterator[PatchProblem]:
    """Yield the rules that a process breaks.

    Args:
        table: Where the words of the rules are.
        keys: Place of the process.
        block: The process itself; any JSON object.
    """
    process = Process(table=table, block=block)
    if not process.trains:
        return
    for check in table.cross_checks:
        if check.code is None:
            continue
        for path in RULES[check.code](process):
            yield problem(
                check.code,
                (*keys, *path.split(".")),
                f"{check.rule}: {check.result}",
                remedy=check.remedy,
                value=process.given(path),
                effect=check.effect,
            )


def _accumulates_twice(process: Process) -> Iterator[str]:
    steps = process.value("train.gradient_accumulation_steps")
    if process.above("train.gradient_accumulation", 1) and steps != 1:
        yield "train.gradient_accumulation_steps"


def _guidance_bypassed(process: Process) -> Iterator[str]:
    if process.on("train.bypass_guidance_embedding") and process.on("train.do_guidance_loss"):
        yield "train.do_guidance_loss"


def _recovery_with_assistant(process: Process) -> Iterator[str]:
    recovers = process.on("model.accuracy_recovery_adapter")
    if (recovers or "|" in str(process.value("model.qtype"))) and process.on(
        "model.assistant_lora_path"
    ):
        yield "model.assistant_lora_path"


def _cached_in_part(process: Process) -> Iterator[str]:
    if process.on("train.cache_text_embeddings"):
        return
    cached = [bool(dataset.get("cache_text_embeddings")) for _, dataset in process.datasets]
    if any(cached) and not all(cached):
        yield f"datasets.{process.datasets[cached.index(False)][0]}.cache_text_embeddings"


def _edit_unloaded(process: Process) -> Iterator[str]:
    if process.on("train.unload_text_encoder") and process.arch in _EDIT_ENCODERS:
        yield "train.unload_text_encoder"


def _two_preservations(process: Process) -> Iterator[str]:
    if process.on("train.diff_output_preservation") and process.on(
        "train.blank_prompt_preservation"
    ):
        yield "train.blank_prompt_preservation"


def _preservation_unmet(process: Process) -> Iterator[str]:
    if not process.on("train.diff_output_preservation"):
        return
    words = [
        process.given("trigger_word"),
        *(each.get("trigger_word") for _, each in process.datasets),
    ]
    if not any(words) or process.given("network") is None or process.on("train.train_text_encoder"):
        yield "train.diff_output_preservation"


def _blank_without_network(process: Process) -> Iterator[str]:
    if process.on("train.blank_prompt_preservation") and process.given("network") is None:
        yield "train.blank_prompt_preservation"


def _trained_encoder_unloaded(process: Process) -> Iterator[str]:
    cached = process.on("train.cache_text_embeddings") or any(
        each.get("cache_text_embeddings") for _, each in process.datasets
    )
    if process.on("train.train_text_encoder") and (
        cached or process.on("train.unload_text_encoder")
    ):
        yield "train.train_text_encoder"


def _poi(process: Process) -> Iterator[str]:
    for index, dataset in process.datasets:
        if dataset.get("poi") is not None:
            yield f"datasets.{index}.poi"


def _flux_only(process: Process) -> Iterator[str]:
    if process.arch != "flux" and not process.on("model.is_flux"):
        for path in ("model.attn_masking", "model.split_model_over_gpus"):
            if process.on(path):
                yield path


def _experts_off(process: Process) -> Iterator[str]:
    kwargs = "model.model_kwargs"
    off = not process.on(f"{kwargs}.train_high_noise") and not process.on(
        f"{kwargs}.train_low_noise"
    )
    if off and (process.arch or "").startswith(_TWO_EXPERTS):
        yield f"{kwargs}.train_high_noise"


def _save_format(process: Process) -> Iterator[str]:
    if process.arch == "flux" and process.given("save.save_format") == "safetensors":
        yield "save.save_format"


def _cache_off(process: Process) -> Iterator[str]:
    for index, dataset in process.datasets:
        if dataset.get("augmentations") or dataset.get("augments"):
            for name in ("cache_latents", "cache_latents_to_disk"):
                if dataset.get(name):
                    yield f"datasets.{index}.{name}"


def _qtype(process: Process) -> Iterator[str]:
    offloads = process.on("model.layer_offloading") or (
        process.given("model.layer_offloading") is None and process.on("model.auto_memory")
    )
    # Without quantize the word is not used.
    if offloads and process.on("model.quantize") and process.value("model.qtype") == "qfloat8":
        yield "model.qtype"


def _loss_table(process: Process) -> Iterator[str]:
    if process.on("logging.use_wandb") and process.on("logging.use_ui_logger"):
        yield "logging.use_wandb"


def _full_fine_tune(process: Process) -> Iterator[str]:
    if all(process.given(block) is None for block in _BLOCKS):
        yield "network"


def _other_family(process: Process) -> Iterator[str]:
    scheduler, sampler = process.value("train.noise_scheduler"), process.value("sample.sampler")
    known = isinstance(scheduler, str) and isinstance(sampler, str)
    if not known or process.on("train.disable_sampling"):
        return
    if (scheduler in FLOW_SCHEDULERS) != (sampler in FLOW_SCHEDULERS):
        yield "sample.sampler"


def _unknown_arch(process: Process) -> Iterator[str]:
    if process.given("model.arch") and process.arch not in process.table.archs:
        yield "model.arch"


def _other_arch(process: Process) -> Iterator[str]:
    section = process.table.section_at(("config", "process", "0", "model", "model_kwargs"))
    kwargs, arch = process.given("model.model_kwargs"), process.arch
    if section is None or arch not in process.table.archs or not isinstance(kwargs, Mapping):
        return
    for name in kwargs:
        key = section.get(name)
        if key is not None and key.archs and arch not in key.archs:
            yield f"model.model_kwargs.{name}"


RULES: Final[Mapping[str, Rule]] = {
    "GRADIENT_ACCUMULATION_TWICE": _accumulates_twice,
    "GUIDANCE_LOSS_BYPASSED": _guidance_bypassed,
    "RECOVERY_ADAPTER_WITH_ASSISTANT_LORA": _recovery_with_assistant,
    "TEXT_EMBEDDINGS_CACHED_IN_PART": _cached_in_part,
    "TEXT_ENCODER_UNLOADED_FOR_EDIT_MODEL": _edit_unloaded,
    "TWO_PRESERVATIONS": _two_preservations,
    "OUTPUT_PRESERVATION_UNMET": _preservation_unmet,
    "BLANK_PRESERVATION_WITHOUT_NETWORK": _blank_without_network,
    "TRAINED_TEXT_ENCODER_UNLOADED": _trained_encoder_unloaded,
    "DATASET_POI_REMOVED": _poi,
    "FLUX_ONLY_KEY": _flux_only,
    "BOTH_EXPERTS_OFF": _experts_off,
    "SAVE_FORMAT_CHANGED": _save_format,
    "LATENT_CACHE_SWITCHED_OFF": _cache_off,
    "QTYPE_CHANGED": _qtype,
    "LOSS_TABLE_SWITCHED_OFF": _loss_table,
    "FULL_FINE_TUNE": _full_fine_tune,
    "SAMPLER_OF_ANOTHER_FAMILY": _other_family,
    "ARCH_UNKNOWN": _unknown_arch,
    "NOT_READ_BY_ARCH": _other_arch,
}
"""Function by the code of its rule in the table."""
