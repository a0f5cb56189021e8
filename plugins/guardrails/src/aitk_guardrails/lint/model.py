"""The model, its architecture, and whether it can be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.configkeys.archs import archs, archs_named
from aitk_core.configkeys.facts import FLOW_SCHEDULERS, trainer_arch
from aitk_core.configkeys.json_values import shown
from aitk_core.configkeys.model_names import words_of
from aitk_guardrails.lint.sources import CONTRACT, trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_guardrails.lint.issues import Issue
    from aitk_guardrails.lint.subject import Subject

_FILES: Final = (".safetensors", ".ckpt", ".bin", ".pt", ".pth", ".gguf")
_NOISE_ARCHS: Final = frozenset({"sd1", "sd15", "sd2", "sdxl", "ssd", "vega"})
"""Architectures that predict noise and take `ddpm` (backend API, section 14.2)."""
_MODEL: Final = "model.name_or_path"


def _same_family(arch: str) -> str:
    bare = trainer_arch(arch)
    # The trainer's name for Stable Diffusion 1 where no architecture is given.
    return "sd15" if bare == "sd1" else bare


def name(subject: Subject) -> Iterator[Issue]:
    """An empty model name."""
    given = subject.given(_MODEL)
    if isinstance(given, str) and not given.strip():
        yield subject.issue(
            "MISSING_MODEL_NAME",
            "error",
            _MODEL,
            "the model has no name or path",
            why="the trainer stops at the start of the job",
            source=trainer("toolkit/config_modules.py: ModelConfig"),
            expected="a Hub id, a folder or a file",
        )


def architecture(subject: Subject) -> Iterator[Issue]:
    """A name that speaks of another architecture than the one given, or of none."""
    model, arch = subject.text(_MODEL), subject.process.arch
    if model is None or arch is None or arch not in subject.process.table.archs:
        return
    named = archs_named(model)
    families = {_same_family(each) for each in named}
    source = trainer("ui/src/app/jobs/new/options.tsx")
    if named and _same_family(arch) not in families:
        yield subject.issue(
            "MODEL_ARCH_MISMATCH",
            "error",
            "model.arch" if subject.has("model.arch") else _MODEL,
            f"model {shown(model)} is one of {', '.join(named)}, and the config says {arch}",
            why="weights of another architecture do not load, or load in part and train noise",
            source=source,
            expected=list(named),
            change={"model.arch": named[0]} if len(named) == 1 else None,
        )
    elif not named and subject.arch is not None:
        yield subject.issue(
            "MODEL_ARCH_UNEXPECTED",
            "warning",
            _MODEL,
            f"the name {shown(model)} says nothing of architecture {arch}",
            why="nothing here can tell whether they fit; a wrong pair fails while loading",
            source=source,
            expected=subject.arch.default_name_or_path,
        )


def no_architecture(subject: Subject) -> Iterator[Issue]:
    """No architecture at all: the trainer then takes Stable Diffusion 1."""
    if subject.process.arch is not None or any(
        subject.on(f"model.is_{each}") for each in ("v2", "v3", "xl", "pixart", "pixart_sigma")
    ):
        return
    if any(subject.on(f"model.is_{each}") for each in ("auraflow", "lumina2", "ssd", "vega")):
        return
    model = subject.text(_MODEL)
    named = archs_named(model) if model else ()
    other = bool(named) and "sd15" not in {_same_family(each) for each in named}
    yield subject.issue(
        "MODEL_ARCH_MISMATCH" if other else "ARCH_MISSING",
        "error" if other else "warning",
        "model.arch",
        "model.arch is missing"
        + (f", and {shown(model)} is one of {', '.join(named)}" if other else ""),
        why="the trainer takes the model for Stable Diffusion 1",
        source=trainer("toolkit/config_modules.py: ModelConfig"),
        expected=list(named) or None,
        change={"model.arch": named[0]} if len(named) == 1 else None,
    )


def scheduler(subject: Subject) -> Iterator[Issue]:
    """A noise scheduler of another family than the architecture's."""
    arch, value = subject.process.arch, subject.text("train.noise_scheduler")
    entry = subject.arch
    if entry is None or value is None or arch is None:
        return
    predicts_noise, flows = arch in _NOISE_ARCHS, value in FLOW_SCHEDULERS
    if predicts_noise != flows:
        return
    wanted = "ddpm" if predicts_noise else "flowmatch"
    yield subject.issue(
        "NOISE_SCHEDULER_MISMATCH",
        "warning" if predicts_noise else "error",
        "train.noise_scheduler",
        f"architecture {arch} is trained with {wanted}, and the scheduler is {shown(value)}"
        + ("" if subject.has("train.noise_scheduler") else ", the default"),
        why="the target of the loss is another one than the model was made with",
        source=trainer("ui/src/app/jobs/new/options.tsx"),
        expected=wanted,
        change={"train.noise_scheduler": wanted},
    )


def gated(subject: Subject) -> Iterator[Issue]:
    """A model whose terms must be accepted on the Hub before it can be downloaded."""
    model = subject.text(_MODEL)
    wanted = (model or "").strip().rstrip("/").casefold()
    entry = next(
        (
            each
            for each in archs().values()
            if each.gated_url and each.default_name_or_path.casefold() == wanted
        ),
        None,
    )
    if entry is None:
        return
    lacks = subject.facts.has_hub_token is False
    yield subject.issue(
        "MODEL_GATED",
        "warning" if lacks else "info",
        _MODEL,
        f"model {shown(model)} is gated: its terms must be accepted at {entry.gated_url}"
        + (", and the backend has no Hub token" if lacks else ""),
        why="without that the download is refused with 401 or 403; it was not tried here",
        source=trainer("ui/src/app/jobs/new/options.tsx"),
    )


def found(subject: Subject) -> Iterator[Issue]:
    """A path that leads nowhere, or to what the architecture cannot load."""
    model = subject.text(_MODEL)
    known = subject.facts.models.get(model or "")
    if model is None:
        return
    if known is not None and known.state == "missing":
        yield subject.issue(
            "MODEL_PATH_UNRESOLVED",
            "warning",
            _MODEL,
            f"no model {shown(model)} was found on this machine",
            why="a path that the trainer does not find is taken for a Hub id, and fails",
            source=f"{CONTRACT}; the backend may see other folders",
        )
    if subject.process.arch != "flux":
        return
    source = trainer("toolkit/stable_diffusion_model.py: from_pretrained of `transformer`")
    is_file = known.state == "file" if known else model.strip().lower().endswith(_FILES)
    if is_file and not (known and known.state == "missing"):
        yield subject.issue(
            "FLUX_MODEL_FILE_NOT_ALLOWED",
            "error",
            _MODEL,
            f"{shown(model)} is one file; a Flux model must be a Hub id or a folder in Diffusers "
            "layout",
            why="the trainer looks for a folder `transformer` and fails while loading",
            source=source,
            expected="a Hub id, or a folder with `transformer` in it",
        )
    elif known is not None and known.state == "folder" and "transformer" not in known.entries:
        yield subject.issue(
            "FLUX_MODEL_DIR_INVALID",
            "error",
            _MODEL,
            f"the folder {shown(model)} has no folder `transformer`",
            why="the trainer looks for it and fails while loading",
            source=source,
            expected="a folder in Diffusers layout",
        )


def adapter(subject: Subject) -> Iterator[Issue]:
    """A distilled model without its training adapter."""
    entry, model = subject.arch, subject.text(_MODEL)
    if entry is None or model is None or subject.given("model.assistant_lora_path"):
        return
    usual = entry.selected.get("model.assistant_lora_path")
    schnell = entry.trainer_arch == "flux" and "schnell" in words_of(model)
    # An id without its tag is read as the family's first entry, which is not distilled.
    distilled = isinstance(usual, str) and usual and subject.given("model.arch") == entry.id
    if not (schnell or distilled) or subject.on("model.accuracy_recovery_adapter"):
        return
    adapter_path = "ostris/FLUX.1-schnell-training-adapter" if schnell else usual
    yield subject.issue(
        "DISTILLED_WITHOUT_ADAPTER",
        "warning",
        "model.assistant_lora_path",
        f"{shown(model)} is distilled and trains with an adapter, which is not set",
        why="without it the distillation breaks down and samples hardly follow the data",
        source=trainer("ui/src/app/jobs/new/options.tsx; config/examples"),
        expected=adapter_path,
        change={"model.assistant_lora_path": adapter_path},
    )


CHECKS: Final = (name, architecture, no_architecture, scheduler, gated, found, adapter)
