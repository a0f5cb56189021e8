"""Work that other processes can import."""

from __future__ import annotations

import os


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
