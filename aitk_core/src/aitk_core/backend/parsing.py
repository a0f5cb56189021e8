"""From JSON to records, one record at a time: a malformed one spoils no other.

A wrong shape of the whole answer is a ValueError, which the client turns into a
`BackendProtocolError` with the route in it.
"""

from __future__ import annotations

import logging
import math
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from aitk_core.backend.fields import (
    NUMBER_TYPES,
    Fields,
    finite_number,
    list_of,
    object_of,
    whole_number,
)
from aitk_core.backend.records import (
    ACTIVE_STATUSES,
    TERMINAL_STATUSES,
    BackendSettings,
    CpuInfo,
    FileEntry,
    GpuAnswer,
    GpuInfo,
    JobList,
    JobRow,
    MetricPage,
    Queue,
)
from aitk_core.backend.wire import decode_json, excerpt, nests_deeply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOG: Final = logging.getLogger(__name__)

_ABSURD_STEPS: Final = 10**9
"""More steps than any training has, 30 years at one a second; our own."""

_STATUSES: Final = ACTIVE_STATUSES | TERMINAL_STATUSES


def _config(fields: Fields, name: str) -> Mapping[str, Any] | None:
    value = fields.row.get(name)
    if value is None:
        fields.fault(name, "is missing")
        return None
    try:
        if isinstance(value, str):
            value = decode_json(value)
            if isinstance(value, str):
                # The backend stores a text with a second layer (API.md section 4.2).
                value = decode_json(value)
                fields.fault(name, "is encoded twice, which stops the backend's worker")
    except ValueError as error:
        fields.fault(name, f"is {error}")
        return None
    if not isinstance(value, dict):
        fields.fault(name, "is not an object")
        return None
    if nests_deeply(value):
        fields.fault(name, "is nested too deeply")
        return None
    return value


def _step(fields: Fields, name: str, *, required: bool) -> int | None:
    value = fields.whole(name, required=required, nullable=not required)
    if value is not None and value < 0:
        fields.fault(name, f"is negative: {value}")
    if value is not None and value > _ABSURD_STEPS:
        fields.fault(name, f"is absurd: {value}")
    return value


def parse_job(row: Any) -> JobRow:
    """Return the job; faults of single fields are in its `faults`.

    Raises:
        ValueError: It is no object, or has no id.
    """
    fields = Fields(object_of(row, "the job"))
    job_id = row.get("id")
    if not isinstance(job_id, str) or not job_id:
        fault = f"the job has no id but {excerpt(repr(job_id), 40)}"
        raise ValueError(fault)
    status = fields.text("status", required=True)
    if status is not None and status not in _STATUSES:
        fields.fault("status", f"is unknown: {excerpt(status, 40)!r}")
    return JobRow(
        id=job_id,
        name=fields.text("name", required=True),
        gpu_ids=fields.text("gpu_ids", required=True),
        status=status,
        step=_step(fields, "step", required=True),
        total_steps=_step(fields, "total_steps", required=False),
        info=fields.text("info"),
        speed_string=fields.text("speed_string"),
        stop=fields.flag("stop"),
        return_to_queue=fields.flag("return_to_queue"),
        queue_position=fields.whole("queue_position"),
        pid=fields.whole("pid", nullable=True),
        job_type=fields.text("job_type"),
        job_ref=fields.text("job_ref", nullable=True),
        created_at=fields.text("created_at"),
        updated_at=fields.text("updated_at"),
        save_now=fields.flag("save_now"),
        sample_now=fields.flag("sample_now"),
        config=_config(fields, "job_config"),
        faults=tuple(fields.faults),
    )


def parse_jobs(answer: Any) -> JobList:
    """Return the list of jobs, the unreadable ones counted and named.

    Raises:
        ValueError: The answer has no list of jobs.
    """
    jobs: list[JobRow] = []
    skipped: list[str] = []
    for position, row in enumerate(list_of(answer, "jobs")):
        try:
            jobs.append(parse_job(row))
        except ValueError as error:
            skipped.append(f"jobs[{position}]: {error}")
    return JobList(jobs=tuple(jobs), skipped=tuple(skipped))


def _columns(points: list[Any]) -> tuple[array[int], array[float], array[float]] | None:
    """Return the columns of well-formed points, or None where any is malformed."""
    try:
        steps = [point["step"] for point in points]
        walls = [point["wall_time"] for point in points]
        values = [point["value"] for point in points]
        if set(map(type, steps)) <= {int} and set(map(type, walls)) <= NUMBER_TYPES:
            known = [math.nan if value is None else value for value in values]
            if set(map(type, known)) <= NUMBER_TYPES:
                return array("q", steps), array("d", walls), array("d", known)
    except (TypeError, KeyError, OverflowError):
        pass
    return None


def _ascending(steps: Sequence[int]) -> bool:
    return all(left < right for left, right in pairwise(steps))


def parse_metric_page(answer: Any, key: str) -> MetricPage:
    """Return the points of one metric in columns.

    Raises:
        ValueError: The answer has no list of points, or none of keys.
    """
    points = list_of(answer, "points")
    keys = tuple(name for name in list_of(answer, "keys") if isinstance(name, str))
    columns = _columns(points)
    if columns is None or not _ascending(columns[0]):
        rows = {
            step: (finite_number(point.get("wall_time")), finite_number(point.get("value")))
            for point in points
            if isinstance(point, dict) and (step := whole_number(point.get("step"))) is not None
        }
        steps = sorted(rows)
        columns = (
            array("q", steps),
            array("d", [rows[step][0] for step in steps]),
            array("d", [rows[step][1] for step in steps]),
        )
    return MetricPage(
        key=key,
        keys=keys,
        steps=columns[0],
        wall_times=columns[1],
        values=columns[2],
        skipped=len(points) - len(columns[0]),
    )


def parse_texts(items: Any, what: str) -> tuple[str, ...]:
    """Return the texts of a list; whatever else is in it is left out and logged.

    Raises:
        ValueError: It is not a list.
    """
    if not isinstance(items, list):
        fault = f"{what} is not a list"
        raise ValueError(fault)  # noqa: TRY004 - a fault of the answer, not of a caller
    texts = tuple(item for item in items if isinstance(item, str))
    _report(what, len(items) - len(texts))
    return texts


def _report(what: str, left_out: int) -> None:
    if left_out:
        _LOG.warning("%d malformed records of %s left out", left_out, what)


def parse_files(answer: Any) -> tuple[FileEntry, ...]:
    """Return the files of a job; records without a path are left out and logged.

    Raises:
        ValueError: The answer has no list of files.
    """
    items = list_of(answer, "files")
    files = tuple(
        FileEntry(path=item["path"], size_bytes=_size(item.get("size")))
        for item in items
        if isinstance(item, dict) and isinstance(item.get("path"), str)
    )
    _report("files", len(items) - len(files))
    return files


def _size(value: Any) -> int | None:
    size = whole_number(value)
    return size if size is not None and size >= 0 else None


def parse_samples(answer: Any) -> tuple[str, ...]:
    """Return the paths of a job's samples, oldest first.

    Raises:
        ValueError: The answer has no list of samples.
    """
    return parse_texts(list_of(answer, "samples"), "samples")


def parse_dataset_media(answer: Any) -> tuple[str, ...]:
    """Return the absolute paths of a dataset's media (API.md section 6).

    Raises:
        ValueError: The answer has no list of media, or no root, which ends in a separator.
    """
    root = object_of(answer, "the list of media").get("root")
    if not isinstance(root, str) or not root.endswith(("/", "\\")):
        fault = "root is no folder with a separator at its end"
        raise ValueError(fault)
    return tuple(root + name for name in parse_texts(list_of(answer, "images"), "images"))


def parse_queue(row: Any) -> Queue:
    """Return one queue.

    Raises:
        ValueError: It is no object, or names no GPUs.
    """
    fields = Fields(object_of(row, "the queue"))
    gpu_ids = row.get("gpu_ids")
    if not isinstance(gpu_ids, str):
        fault = "the queue names no gpu_ids"
        raise ValueError(fault)  # noqa: TRY004 - a fault of the answer, not of a caller
    return Queue(id=fields.whole("id"), gpu_ids=gpu_ids, is_running=fields.flag("is_running"))


def parse_queues(answer: Any) -> tuple[Queue, ...]:
    """Return the queues; malformed ones are left out and logged.

    Raises:
        ValueError: The answer has no list of queues.
    """
    items = list_of(answer, "queues")
    queues: list[Queue] = []
    for item in items:
        try:
            queues.append(parse_queue(item))
        except ValueError:
            continue
    _report("queues", len(items) - len(queues))
    return tuple(queues)


def _gpu(row: Any) -> GpuInfo:
    fields = Fields(object_of(row, "the gpu"))
    utilization, memory = fields.part("utilization"), fields.part("memory")
    power, clocks = fields.part("power"), fields.part("clocks")
    return GpuInfo(
        index=fields.whole("index"),
        name=fields.text("name"),
        driver_version=fields.text("driverVersion"),
        temperature_c=fields.number("temperature"),
        utilization_percent=utilization.number("gpu"),
        memory_utilization_percent=utilization.number("memory"),
        memory_total_mib=memory.number("total"),
        memory_free_mib=memory.number("free"),
        memory_used_mib=memory.number("used"),
        power_draw_w=power.number("draw"),
        power_limit_w=power.number("limit"),
        graphics_clock_mhz=clocks.number("graphics"),
        memory_clock_mhz=clocks.number("memory"),
        fan_speed_percent=fields.part("fan").number("speed"),
        faults=tuple(fields.faults),
    )


def parse_gpus(answer: Any) -> GpuAnswer:
    """Return the GPUs (API.md section 9.2).

    Raises:
        ValueError: The answer has no list of GPUs.
    """
    gpus: list[GpuInfo] = []
    skipped: list[str] = []
    for position, row in enumerate(list_of(answer, "gpus")):
        try:
            gpus.append(_gpu(row))
        except ValueError as error:
            skipped.append(f"gpus[{position}]: {error}")
    fields = Fields(answer)
    return GpuAnswer(
        has_nvidia_smi=fields.flag("hasNvidiaSmi"),
        is_mac=fields.flag("isMac"),
        gpus=tuple(gpus),
        error=fields.text("error"),
        skipped=tuple(skipped),
    )


def parse_cpu(answer: Any) -> CpuInfo:
    """Return processor and memory (API.md section 9.3).

    Raises:
        ValueError: The answer is no object.
    """
    fields = Fields(object_of(answer, "the answer"))
    return CpuInfo(
        name=fields.text("name"),
        cores=fields.whole("cores"),
        temperature_c=fields.number("temperature"),
        memory_total_mib=fields.number("totalMemory"),
        memory_free_mib=fields.number("freeMemory"),
        memory_available_mib=fields.number("availableMemory"),
        load_percent=fields.number("currentLoad"),
        faults=tuple(fields.faults),
    )


def parse_settings(answer: Any) -> BackendSettings:
    """Return the settings that concern others; the hub token in the answer is dropped.

    Raises:
        ValueError: The answer is no object.
    """
    fields = Fields(object_of(answer, "the answer"))
    return BackendSettings(
        training_folder=fields.text("TRAINING_FOLDER"),
        datasets_folder=fields.text("DATASETS_FOLDER"),
        models_path=fields.text("MODELS_PATH"),
        hub_token_set=bool(answer.get("HF_TOKEN")),
    )
