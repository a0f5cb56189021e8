"""Progress lines as trainers print them, each alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

import pytest

from aitk_core.evidence.logscan import scan_log
from aitk_core.evidence.progress import parse_interval_s, parse_postfix

EXAMPLES: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "recordings" / "logs" / "progress_lines.json").read_text(
        encoding="utf-8"
    )
)["lines"]
TRAINING: Final = [row for row in EXAMPLES if row["kind"] == "training"]
OTHER: Final = [row["line"] for row in EXAMPLES if row["kind"] == "other"]


def close(found: float, expected: float | None) -> bool:
    if expected is None or math.isnan(float(expected)):
        return math.isnan(found)
    return math.isclose(found, float(expected), rel_tol=1e-4)


@pytest.mark.parametrize("row", TRAINING, ids=lambda row: str(row["line"][:48]))
def test_a_training_line_is_read_whole(row: dict[str, Any]) -> None:
    readings = scan_log(row["line"], bar_name=row["name"]).readings
    assert (list(readings.step), readings.total) == ([row["step"]], row["total"])
    rate = readings.rate_it_per_s[0]
    assert close(1 / rate, row["sec_per_step"])
    assert close(readings.lr[0], row["lr"])
    # A running average is not the loss of a step: it keeps its own name.
    loss = readings.extra["avr_loss"] if "avr_loss" in row["line"] else readings.loss
    assert close(loss[0], row["loss"])
    assert list(readings.nonfinite_steps) == ([row["step"]] if row["loss"] == "nan" else [])
    if "elapsed_s" in row:
        assert readings.elapsed_s[0] == row["elapsed_s"]


@pytest.mark.parametrize(
    "row", [r for r in TRAINING if r["loss"] is not None], ids=lambda row: str(row["line"][:48])
)
def test_a_training_line_is_known_by_its_postfix_without_a_name(row: dict[str, Any]) -> None:
    named = scan_log(row["line"], bar_name=row["name"])
    assert scan_log(row["line"], bar_name=None) == named


@pytest.mark.parametrize("line", OTHER)
@pytest.mark.parametrize("bar_name", [None, "my_lora"])
def test_another_bar_is_never_training_progress(line: str, bar_name: str | None) -> None:
    scanned = scan_log(line, bar_name=bar_name)
    assert len(scanned.readings) == 0
    assert [bar.text for bar in scanned.other_bars.values()] == [line.strip()] or line[0] == " "
    assert scanned.messages == ()


@pytest.mark.parametrize(
    "name",
    [
        "a: b | c",
        "50%| 5/10 [00:01<00:02, 3it/s]",
        "trailing: ",
        "größe 日本",
        "x[1]",
        ".*",
        " led",
        "%|",
        "a\nb",
    ],
)
def test_a_name_may_hold_any_character(name: str) -> None:
    colon = "" if name.endswith(": ") else ": "
    line = f"{name}{colon}  3%|3         | 1/30 [00:01<00:29,  1.00s/it, lr: 1.0e-03 loss: 5.0e-01]"
    readings = scan_log(f"\r{line}\r{line}", bar_name=name).readings
    assert (list(readings.step), list(readings.loss)) == ([1], [0.5])


def test_text_glued_to_a_bar_is_a_message_of_its_own() -> None:
    line = "my_lora:   3%|3    | 1/30 [00:01<00:29,  1.00s/it, lr: 1.0e-03 loss: 5.0e-01]"
    scanned = scan_log(f"\r{line}loss is nan\n\r{line}   Error: [Errno 2]\n", bar_name="my_lora")
    assert [(row.number, row.text, row.bar) for row in scanned.lines] == [
        (1, line, True),
        (1, "loss is nan", False),
        (2, line, True),
        (2, "Error: [Errno 2]", False),
    ]
    assert scanned.nan_lines == (1,)


def test_two_bars_glued_together_are_both_read() -> None:
    line = "my_lora:   3%|3    | 1/30 [00:01<00:29,  1.00s/it, lr: 1.0e-03 loss: 5.0e-01]"
    other = "Caching latents:  50%|#####     | 4/8 [00:01<00:01,  4.00it/s]"
    scanned = scan_log(line + other + "\n", bar_name="my_lora")
    assert list(scanned.readings.step) == [1]
    assert scanned.other_bars["Caching latents"].percent == 50


def test_a_download_with_scaled_counts_is_another_bar() -> None:
    line = "model.safetensors:  45%|####      | 1.23G/2.70G [00:10<00:12, 120MB/s]"
    scanned = scan_log(line, bar_name="my_lora")
    assert scanned.other_bars["model.safetensors"].percent == 45


def test_only_the_newest_of_very_many_bars_are_kept() -> None:
    log = "".join(f"\rbar {n}:  50%|#    | 1/2 [00:01<00:01,  1.00it/s]" for n in range(500))
    scanned = scan_log(log, bar_name="my_lora")
    assert len(scanned.other_bars) == 64
    assert list(scanned.other_bars)[-1] == "bar 499"


def test_a_last_count_that_repeats_the_postfix_has_no_loss() -> None:
    bars = [
        f"n:  5%|#    | {step}/9 [00:01<00:01,  1.00it/s, lr: 1.0e-03 loss: {loss}]"
        for step, loss in ((1, 0.5), (2, 0.5), (2, 0.4), (3, 0.4))
    ]
    readings = scan_log("\r".join(bars), bar_name="n").readings
    assert list(readings.loss[:2]) == [0.5, 0.4]
    assert math.isnan(readings.loss[2])
    assert math.isnan(readings.lr[2])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:05", 5),
        ("61:01", 3661),
        ("2:49:04", 10144),
        ("177:04:17", 637457),
        ("1:02:03:04", 93784),
        ("1 day, 2:03:04", 93784),
        ("2 days, 0:00:01", 172801),
        ("1d 02:03:04", 93784),
    ],
)
def test_intervals_are_read_in_every_form(text: str, seconds: int) -> None:
    assert parse_interval_s(text) == seconds


@pytest.mark.parametrize("text", ["?", "", "-1:23", "1:-2:03", "5", "a:b", ":", "1:2:3:4:5", "٣:٣"])
def test_what_is_no_interval_is_missing(text: str) -> None:
    assert math.isnan(parse_interval_s(text))


def test_days_do_not_hide_a_bar() -> None:
    line = "n:  5%|#    | 1/9 [1 day, 2:03:04<3 days, 1:00:00, 93784.00s/it, lr: 1.0e-03 loss: 0.5]"
    readings = scan_log(line, bar_name="n").readings
    assert list(readings.elapsed_s) == [93784]
    assert readings.rate_it_per_s[0] == pytest.approx(1 / 93784)
    assert list(readings.loss) == [0.5]


def test_a_postfix_is_read_in_both_notations() -> None:
    assert parse_postfix("avr_loss=0.0931, lr=1.0e-04") == {"avr_loss": 0.0931, "lr": 1e-4}
    assert parse_postfix("lr: 1.0e-04 loss: -2.5e-01") == {"lr": 1e-4, "loss": -0.25}
    assert parse_postfix("loss: 1_0 x: 1,5 y: 0x1 z") == {}


def test_negative_learning_rates_and_counts_are_refused() -> None:
    line = "n:  5%|#    | {}/9 [00:01<00:01,  1.00it/s, lr: -1.0e-03 loss: 0.5]"
    assert math.isnan(scan_log(line.format(1), bar_name="n").readings.lr[0])
    assert len(scan_log(line.format(-1), bar_name="n").readings) == 0


def test_readings_of_sixteen_further_names_are_kept_and_no_more() -> None:
    postfix = " ".join(f"k{n}: 1.0" for n in range(30))
    line = f"n:  5%|#    | 1/9 [00:01<00:01,  1.00it/s, lr: 1.0e-03 loss: 0.5 {postfix}]"
    assert len(scan_log(line, bar_name="n").readings.extra) == 16
