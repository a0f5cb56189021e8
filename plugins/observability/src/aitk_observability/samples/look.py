"""Reads a run's samples for a call that has little time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aitk_core.errors import AitkError, BackendError, BackendUnauthorizedError
from aitk_core.evidence.samples import collect_samples, parse_sample_name

if TYPE_CHECKING:
    from aitk_core.backend.records import JobRow
    from aitk_core.evidence.samples import SamplesEvidence
    from aitk_core.protocols import ToolContext

_IMAGES: Final = 24
"""Eight steps of three prompts: what fits a sheet that can be read; ours."""
_REFERENCES: Final = 16
_BYTES: Final = 48 * 1024 * 1024
_SHARE: Final = 0.5
"""Of the call's time at most, so that the answer is written in any case."""
_LONGEST_S: Final = 20.0
_LIST_S: Final = 5.0
"""Ours: marks in a chart are worth no longer wait."""


async def sampled_steps(context: ToolContext, job_id: str) -> tuple[int, ...] | None:
    """Return the completed steps that a run's samples are named after, ascending; one request.

    Returns:
        None where the list could not be read in a few seconds.
    """
    left = context.remaining_s()
    limit = _LIST_S if left is None else min(_LIST_S, left * _SHARE)
    try:
        async with asyncio.timeout(limit):
            paths = await context.backend.samples(job_id)
    except (TimeoutError, AitkError):
        return None
    named = filter(None, map(parse_sample_name, paths))
    return tuple(sorted({step for _, step, _ in named}))


async def look_at_samples(context: ToolContext, job: JobRow) -> SamplesEvidence | str:
    """Return a spread of the run's samples, or why there is none.

    Raises:
        BackendUnauthorizedError: The backend refuses our token.
    """
    left = context.remaining_s()
    limit = _LONGEST_S if left is None else min(_LONGEST_S, left * _SHARE)
    try:
        async with asyncio.timeout(limit):
            return await collect_samples(
                context,
                job,
                max_images=_IMAGES,
                max_references=_REFERENCES,
                max_bytes=_BYTES,
            )
    except TimeoutError:
        return f"the samples could not be read within {limit:.0f} s"
    except BackendUnauthorizedError:
        raise
    except BackendError as error:
        return f"{error.code}: {error}"
