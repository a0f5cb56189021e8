"""Folders of weights of recorded runs, for the tools that export and list them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from attrs import evolve
from safetensors.numpy import save

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend, recorded_runs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from aitk_core.proving.recorded import Recording
    from aitk_core.records.results import ToolResult


RUNS: Final = recorded_runs()
TRAINING: Final = "/toolkit/output"


def weights(step: int = 0, *, value: float = 0.5, rank: int = 8, up: float = 0.25) -> bytes:
    arrays = {
        "lora_unet_a.alpha": np.array(4, dtype=np.float16),
        "lora_unet_a.lora_down.weight": np.full((rank, 16), value, dtype=np.float16),
        "lora_unet_a.lora_up.weight": np.full((16, rank), up, dtype=np.float16),
    }
    info = json.dumps({"step": step, "epoch": 1})
    return save(arrays, metadata={"training_info": info, "ss_output_name": "x"})


class House:
    """Folders of one machine, and the jobs of a recorded backend whose files are there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outputs = folder / "output"
        self.comfy = folder / "comfy"
        (self.comfy / "loras").mkdir(parents=True)
        self.runs: list[Recording] = []
        self.settings = {
            "AITK_HOME": str(folder / "home"),
            "AITK_OUTPUTS_DIR": str(self.outputs),
            "COMFYUI_MODEL_ROOTS": str(self.comfy),
            "AITK_PARALLEL": "threads",
        }

    def add(self, run: Recording, files: dict[str, bytes] | None = None) -> str:
        """Put a run's files there, those of the recording by default, and return its id."""
        names = [Path(str(each["path"])).name for each in run.files]
        contents = {name: weights() for name in names} if files is None else files
        listed: list[Mapping[str, Any]] = []
        for name, data in contents.items():
            path = self.outputs / run.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            listed.append({"path": f"{TRAINING}/{run.name}/{name}", "size": len(data)})
        self.runs.append(evolve(run, files=listed))
        return run.job_id

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Callable[..., Any]]:
        source = SettingsSource(environment=self.settings)
        application = Application(source=source, backend=recorded_backend(self.runs))
        async with application:

            async def call(tool: str, **arguments: Any) -> ToolResult:
                session = Session(request_id="t", policy=application.policy)
                return await application.dispatcher.call(tool, arguments, session)

            yield call

    def call(self, tool_: str, **arguments: Any) -> Any:
        return self.results([(tool_, arguments)])[0].data

    def results(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[ToolResult]:
        async def work() -> list[ToolResult]:
            async with self.open() as call:
                return [await call(tool, **arguments) for tool, arguments in calls]

        return asyncio.run(work())

    def names(self) -> list[str]:
        return sorted(
            path.relative_to(self.folder).as_posix()
            for root in ("comfy", "home/exports")
            for path in (self.folder / root).rglob("*")
            if path.is_file()
        )
