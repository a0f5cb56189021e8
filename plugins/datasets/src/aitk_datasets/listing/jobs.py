"""Which jobs train which folder, by the folder's last part.

The backend may see the datasets under another path than this machine does, so the whole path
says less than its last part; two folders of one name in two places count as one here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from aitk_core.wording import shown
from aitk_datasets.folder.use import folders_of, last_part
from aitk_datasets.listing.records import UsedBy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aitk_core.backend.records import JobRow
    from aitk_datasets.listing.records import DatasetLine

_JOBS: Final = 10
"""Ours: jobs that are named for one folder; the count is of all."""


def jobs_by_folder(jobs: Iterable[JobRow]) -> dict[str, list[JobRow]]:
    """Return the jobs that train a folder, by its last part, in their order."""
    found: dict[str, list[JobRow]] = {}
    for job in jobs:
        for name in dict.fromkeys(last_part(path) for path in folders_of(job.config)):
            found.setdefault(name, []).append(job)
    return found


def with_jobs(
    line: DatasetLine, name: str, users: Mapping[str, list[JobRow]] | None
) -> DatasetLine:
    """Return the line with the jobs that train the folder; without users they stay unknown."""
    if users is None:
        return line
    jobs = users.get(name, [])
    return evolve(
        line,
        job_count=len(jobs),
        jobs=tuple(
            UsedBy(
                id=job.id,
                name=None if job.name is None else shown(job.name),
                status=None if job.status is None else shown(job.status, 40),
            )
            for job in jobs[:_JOBS]
        ),
    )
