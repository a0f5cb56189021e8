"""What two runs were asked to do differently, and which comparisons that rules out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.convert import unstructure
from aitk_core.evidence.config import first_process

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aitk_core.backend.records import JobRow

_DEPTH: Final = 8
_LEAVES: Final = 2000
_TEXT: Final = 200
"""Our own bounds: a config is somebody's file."""

_NO_EFFECT: Final = re.compile(
    r"(type|name|training_folder|sqlite_db_path|device|performance_log_every|log_dir)$"
    r"|(logging|sample|meta|save)(\.|$)"
    r"|datasets\.\d+\.(cache_\w+|num_workers|prefetch_factor)$"
    r"|train\.(disable_sampling|skip_first_sample|force_first_sample)$"
)
"""Where things are put, how often they are shown and what is cached: none of it moves a weight
(backend config-keys table, sections process, logging, sample, save, train, datasets)."""

_MODEL: Final = r"model\.(name_or_path|arch|model_kwargs)(\.|$)|train\.noise_scheduler$"
_VALIDATION: Final = re.compile(rf"{_MODEL}|train\.validation_config(\.|$)")
"""A validation loss measures the same thing only on the same model, target and images."""
_TRAINING_LOSS: Final = re.compile(
    rf"{_MODEL}"
    r"|train\.(batch_size|gradient_accumulation\w*|timestep_type|content_or_style\w*|loss_type"
    r"|min_snr_gamma|snr_gamma|noise_offset|min_denoising_steps|max_denoising_steps|do_\w+"
    r"|diff_output_preservation\w*|bypass_guidance_embedding)$"
    r"|datasets\.\d+\.(folder_path|dataset_path|resolution|caption_dropout_rate|is_reg"
    r"|num_repeats|random_crop|flip_x|flip_y|num_frames)(\.|$)"
)
"""Base model, loss, timestep weighting, resolution mix, batch and data (STATS.md section 6)."""
_SPEED: Final = re.compile(
    r"model\.(name_or_path|arch)$"
    r"|train\.(batch_size|gradient_accumulation\w*)$"
    r"|datasets\.\d+\.(resolution|num_frames)(\.|$)"
)
"""Model, resolution and batch; the GPU is asked for apart."""


@frozen(kw_only=True)
class Difference:
    """One setting that two runs do not share."""

    path: str
    """Config path such as `config.process.0.train.lr`."""
    value: Any
    """Of the run; None where its config does not have the key."""
    other: Any
    """Of the run it is compared with."""


@frozen(kw_only=True)
class Settings:
    """The settings of one run that may have an effect, as dotted paths below the process."""

    values: Mapping[str, Any]
    gpu_ids: str | None = None

    def differences(self, other: Settings) -> tuple[Difference, ...]:
        """Return what differs, in the order of the paths."""
        return tuple(
            Difference(
                path=f"config.process.0.{path}",
                value=self.values.get(path),
                other=other.values.get(path),
            )
            for path in sorted(self.values.keys() | other.values.keys())
            if self.values.get(path) != other.values.get(path)
        )

    def why_not_validation(self, other: Settings) -> str | None:
        """Return why the validation losses measure different things, or None."""
        return self._why(other, _VALIDATION)

    def why_not_training_loss(self, other: Settings) -> str | None:
        """Return why the training losses measure different things, or None."""
        return self._why(other, _TRAINING_LOSS)

    def why_not_speed(self, other: Settings) -> str | None:
        """Return why the speeds mean different things, or None."""
        why = self._why(other, _SPEED)
        if why is None and self.gpu_ids != other.gpu_ids:
            return "the runs use different GPUs"
        return why

    def _why(self, other: Settings, wanted: re.Pattern[str]) -> str | None:
        if not self.values or not other.values:
            return "a run's config is not known"
        paths = [
            path
            for path in sorted(self.values.keys() | other.values.keys())
            if wanted.match(path) and self.values.get(path) != other.values.get(path)
        ]
        return f"the runs differ in {', '.join(paths[:4])}" if paths else None


def settings_of(job: JobRow) -> Settings:
    """Return the settings of a job's first process that may have an effect."""
    values: dict[str, Any] = {}
    for path, value in _leaves(first_process(job.config), "", _DEPTH):
        if not _NO_EFFECT.match(path):
            values[path] = value
        if len(values) >= _LEAVES:
            break
    return Settings(values=values, gpu_ids=job.gpu_ids)


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth and isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key), depth - 1)
    elif depth and isinstance(value, list) and any(isinstance(v, Mapping) for v in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}", depth - 1)
    # A null at the level of the process counts as absent (backend config-keys, null_values).
    elif path and value is not None:
        yield path, _told(value)


def _told(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _TEXT else value[:_TEXT] + "..."
    if isinstance(value, bool | int | float):
        return value
    text = str(unstructure(value))
    return text if len(text) <= _TEXT else text[:_TEXT] + "..."


def first_reason(pairs: Iterable[str | None]) -> str | None:
    """Return the first reason that is one."""
    return next((reason for reason in pairs if reason is not None), None)
