"""export-model for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.wording import counted, size_text

if TYPE_CHECKING:
    from aitk_export.exporting.records import Exported, ModelFile


def summarize(answer: Exported) -> str:
    """Return what was exported, in the order of the contract: job, format, path, size."""
    choice = answer.checkpoint
    lines = [f"Job: {answer.job_name or '(no name)'} ({answer.job_id})"]
    if not answer.files:
        lines += ["Nothing was exported.", f"Checkpoint: {choice.reason}."]
        return "\n".join([*lines, *answer.notes])
    lines.append(f"Format: {answer.format}")
    step = "a step nobody knows" if choice.step is None else f"step {choice.step}"
    asked = "" if choice.asked in ("default", "step") else f"{choice.asked}, "
    lines.append(f"Checkpoint: {asked}{step}; {choice.reason}.")
    if len(choice.as_good) > 1:
        others = [str(step) for step in choice.as_good if step != choice.step]
        lines.append(f"As good by validation loss: {', '.join(others)}.")
    for file in answer.files:
        lines += _file(file)
    if answer.base_model:
        lines.append(f"Base model: {answer.base_model}")
    if answer.trigger_word:
        lines.append(f"Trigger word: {answer.trigger_word}")
    return "\n".join([*lines, *answer.notes])


def _file(file: ModelFile) -> list[str]:
    lines = [
        f"Path: {file.model_path}",
        f"Size: {file.size_bytes} bytes ({size_text(file.size_bytes)})",
    ]
    if file.check.sha256:
        lines.append(f"SHA-256: {file.check.sha256}")
    network = f"rank {file.rank}" if file.rank else ""
    if file.rank and file.alpha is not None:
        network += f", alpha {file.alpha:g}"
    what = ", ".join(each for each in (network, counted(file.tensors, "tensor")) if each)
    lines.append(f"Check: {file.check.verdict} ({what}); {file.check.reason}.")
    if file.copy is not None:
        lines.append(f"Copied to: {file.copy.model_path}, with {file.copy.sidecar}")
    return lines
