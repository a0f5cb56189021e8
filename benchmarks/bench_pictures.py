"""Cost of the checks of pictures, as ratios to decoding them; and of the search for near copies.

    uv run python benchmarks/bench_pictures.py [pictures] [most hashes]

The yardstick opens and decodes the same JPEGs at the reduced size (`draft` and `load`) and does
nothing with them; it takes turns with what is measured, in the same process. Hashes are random,
one in a hundred has a planted copy that differs by 0 to 20 bits of dd128 and 0 to 16 of p64. Each
search runs in a process of its own, whose peak memory (Linux) holds
the hashes as well.
"""

from __future__ import annotations

import io
import multiprocessing
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from aitk_core.pictures.borders import find_borders
from aitk_core.pictures.grey import read_grey
from aitk_core.pictures.hashes import ORIENTATIONS, hashes_of
from aitk_core.pictures.looks import laplacian_variances, looks_of, reblur
from aitk_core.pictures.search import find_pairs
from aitk_core.proving.pictures import natural_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

PICTURES, SIZES = 40, (1_000, 10_000, 100_000, 1_000_000)
REPEATS = 5
AIM = 1.3


def jpeg_of(seed: int) -> bytes:
    """Return a picture of 1600 x 1067 pixels with detail at every scale, as JPEG."""
    generator = np.random.default_rng(seed)
    small = natural_picture(generator, width=800, height=534)
    image = Image.fromarray(small).resize((1600, 1067), Image.Resampling.BICUBIC)
    squares = generator.integers(-40, 40, (67, 100, 1)).repeat(16, axis=0).repeat(16, axis=1)
    pixels = np.clip(np.asarray(image) + squares[:1067], 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def opened(data: bytes) -> Image.Image:
    """Return the picture, not decoded."""
    return Image.open(io.BytesIO(data), formats=["JPEG"])


def decoded(data: bytes) -> Image.Image:
    """Do what every check needs: the yardstick."""
    image = opened(data)
    image.draft("L", (512, 512))
    image.load()
    return image


def checked(data: bytes) -> None:
    """Do all that the scan of a dataset does with a picture."""
    grey = read_grey(opened(data))
    looks_of(grey)
    hashes_of(grey.thumbnail)


def seconds(work: Callable[[Any], object], items: Sequence[Any], threads: int) -> float:
    """Return seconds for all items."""
    begun = time.perf_counter()
    if threads == 1:
        for item in items:
            work(item)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, items))
    return time.perf_counter() - begun


def compare(data: Sequence[bytes]) -> None:
    """Print the table of the checks: the best of some turns for each."""
    greys = [read_grey(opened(each)) for each in data]
    steps: list[tuple[str, Callable[[Any], object], Sequence[Any]]] = [
        ("draft + load", decoded, data),
        ("all checks", checked, data),
        ("grey and thumbnail, with decoding", lambda each: read_grey(opened(each)), data),
        ("looks", looks_of, greys),
        ("  Laplacian, whole and tiles", lambda grey: laplacian_variances(grey.levels), greys),
        ("  borders", lambda grey: find_borders(grey.thumbnail), greys),
        ("  reblur (soft pictures only)", lambda grey: reblur(grey.levels), greys),
        ("hashes, as it is and mirrored", lambda grey: hashes_of(grey.thumbnail), greys),
        ("hashes, eight orientations", lambda grey: hashes_of(grey.thumbnail, ORIENTATIONS), greys),
    ]
    soft = sum(looks_of(grey).reblur is not None for grey in greys)
    print(f"{len(data)} JPEGs, {sum(map(len, data)) // len(data) // 1000} kB each, {soft} soft")
    for threads in (1, 2):
        best = [float("inf")] * len(steps)
        for _ in range(REPEATS):
            for place, (_, work, items) in enumerate(steps):
                best[place] = min(best[place], seconds(work, items, threads))
        print(f"\n{'step':36}{'threads':>8}{'images/s':>10}{'of draft + load':>17}")
        for (name, _, _), took in zip(steps, best, strict=True):
            print(f"{name:36}{threads:8}{len(data) / took:10.0f}{took / best[0]:17.3f}")
        print(f"{'':36}all checks: aim at most {AIM}")


def planted(count: int, orientations: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return hashes, and by how many bits of dd128 the copy of each of the first differs."""
    generator = np.random.default_rng(count)
    hashes = generator.integers(0, 256, (count, orientations, 24), dtype=np.uint8)
    bits = np.unpackbits(hashes[: count // 100], axis=2)
    differing = generator.integers(0, 21, len(bits))
    for own, wanted in zip(bits, differing, strict=True):
        places = [
            *generator.choice(128, wanted, replace=False),
            *(128 + generator.choice(64, generator.integers(0, 17), replace=False)),
        ]
        own[:, places] ^= 1
    hashes[len(hashes) - len(bits) :] = np.packbits(bits, axis=2)
    return hashes, differing


def search(count: int, orientations: int, told: Connection) -> None:
    """Send what one search took and found."""
    hashes, differing = planted(count, orientations)
    begun = time.perf_counter()
    found = find_pairs(hashes, orientations=(0, 4)[:orientations])
    took = time.perf_counter() - begun
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    first = count - len(differing)
    hit = np.array([(copy, first + copy) in pairs for copy in range(len(differing))])
    sure = differing <= found.complete_to
    # `ru_maxrss` of a new process holds that of its parent.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    beyond = f"{hit[~sure].mean():.3f}" if (~sure).any() else "-"
    told.send(
        f"{count:>9,}  {'as is' if orientations == 1 else '+ mirrored':11}{found.method:14}"
        f"{took:8.2f}{peak:8.0f}{found.complete_to:8}{hit[sure].mean():8.3f}{beyond:>8}"
        f"{len(found) - int(hit.sum()):8}"
    )


def main(pictures: int, most: int) -> None:
    """Print both tables."""
    compare([jpeg_of(seed) for seed in range(pictures)])
    print(
        f"\n{'hashes':>9}  {'':11}{'method':14}{'s':>8}{'MiB':>8}{'sure to':>8}{'recall':>8}"
        f"{'beyond':>8}{'false':>8}"
    )
    for count in (each for each in SIZES if each <= most):
        for orientations in (1, 2):
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(
                target=search, args=(count, orientations, theirs)
            )
            process.start()
            print(ours.recv(), flush=True)
            process.join()


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(given[0] if given else PICTURES, given[1] if len(given) > 1 else SIZES[-1])
