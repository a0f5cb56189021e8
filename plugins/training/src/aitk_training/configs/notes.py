"""What the author of a new config should know before the run starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.configkeys.archs import archs
from aitk_core.evidence.retention import retention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aitk_core.configkeys.archs import ArchMatch

_SHOWN: Final = 6
"""Steps named in one sentence."""


def notes_of(process: Mapping[str, Any], match: ArchMatch, *, use_wandb: bool) -> tuple[str, ...]:
    """Return sentences about a built process block, the most pressing first.

    Args:
        process: The block as built.
        match: Its architecture, and how that was decided.
        use_wandb: Whether the caller asked for Weights & Biases.
    """
    notes = [note for kind in _NOTES for note in kind(process, match)]
    if use_wandb:
        notes.append(
            "Weights & Biases wins over the backend's own logger: the loss will not be in the "
            "backend's loss table, so loss can be read from the log only (logging.use_wandb)"
        )
    return tuple(notes)


def _gated(process: Mapping[str, Any], match: ArchMatch) -> Iterator[str]:
    model = str(process["model"]["name_or_path"]).casefold()
    if match.arch.gated_url and model == match.arch.default_name_or_path.casefold():
        yield (
            f"the model is gated: accept its terms at {match.arch.gated_url} and give the "
            "backend an HF token"
        )


def _arch(_process: Mapping[str, Any], match: ArchMatch) -> Iterator[str]:
    if match.source == "name_rule":
        yield (
            f"arch {match.arch.id!r} was told from the model's name ({match.rule}); pass arch if "
            "that is wrong"
        )
    if match.alternatives:
        others = ", ".join(f"{other!r} ({archs()[other].label})" for other in match.alternatives)
        yield f"the same model also trains as arch {others}"
    if match.suggested:
        yield (
            f"the model's name speaks of arch {match.suggested!r}, but {match.arch.id!r} was asked "
            "for"
        )
    if match.arch.note:
        yield match.arch.note


def _controls(process: Mapping[str, Any], match: ArchMatch) -> Iterator[str]:
    dataset = process["datasets"][0]
    keys = [key for key in dataset if key.startswith("control_path")]
    if match.arch.edit and not any(dataset[key] for key in keys):
        yield (
            f"{match.arch.label} trains on pairs: set the folder of the control images "
            f"(datasets.0.{keys[0] if keys else 'control_path'}), or the run cannot learn an edit"
        )
    if match.arch.edit and process["sample"]["samples"]:
        yield "the sample prompts have no control image (sample.samples.0.ctrl_img)"


def _frames(process: Mapping[str, Any], match: ArchMatch) -> Iterator[str]:
    dataset = process["datasets"][0]
    if match.arch.modality != "video" or dataset.get("auto_frame_count"):
        return
    if dataset.get("num_frames", 1) == 1:
        yield (
            "datasets.0.num_frames is 1: the run reads still images only; set it for clips "
            "(backend API, section 13)"
        )


def _prompts(process: Mapping[str, Any], _match: ArchMatch) -> Iterator[str]:
    prompts = [sample["prompt"] for sample in process["sample"]["samples"]]
    if process["train"]["disable_sampling"]:
        return
    if not prompts:
        yield "there is no sample prompt, so no samples will be made"
    trigger = process["trigger_word"]
    # The trainer replaces [trigger] but adds nothing (inject_trigger_into_prompt).
    if trigger and any(trigger not in each and "[trigger]" not in each for each in prompts):
        yield (
            f"not every sample prompt holds the trigger word {trigger!r} or [trigger]; the "
            "trainer does not add it"
        )
    if any("--" in prompt for prompt in prompts):
        yield "a sample prompt holds '--': the trainer reads what follows as sampling flags"


def _checkpoints(process: Mapping[str, Any], _match: ArchMatch) -> Iterator[str]:
    save = process["save"]
    left = retention(
        steps=process["train"]["steps"],
        save_every=save["save_every"] or 0,
        keep=save["max_step_saves_to_keep"],
    )
    if left.deleted_count:
        yield (
            f"{left.deleted_count} earlier step checkpoints will be deleted: only those of steps "
            f"{_steps(left.kept)} and the final weights survive (save.max_step_saves_to_keep)"
        )
    elif not left.kept:
        yield "no step checkpoint will be written, only the final weights (save.save_every)"


def _steps(steps: tuple[int, ...]) -> str:
    if len(steps) <= _SHOWN:
        return ", ".join(map(str, steps))
    return f"{steps[0]} to {steps[-1]}, every {steps[1] - steps[0]},"


_NOTES: Final[tuple[Callable[[Mapping[str, Any], ArchMatch], Iterator[str]], ...]] = (
    _gated,
    _arch,
    _controls,
    _frames,
    _prompts,
    _checkpoints,
)
