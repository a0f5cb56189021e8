"""What a plan is made from: the caller's words, a saved config, the dataset, the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.configkeys.archs import Arch, resolve_arch
from aitk_core.errors import AitkError, BackendError, InvalidArgumentsError
from aitk_core.evidence.config import first_process, read_config
from aitk_guardrails.lint.facts import DatasetFacts
from aitk_guardrails.plan.goal import names_flux

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aitk_core.backend.records import CpuInfo, GpuAnswer
    from aitk_core.protocols import ToolContext
    from aitk_guardrails.arguments import RecommendTrainingPlan

_INSPECT: Final = "inspect-dataset"
_SYSTEM: Final = "get-system-stats"
_SAVED: Final = "get-config"
_SECONDS: Final = 8.0
"""Ours: of a call, for pictures that were never looked at; the next call goes on."""
_FLUX_DEFAULT: Final = "ostris/Flex.1-alpha"
"""The contract's model for a goal that names flux or flex (TOOLS.md section 3)."""
_ABSENT: Final[Mapping[str, str]] = {
    "FILE_NOT_FOUND": "dataset_path_not_found",
    "INVALID_ARGUMENTS": "dataset_path_not_directory",
}
"""The contract's words for what is wrong with a folder."""
_MIB_PER_GIB: Final = 1024


@frozen(kw_only=True)
class Chosen:
    """Which model and dataset the plan is for, and who said so."""

    model_name: str | None
    arch: Arch | None
    arch_unknown: str
    dataset_path: str | None
    control_path: str | None
    config_source: str | None
    """`saved_config`, `heuristic_default`, or None where the caller named the model or nobody."""
    dataset_source: str | None


@frozen(kw_only=True)
class SeenDataset:
    """What the dataset's inspection gave."""

    document: Mapping[str, Any]
    """`dataset_analysis` of the contract."""
    facts: DatasetFacts | None = None
    coverage_pct: float | None = None
    typical_side: float | None = None


async def choose(arguments: RecommendTrainingPlan, context: ToolContext) -> Chosen:
    """Return model, architecture and dataset.

    A model whose name does not decide leaves the architecture open, with the reason.

    Raises:
        InvalidArgumentsError: `arch` is no id of the backend's form, or nothing that is installed
            reads saved configs.
        ConfigNotFoundError: There is no such saved config.
    """
    saved: Mapping[str, Any] = {}
    if arguments.config_name is not None:
        saved = await _saved(arguments.config_name, context)
    config = read_config(saved)
    named, source = arguments.base_model or arguments.model_name, None
    if named is None and config.model_name is not None:
        named, source = config.model_name, "saved_config"
    if named is None and arguments.arch is None and names_flux(arguments.goal):
        named, source = _FLUX_DEFAULT, "heuristic_default"
    arch = arguments.arch or (config.arch if source == "saved_config" else None)
    known, why = await context.run(_arch_asked if arguments.arch else _arch_told, named, arch)
    path, path_source = arguments.dataset_path, "argument"
    if path is None and config.dataset_paths:
        path, path_source = config.dataset_paths[0], "config"
    return Chosen(
        model_name=named or (known.default_name_or_path if known else None),
        arch=known,
        arch_unknown=why,
        dataset_path=path,
        control_path=arguments.control_path or _control_of(saved),
        config_source=source,
        dataset_source=path_source if path is not None else None,
    )


async def _saved(name: str, context: ToolContext) -> Mapping[str, Any]:
    if not context.offers(_SAVED):
        raise InvalidArgumentsError(
            "config_name needs a tool that reads saved configs, and none is offered here",
            remedy="give base_model and dataset_path",
            faults=[{"path": "/config_name", "message": "no tool reads saved configs"}],
        )
    answer = await context.call_tool(_SAVED, {"name": name})
    config = (answer.data or {}).get("config")
    return config if isinstance(config, Mapping) else {}


def _arch_asked(named: str | None, arch: str | None) -> tuple[Arch | None, str]:
    return resolve_arch(named or "", arch).arch, ""


def _arch_told(named: str | None, arch: str | None) -> tuple[Arch | None, str]:
    if named is None:
        return None, "no model is named; give base_model, or arch for its usual model"
    try:
        return resolve_arch(named, arch).arch, ""
    except InvalidArgumentsError as error:
        return None, f"{error}; {error.remedy}"


def _control_of(config: Mapping[str, Any]) -> str | None:
    datasets = first_process(config).get("datasets")
    first = datasets[0] if isinstance(datasets, list) and datasets else None
    if not isinstance(first, Mapping):
        return None
    values = [first.get(key) for key in ("control_path", "control_path_1")]
    return next((each for each in values if isinstance(each, str) and each), None)


async def see_dataset(
    arguments: RecommendTrainingPlan, chosen: Chosen, context: ToolContext
) -> SeenDataset:
    """Return what is known of the dataset; that it cannot be seen is an answer, too."""
    if not arguments.include_dataset_scan or not context.offers(_INSPECT):
        return SeenDataset(document={"skipped": True})
    path = chosen.dataset_path
    if path is None:
        return SeenDataset(document=_absent(None, "dataset_path_unresolved"))
    asked: dict[str, Any] = {
        "dataset_path": path,
        "max_dataset_files": arguments.max_dataset_files,
        "max_seconds": _SECONDS,
        "charts": "none",
    }
    try:
        answer = await context.call_tool(_INSPECT, asked)
    except AitkError as error:
        word = _ABSENT.get(error.code, "not_assessed")
        state = {"FILE_NOT_FOUND": "missing"}.get(error.code)
        facts = DatasetFacts(state="missing") if state else None
        return SeenDataset(
            document=_absent(path, word, reason=f"{error.code}: {error}"), facts=facts
        )
    data = answer.data or {}
    analysis: Mapping[str, Any] = data["dataset_analysis"]
    return SeenDataset(
        document=analysis,
        facts=_facts(analysis, data.get("scan", {})),
        coverage_pct=analysis["caption_coverage_pct"],
        typical_side=_side(analysis, "median"),
    )


def _absent(path: str | None, error: str, *, reason: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = {"dataset_path": path, "exists": False, "error": error}
    if error == "not_assessed":
        answer["exists"] = None
    if reason:
        answer["reason"] = reason
    return answer


def _facts(analysis: Mapping[str, Any], scan: Mapping[str, Any]) -> DatasetFacts:
    side = _side(analysis, "min")
    return DatasetFacts(
        state="folder",
        images=analysis["total_images"],
        videos=scan.get("videos"),
        captioned=analysis["caption_non_empty_count"],
        corrupt=analysis["corrupt_image_count"],
        duplicates=analysis["duplicate_image_estimate"],
        smallest_side=None if side is None else int(side),
        scanned=analysis["scanned_images"],
    )


def _side(analysis: Mapping[str, Any], of: str) -> float | None:
    found = [(analysis.get(f"resolution_{side}") or {}).get(of) for side in ("width", "height")]
    known = [each for each in found if each is not None]
    return min(known) if len(known) == len(found) else None


async def see_system(context: ToolContext) -> dict[str, Any]:
    """Return the machine in the contract's words; null where it could not be read."""
    if context.offers(_SYSTEM):
        try:
            answer = await context.call_tool(_SYSTEM, {})
        except AitkError as error:
            return _system(None, None, {"system": f"{error.code}: {error}"})
        return dict(answer.data or {})
    missing: dict[str, str] = {}
    gpu, cpu = await asyncio.gather(
        _optional("gpu", context.backend.gpu(), missing),
        _optional("cpu", context.backend.cpu(), missing),
    )
    return _system(gpu, cpu, missing)


async def training_folder(context: ToolContext) -> str | None:
    """Return where the backend keeps what a run writes; None where it does not say."""
    try:
        return (await context.backend.settings()).training_folder
    except BackendError:
        return None


async def _optional(what: str, request: Awaitable[Any], missing: dict[str, str]) -> Any:
    try:
        return await request
    except BackendError as error:
        missing[what] = f"{error.code}: {error}"
        return None


def _system(
    gpu: GpuAnswer | None, cpu: CpuInfo | None, missing: Mapping[str, str]
) -> dict[str, Any]:
    first = gpu.gpus[0] if gpu is not None and gpu.gpus else None
    total = cpu.memory_total_mib if cpu else None
    free = cpu.memory_available_mib if cpu else None
    used = None if total is None or free is None else (total - free) / _MIB_PER_GIB
    return {
        "gpu_name": first.name if first else None,
        "gpu_memory_used": _whole(first.memory_used_mib if first else None),
        "gpu_memory_total": _whole(first.memory_total_mib if first else None),
        "gpu_utilization": _whole(first.utilization_percent if first else None),
        "cpu_percent": cpu.load_percent if cpu else None,
        "ram_used": used,
        "ram_total": None if total is None else total / _MIB_PER_GIB,
        "active_jobs": None,
        "missing": dict(missing),
    }


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
