"""One look at a dataset and all that was made of it, for answers, charts, sheets and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from aitk_core.evidence.dataset import DatasetEvidence
from aitk_core.protocols import Outcomes
from aitk_datasets.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aitk_core.protocols import ToolContext
    from aitk_core.records.findings import Finding


@frozen(kw_only=True)
class Inspection:
    """What inspect-dataset knows when it answers."""

    target: Target
    evidence: DatasetEvidence
    outcomes: Outcomes
    document: Mapping[str, Any] = field(repr=False)
    """As the tool answers it; texts in it are cut and escaped, and not redacted yet."""

    @property
    def findings(self) -> list[Finding]:
        """Return all findings, gravest first."""
        from aitk_datasets.report.inspection import ordered

        return ordered(self.outcomes)


async def inspect(
    context: ToolContext,
    target: Target,
    *,
    max_files: int,
    max_seconds: float | None = None,
    against: Sequence[Path] = (),
) -> Inspection:
    """Look at a folder, let the installed analyzers judge it, and report.

    Raises:
        FileMissingError: There is no such folder.
        InvalidArgumentsError: It is none.
    """
    from aitk_datasets.report.inspection import build
    from aitk_datasets.scan.collect import collect_dataset

    evidence = await collect_dataset(
        context,
        target.folder,
        use=target.use,
        max_files=max_files,
        max_seconds=max_seconds,
        against=against,
    )
    outcomes = await context.analyze("dataset", evidence)
    document = await context.run(build, target, evidence, outcomes)
    return Inspection(target=target, evidence=evidence, outcomes=outcomes, document=document)
