"""The folders of a sandbox, and which paths are inside them."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from aitk_sandbox.state import State


@attrs.frozen(kw_only=True)
class Folders:
    """Folders by the settings of a state; nothing outside the data folder is ever touched."""

    data: Path
    state: State

    @property
    def training(self) -> Path:
        """Folder of the job folders."""
        return self._setting("TRAINING_FOLDER", "output")

    @property
    def datasets(self) -> Path:
        """Folder of the datasets."""
        return self._setting("DATASETS_FOLDER", "datasets")

    @property
    def models(self) -> Path:
        """Folder of models, as the settings route names it."""
        return self._setting("MODELS_PATH", "models")

    def _setting(self, key: str, default: str) -> Path:
        stored = self.state.settings().get(key)
        return self.data / stored if stored else self.data / default

    def job_folder(self, name: str) -> Path | None:
        """Return the folder of a job, or None if the name leads anywhere else."""
        return self.child(self.training, name)

    def child(self, root: Path, name: str) -> Path | None:
        """Return a folder below a root, or None if the name does not lead below it."""
        path = normal(root / name)
        return path if inside(path, root) and path != normal(root) else None

    def allows(self, path: Path) -> bool:
        """Return whether a path is in the data folder."""
        return inside(path, self.data)


def inside(path: Path, root: Path) -> bool:
    """Return whether a path is a root or below it, `..` resolved, symbolic links not."""
    return normal(path).is_relative_to(normal(root))


def normal(path: Path) -> Path:
    """Return the absolute path without `..`, leaving symbolic links as they are."""
    return type(path)(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links
