"""Work that other processes can import."""

from __future__ import annotations

import os
from typing import Any


def square(number: int) -> int:
    return number * number


def dies_at_seven(number: int) -> int:
    if number == 7:
        os._exit(3)
    return number


def raises_at_seven(number: int) -> int:
    return 1 // (number - 7)


def process_of(_number: int) -> int:
    return os.getpid()


def dies_at_a_killer(task: Any) -> Any:
    """Make a picture small, and die as a decoder does that writes over memory."""
    from aitk_datasets.pictures import thumbs

    if task.path == "killer.jpg":
        os._exit(3)
    return thumbs.thumb_of(task)
