"""What this distribution adds to AI ToolKit MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.hookspecs import hookimpl
from aitk_core.specs import CommandSpec, Lazy, ServiceSpec, SettingsSpec, ToolSpec
from aitk_guardrails.arguments import (
    EndWatch,
    GuardTrainingJob,
    InspectWatch,
    ListWatches,
    RecommendTrainingPlan,
    RunTrainingWithGuardrails,
    ValidateTrainingConfig,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable


@hookimpl
def aitk_tools() -> Iterable[ToolSpec]:
    """Declare the tools before a run, and those that watch one."""
    yield from _before()
    yield from _watched()


def _before() -> Iterable[ToolSpec]:
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
        text="json",
        hint="Before a run: validate-training-config.",
    )
    yield ToolSpec(
        name="recommend-training-plan",
        title="Plan a run",
        description=(
            "Proposes three configs, fast, balanced and quality, from goal, model, dataset, GPU "
            "memory and time: each complete and free of errors, with the reason of every number, "
            "memory and time as intervals, and what is unknown."
        ),
        arguments=RecommendTrainingPlan,
        contract="recommend-training-plan.v1",
        handler=Lazy("aitk_guardrails.tools.plan:recommend_training_plan"),
        text="json",
        hint="What to train with: recommend-training-plan.",
    )


def _watched() -> Iterable[ToolSpec]:
    yield ToolSpec(
        name="run-training-with-guardrails",
        title="Train under watch",
        description=(
            "Validates a saved config, starts it, and watches the run until it ends, also after "
            "this call. NaN, divergence, OOM, stall, crawling and limits stop it, verified; "
            "others warn."
        ),
        arguments=RunTrainingWithGuardrails,
        contract="run-training-with-guardrails.v1",
        handler=Lazy("aitk_guardrails.tools.guard:run_training_with_guardrails"),
        text="json",
        read_only=False,
        # It may stop the run, and with `replace_config` replaces what the job stored.
        destructive=True,
        idempotent=False,
        hint="To train overnight: run-training-with-guardrails, later inspect-watch.",
    )
    yield ToolSpec(
        name="guard-training-job",
        title="Watch a job",
        description=(
            "Watches a job that runs or waits, with the rules of run-training-with-guardrails."
        ),
        arguments=GuardTrainingJob,
        contract="guard-training-job.v1",
        handler=Lazy("aitk_guardrails.tools.guard:guard_training_job"),
        read_only=False,
        destructive=True,
        idempotent=False,
    )
    yield ToolSpec(
        name="list-watches",
        title="Watched runs",
        description="Lists the runs under watch, and who watches.",
        arguments=ListWatches,
        contract="list-watches.v1",
        handler=Lazy("aitk_guardrails.tools.watches:list_watches"),
    )
    yield ToolSpec(
        name="inspect-watch",
        title="A watch whole",
        description=(
            "Shows a watch: rules, what it saw, decided and told, and how to go on safely."
        ),
        arguments=InspectWatch,
        contract="inspect-watch.v1",
        handler=Lazy("aitk_guardrails.tools.watches:inspect_watch"),
    )
    yield ToolSpec(
        name="end-watch",
        title="End a watch",
        description="Ends a watch; the run is left as it is.",
        arguments=EndWatch,
        contract="end-watch.v1",
        handler=Lazy("aitk_guardrails.tools.watches:end_watch"),
        read_only=False,
    )


@hookimpl
def aitk_services() -> Iterable[ServiceSpec]:
    """Declare the service that looks after watches in every server."""
    yield ServiceSpec(name="watches", run=Lazy("aitk_guardrails.watch.service:serve"))


@hookimpl
def aitk_commands() -> Iterable[CommandSpec]:
    """Declare `aitk watch`."""
    yield CommandSpec(
        name="watch",
        summary="Watch runs without a client.",
        run=Lazy("aitk_guardrails.command:watch"),
    )


@hookimpl
def aitk_settings() -> Iterable[SettingsSpec]:
    """Declare how watches outlive their client."""
    from aitk_guardrails.settings import WatchSettings

    yield SettingsSpec(section="watch", record=WatchSettings)


@hookimpl
def aitk_schemas() -> Iterable[Traversable]:
    """Name the folder of the published contracts."""
    from aitk_schemas import folder

    yield folder()
