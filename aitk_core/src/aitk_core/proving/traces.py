"""Loss traces of other people's runs, read from a file with the layout of the public ones.

A NumPy archive: `meta` is a JSON list of `{"key", "run", ...}`; for each key there are
`<key>/loss` (steps,) and, where known, `<key>/step` (steps,), `<key>/t` (steps,) seconds since
the first step, `<key>/val` and `<key>/val_step` (evaluations,). A run of `meta` may tell
`prediction` ("noise" or "flow"; "noise" if it does not), `batch` (1) and `label` ("healthy").
"""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from aitk_core.errors import FileMissingError, InvalidArgumentsError, TooLargeError
from aitk_core.proving.build import generated_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aitk_core.evidence.records import RunEvidence

_MOST_BYTES: Final = 512 * 1024 * 1024
"""Ours: of the arrays together, unpacked; the 48 public runs have 6 MB."""
_MOST_RUNS: Final = 1000
_REMEDY: Final = "give an .npz file whose `meta` names the runs and which has <key>/loss for each"


@frozen(kw_only=True, eq=False)
class Trace:
    """One run, without the steps that its logger lost."""

    key: str
    loss: NDArray[np.float64]
    """(steps,) float64; 0 or NaN where the loss was not finite."""
    gaps_s: NDArray[np.float64] | None
    """(steps,) float64 seconds before each step, or None where the file has no times."""
    validation: NDArray[np.float64]
    """(evaluations,) float64, empty where the file has none."""
    is_flow: bool = False
    """Whether the run was trained by flow matching."""
    batch: int = 1
    """Samples averaged in each loss."""
    is_healthy: bool = True
    """Whether nothing went wrong, as far as is known: whatever is said of it is a false alarm."""

    def evidence(self) -> RunEvidence:
        """Return the run without its validation loss, which does turn upward in some of them."""
        return generated_run(self.loss, times=self.gaps_s, batch=self.batch, is_flow=self.is_flow)


def read_traces(path: Path) -> tuple[Trace, ...]:
    """Return the traces of a file.

    Raises:
        FileMissingError: There is no such file.
        TooLargeError: Its arrays are larger than half a gigabyte.
        InvalidArgumentsError: It is no such archive, or one of its runs is not as documented.
    """
    if not path.is_file():
        raise FileMissingError(f"there is no file {path.name!r}", remedy=_REMEDY)
    try:
        _refuse_huge(path)
        with np.load(path, allow_pickle=False) as arrays:
            return _traces(arrays)
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        raise InvalidArgumentsError(
            f"{path.name!r} holds no traces that can be read: {reason}", remedy=_REMEDY
        ) from error


def _refuse_huge(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        size = sum(info.file_size for info in archive.infolist())
    if size > _MOST_BYTES:
        raise TooLargeError(
            f"the arrays of {path.name!r} take {size} bytes, at most {_MOST_BYTES} are read",
            remedy="leave some of the runs out",
        )


def _traces(arrays: Mapping[str, Any]) -> tuple[Trace, ...]:
    meta = json.loads(str(arrays["meta"]))
    if not isinstance(meta, list) or not 0 < len(meta) <= _MOST_RUNS:
        raise ValueError(f"meta must be a list of 1 to {_MOST_RUNS} runs")
    return tuple(_trace(arrays, run) for run in meta)


def _trace(arrays: Mapping[str, Any], run: Mapping[str, Any]) -> Trace:
    key, batch = str(run["key"]), int(run.get("batch", 1))
    if run.get("prediction", "noise") not in ("noise", "flow") or batch < 1:
        raise ValueError(f"{key} has a prediction or a batch that is none")
    loss = _column(arrays, f"{key}/loss")
    if not len(loss):
        raise ValueError(f"{key}/loss is empty")
    gaps = None
    if f"{key}/t" in arrays:
        times = _column(arrays, f"{key}/t")
        if len(times) != len(loss):
            raise ValueError(f"{key}/t and {key}/loss are not of one length")
        gaps = np.diff(times, prepend=times[:1])
    validation = _column(arrays, f"{key}/val") if f"{key}/val" in arrays else np.empty(0)
    return Trace(
        key=key,
        loss=loss,
        gaps_s=gaps,
        validation=validation,
        is_flow=run.get("prediction") == "flow",
        batch=batch,
        is_healthy=run.get("label", "healthy") == "healthy",
    )


def _column(arrays: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    values = np.asarray(arrays[name])
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be one column of numbers")
    return values.astype(np.float64)
