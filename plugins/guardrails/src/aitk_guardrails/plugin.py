"""What this distribution adds to AI ToolKit MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.hookspecs import hookimpl
from aitk_core.specs import Lazy, ToolSpec
from aitk_guardrails.arguments import ValidateTrainingConfig

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable


@hookimpl
def aitk_tools() -> Iterable[ToolSpec]:
    """Declare the tools before a run."""
    yield ToolSpec(
        name="validate-training-config",
        title="Check a config before it runs",
        description=(
            "Checks a saved config, a config given whole, or a draft: keys the trainer ignores, "
            "wrong types, model against architecture, dataset, memory, disk, lost checkpoints; "
            "each issue with why and a fix. Changes nothing."
        ),
        arguments=ValidateTrainingConfig,
        contract="validate-training-config.v1",
        handler=Lazy("aitk_guardrails.tools.validate:validate_training_config"),
        hint="Before a run: validate-training-config.",
    )


@hookimpl
def aitk_schemas() -> Iterable[Traversable]:
    """Name the folder of the published contracts."""
    from aitk_schemas import folder

    yield folder()
