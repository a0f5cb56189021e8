"""What a run leaves on disk: loss table, checkpoints, samples, config, and what it reads."""

from __future__ import annotations

import io
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file

from aitk_sandbox import checkpoints, lossdb, samples
from aitk_sandbox.demo import demo_config
from aitk_sandbox.jobconfig import DatasetPlan, SamplePlan, read_plan
from aitk_sandbox.model import LAYERS, Network, fit_base, new_adapters
from aitk_sandbox.optimizers import learning_rate, new_optimizer
from aitk_sandbox.pictures import ensure_demo_pictures, load_dataset
from aitk_sandbox.trainingdata import TrainingData, bucket_of
from aitk_sandbox.trainlog import TrainLog
from aitk_sandbox.yamltext import to_yaml

RECORDINGS = Path(__file__).parent / "recordings"


def config(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    return demo_config(
        "run", training_folder=tmp_path / "output", datasets_folder=tmp_path / "datasets", **changes
    )


def adapters() -> dict[str, Any]:
    generator = np.random.default_rng(0)
    return {
        f"{layer}.{part}": generator.normal(size=(4, 6)).astype(np.float32)
        for layer in LAYERS
        for part in ("down", "up")
    }


def touch_in_order(folder: Path, *names: str) -> None:
    last = 0
    for name in names:
        path = folder / name
        path.write_bytes(b"")
        # A change time is the kernel's; it has to differ from the one before.
        while path.stat().st_ctime_ns <= last:
            os.utime(path)
        last = path.stat().st_ctime_ns


def test_the_loss_table_has_the_tables_of_the_real_one(tmp_path: Path) -> None:
    table = lossdb.LossTable(tmp_path / "loss_log.db")
    table.close()
    recorded = json.loads((RECORDINGS / "loss_tables.json").read_text(encoding="utf-8"))
    with closing(sqlite3.connect(tmp_path / "loss_log.db")) as connection:
        query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"
        ours = [row[0] for row in connection.execute(query)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    plain = [[" ".join(sql.split()) for sql in statements] for statements in (ours, recorded)]
    assert sorted(plain[0]) == sorted(plain[1])


def test_a_resumed_loss_table_drops_later_steps_at_the_first_commit(tmp_path: Path) -> None:
    path = tmp_path / "loss_log.db"
    table = lossdb.LossTable(path)
    for step in (1, 2, 3, 4):
        table.note("loss/loss", step / 10)
        table.commit(step)
    table.close()
    table = lossdb.LossTable(path)
    assert len(read(path)) == 4
    table.note("loss/loss", 0.9)
    table.commit(3)
    table.close()
    assert read(path) == [(1, 0.1), (2, 0.2), (3, 0.9)]


def read(path: Path) -> list[tuple[int, float]]:
    answer = lossdb.read_points(path, key="loss/loss", since_step=None, stride=1, limit=100)
    return [(point["step"], point["value"]) for point in answer["points"]]


@pytest.mark.parametrize(("dtype", "error"), [("fp32", 0), ("fp16", 1e-3), ("bf16", 1e-2)])
def test_weights_survive_a_file(tmp_path: Path, dtype: str, error: float) -> None:
    path = tmp_path / "run_000000005.safetensors"
    metadata = checkpoints.weights_metadata(name="run", step=5, epoch=2, training={})
    checkpoints.save_weights(path, adapters(), alpha=8, dtype=dtype, metadata=metadata)
    stored = checkpoints.load_weights(path)
    assert (stored.step, stored.epoch) == (5, 2)
    for name, value in adapters().items():
        assert stored.adapters[name] == pytest.approx(value, rel=error, abs=error)


def test_checkpoints_are_read_by_the_safetensors_library(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    metadata = checkpoints.weights_metadata(name="run", step=7, epoch=1, training={"x": 1})
    checkpoints.save_weights(path, adapters(), alpha=8, dtype="fp16", metadata=metadata)
    arrays = load_file(path)
    assert arrays["lora_unet_layer_in.lora_down.weight"].dtype == np.float16
    assert float(arrays["lora_unet_layer_in.alpha"]) == 8
    with safe_open(path, framework="np") as opened:
        assert json.loads(opened.metadata()["training_info"]) == {"step": 7, "epoch": 1}
        assert opened.metadata()["ss_output_name"] == "run"
    checkpoints.save_weights(path, adapters(), alpha=8, dtype="bf16", metadata=metadata)
    with safe_open(path, framework="np") as opened:
        assert opened.get_slice("lora_unet_layer_in.alpha").get_dtype() == "BF16"


def test_the_optimizer_goes_on_where_it_was(tmp_path: Path) -> None:
    optimizer = new_optimizer("adamw", {})
    parameters: dict[str, Any] = {"w": np.ones(3, np.float32)}
    gradient = {"w": np.asarray([0.1, -0.2, 0.3], np.float32)}
    optimizer.step(parameters, gradient, lr=0.01)
    checkpoints.save_optimizer(tmp_path / "optimizer.pt", optimizer)
    again = new_optimizer("adamw", {})
    checkpoints.load_optimizer(tmp_path / "optimizer.pt", again)
    copied = dict(parameters)
    optimizer.step(parameters, gradient, lr=0.01)
    again.step(copied, gradient, lr=0.01)
    assert np.array_equal(parameters["w"], copied["w"])


def test_pruning_keeps_the_newest_step_saves_and_the_final_file(tmp_path: Path) -> None:
    names = [f"run_{step:09d}.safetensors" for step in (10, 20, 30)]
    touch_in_order(tmp_path, "run.safetensors", *names)
    assert checkpoints.prune(tmp_path, "run", keep=0) == []
    assert [path.name for path in checkpoints.prune(tmp_path, "run", keep=2)] == names[:1]
    assert (tmp_path / "run.safetensors").exists()


def test_the_newest_save_is_the_one_changed_last(tmp_path: Path) -> None:
    assert checkpoints.newest(tmp_path, "run") is None
    touch_in_order(tmp_path, "run.safetensors", "run_000000010.safetensors", "run_note.txt")
    newest = checkpoints.newest(tmp_path, "run")
    assert newest is not None
    assert newest.name == "run_000000010.safetensors"


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_samples_are_named_and_sized_as_the_config_says(tmp_path: Path, ending: str) -> None:
    base: dict[str, Any] = dict(fit_base())
    net = Network(
        base=base,
        adapters=new_adapters(base, rank=2, generator=np.random.default_rng(0)),
        strength=1,
    )
    plan = SamplePlan(prompts=("a red circle", "a blue ring"), width=96, height=64, steps=3)
    drawn = [samples.draw_sample(net, plan, index) for index in (0, 0, 1)]
    assert drawn[0].size == (96, 64)
    assert drawn[0].tobytes() == drawn[1].tobytes() != drawn[2].tobytes()
    path = samples.write_sample(drawn[0], tmp_path, step=20, index=1, ending=ending)
    assert path.name.endswith(f"__000000020_1.{ending}")
    assert path.name.split("__")[0].isdigit()
    with Image.open(path) as opened:
        assert opened.size == (96, 64)
    assert (tmp_path / ".thumbs" / f"{path.name}.jpg").exists()
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_the_config_text_keeps_every_value() -> None:
    text = to_yaml({"name": "a b", "lr": 1e-05, "on": [True, None], "deep": [{"x": "1", "y": []}]})
    assert text == (
        'name: a b\nlr: 1.0e-05\n"on":\n  - true\n  - null\ndeep:\n  -\n    x: "1"\n    "y": []\n'
    )


def test_a_demo_config_is_read_with_all_it_asks_for(tmp_path: Path) -> None:
    plan = read_plan(config(tmp_path, steps=90, train={"dtype": "fp16"}, training_seed=3))
    assert (plan.name, plan.steps, plan.rank, plan.alpha) == ("run", 90, 16, 16.0)
    assert (plan.dtype, plan.seed, plan.save.every, plan.sample.every) == ("fp16", 3, 30, 30)
    assert plan.validation is not None
    assert len(plan.validation.items) == 4
    assert plan.optimizer_params == {"weight_decay": 0.0001}


def test_absent_keys_take_the_trainers_defaults(tmp_path: Path) -> None:
    process = {
        "type": "diffusion_trainer",
        "training_folder": str(tmp_path),
        "network": {"type": "lora"},
        "model": {"name_or_path": "x"},
    }
    plan = read_plan({"config": {"name": "bare", "process": [process]}})
    assert (plan.steps, plan.lr, plan.optimizer, plan.dtype) == (1000, 1e-6, "adamw", "fp32")
    assert (plan.rank, plan.alpha, plan.save.every, plan.save.keep) == (4, 1.0, 1000, 5)
    assert (plan.log_every, plan.use_ui_logger, plan.sample.format) == (100, False, "jpg")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": None}, "no network"),
        ({"network": {"type": "lokr"}}, "lokr"),
        ({"save": {"save_format": "ckpt"}}, "save_format"),
        ({"train": {"dtype": "int4"}}, "int4"),
        ({"model": {"name_or_path": None}}, "name_or_path"),
        (
            {"train": {"gradient_accumulation": 2, "gradient_accumulation_steps": 2}},
            "mutually exclusive",
        ),
    ],
)
def test_configs_that_stop_at_start_say_why(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    broken = config(tmp_path)
    process = broken["config"]["process"][0]
    for key, value in changes.items():
        process[key] = None if value is None else {**process[key], **value}
    with pytest.raises(ValueError, match=message):
        read_plan(broken)


def test_schedules_start_and_end_where_they_should(tmp_path: Path) -> None:
    def rates(name: str, **params: Any) -> list[float]:
        train = {"lr_scheduler": name, "lr_scheduler_params": params, "lr": 1.0}
        plan = read_plan(config(tmp_path, steps=100, train=train))
        return [learning_rate(plan, step) for step in (0, 50, 100)]

    assert rates("constant") == [1, 1, 1]
    assert rates("linear") == pytest.approx([1, 0.5, 0])
    assert rates("cosine") == pytest.approx([1, 0.5, 0])
    assert rates("constant_with_warmup", num_warmup_steps=10) == pytest.approx([0.1, 1, 1])
    with pytest.raises(ValueError, match="Unknown lr_scheduler"):
        rates("spiral")


def test_demo_pictures_are_the_same_every_time(tmp_path: Path) -> None:
    folders = [ensure_demo_pictures(tmp_path / name) for name in ("one", "two")]
    names = sorted(path.name for path in folders[0].iterdir())
    assert len([name for name in names if name.endswith(".png")]) == 16
    assert names == sorted(path.name for path in folders[1].iterdir())
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    (folders[0] / names[0]).unlink()
    ensure_demo_pictures(tmp_path / "one")
    assert not (folders[0] / names[0]).exists(), "an existing folder is the user's"


def picture(path: Path, size: tuple[int, int] = (32, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 30, 30)).save(path)


def load(folder: Path, **changes: Any) -> tuple[list[Any], str]:
    stream = io.StringIO(newline="")
    plan = DatasetPlan(folder_path=str(folder), **changes)
    return load_dataset(plan, TrainLog(stream)), stream.getvalue()


def test_a_folder_is_read_by_the_trainers_rules(tmp_path: Path) -> None:
    for name in ("a.JPG", "sub/b.webp", ".hidden/c.png", "_controls/d.png", ".e.png"):
        picture(tmp_path / name)
    Image.new("RGB", (8, 8)).save(tmp_path / "f.bmp")
    (tmp_path / "a.txt").write_text("a [trigger] circle\n", encoding="utf-8")
    pictures, log = load(tmp_path, default_caption="none", trigger_word="sks")
    assert [Path(item.path).name for item in pictures] == ["a.JPG", "b.webp"]
    assert [item.caption for item in pictures] == ["a sks circle", "sks, none"]
    assert "  -  Found 2 images\n" in log
    assert pictures[0].pixels.shape == (16, 16, 3)
    assert pictures[0].pixels.min() >= -1


def test_pictures_that_cannot_be_read_are_reported_and_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "good.png")
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    pictures, log = load(tmp_path)
    assert len(pictures) == 1
    for name in ("text.png", "cut.png"):
        assert f"Error processing image: {tmp_path / name}\n" in log
    assert "UnidentifiedImageError: cannot identify image file" in log


def test_missing_and_empty_folders_fail_with_the_real_messages(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    with pytest.raises(FileNotFoundError) as caught:
        load(missing)
    assert str(caught.value) == f"[Errno 2] No such file or directory: '{missing}'"
    with pytest.raises(RuntimeError, match="no images found in"):
        load(tmp_path)


def test_a_json_file_lists_pictures_with_captions(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    listing = tmp_path / "set.json"
    listing.write_text(json.dumps({str(tmp_path / "a.png"): {"caption": "x"}}), encoding="utf-8")
    pictures, _ = load(listing)
    assert [item.caption for item in pictures] == ["x"]


@pytest.mark.parametrize(
    ("size", "resolution", "bucket"),
    [
        ((128, 128), 128, (128, 128)),
        ((64, 64), 512, (64, 64)),
        ((1024, 512), 512, (720, 360)),
        ((5, 900), 512, (8, 896)),
    ],
)
def test_buckets_never_enlarge(
    size: tuple[int, int], resolution: int, bucket: tuple[int, int]
) -> None:
    assert bucket_of(size, resolution) == bucket


def test_an_epoch_shows_every_picture_once(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / "datasets" / "three" / f"{number}.png")
    dataset = {"folder_path": str(tmp_path / "datasets" / "three"), "flip_x": True}
    plan = read_plan(config(tmp_path, datasets=[dataset], train={"batch_size": 2}))
    data = TrainingData(plan, TrainLog(io.StringIO()), np.random.default_rng(0))
    for _ in range(3):
        assert data.batch().noisy.shape == (2, 768)
    assert data.epoch == 1
    data.batch()
    assert data.epoch == 2
