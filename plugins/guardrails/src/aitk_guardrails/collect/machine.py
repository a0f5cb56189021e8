"""What the backend and this machine say: disk, GPU, token, and checkpoints of the same name."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.errors import AitkError, NotFoundError
from aitk_core.evidence.checkpoints import checkpoints_of, resume_point

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.protocols import ToolContext

_MIB: Final = 1024 * 1024


@frozen(kw_only=True)
class Machine:
    """Facts of the machine that trains; None is unknown."""

    free_disk_bytes: int | None = None
    gpu_memory_bytes: int | None = None
    has_hub_token: bool | None = None
    existing_step: int | None = None


async def look_at_machine(name: str | None, context: ToolContext, questions: list[str]) -> Machine:
    """Return what the backend and the disk say.

    Args:
        name: The config's name, whose checkpoints a run would go on from.
        context: Of the call.
        questions: Gets a sentence for each thing that could not be asked.
    """
    backend = context.backend
    token, memory, step = None, None, None
    try:
        token = (await backend.settings()).hub_token_set
        memory = _first_gpu([each.memory_total_mib for each in (await backend.gpu()).gpus])
        step = await _existing_step(name, context)
    except AitkError as error:
        questions.append(
            f"the backend could not be asked for its GPU, token and jobs ({error.code})"
        )
    free = await _free_disk(context)
    if free is None:
        questions.append(
            "free disk space is not known: the outputs folder is not visible here (set "
            "AITK_OUTPUTS_DIR where it is)"
        )
    return Machine(
        free_disk_bytes=free, gpu_memory_bytes=memory, has_hub_token=token, existing_step=step
    )


def _first_gpu(totals: list[float | None]) -> int | None:
    """Return the memory of the GPU that a new job gets: the first (start-training's default)."""
    return int(totals[0] * _MIB) if totals and totals[0] else None


async def _existing_step(name: str | None, context: ToolContext) -> int | None:
    """Return the step that a run under this name would go on from; 0 where it would begin."""
    if name is None:
        return None
    jobs = (await context.backend.jobs()).jobs
    job = next((each for each in jobs if each.name == name), None)
    if job is None:
        return 0
    return resume_point(job, checkpoints_of(await context.backend.files(job.id), name)).step


async def _free_disk(context: ToolContext) -> int | None:
    try:
        root = context.paths.root("outputs")
    except NotFoundError:
        return None
    return await context.run(_free, root)


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
