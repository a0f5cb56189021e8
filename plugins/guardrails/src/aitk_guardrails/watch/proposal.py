"""How the run could go on safely, as a proposal: nothing here is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.configkeys.patch import make_patch
from aitk_core.errors import AitkError
from aitk_core.evidence.checkpoints import checkpoints_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.backend.protocol import Backend
    from aitk_guardrails.watch.records import Watch

_BROKEN: Final = frozenset({"nan", "divergence"})
"""Rules after which checkpoints since the first bad step are not to be trusted."""


async def propose(watch: Watch, backend: Backend) -> dict[str, Any] | None:
    """Return what a resume would go on from and change; None where nothing was triggered."""
    stop = watch.memory.stop
    found = next(
        (each for each in watch.memory.triggered if each["code"] == stop.get("code")), None
    )
    if found is None or watch.job_id is None:
        return None
    try:
        job = await backend.job(watch.job_id)
        saved = checkpoints_of(await backend.files(watch.job_id), job.name)
    except AitkError as error:
        return {"reason": f"the checkpoints could not be read ({error.code})"}
    bad = _first_bad_step(found) if stop["rule"] in _BROKEN else None
    sound = [step for step in saved.steps if bad is None or step < bad]
    doubtful = [step for step in saved.steps if bad is not None and step >= bad]
    step = sound[-1] if sound else None
    changes = _changes(found)
    patch = None
    if changes and job.config:
        try:
            patch = make_patch(dict(job.config), changes).to_json()
        except AitkError:
            patch = None
    return {
        "resume_step": step,
        "resume_file": None if step is None else saved.files[saved.steps.index(step)],
        "first_bad_step": bad,
        "doubtful_checkpoints": doubtful,
        "config_patch": patch,
        "actions": [each["action"] for each in _remedies(found)],
        "how": _how(step, doubtful, patch),
    }


def _how(step: int | None, doubtful: list[int], patch: list[dict[str, Any]] | None) -> str:
    parts = []
    if doubtful:
        shown = ", ".join(map(str, doubtful[:5]))
        parts.append(
            f"move the checkpoints of steps {shown} away: the trainer goes on from the newest file"
        )
    if patch:
        parts.append("change the config by config_patch")
    parts.append(
        "start it again from the beginning"
        if step is None
        else f"start-training with resume true goes on from step {step}"
    )
    return "; ".join(parts) + ". Nothing of this was done."


def _remedies(trigger: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        remedy
        for finding in trigger["evidence"].get("findings", ())
        for remedy in finding.get("remedies", ())
    ]


def _changes(trigger: Mapping[str, Any]) -> dict[str, Any]:
    return {
        remedy["path"]: remedy["value"]
        for remedy in _remedies(trigger)
        if remedy.get("path") and remedy.get("value") is not None
    }


def _first_bad_step(trigger: Mapping[str, Any]) -> int | None:
    steps = [
        first
        for finding in trigger["evidence"].get("findings", ())
        for first, _ in finding.get("steps", ())
        if first is not None
    ]
    return min(steps, default=None)
