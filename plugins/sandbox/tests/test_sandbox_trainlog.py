from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from aitk_sandbox.trainlog import TrainLog, bar_text

RECORDED = Path(__file__).parent / "recordings" / "bars.txt"
SAFE_BAR = re.compile(
    r"(\d+)%\|[^|]*\|\s*(\d+)/(\d+)\s+\[([\d:]+)<([\d:?]+),\s*(\?|[\d.]+)(s/it|it/s)"
    r"(?:,\s*lr:\s*(\S+)(.*))?\]"
)
"""The safe pattern of the backend's API, section 12.2."""


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def seconds(text: str) -> int:
    total = 0
    for part in text.split(":"):
        total = total * 60 + int(part)
    return total


def test_every_recorded_bar_is_written_the_same_way() -> None:
    """From the recorded run ok_200_steps; the remaining time is left to the next test."""
    text = RECORDED.read_bytes().decode()
    pattern = re.compile(r"\r((?:ok_200_steps|Generating Images): [^\r\n\x1b]*\])")
    bars = pattern.findall(text)
    assert len(bars) > 100
    for bar in bars:
        name = bar.split(":")[0]
        match = SAFE_BAR.search(bar)
        assert match is not None, bar
        _, count, total, elapsed, remaining, rate, unit, lr, rest = match.groups()
        rate_it_per_s = None
        if rate != "?":
            rate_it_per_s = float(rate) if unit == "it/s" else 1 / float(rate)
        ours = bar_text(
            name,
            count=int(count),
            total=int(total),
            elapsed_s=seconds(elapsed),
            rate_it_per_s=rate_it_per_s,
            postfix=f"lr: {lr}{rest}" if lr else "",
        )
        assert re.sub(r"<[\d:?]+", "<", ours) == re.sub(r"<[\d:?]+", "<", bar)
        if rate_it_per_s:
            left = re.search(r"<([\d:]+)", ours)
            assert left is not None
            assert abs(seconds(left.group(1)) - seconds(remaining)) <= 1


@pytest.mark.parametrize(
    ("seconds_left", "shown"), [(59.9, "00:59"), (3599, "59:59"), (36000, "10:00:00")]
)
def test_remaining_time_counts_hours_only_from_the_first_one(
    seconds_left: float, shown: str
) -> None:
    text = bar_text("x", count=0, total=1, elapsed_s=1, rate_it_per_s=1 / seconds_left)
    assert f"<{shown}," in text


def test_slow_bars_count_seconds_per_step() -> None:
    text = bar_text("my_lora", count=240, total=2000, elapsed_s=300, rate_it_per_s=0.8)
    assert text == "my_lora:  12%|█▏        | 240/2000 [05:00<36:40,  1.25s/it]"


def test_the_postfix_redraws_at_once_and_the_count_at_most_every_tenth_of_a_second() -> None:
    stream, clock = io.StringIO(newline=""), Clock()
    bar = TrainLog(stream, clock=clock).bar("run", total=4)
    for number, passed_s in enumerate((0.04, 0.04, 0.04, 0.2)):
        clock.now_s += passed_s
        bar.postfix(f"lr: 1.0e-03 loss: {number}.000e+00")
        bar.update(1)
    bar.close()
    shown = [piece for piece in stream.getvalue().split("\r") if piece]
    counts = [re.findall(r"\| (\d)/4", piece)[0] for piece in shown]
    assert counts == ["0", "0", "1", "2", "3", "3", "4", "4"]
    assert stream.getvalue().endswith("]\n")
    assert all(SAFE_BAR.search(piece) for piece in shown)


def test_the_last_line_has_the_overall_rate_without_pauses() -> None:
    stream, clock = io.StringIO(newline=""), Clock()
    bar = TrainLog(stream, clock=clock).bar("run", total=10)
    bar.update(10)
    clock.now_s = 5
    bar.pause()
    clock.now_s = 1000
    bar.resume()
    bar.close()
    assert stream.getvalue().endswith("\rrun: 100%|██████████| 10/10 [00:05<00:00,  2.00it/s]\n")


def test_a_bar_below_another_is_drawn_on_the_next_line_and_wiped_at_the_end() -> None:
    stream, clock = io.StringIO(newline=""), Clock()
    log = TrainLog(stream, clock=clock)
    outer = log.bar("run", total=2)
    stream.truncate(stream.seek(0))
    inner = log.bar("Generating Images", total=2, leave=False)
    inner.close()
    first = "Generating Images:   0%|          | 0/2 [00:00<?, ?it/s]"
    assert stream.getvalue() == f"\n\r{first}\x1b[A\n\r{' ' * len(first)}\x1b[A"
    stream.truncate(stream.seek(0))
    log.close_bars()
    assert stream.getvalue() == "\rrun:   0%|          | 0/2 [00:00<?, ?it/s]\n"
    outer.close()
    assert stream.getvalue().count("\n") == 1


def test_messages_stick_to_the_end_of_a_bar() -> None:
    stream = io.StringIO(newline="")
    log = TrainLog(stream, clock=Clock())
    log.bar("run", total=2)
    log.line("loss is nan")
    assert stream.getvalue().endswith("]loss is nan\n")
