"""Which config a run is judged by: the job's own, or a saved one that the caller names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.errors import InvalidArgumentsError, UnknownToolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.evidence.records import RunEvidence
    from aitk_core.protocols import ToolContext


async def saved_config(name: str | None, context: ToolContext) -> dict[str, Any] | None:
    """Return the saved config; one that does not exist is an error, never ignored.

    Raises:
        ConfigNotFoundError: There is none of that name.
        InvalidArgumentsError: Nothing that is installed reads saved configs.
    """
    if name is None:
        return None
    try:
        answer = await context.call_tool("get-config", {"name": name})
    except UnknownToolError as error:
        raise InvalidArgumentsError(
            "config_name needs a tool that reads saved configs, and none is installed",
            remedy="leave config_name out to judge by the job's own config",
        ) from error
    config: dict[str, Any] = (answer.data or {})["config"]
    return config


def config_context(
    name: str | None, config: Mapping[str, Any] | None, evidence: RunEvidence
) -> dict[str, str | None]:
    """Return the contract's account of which config counts.

    Args:
        name: As asked.
        config: The saved config of that name.
        evidence: About the run.
    """
    source = "job_payload" if evidence.job.config else None
    return {
        "requested_config_name": name,
        "resolved_config_name": name or evidence.config.name,
        "config_source": source if config is None else "saved_config",
    }
