"""Files of weights are found in spite of links and loops, and read once until they change."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend
from aitk_core.weights import index as index_module
from aitk_core.weights.facts import facts_of
from aitk_core.weights.index import WeightsIndex, look_up
from aitk_core.weights.walk import walk_weights

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from aitk_core.context import CallContext
    from aitk_core.weights.facts import FileFacts


def lora(rank: int = 4) -> bytes:
    arrays = {
        "lora_unet_a.lora_down.weight": np.ones((rank, 8), dtype=np.float16),
        "lora_unet_a.lora_up.weight": np.ones((8, rank), dtype=np.float16),
    }
    training = '{"step": 250, "epoch": 3}'
    return save(arrays, metadata={"training_info": training, "ss_output_name": "a lora"})


def put(path: Path, data: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lora() if data is None else data)
    return path


def found(folder: Path, *allowed: Path) -> list[str]:
    walked = walk_weights(folder, allowed=allowed)
    return [str(each.path.relative_to(folder)) for each in walked.files]


def test_models_are_found_by_extension_and_caches_of_the_trainer_are_not(tmp_path: Path) -> None:
    for name in ("a.safetensors", "b/c.GGUF", "b/d.ckpt", "b/e.txt", ".hidden/f.safetensors"):
        put(tmp_path / name)
    put(tmp_path / "set" / "_latent_cache" / "g.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    assert found(tmp_path) == ["a.safetensors", "b/c.GGUF", "b/d.ckpt"]


def test_loops_and_dangling_links_are_survived(tmp_path: Path) -> None:
    put(tmp_path / "a" / "x.safetensors")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    (tmp_path / "self.safetensors").symlink_to(tmp_path / "self.safetensors")
    walked = walk_weights(tmp_path)
    assert [each.path.name for each in walked.files] == ["x.safetensors"]
    assert walked.unreadable == 2


def test_links_are_followed_into_allowed_folders_only(tmp_path: Path) -> None:
    inside, other, secret = (tmp_path / name for name in ("in", "other", "secret"))
    put(inside / "a.safetensors")
    put(other / "b.safetensors")
    put(secret / "c.safetensors")
    (inside / "other").symlink_to(other)
    (inside / "secret").symlink_to(secret)
    (inside / "c.safetensors").symlink_to(secret / "c.safetensors")
    assert found(inside) == ["a.safetensors"]
    assert found(inside, other) == ["a.safetensors", "other/b.safetensors"]
    assert walk_weights(inside, allowed=[other]).outside == 2


def test_a_folder_that_cannot_be_read_costs_itself_only(tmp_path: Path) -> None:
    put(tmp_path / "a.safetensors")
    (tmp_path / "gone").symlink_to(tmp_path / "a.safetensors" / "x")
    assert walk_weights(tmp_path / "missing").unreadable == 1
    assert found(tmp_path) == ["a.safetensors"]


def test_facts_say_rank_step_and_name(tmp_path: Path) -> None:
    facts = facts_of(put(tmp_path / "a.safetensors"))
    assert (facts.rank, facts.tensors, facts.parameters) == (4, 2, 64)
    assert (facts.training.step, facts.training.epoch) == (250, 3)
    assert facts.training.trained_as == "a lora"
    assert facts.dtypes == {"F16": 64}


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.safetensors", b"", "no sound safetensors"),
        ("a.safetensors", lora()[:-1], "1 bytes are missing"),
        ("a.gguf", lora(), "no GGUF"),
        ("a.pt", b"\x80\x02", "pickle"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, data: bytes, why: str
) -> None:
    facts = facts_of(put(tmp_path / name, data))
    assert facts.error is not None
    assert why in facts.error
    assert facts.rank is None


def in_context(home: Path, work: Callable[[CallContext], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        settings = {"AITK_HOME": str(home), "AITK_PARALLEL": "threads"}
        source = SettingsSource(environment=settings)
        async with Application(source=source, backend=recorded_backend(()), points=[]) as app:
            return await work(app.dispatcher.context(Session(request_id="t", policy=app.policy)))

    return asyncio.run(run())


def test_headers_are_read_once_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    paths = [put(folder / f"{number}.safetensors", lora(number + 1)) for number in range(3)]
    read: list[str] = []

    def counted(path: Path) -> FileFacts:
        read.append(path.name)
        return facts_of(path)

    monkeypatch.setattr(index_module, "facts_of", counted)

    async def look(context: CallContext) -> dict[str, int | None]:
        looked = await look_up(context, walk_weights(folder).files)
        assert looked.left == 0
        return {path.name: each.facts.rank for path, each in looked.known.items()}

    assert in_context(tmp_path, look) == {f"{n}.safetensors": n + 1 for n in range(3)}
    assert len(read) == 3
    assert in_context(tmp_path, look) == {f"{n}.safetensors": n + 1 for n in range(3)}
    assert len(read) == 3
    put(paths[1], lora(9))
    assert in_context(tmp_path, look)["1.safetensors"] == 9
    assert read[3:] == ["1.safetensors"]


def test_a_digest_is_kept_until_the_file_changes(tmp_path: Path) -> None:
    path = put(tmp_path / "m" / "a.safetensors")

    async def keep(context: CallContext) -> None:
        (seen,) = walk_weights(path.parent).files
        await look_up(context, [seen])
        WeightsIndex(context.store).keep_digest(seen, "0" * 64)

    async def digest(context: CallContext) -> str | None:
        looked = await look_up(context, walk_weights(path.parent).files)
        return looked.known[path].sha256

    in_context(tmp_path, keep)
    assert in_context(tmp_path, digest) == "0" * 64
    os.utime(path, ns=(1, 1))
    assert in_context(tmp_path, digest) is None


def test_what_is_gone_is_forgotten_below_its_folder_only(tmp_path: Path) -> None:
    for name in ("m/a.safetensors", "m/b.safetensors", "m2/c.safetensors"):
        put(tmp_path / name)

    async def work(context: CallContext) -> tuple[int, list[str]]:
        every = walk_weights(tmp_path).files
        await look_up(context, every)
        index = WeightsIndex(context.store)
        gone = index.forget(tmp_path / "m", [tmp_path / "m" / "a.safetensors"])
        return gone, sorted(path.name for path in index.known(every))

    assert in_context(tmp_path, work) == (1, ["a.safetensors", "c.safetensors"])


def test_a_name_that_is_no_utf8_is_read_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    path = put(folder / os.fsdecode(b"a\xff.safetensors"))

    async def look(context: CallContext) -> int | None:
        looked = await look_up(context, walk_weights(folder).files)
        return looked.known[path].facts.rank

    assert in_context(tmp_path, look) == 4
    assert in_context(tmp_path, look) == 4
