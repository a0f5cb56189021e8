"""What listing thousands of models costs, as a ratio to a bare walk of their folders.

    uv run python benchmarks/bench_models.py [--files 10000]

Files have real headers of LoRAs and hold no data. Prints the first listing (every header is read),
the second one, and one that filters by base model, each over the time of `os.walk` with `stat`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.weight_files import lora_tensors, write_weights

_IN_FOLDER = 200


def make(root: Path, count: int) -> None:
    """Write LoRA files of some hundred tensors, in folders as people keep them."""
    for number in range(count):
        folder = root / "loras" / f"set{number // _IN_FOLDER}"
        tensors = lora_tensors(rank=8 + number % 4, modules=120)
        write_weights(folder / f"lora{number}.safetensors", tensors, {"ss_output_name": "x"})


def walk(root: Path) -> float:
    """Return the seconds of a bare walk."""
    begin = time.perf_counter()
    for folder, _, files in os.walk(root):
        for name in files:
            os.stat(Path(folder, name))  # noqa: PTH116 - what is compared with
    return time.perf_counter() - begin


async def listings(home: Path, root: Path) -> dict[str, float]:
    """Return the seconds of each listing."""
    environment = {
        "AITK_HOME": str(home),
        "COMFYUI_MODEL_ROOTS": str(root),
        "AITK_TOOL_TIMEOUT_SECONDS": "600",
    }
    application = Application(
        source=SettingsSource(environment=environment), backend=recorded_backend(())
    )
    took: dict[str, float] = {}
    async with application:
        session = Session(request_id="bench", policy=application.policy, timeout_s=600)
        for name, arguments in (
            ("first page", {}),
            ("every header, for the first time", {"base": "sd15"}),
            ("every header, again", {"base": "sd15"}),
            ("a page, again", {}),
        ):
            begin = time.perf_counter()
            await application.dispatcher.call("list-comfyui-models", arguments, session)
            took[name] = time.perf_counter() - begin
    return took


def main() -> int:
    """Measure, and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    count = parser.parse_args().files
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "models"
        make(root, count)
        walk(root)
        bare = min(walk(root) for _ in range(3))
        took = asyncio.run(listings(Path(name) / "home", root))
        sys.stdout.write(f"{count} files\n")
        for what, seconds in took.items():
            sys.stdout.write(f"{what}: {seconds / bare:.1f} times a bare walk\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
