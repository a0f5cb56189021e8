"""A run's sample images as evidence: which there are, a spread of them decoded, and the prompts.

One collection asks for the list of samples, the folders, each dataset's list, and twice for each
file that is read: its size, then its bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import field, frozen

from aitk_core.errors import (
    AitkError,
    BackendTimeoutError,
    BackendUnauthorizedError,
    BackendUnreachableError,
)
from aitk_core.evidence.config import read_config
from aitk_core.evidence.samplechoice import choose_cells, spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import numpy.typing as npt

    from aitk_core.backend.records import JobRow
    from aitk_core.evidence.pictures import Picture
    from aitk_core.evidence.samplechoice import Cell
    from aitk_core.protocols import ToolContext

Pixels: TypeAlias = "npt.NDArray[np.uint8]"
"""(H, W, 3) RGB, read-only, the longer side at most 256."""

# `<epoch ms>__<step, 9 digits>_<prompt index>.<ext>` (API.md section 12.5). More digits than a
# step or a prompt can have are no sample's.
_NAME: Final = re.compile(
    r"([0-9]{1,15})__([0-9]{9,12})_(0|[1-9][0-9]{0,5})\.([A-Za-z0-9]{1,8})", re.ASCII
)
_IMAGES: Final = (".jpg", ".jpeg", ".png", ".webp")
_FILE_BYTES: Final = 16 * 1024 * 1024
"""Largest file that is read: a PNG of 2048 x 2048 noise is 12 MiB. Ours."""
_AT_ONCE: Final = 4
"""Files under way together: the backend's client has two connections, and decoding overlaps."""
_PROMPT_CHARS: Final = 2000
_REASON_CHARS: Final = 200
_DATASETS: Final = 8
"""Folders of training images that are listed at most; ours."""


@frozen(kw_only=True, eq=False)
class SampleImage:
    """One sample, decoded; pictures are None where `error` says why."""

    step: int
    """Completed optimizer steps; 0 is the baseline before training."""
    prompt_index: int
    """From 0."""
    path: str
    """Absolute, on the backend's machine."""
    prompt: str | None
    """As the config has it now, without flags; untrusted. None where it has no such prompt."""
    wall_time: float
    """Unix seconds, from the name."""
    width: int | None = None
    """Of the file, in pixels."""
    height: int | None = None
    pixels: Pixels | None = None
    error: str | None = None


@frozen(kw_only=True, eq=False)
class ReferenceImage:
    """One training image, reduced in the same way."""

    path: str
    width: int | None = None
    height: int | None = None
    pixels: Pixels | None = None
    error: str | None = None


@frozen(kw_only=True, eq=False)
class SamplesEvidence:
    """A run's samples as they stood at one moment."""

    job_id: str
    samples: tuple[SampleImage, ...]
    """Those that were chosen, by step, then by prompt; one for each step and prompt."""
    reference_images: tuple[ReferenceImage, ...] = ()
    """Some of the training images, evenly chosen."""
    reference_total: int | None = None
    """Training images there are; None where they could not be listed."""
    total: int
    """Sample files there are, also those that are no images or were not chosen."""
    steps: tuple[int, ...] = ()
    """All steps with sample images, ascending, also those not chosen."""
    prompt_indexes: tuple[int, ...] = ()
    """All prompts with sample images, ascending, also those not chosen."""
    missing: Mapping[str, str] = field(factory=dict)
    """What could not be had, and why: `{"media": "2 of 6 samples are no images: 2 .mp4"}`."""


def parse_sample_name(path: str) -> tuple[int, int, int] | None:
    """Return time in milliseconds, step and prompt index from a sample's file name.

    Args:
        path: Of the file, with either separator; only its last part counts.

    Returns:
        None where the name is not one that the trainer gives (API.md section 12.5).
    """
    found = _NAME.fullmatch(re.split(r"[\\/]", path)[-1])
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def sample_prompts(config: Mapping[str, Any] | None) -> tuple[str | None, ...]:
    """Return the sample prompts of a job config, as the trainer uses them.

    `samples[].prompt`, or `prompts` where there is no `samples`; `[trigger]` and `[name]` are
    replaced, and everything from the first `--` on is flags (API.md sections 13 and 14.2).

    Returns:
        One entry for each prompt index, at most 2,000 characters; None where there is no text.
    """
    inner = _mapping(_mapping(config).get("config"))
    process = _mapping(next(iter(_list(inner.get("process"))), None))
    block = _mapping(process.get("sample"))
    if block.get("samples") is None:
        prompts = _list(block.get("prompts"))
    else:
        prompts = [_mapping(item).get("prompt") for item in _list(block["samples"])]
    words = {"[trigger]": process.get("trigger_word"), "[name]": inner.get("name")}
    return tuple(_prompt(prompt, words) for prompt in prompts)


async def collect_samples(
    context: ToolContext,
    job: JobRow,
    *,
    max_images: int = 48,
    max_references: int = 64,
    max_bytes: int = 128 * 1024 * 1024,
) -> SamplesEvidence:
    """Read a spread of a run's samples, and of its training images to compare them with.

    Args:
        context: Its backend is asked, its workers decode.
        job: The run.
        max_images: Samples to read at most; 0 lists them only.
        max_references: Training images to read at most; 0 does without.
        max_bytes: Of all files together. Samples come first, those of the last step before all.

    Raises:
        JobNotFoundError: There is no such job.
        BackendError: The samples could not be listed, or the backend refuses our token. A file
            that could not be read is an incomplete answer, with the reason in its `error`.
    """
    paths = await context.backend.samples(job.id)
    missing: dict[str, str] = {}
    newest = newest_samples(paths, missing)
    chosen = choose_cells(newest, max_images)
    if len(chosen) < len(newest):
        missing["not_chosen"] = f"{len(newest) - len(chosen)} of {len(newest)} images were not read"
    reader = _Reader(context, max_bytes)
    found = await reader.read([newest[cell].path for cell in chosen])
    prompts = sample_prompts(job.config)
    samples = [
        _sample(cell, newest[cell], outcome, prompts)
        for cell, outcome in zip(chosen, found, strict=True)
    ]
    _count_errors("sample_images", [sample.error for sample in samples], missing)
    references, reference_total = await _references(reader, job, max_references, missing)
    return SamplesEvidence(
        job_id=job.id,
        samples=tuple(sorted(samples, key=lambda sample: (sample.step, sample.prompt_index))),
        reference_images=references,
        reference_total=reference_total,
        total=len(paths),
        steps=tuple(sorted({step for step, _ in newest})),
        prompt_indexes=tuple(sorted({prompt for _, prompt in newest})),
        missing=missing,
    )


@frozen(kw_only=True)
class SampleFile:
    """An image that the trainer made of a prompt at a step."""

    time_ms: int
    """Unix milliseconds, from the name."""
    path: str
    """Absolute, on the backend's machine."""


def newest_samples(
    paths: Iterable[str], missing: dict[str, str] | None = None
) -> dict[Cell, SampleFile]:
    """Return the image of each step and prompt, the newest where it was sampled again.

    Args:
        paths: Of a run's samples, as the backend lists them.
        missing: Takes what was left out, and why.
    """
    missing = {} if missing is None else missing
    newest: dict[Cell, SampleFile] = {}
    media: Counter[str] = Counter()
    total = unnamed = repeated = 0
    for path in paths:
        total += 1
        parsed = parse_sample_name(path)
        if parsed is None:
            unnamed += 1
            continue
        ending = "." + path.rpartition(".")[2].lower()
        if ending not in _IMAGES:
            media[ending] += 1
            continue
        time_ms, step, prompt = parsed
        before = newest.get((step, prompt))
        repeated += before is not None
        if before is None or before.time_ms <= time_ms:
            newest[step, prompt] = SampleFile(time_ms=time_ms, path=path)
    if unnamed:
        missing["names"] = f"{unnamed} of {total} files are not named as samples are"
    if media:
        kinds = ", ".join(f"{count} {ending}" for ending, count in media.most_common(8))
        missing["media"] = f"{media.total()} of {total} samples are no images: {kinds}"
    if repeated:
        missing["repeated"] = (
            f"{repeated} images were made again at the same step; the newest count"
        )
    return newest


def _sample(
    cell: Cell, file: SampleFile, outcome: Picture | str, prompts: Sequence[str | None]
) -> SampleImage:
    step, prompt = cell
    return SampleImage(
        step=step,
        prompt_index=prompt,
        path=file.path,
        prompt=prompts[prompt] if prompt < len(prompts) else None,
        wall_time=file.time_ms / 1000,
        **_fields(outcome),
    )


def _fields(outcome: Picture | str) -> dict[str, Any]:
    if isinstance(outcome, str):
        return {"error": outcome}
    return {"width": outcome.width, "height": outcome.height, "pixels": outcome.pixels}


def _count_errors(key: str, errors: Sequence[str | None], missing: dict[str, str]) -> None:
    reasons = Counter(error for error in errors if error is not None)
    if reasons:
        shown = "; ".join(f"{count}: {reason}" for reason, count in reasons.most_common(3))
        missing[key] = f"{reasons.total()} of {len(errors)} could not be read ({shown})"


class _Reader:
    """Reads and decodes files within a budget of bytes."""

    def __init__(self, context: ToolContext, max_bytes: int) -> None:
        self.context = context
        self._left = max_bytes
        self._stopped: str | None = None

    async def read(self, paths: Sequence[str]) -> list[Picture | str]:
        """Return a picture for each path, or the reason why there is none."""
        # Here: it brings the network, which those who only look at the records do without.
        import asyncio

        found: list[Picture | str] = []
        for begin in range(0, len(paths), _AT_ONCE):
            batch = paths[begin : begin + _AT_ONCE]
            limit = min(_FILE_BYTES, self._left // len(batch))
            found += await asyncio.gather(*(self._read(path, limit) for path in batch))
        return found

    async def _read(self, path: str, limit: int) -> Picture | str:
        if self._stopped is not None:
            return self._stopped
        try:
            part = await self.context.backend.read_file(path, 0, limit)
        except BackendUnauthorizedError:
            raise
        except AitkError as error:
            reason = f"{error.code}: {error}"[:_REASON_CHARS]
            if isinstance(error, BackendUnreachableError | BackendTimeoutError):
                self._stopped = f"not asked for after {error.code}"
            return reason
        self._left -= len(part.data)
        if part.size_bytes > limit:
            return f"{part.size_bytes} bytes are more than the {limit} that may still be read"
        return await self.context.run(_decode, part.data)


def _decode(data: bytes) -> Picture | str:
    # Here, in a worker: Pillow is heavy to import.
    from aitk_core.evidence.pictures import UnreadablePictureError, read_picture

    try:
        return read_picture(data)
    except UnreadablePictureError as error:
        return str(error)


async def _references(
    reader: _Reader, job: JobRow, limit: int, missing: dict[str, str]
) -> tuple[tuple[ReferenceImage, ...], int | None]:
    folders = list(dict.fromkeys(read_config(job.config).dataset_paths))[:_DATASETS]
    if not folders or limit <= 0:
        if limit > 0:
            missing["reference_images"] = "the config names no dataset folder"
        return (), None
    try:
        paths = await _training_images(reader.context, folders, missing)
    except BackendUnauthorizedError:
        raise
    except AitkError as error:
        missing["reference_images"] = f"{error.code}: {error}"[:_REASON_CHARS]
        return (), None
    if paths is None:
        return (), None
    chosen = spread(paths, limit)
    if len(chosen) < len(paths):
        missing["references_not_chosen"] = (
            f"{len(paths) - len(chosen)} of {len(paths)} training images were not read"
        )
    found = await reader.read(chosen)
    references = tuple(
        ReferenceImage(path=path, **_fields(outcome))
        for path, outcome in zip(chosen, found, strict=True)
    )
    _count_errors("reference_images", [reference.error for reference in references], missing)
    return references, len(paths)


async def _training_images(
    context: ToolContext, folders: Sequence[str], missing: dict[str, str]
) -> list[str] | None:
    """Return the images below the folders, or None where none of them could be listed."""
    root = (await context.backend.settings()).datasets_folder
    found: dict[str, None] = {}
    unlisted = 0
    for folder in folders:
        name = _dataset_name(folder, root)
        if name is None:
            unlisted += 1
            continue
        below = _slashed(folder) + "/"
        for path in await context.backend.dataset_media(name):
            if path.lower().endswith(_IMAGES) and _slashed(path).startswith(below):
                found[path] = None
    if unlisted:
        missing["datasets"] = (
            f"{unlisted} of {len(folders)} dataset folders are not below the backend's datasets "
            "folder, so their images cannot be listed"
        )
    return None if unlisted == len(folders) else list(found)


def _dataset_name(folder: str, root: str | None) -> str | None:
    """Return the part of the folder directly below the root, or None where it lies elsewhere."""
    if not root:
        return None
    below = _slashed(root) + "/"
    path = _slashed(folder)
    return path[len(below) :].partition("/")[0] or None if path.startswith(below) else None


def _slashed(path: str) -> str:
    return path.replace("\\", "/").rstrip("/")


def _prompt(item: Any, words: Mapping[str, Any]) -> str | None:
    if not isinstance(item, str):
        return None
    text = item[:_PROMPT_CHARS]
    for word, replacement in words.items():
        text = text.replace(word, replacement if isinstance(replacement, str) else "")
    return text.partition("--")[0].strip()[:_PROMPT_CHARS]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
