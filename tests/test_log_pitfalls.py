"""Flaws that were proven on another log reader; the number is the one in the list of pitfalls."""

from __future__ import annotations

import math
import time

import pytest

from aitk_core.evidence.logscan import scan_log
from aitk_core.evidence.logtext import CUT_MARK
from aitk_core.evidence.progress import parse_rate_it_per_s

BAR = "my_lora:  {step}%|#         | {step}/100 [00:10<00:50, {rate}, lr: 1.0e-04 loss: {loss}]"


def bar(step: int, *, loss: str = "5.000e-01", rate: str = " 2.00s/it") -> str:
    return BAR.format(step=step, loss=loss, rate=rate)


def texts(log: str, **options: int) -> list[str]:
    return [line.text for line in scan_log(log, bar_name="my_lora", **options).lines]


def test_pitfall_9_a_reading_says_which_step_it_is_of() -> None:
    readings = scan_log("\r".join(bar(step) for step in (40, 41, 42)), bar_name="my_lora").readings
    assert list(readings.step) == [40, 41, 42]


def test_pitfall_14_only_the_training_bar_is_training_progress() -> None:
    log = "\rLoading weights:  50%|#####     | 18/36 [00:00<00:00, 900.00it/s]\n\r" + bar(5)
    scanned = scan_log(log, bar_name="my_lora")
    assert list(scanned.readings.rate_it_per_s) == [0.5]
    assert scanned.other_bars["Loading weights"].percent == 50


def test_pitfall_14_a_bar_whose_name_only_ends_in_the_job_name_is_another_bar() -> None:
    scanned = scan_log("not " + bar(5) + "\r" + bar(6), bar_name="my_lora")
    assert list(scanned.readings.step) == [6]
    assert list(scanned.other_bars) == ["not my_lora"]


def test_pitfall_15_redraws_of_a_step_are_one_reading_and_the_last_loss_wins() -> None:
    log = "\r".join([bar(5, loss="1.0"), bar(5, loss="2.0"), bar(5, loss="3.0"), bar(6)])
    readings = scan_log(log, bar_name="my_lora").readings
    assert list(readings.step) == [5, 6]
    assert list(readings.loss) == [3.0, 0.5]


@pytest.mark.parametrize(
    "message",
    ["Loading banana.safetensors", "/data/Fernando/x", "loss: nan", "my loss is nan", "nan"],
)
def test_pitfall_21_nan_counts_only_as_the_trainers_own_message(message: str) -> None:
    assert scan_log(message, bar_name=None).nan_count == 0


def test_pitfall_21_nan_in_the_postfix_is_a_loss_that_is_not_finite() -> None:
    log = "\r".join([bar(5, loss="nan"), bar(6, loss="inf"), bar(7)])
    scanned = scan_log(log, bar_name="my_lora")
    assert list(scanned.readings.nonfinite_steps) == [5, 6]
    assert math.isnan(scanned.readings.loss[0])
    assert scanned.readings.loss[1] == math.inf
    assert scanned.nan_count == 0


def test_pitfall_22_words_beside_a_loss_are_not_its_value() -> None:
    scanned = scan_log("loss: 0.5 info: ok\n" + bar(5, loss="0.5 info: ok"), bar_name="my_lora")
    assert list(scanned.readings.loss) == [0.5]
    assert not scanned.readings.nonfinite_steps


@pytest.mark.parametrize(
    "message", ["inference exceptional quality", "0 error(s) found", " - 0 failures", "zoom bloom"]
)
def test_pitfall_23_24_words_and_zero_counts_are_no_events(message: str) -> None:
    scanned = scan_log(f"Result:\n{message}\n", bar_name=None)
    assert scanned.events == ()
    assert scanned.tracebacks == ()


@pytest.mark.parametrize(
    ("text", "it_per_s"),
    [
        ("1.5e-2it/s", 0.015),
        (" 1.22it/s", 1.22),
        ("24516.15it/s", 24516.15),
        (" 4.00s/it", 0.25),
        ("303.70s/it", 1 / 303.7),
    ],
)
def test_pitfall_25_rates_are_whole_numbers_of_the_text(text: str, it_per_s: float) -> None:
    assert parse_rate_it_per_s(text) == pytest.approx(it_per_s)


@pytest.mark.parametrize(
    "text",
    [
        "1,5it/s",
        "-3it/s",
        "10 samples/s",
        "10samples/s",
        "?it/s",
        "it/s",
        "nanit/s",
        "0.00s/it",
        "1_0it/s",
        "1e999it/s",
        "1e999s/it",
        "2it/s/gpu",
        "9" * 5000 + "it/s",
    ],
)
def test_pitfall_25_what_is_no_rate_is_missing(text: str) -> None:
    assert math.isnan(parse_rate_it_per_s(text))


@pytest.mark.parametrize("rate", ["1,5it/s", "-3it/s", "10 samples/s", "?it/s"])
def test_pitfall_25_a_step_without_a_usable_rate_is_still_a_step(rate: str) -> None:
    readings = scan_log(bar(5, rate=rate), bar_name="my_lora").readings
    assert list(readings.step) == [5]
    assert math.isnan(readings.rate_it_per_s[0])


def test_pitfall_26_named_losses_are_kept_apart() -> None:
    log = "\r".join(
        [
            bar(5),
            bar(6, loss="0.5 loss/total: 0.7 my_loss=0.9"),
            bar(7, loss="0.4 loss: 0.3"),
        ]
    )
    readings = scan_log(log, bar_name="my_lora").readings
    assert list(readings.loss) == [0.5, 0.5, 0.3]
    assert sorted(readings.extra) == ["loss/total", "my_loss"]
    assert readings.extra["loss/total"][1] == 0.7
    assert readings.extra["my_loss"][1] == 0.9
    assert all(math.isnan(readings.extra["my_loss"][index]) for index in (0, 2))


def test_pitfall_27_escape_sequences_are_stripped_before_anything_is_read() -> None:
    coloured = bar(5).replace("loss", "lo\x1b[1mss").replace("5.000", "\x1b[31m5.000\x1b[0m")
    scanned = scan_log(f"\x1b[2K{coloured}lo\x1b[1mss is nan\x1b[0m\x1b[A\n", bar_name="my_lora")
    assert list(scanned.readings.loss) == [0.5]
    assert scanned.nan_count == 1
    assert [line.text for line in scanned.messages] == ["loss is nan"]


@pytest.mark.parametrize(
    "line",
    [
        "1" * 20_000,
        "1" * 3_900 + "it/s",
        " " * 3_900 + "1%",
        "1%|" * 1_300,
        "1%| 1/1 [" * 400,
        "my_lora: " * 400,
        "1it [" * 700 + "/s",
        "lr: 1 " * 600,
        "my_lora: 1%|" + "#" * 3_900,
        "Saved checkpoint to " + "_000000001" * 380,
        "Traceback (most recent call last):" * 100,
        "x" * 2_000_000,
        "1%|" * 700_000,
        "\x1b[" * 1_000_000,
        "\x1b]" * 1_000_000,
    ],
    ids=lambda line: f"{line[:8]!r}x{len(line)}",
)
def test_pitfall_28_no_line_costs_more_than_its_length_deserves(line: str) -> None:
    def cpu_s(text: str) -> float:
        start = time.process_time()
        scan_log(text, bar_name="my_lora")
        scan_log(text, bar_name=None)
        return time.process_time() - start

    # The cubic reader needed 13.7 s of CPU time for 1,000 digits; the bound leaves a busy
    # machine a hundredfold of what we need.
    assert cpu_s(line) < 2.0


def test_pitfall_29_long_lines_are_cut_marked_and_counted() -> None:
    scanned = scan_log("a" * 2_000_000 + "\nb\n", bar_name=None)
    assert scanned.truncated_lines == 1
    assert [len(line.text) for line in scanned.lines] == [4000 + len(CUT_MARK), 1]
    assert scanned.lines[0].text.endswith(CUT_MARK)
    assert scanned.bytes_seen == 2_000_003


def test_pitfall_29_many_long_lines_do_not_pile_up() -> None:
    scanned = scan_log(("a" * 3_999 + "\n") * 5_000, bar_name=None)
    assert scanned.line_count == 5_000
    assert sum(len(line.text) for line in scanned.lines) <= 8 * 1024 * 1024
    assert scanned.lines[-1].number == 5_000


def test_pitfall_30_lines_end_at_lf_cr_and_crlf_only() -> None:
    odd = "a\u2028b\x85c\vd\fe\x1cf\x1dg\x1eh\u2029i"
    scanned = scan_log(f"{odd}\nj\r\nk", bar_name=None)
    assert [(line.number, line.text) for line in scanned.lines] == [(1, odd), (2, "j"), (3, "k")]
    assert scanned.line_count == 3


def test_pitfall_31_a_hundred_redraws_are_one_line_of_the_tail() -> None:
    log = "before\n\r" + "\r".join(bar(step) for step in range(100)) + "\nafter\n"
    scanned = scan_log(log, bar_name="my_lora", keep_lines=3)
    assert [line.text for line in scanned.lines] == ["before", bar(99), "after"]
    assert [line.bar for line in scanned.lines] == [False, True, False]
    assert len(scanned.readings) == 100


def test_pitfall_31_redraws_on_lines_of_their_own_are_one_line_too() -> None:
    log = "before\n" + "\n".join(bar(step) for step in range(100)) + "\nafter\n"
    scanned = scan_log(log, bar_name="my_lora", keep_lines=3)
    assert [(line.number, line.text) for line in scanned.lines] == [
        (1, "before"),
        (101, bar(99)),
        (102, "after"),
    ]


def test_pitfall_31_each_of_two_bars_on_a_line_keeps_its_last_state() -> None:
    other = "Generating Samples:  {}0%|#     | {}/2 [00:38<00:38, 38.63s/it]"
    log = "\r".join([bar(1), other.format(0, 0), bar(2), other.format(5, 1)]) + "\n"
    assert texts(log) == [bar(2), other.format(5, 1)]


def test_pitfall_35_numbers_are_not_dug_out_of_free_text() -> None:
    scanned = scan_log("lr: abc 5 loss: 0.5 step 7/10 at 3it/s\n", bar_name=None)
    assert len(scanned.readings) == 0
    assert bar(5, loss="abc") not in texts(bar(5, loss="abc 5") + "\n")
    readings = scan_log(bar(5, loss="abc 5"), bar_name="my_lora").readings
    assert math.isnan(readings.loss[0])


def test_pitfall_38_what_an_earlier_run_left_is_told_apart_by_its_line() -> None:
    run = "Running 1 job\n# Running job: my_lora\n"
    log = f"{run}\r{bar(5)}loss is nan\n{run}\r{bar(1)}\r{bar(2)}\n"
    scanned = scan_log(log, bar_name="my_lora")
    assert scanned.nan_lines == (3,)
    assert scanned.run_first_line == 4
    assert list(scanned.readings.step) == [1, 2]


def test_pitfall_38_a_falling_count_is_a_restart_even_without_its_head() -> None:
    scanned = scan_log("\n".join(bar(step) for step in (5, 6, 7, 6, 7)), bar_name="my_lora")
    assert scanned.restarts == (4,)
    assert list(scanned.readings.step) == [5, 6, 7]
    assert list(scanned.readings.line) == [1, 4, 5]


def test_pitfall_113_unpaired_surrogates_leave_no_trace_in_any_text() -> None:
    log = "a\ud83db\nTraceback (most recent call last):\nValueError: \udc00\n"
    scanned = scan_log(log, bar_name="\ud800")
    assert scanned.lines[0].text == "a\ufffdb"
    assert scanned.tracebacks[0].exception_message == "\ufffd"
    assert scanned.tracebacks[0].text.encode("utf-8")
