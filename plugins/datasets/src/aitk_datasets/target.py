"""Which folder is meant, and how a job reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from aitk_core.errors import (
    InvalidArgumentsError,
    NotFoundError,
    PathOutsideRootsError,
    UnknownToolError,
)
from aitk_core.evidence.dataset import DatasetUse
from aitk_datasets.folder.use import folders_of, use_of

if TYPE_CHECKING:
    from aitk_core.protocols import Paths, ToolContext

Source = Literal["argument", "job", "config"]


@frozen(kw_only=True)
class Target:
    """A dataset's folder on this machine."""

    folder: Path
    shown: str
    """As it was asked for or configured."""
    source: Source
    """Where the folder comes from."""
    use: DatasetUse | None = None


async def find_target(
    context: ToolContext,
    *,
    dataset_path: str | None,
    job_id: str | None = None,
    config_name: str | None = None,
) -> Target:
    """Return the folder that is meant.

    Raises:
        InvalidArgumentsError: Neither folder, job nor config is given, or they name no dataset.
        PathOutsideRootsError: The folder lies in no root, or on another machine.
        JobNotFoundError: There is no such job.
        ConfigNotFoundError: There is no such saved config.
        NotFoundError: No datasets folder is configured.
    """
    config, source = await _config(context, job_id, config_name)
    if dataset_path is not None:
        folder = resolve(context, dataset_path)
        return Target(
            folder=folder,
            shown=dataset_path,
            source="argument",
            use=use_of(config, str(folder)),
        )
    named = folders_of(config)
    if not named:
        raise InvalidArgumentsError(
            "no dataset is named" if config is None else "the config names no dataset",
            remedy="give dataset_path; list-datasets shows the folders that there are",
            faults=[{"path": "/dataset_path", "message": "is required here"}],
        )
    path = named[0]
    return Target(
        folder=resolve(context, path), shown=path, source=source, use=use_of(config, path)
    )


async def _config(
    context: ToolContext, job_id: str | None, config_name: str | None
) -> tuple[dict[str, Any] | None, Source]:
    if job_id is not None:
        job = await context.backend.job(job_id)
        return dict(job.config or {}), "job"
    if config_name is None:
        return None, "argument"
    try:
        answer = await context.call_tool("get-config", {"name": config_name})
    except UnknownToolError as error:
        raise InvalidArgumentsError(
            "config_name needs a tool that reads saved configs, and none is installed",
            remedy="give dataset_path instead",
        ) from error
    return dict((answer.data or {})["config"]), "config"


def resolve(context: ToolContext, path: str) -> Path:
    """Return a dataset's folder, inside a root.

    Args:
        context: Of the call.
        path: A name below the datasets root, or an absolute path.

    Raises:
        PathOutsideRootsError: It lies in no root.
        InvalidArgumentsError: It is no path.
        NotFoundError: No datasets folder is configured.
    """
    if not Path(path).is_absolute():
        return context.paths.inside("datasets", path)
    try:
        return context.paths.resolve(path)
    except PathOutsideRootsError as error:
        raise PathOutsideRootsError(
            str(error),
            remedy="set AITK_DATASETS_DIR to the folder of the datasets, where this machine can "
            "see it, and give a path below it",
            **error.details,
        ) from error


def visible_root(paths: Paths) -> Path | None:
    """Return the datasets root, or None where none is configured or this machine sees none."""
    try:
        root = paths.root("datasets")
    except NotFoundError:
        return None
    return root if root.is_dir() else None
