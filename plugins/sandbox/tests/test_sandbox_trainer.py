"""Runs of the trainer in this process: what it logs, and what it does with the config."""

from __future__ import annotations

import functools
import io
import json
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

from aitk_sandbox.checkpoints import write_arrays
from aitk_sandbox.demo import demo_config
from aitk_sandbox.lossdb import read_points
from aitk_sandbox.model import fit_base
from aitk_sandbox.pictures import ensure_demo_pictures
from aitk_sandbox.trainer import run_job
from aitk_sandbox.training import BASE_FILE
from aitk_sandbox.trainlog import TrainLog

if TYPE_CHECKING:
    from pathlib import Path

SAFE_BAR = re.compile(
    r"(\d+)%\|[^|]*\|\s*(\d+)/(\d+)\s+\[([\d:]+)<([\d:?]+),\s*(\?|[\d.]+)(s/it|it/s)"
    r"(?:,\s*lr:\s*(\S+)(.*))?\]"
)
"""The safe pattern of the backend's API, section 12.2."""

FAST: dict[str, Any] = {
    "sandbox": {"step_delay_s": 0.0},
    "sample": {"width": 64, "height": 64, "sample_steps": 2},
}


@functools.cache
def base() -> dict[str, Any]:
    return dict(fit_base())


def prepare(folder: Path) -> None:
    """Put the fitted base network where the trainer caches it, to save a second a run."""
    (folder / "models").mkdir(parents=True)
    write_arrays(folder / "models" / BASE_FILE, base(), dtype="fp32", metadata={})


def run_here(folder: Path, *, stopped: bool = False, **changes: Any) -> tuple[int, str]:
    """Run a job in this process, without a row; returns exit code and log."""
    prepare(folder)
    ensure_demo_pictures(folder / "datasets")
    changes = {"steps": 40, **FAST, **changes, "sqlite_db_path": str(folder / "aitk_db.db")}
    folders = {"training_folder": folder / "output", "datasets_folder": folder / "datasets"}
    config = demo_config("here", **{**folders, **changes})
    interrupted = threading.Event()
    if stopped:
        interrupted.set()
    stream = io.StringIO(newline="")
    code = run_job(config, TrainLog(stream), job_id=None, interrupted=interrupted)
    return code, stream.getvalue()


def stored(folder: Path, key: str) -> list[float]:
    path = folder / "output" / "here" / "loss_log.db"
    answer = read_points(path, key=key, since_step=None, stride=1, limit=-1)
    return [point["value"] for point in answer["points"]]


def test_the_log_has_the_real_trainers_lines_in_their_order(tmp_path: Path) -> None:
    code, log = run_here(tmp_path, steps=30, save={"max_step_saves_to_keep": 1})
    assert code == 0
    folder = tmp_path / "output" / "here"
    lines = [
        "Running 1 job\n{\n",
        '    "type": "diffusion_trainer",\n',
        f"Using SQLite database at {tmp_path / 'aitk_db.db'}\nJob ID: null\n\n{'#' * 45}\n",
        f"# Running job: here\n{'#' * 45}\n\n\nRunning  1 process\n",
        "create LoRA network. base dim (rank): 16, alpha: 16\n",
        f"Dataset: {tmp_path / 'datasets' / 'demo_pictures'}\n",
        "  -  Found 16 images\nBucket sizes for ",
        "64x64: 16 files\n1 buckets made\nGenerating baseline samples before training\n",
        f"]\nSaving at step 10\nSaved checkpoint to {folder / 'here_000000010.safetensors'}\n",
        f"Saved optimizer to {folder / 'optimizer.pt'}\n\n\rGenerating Images: ",
        f"Removing old save: {folder / 'here_000000010.safetensors'}\n",
        f"\nSaved checkpoint to {folder / 'here.safetensors'}\n",
    ]
    # A redraw shorter than the last one is filled up with spaces.
    log = re.sub(r"\] +", "]", log)
    places = [log.find(line) for line in lines]
    assert -1 not in places, lines[places.index(-1)]
    assert places == sorted(places)
    assert log.endswith("\r\n\n")
    config = json.loads(log[log.index("{\n") : log.index("}\nUsing") + 1])
    assert config["train"]["steps"] == 30


def test_every_training_bar_fits_the_safe_pattern(tmp_path: Path) -> None:
    _, log = run_here(tmp_path, train={"disable_sampling": True})
    bars = [bar.rstrip() for bar in re.findall(r"\r(here: [^\r\n]*)", log)]
    assert len(bars) > 40
    matches = [SAFE_BAR.search(bar) for bar in bars]
    ends = [match.end() if match else 0 for match in matches]
    assert ends == [len(bar) for bar in bars]
    last = matches[-1]
    assert last is not None
    assert last.group(2, 3) == ("40", "40")
    assert re.fullmatch(r" loss: \d\.\d{3}e[-+]\d\d", last.group(9))


def test_a_sane_run_improves_its_validation_loss(tmp_path: Path) -> None:
    run_here(tmp_path, steps=100, train={"disable_sampling": True})
    values = stored(tmp_path, "val/loss")
    assert values[-1] < values[0]


def test_a_run_at_an_absurd_learning_rate_diverges_and_still_completes(tmp_path: Path) -> None:
    code, log = run_here(tmp_path, lr=0.5, train={"disable_sampling": True})
    values = stored(tmp_path, "loss/loss")
    assert code == 0
    assert "loss is nan" not in log
    assert sum(values[20:]) / len(values[20:]) > 1


def test_a_loss_that_is_not_finite_is_logged_as_zero(tmp_path: Path) -> None:
    """As the recorded run nan_loss: the message sticks to the bar, the table holds zeros."""
    train = {"disable_sampling": True, "dtype": "fp16"}
    code, log = run_here(tmp_path, lr=0.5, train=train)
    values = stored(tmp_path, "loss/loss")
    assert code == 0
    assert values.count(0.0) >= 30
    assert log.count("loss is nan\n") == pytest.approx(values.count(0.0), abs=1)
    assert "]loss is nan\n\r" in log
    assert "loss: 0.000e+00]" in log


def test_accumulated_batches_count_as_one_step(tmp_path: Path) -> None:
    train = {"gradient_accumulation": 3, "batch_size": 2, "disable_sampling": True}
    code, _ = run_here(tmp_path, steps=10, train=train)
    assert code == 0
    assert len(stored(tmp_path, "loss/loss")) == 9


def test_the_same_seed_gives_the_same_losses(tmp_path: Path) -> None:
    runs = []
    for name in ("one", "two"):
        run_here(tmp_path / name, steps=12, train={"disable_sampling": True})
        runs.append(stored(tmp_path / name, "loss/loss"))
    assert runs[0] == runs[1]


def test_without_the_ui_logger_there_is_no_loss_table(tmp_path: Path) -> None:
    run_here(tmp_path, steps=3, logging={"use_ui_logger": False})
    assert not (tmp_path / "output" / "here" / "loss_log.db").exists()


def test_an_interrupt_while_loading_ends_the_run(tmp_path: Path) -> None:
    code, log = run_here(tmp_path, stopped=True)
    assert code == 0
    assert "Job stopped" in log


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"name_or_path": "/no/such/model"}}, "is neither a valid local path"),
        ({"train": {"optimizer": "prodigy"}}, "Unknown optimizer type prodigy"),
        ({"training_folder": "/somewhere"}, "is not in the sandbox's data folder"),
        ({"type": "sd_trainer"}, "Unknown process type: sd_trainer"),
    ],
)
def test_runs_that_cannot_start_say_why(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    code, log = run_here(tmp_path, **changes)
    assert code == 1
    assert re.search(rf"Error running job: .*{message}", log)
    assert "Result:\n - 0 completed jobs\n - 1 failure\n" in log
