"""The code behind the declarations, imported when it is first needed."""

from aitk_core.records.findings import Finding
from aitk_core.records.results import Text, ToolResult


async def probe(arguments, context):
    files = [f for f in await context.backend.files(arguments.job_id) if "_0" in f.path]
    return ToolResult(blocks=(Text(f"{len(files)} checkpoints"),))


def analyze(evidence):
    if evidence.validation_loss is None:
        yield Finding(
            code="ACME_NO_VALIDATION", category="acme", severity="warning",
            message="the run has no validation loss", method="acme_config_v1",
        )  # fmt: skip


class Halves:
    def band(self, delta, *, standard_error, n):
        return "small" if abs(delta) <= 50 else "big"

    def source(self):
        edges = {"small_lte": 50, "big_gt": 50}
        return {"id": "acme_halves_v1", "units": "score_points", "thresholds": edges}
