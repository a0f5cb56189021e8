"""How a log is cut into pieces never changes what is found in it, and no text raises."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aitk_core.evidence.logscan import LogScanner, scan_log

if TYPE_CHECKING:
    from aitk_core.evidence.logscan import LogScan

LOGS: Final = Path(__file__).parent / "recordings" / "logs"
NAME: Final = "my_lora"
PIECES: Final = [
    "\n",
    "\r",
    "\r\n",
    "\n\r",
    "\0",
    "\x1b[A",
    "\x1b[31m",
    "\x1b[",
    "\x1b]0;title\x07",
    "\x1b",
    "\ud83d",
    "\u2028",
    "\x85",
    "   ",
    "my_lora: ",
    "my_lora:   0%|          | 0/30 [00:00<?, ?it/s]",
    "my_lora:   3%|3         | 1/30 [00:01<00:29,  1.00s/it, lr: 1.0e-03 loss: 5.000e-01]",
    "my_lora:   3%|3         | 1/30 [00:01<00:29,  1.00s/it, lr: 1.0e-03 loss: 4.000e-01]",
    "my_lora:   7%|6         | 2/30 [00:02<00:28,  1.00s/it, lr: 1.0e-03 loss: nan reg: 2.0]",
    "my_lora:  10%|#         | 3/30 [00:03<00:27,  1.00s/it, lr: 1.0e-03 loss: 3.000e-01]",
    "Loading weights: 100%|██████████| 36/36 [00:00<00:00, 6485.76it/s]",
    "  0%|          | 0/8 [00:00<?, ?it/s]",
    "5it [00:01, 3.00it/s]",
    "loss is nan",
    "Running 1 job",
    "# Running job: my_lora",
    "Found step 2 in metadata, starting from there",
    "Saved checkpoint to /out/my_lora/my_lora_000000002.safetensors",
    "Error running job: Job stopped",
    "Result:",
    " - 1 failure",
    "Job process terminated with exit code 1.",
    "Traceback (most recent call last):",
    "Original Traceback (most recent call last):",
    '  File "/toolkit/run.py", line 1, in main',
    "ValueError: no",
    "Exception: Job stopped",
    "During handling of the above exception, another exception occurred:",
    "Error processing image: /data/a.jpg",
    "x" * 50,
]
TEXTS: Final = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=40).map("".join)


def scan_in_pieces(text: str, cuts: list[int], *, bar_name: str | None, chars: int) -> LogScan:
    scanner = LogScanner(bar_name=bar_name, keep_lines=25, max_line_chars=chars)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    for start, end in itertools.pairwise(edges):
        scanner.feed(text[start:end])
    return scanner.finish()


@settings(deadline=None, max_examples=300)
@given(
    text=TEXTS,
    cuts=st.lists(st.integers(min_value=0, max_value=5000), max_size=12),
    bar_name=st.sampled_from([NAME, None, "Loading weights"]),
    chars=st.sampled_from([1, 7, 60, 90, 4000]),
)
def test_any_cut_of_any_text_gives_the_same_scan(
    text: str, cuts: list[int], bar_name: str | None, chars: int
) -> None:
    whole = scan_in_pieces(text, [], bar_name=bar_name, chars=chars)
    assert scan_in_pieces(text, cuts, bar_name=bar_name, chars=chars) == whole


@settings(deadline=None, max_examples=100)
@given(text=TEXTS, bar_name=st.sampled_from([NAME, None]))
def test_one_character_at_a_time_gives_the_same_scan(text: str, bar_name: str | None) -> None:
    every = list(range(len(text)))
    assert scan_in_pieces(text, every, bar_name=bar_name, chars=60) == scan_in_pieces(
        text, [], bar_name=bar_name, chars=60
    )


@settings(deadline=None, max_examples=300)
@given(text=TEXTS)
def test_the_loop_for_clean_redraws_finds_what_the_general_one_finds(text: str) -> None:
    # Below 1600 characters no redraw takes the short way.
    assert scan_log(text, bar_name=NAME, max_line_chars=1500) == scan_log(text, bar_name=NAME)


@settings(deadline=None, max_examples=300)
@given(text=st.text(), bar_name=st.none() | st.text())
def test_no_text_and_no_name_raises(text: str, bar_name: str | None) -> None:
    scanned = scan_log(text, bar_name=bar_name)
    assert scanned.bytes_seen == len(text)
    for line in scanned.lines:
        line.text.encode("utf-8")
        assert not set(line.text) & set("\r\n\0\x1b")


@settings(deadline=None, max_examples=200)
@given(text=TEXTS)
def test_kept_lines_are_in_order_and_inside_the_text(text: str) -> None:
    scanned = scan_log(text, bar_name=NAME)
    numbers = [line.number for line in scanned.lines]
    assert all(1 <= number <= scanned.line_count for number in numbers)
    assert numbers == sorted(numbers)
    steps = list(scanned.readings.step)
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
def test_a_recorded_log_in_pieces_gives_the_same_scan(size: int) -> None:
    text = (LOGS / "corrupt_image.txt").read_bytes().decode("utf-8")
    scanner = LogScanner(bar_name="corrupt_image")
    for start in range(0, len(text), size):
        scanner.feed(text[start : start + size])
    assert scanner.finish() == scan_log(text, bar_name="corrupt_image")


@settings(deadline=None, max_examples=300)
@given(
    text=TEXTS,
    cuts=st.lists(st.integers(min_value=0, max_value=5000), max_size=6),
    bar_name=st.sampled_from([NAME, None]),
)
def test_a_look_between_shows_what_a_scan_of_the_text_so_far_finds_and_changes_nothing(
    text: str, cuts: list[int], bar_name: str | None
) -> None:
    scanner = LogScanner(bar_name=bar_name)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    for start, end in itertools.pairwise(edges):
        scanner.feed(text[start:end])
        looked = scanner.snapshot(lines=20_000, readings=20_000)
        assert looked == scan_log(text[:end], bar_name=bar_name)
    assert scanner.finish() == scan_log(text, bar_name=bar_name)


@settings(deadline=None, max_examples=300)
@given(text=TEXTS, lines=st.integers(0, 8), readings=st.integers(0, 4))
def test_a_look_with_limits_shows_the_end_of_what_a_whole_one_shows(
    text: str, lines: int, readings: int
) -> None:
    scanner = LogScanner(bar_name=NAME)
    scanner.feed(text)
    looked = scanner.snapshot(lines=lines, readings=readings)
    whole = scanner.finish()
    assert list(looked.lines) == list(whole.lines)[len(whole.lines) - len(looked.lines) :]
    assert len(looked.lines) == min(lines, len(whole.lines))
    assert looked.line_count == whole.line_count
    for column in ("step", "line", "loss", "rate_it_per_s"):
        shown, known = getattr(looked.readings, column), getattr(whole.readings, column)
        assert shown.tobytes() == known[len(known) - len(shown) :].tobytes()
    assert set(looked.readings.nonfinite_steps) <= set(looked.readings.step)


def test_a_look_costs_the_same_memory_after_any_length_of_log() -> None:
    def peak_bytes(steps: int) -> int:
        scanner = LogScanner(bar_name=NAME)
        for step in range(steps):
            scanner.feed(
                f"\rmy_lora:   3%|3         | {step}/99999 "
                f"[00:01<00:29,  1.00s/it, lr: 1.0e-03 loss: {step:.3e}]message {step}\n"
            )
        tracemalloc.start()
        try:
            looked = scanner.snapshot(lines=200, readings=200)
            assert len(looked.readings) == 201
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak_bytes(20_000) < 1.25 * peak_bytes(1000)


def test_a_finished_scanner_takes_no_more_text_and_repeats_its_answer() -> None:
    scanner = LogScanner(bar_name=None)
    scanner.feed("a")
    assert scanner.finish() is scanner.finish()
    with pytest.raises(ValueError, match="finished"):
        scanner.feed("b")


@pytest.mark.parametrize(("keep_lines", "max_line_chars"), [(-1, 10), (1, 0)])
def test_limits_out_of_range_are_refused(keep_lines: int, max_line_chars: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        LogScanner(bar_name=None, keep_lines=keep_lines, max_line_chars=max_line_chars)


def test_memory_does_not_grow_with_redraws_of_the_same_steps() -> None:
    def peak_bytes(redraws: int) -> int:
        scanner = LogScanner(bar_name=NAME, keep_lines=100)
        tracemalloc.start()
        try:
            for index in range(redraws):
                step = 10 * index // redraws
                scanner.feed(
                    f"\rmy_lora:   3%|3         | {step}/30 "
                    f"[00:01<00:29,  1.00s/it, lr: 1.0e-03 loss: {index:.3e}]"
                    f"loss is nan\nmessage {index}\n"
                )
            scanner.finish()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak_bytes(8000) < 1.25 * peak_bytes(4000)
