"""A run's sample images: which there are, by prompt and step, and each of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, Literal

from aitk_core.backend.ids import checked_job_id
from aitk_core.errors import AitkError, InvalidArgumentsError, NotFoundError
from aitk_core.evidence.samplechoice import spread
from aitk_core.evidence.samples import newest_samples, sample_prompts

if TYPE_CHECKING:
    from aitk_core.backend.records import JobRow
    from aitk_core.evidence.samples import SampleFile
    from aitk_core.protocols import ToolContext

_STEPS: Final = 10
_PROMPTS: Final = 12
_FILE_BYTES: Final = 32 * 1024 * 1024
_LONGEST: Final = 9
"""Digits of a step or a prompt's number."""
_QUALITY: Final = 85
_TYPES: Final = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"RIFF": "image/webp",
}
"""What a file of a kind that is decoded here begins with."""
Size = Literal["small", "full"]


async def samples(context: ToolContext, job_id: str, *, all_steps: bool = False) -> dict[str, Any]:
    """Return what the grid shows: a row for each prompt, a column for each step.

    Args:
        context: Its backend lists the samples.
        job_id: The run.
        all_steps: Every step; else ten of them, the first and the last among them.

    Raises:
        JobNotFoundError: There is no such job.
        InvalidArgumentsError: The id is malformed.
    """
    job = await context.backend.job(checked_job_id(job_id))
    missing: dict[str, str] = {}
    try:
        newest = newest_samples(await context.backend.samples(job.id), missing)
    except AitkError as error:
        return {"job_id": job_id, "samples_problem": str(error), "steps": [], "rows": []}
    every = sorted({step for step, _ in newest})
    steps = every if all_steps else spread(every, _STEPS)
    prompts = sorted({prompt for _, prompt in newest})
    words = sample_prompts(job.config)
    rows = [
        {
            "prompt": words[index] if index < len(words) else None,
            "index": index,
            "cells": [_cell(job, newest, step, index) for step in steps],
        }
        for index in spread(prompts, _PROMPTS)
    ]
    return {
        "job_id": job_id,
        "samples_problem": None,
        "steps": steps,
        "steps_left_out": len(every) - len(steps),
        "prompts_left_out": len(prompts) - len(rows),
        "rows": rows,
        "missing": list(missing.values()),
    }


async def last_samples(context: ToolContext, job: JobRow) -> dict[str, dict[str, Any]]:
    """Return the newest sample of each prompt, by its words; prompts without words are left out.

    Runs whose samples cannot be listed have none.
    """
    try:
        newest = newest_samples(await context.backend.samples(job.id))
    except AitkError:
        return {}
    words = sample_prompts(job.config)
    found: dict[str, dict[str, Any]] = {}
    for step, index in sorted(newest):
        prompt = words[index] if index < len(words) else None
        cell = _cell(job, newest, step, index)
        if prompt and cell is not None:
            found[prompt] = {**cell, "step": step}
    return found


def _cell(
    job: JobRow, newest: dict[tuple[int, int], SampleFile], step: int, prompt: int
) -> dict[str, str] | None:
    file = newest.get((step, prompt))
    if file is None:
        return None
    # The time makes it an address of its own, so that a browser may keep the picture.
    place = f"/dashboard/runs/{job.id}/samples/{step}/{prompt}?made={file.time_ms}"
    return {"small": f"{place}&size=small", "full": f"{place}&size=full"}


async def picture(
    context: ToolContext, job_id: str, step: str, prompt: str, size: Size
) -> tuple[bytes, str]:
    """Return one sample and its media type: small is a JPEG of at most 256 pixels, full the file.

    Args:
        context: Its backend has the file.
        job_id: The run.
        step: Completed steps, as digits.
        prompt: Number of the prompt from 0, as digits.
        size: Which.

    Raises:
        JobNotFoundError: There is no such job.
        NotFoundError: There is no such sample, or it is no picture.
        InvalidArgumentsError: The id, step or prompt is malformed.
        BackendError: In its kinds.
    """
    # A file is named by its run, step and prompt alone; its path is the backend's.
    cell = _digits(step, "step"), _digits(prompt, "prompt")
    file = newest_samples(await context.backend.samples(checked_job_id(job_id))).get(cell)
    if file is None:
        raise NotFoundError("there is no such sample")
    part = await context.backend.read_file(file.path, 0, _FILE_BYTES)
    if part.size_bytes > len(part.data):
        raise NotFoundError(f"the sample has {part.size_bytes} bytes, more than a page shows")
    return await context.run(_encoded, part.data, size)


def _digits(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST):
        raise InvalidArgumentsError(f"the {name} of a sample is a number", remedy="see the page")
    return int(text)


def _encoded(data: bytes, size: Size) -> tuple[bytes, str]:
    # Here, in a worker: Pillow is heavy to import.
    from PIL import Image

    from aitk_core.evidence.pictures import UnreadablePictureError, read_picture

    try:
        small = read_picture(data)
    except UnreadablePictureError as error:
        raise NotFoundError(f"the sample cannot be shown: {error}") from error
    if size == "full":
        return data, next(kind for begin, kind in _TYPES.items() if data.startswith(begin))
    encoded = io.BytesIO()
    Image.fromarray(small.pixels).save(encoded, "JPEG", quality=_QUALITY)
    return encoded.getvalue(), "image/jpeg"
