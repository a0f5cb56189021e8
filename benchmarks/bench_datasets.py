"""inspect-dataset against the bare decoder and, where it is installed, cleanvision.

    uv run python benchmarks/bench_datasets.py [--pictures 120] [--many 10000] [--folder FOLDER]
        [--cleanvision PYTHON]

All on one folder in one run: JPEGs of 1,600 pixels at quality 90, or those of a folder of your own.
The bare loop opens each file, decodes it with `draft("L", (512, 512))` and does nothing else. The
tool is asked through an MCP client, as a person would; what it does besides looking (walk,
captions, hashes, search, comparison, findings) is in its time. Memory is the largest process of a
server that inspects 1,000 and `--many` small pictures. `--cleanvision` names an interpreter that
has it; its time is that of `Imagelab.find_issues` with all its default checks.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from aitk_core.testing.planted.fields import generated_picture
from aitk_datasets.scan.look import Piece, Target, look_at_piece
from aitk_datasets.scan.seen import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import mcp

SIDE = 1600
PIECE = 16
TURNS = 5
CLEANVISION = """
import sys, time
from cleanvision import Imagelab
lab = Imagelab(data_path=sys.argv[1])
begun = time.perf_counter()
lab.find_issues(n_jobs=int(sys.argv[2]), verbose=False)
print("seconds", time.perf_counter() - begun)
"""
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def make(folder: Path, count: int) -> None:
    """Fill a folder with pictures that differ."""
    folder.mkdir(parents=True)
    for number in range(count):
        generator = np.random.default_rng(number)
        sides = (SIDE, SIDE * 3 // 4) if number % 2 else (SIDE * 2 // 3, SIDE)
        generated_picture(generator, sides).save(folder / f"{number:05d}.jpg", quality=90)


def make_many(folder: Path, count: int) -> None:
    """Fill a folder with small pictures that differ."""
    folder.mkdir(parents=True)
    for number in range(count):
        generator = np.random.default_rng(number)
        small = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((320, 320), Image.Resampling.BICUBIC)
        image.save(folder / f"{number:05d}.jpg", quality=85)


def bare(paths: Sequence[str]) -> None:
    """Decode and do nothing else."""
    for path in paths:
        with Image.open(path) as image:
            image.draft("L", (512, 512))
            image.load()


def checked(paths: Sequence[str]) -> None:
    """Look at each file as the scan's workers do."""
    files = [Path(path) for path in paths]
    look_at_piece(
        Piece(
            folder=str(files[0].parent),
            targets=tuple(Target(path=file.name, identity=identity(file)) for file in files),
        )
    )


def identity(path: Path) -> Identity:
    """Return what the cache knows a file by."""
    found = path.stat()
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def seconds(work: Callable[[Sequence[str]], None], paths: Sequence[str], workers: int) -> float:
    """Return the seconds that workers take for the paths; they are running before."""
    pieces = [paths[begin : begin + PIECE] for begin in range(0, len(paths), PIECE)]
    if workers == 1:
        begun = time.perf_counter()
        for piece in pieces:
            work(piece)
        return time.perf_counter() - begun
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(work, [paths[:1]] * workers))
        begun = time.perf_counter()
        list(pool.map(work, pieces))
        return time.perf_counter() - begun


def loops(paths: Sequence[str]) -> dict[int, float]:
    """Print the table of the loops; return seconds of the bare one by number of workers."""
    print(f"{'workers':>8s} {'bare /s':>9s} {'checks /s':>9s}  checks to bare, median (range)")
    best: dict[int, float] = {}
    for workers in (1, 2):
        ratios, decoded, looked = [], [], []
        for _ in range(TURNS):
            decoded.append(seconds(bare, paths, workers))
            looked.append(seconds(checked, paths, workers))
            ratios.append(looked[-1] / decoded[-1])
        best[workers] = statistics.median(decoded)
        print(
            f"{workers:8d} {len(paths) / best[workers]:9.0f} "
            f"{len(paths) / statistics.median(looked):9.0f}  "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    return best


async def asked(client: mcp.Client, name: str) -> float:
    """Return the seconds of one call."""
    begun = time.perf_counter()
    arguments = {"dataset_path": name, "max_dataset_files": 50_000, "charts": "none"}
    answer = await client.call_tool("inspect-dataset", arguments)
    took = time.perf_counter() - begun
    assert not answer.is_error, answer.content
    return took


def change_some(folder: Path) -> None:
    """Write one in a hundred anew."""
    for path in sorted(folder.iterdir())[::100]:
        with Image.open(path) as image:
            image.save(path, quality=89)


async def tool(root: Path, home: Path, folder: Path) -> tuple[float, float, float]:
    """Return seconds of a first call, of the next ones, and of one after 1 % changed."""
    import mcp

    command = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "aitk_core", "mcp"],
        env={**os.environ, "AITK_DATASETS_DIR": str(root), "AITK_HOME": str(home)},
    )
    async with mcp.Client(command) as client:
        await client.call_tool("list-datasets", {})
        (root / "warm").mkdir(exist_ok=True)
        Image.new("RGB", (99, 99)).save(root / "warm" / "a.jpg")
        await asked(client, "warm")
        first = await asked(client, folder.name)
        again = statistics.median([await asked(client, folder.name) for _ in range(TURNS)])
        change_some(folder)
        return first, again, await asked(client, folder.name)


def cleanvision(python: str, folder: Path, jobs: int) -> float:
    """Return the seconds of cleanvision's default checks."""
    shown = subprocess.run(
        [python, "-W", "ignore", "-c", CLEANVISION, str(folder), str(jobs)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return float(shown.split()[-1])


def peak_mb(root: Path, home: Path, name: str) -> float:
    """Return the peak of the largest process of one inspection, in MB."""
    arguments = f'{{"dataset_path": "{name}", "max_dataset_files": 50000, "charts": "none"}}'
    shown = subprocess.run(
        [
            sys.executable, "-c", PEAK, sys.executable, "-m", "aitk_core", "call",
            "inspect-dataset", arguments,
        ],
        check=True,
        capture_output=True,
        text=True,
        env={
            **os.environ, "AITK_DATASETS_DIR": str(root), "AITK_HOME": str(home),
            "AITK_TOOL_TIMEOUT_SECONDS": "600",
        },
    ).stdout  # fmt: skip
    return float(shown) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=120)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--cleanvision")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root, home = Path(scratch, "sets"), Path(scratch, "home")
        folder = root / "photographs"
        if options.folder is None:
            make(folder, options.pictures)
        else:
            folder.mkdir(parents=True)
            for path in sorted(options.folder.glob("*.jpg"))[: options.pictures]:
                (folder / path.name).write_bytes(path.read_bytes())
        paths = [str(path) for path in sorted(folder.iterdir())]
        weight = sum(Path(path).stat().st_size for path in paths) // len(paths) // 1000
        print(f"{len(paths)} JPEGs of {weight} kB on average")
        best = loops(paths)
        first, again, changed = asyncio.run(tool(root, home, folder))
        print(f"inspect-dataset, first call: {first:.2f} s, {len(paths) / first:.0f} pictures/s")
        print(f"  to the bare loop with 2 workers: {first / best[2]:.2f}")
        print(f"  unchanged folder: {again:.3f} s, {first / again:.0f} times faster")
        print(f"  1 % changed: {changed:.3f} s, {first / changed:.0f} times faster")
        if options.cleanvision:
            for jobs in (1, 2):
                took = cleanvision(options.cleanvision, folder, jobs)
                print(
                    f"cleanvision, {jobs} jobs: {took:.1f} s, {len(paths) / took:.1f} pictures/s; "
                    f"inspect-dataset is {took / first:.1f} times faster"
                )
        peaks = []
        for count in (1000, options.many):
            make_many(root / f"many{count}", count)
            peaks.append(peak_mb(root, home, f"many{count}"))
            print(f"peak of the largest process, {count:,} pictures: {peaks[-1]:.0f} MB")
        print(f"  ratio {peaks[-1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
