"""Files only inside the roots, whole or not at all; work away from the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import stat
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aitk_core.errors import (
    AitkError,
    InvalidArgumentsError,
    NotFoundError,
    PathOutsideRootsError,
)
from aitk_core.services.executor import WorkerPool
from aitk_core.services.paths import RootedPaths, write_atomically

WORDS = (
    "..", ".", "/", "//", "\\", "~", "a", "inner", "out", "up", "loop", "file.txt", "secret.txt",
    "outside", "root", "datasets", "etc", "passwd", "\0", "\n", " ", "\ud800", "é", "%2e%2e", "C:",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two roots, and links that lead inside, outside and in circles."""
    place = tmp_path_factory.mktemp("place")
    for name in ("root/inner/deeper", "other", "outside", "root-beside"):
        (place / name).mkdir(parents=True)
    (place / "outside" / "secret.txt").write_text("secret", encoding="utf-8")
    (place / "root" / "file.txt").write_text("mine", encoding="utf-8")
    links = {
        "root/out": place / "outside",
        "root/secret.txt": place / "outside" / "secret.txt",
        "root/up": Path(".."),
        "root/inner/a": Path("../../outside"),
        "root/loop": Path("loop"),
        "root/across": place / "other",
        "root/inside": place / "root" / "inner",
        "other/root": place / "root",
        "linked-root": place / "root",
    }
    for link, target in links.items():
        (place / link).symlink_to(target)
    return place


def paths_of(place: Path) -> RootedPaths:
    return RootedPaths({"data": place / "root", "other": place / "other", "new": place / "new"})


def stays_inside(path: Path, *roots: Path) -> bool:
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(Path(os.path.realpath(root))) for root in roots)


PARTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=6)


@given(PARTS, st.sampled_from(["", "/"]))
@example(["up", "outside"], "/")
@example(["out", "secret.txt"], "/")
@example(["..", "root-beside"], "/")
def test_no_text_leads_out_of_the_named_root(place: Path, parts: list[str], separator: str) -> None:
    paths = paths_of(place)
    for given_parts in (parts, [separator.join(parts)]):
        try:
            found = paths.inside("data", *given_parts)
        except (PathOutsideRootsError, InvalidArgumentsError):
            continue
        assert stays_inside(found, place / "root")


@given(PARTS, st.sampled_from(["root", "outside", "other", "linked-root", "", ".."]))
def test_no_absolute_path_leads_out_of_every_root(
    place: Path, parts: list[str], start: str
) -> None:
    try:
        found = paths_of(place).resolve("/".join([str(place), start, *parts]))
    except (PathOutsideRootsError, InvalidArgumentsError):
        return
    assert stays_inside(found, place / "root", place / "other", place / "new")


@given(st.text())
def test_any_text_at_all_is_resolved_inside_or_refused_in_type(place: Path, text: str) -> None:
    paths = paths_of(place)
    for ask in (paths.resolve, functools.partial(paths.inside, "data")):
        try:
            found = ask(text)
        except AitkError:
            continue
        assert stays_inside(found, place / "root", place / "other", place / "new")


@pytest.mark.parametrize(
    "part",
    ["out", "out/x", "secret.txt", "up", "up/root-beside", "inner/a", "..", "../root-beside",
     "across", "inner/../../outside", "/etc/passwd"],
)  # fmt: skip
def test_what_leads_out_is_refused_in_the_caller_s_own_words(place: Path, part: str) -> None:
    with pytest.raises(PathOutsideRootsError) as caught:
        paths_of(place).inside("data", part)
    assert repr(part) in str(caught.value)
    assert str(place) not in str(caught.value.to_json())


@pytest.mark.parametrize(
    ("part", "expected"),
    [("file.txt", "root/file.txt"), ("inside/deeper", "root/inner/deeper"), ("", "root"),
     ("new/name", "root/new/name"), ("inner/..", "root"), ("up/root/inner", "root/inner")],
)  # fmt: skip
def test_what_stays_inside_is_given_with_links_resolved(
    place: Path, part: str, expected: str
) -> None:
    assert paths_of(place).inside("data", part) == Path(os.path.realpath(place / expected))


def test_an_absolute_path_may_lie_in_any_root(place: Path) -> None:
    paths = paths_of(place)
    across = paths.resolve(str(place / "root" / "across" / "x"))
    assert across == Path(os.path.realpath(place / "other" / "x"))
    with pytest.raises(InvalidArgumentsError, match="is not absolute"):
        paths.resolve("file.txt")
    with pytest.raises(PathOutsideRootsError):
        paths.resolve(str(place / "root-beside"))


@pytest.mark.parametrize("text", ["a\0b", "x" * 1025, "a\ud800"])
def test_text_that_no_file_system_takes_is_refused(place: Path, text: str) -> None:
    paths = paths_of(place)
    with pytest.raises(InvalidArgumentsError):
        paths.inside("data", text)
    with pytest.raises(InvalidArgumentsError):
        paths.resolve("/" + text)


def test_a_root_may_be_a_link_and_need_not_exist(place: Path) -> None:
    linked = RootedPaths({"data": place / "linked-root"})
    assert linked.inside("data", "file.txt") == Path(os.path.realpath(place / "root" / "file.txt"))
    assert paths_of(place).inside("new", "x") == Path(os.path.realpath(place)) / "new" / "x"


def test_an_unknown_root_names_those_there_are(place: Path) -> None:
    paths = paths_of(place)
    assert paths.names() == ("data", "other", "new")
    with pytest.raises(NotFoundError) as caught:
        paths.root("models")
    assert caught.value.remedy.endswith("configured: data, other, new")


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    write_atomically(target, b"one")
    write_atomically(target, b"two")
    assert target.read_bytes() == b"two"
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    target = tmp_path / "x.json"
    target.write_bytes(b"old")

    def fail(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    if broken == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "gone" / "x", b"")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_that_only_its_owner_reads_stays_so(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    target.write_bytes(b"old")
    target.chmod(0o600)
    write_atomically(target, b"new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def in_pool(work: Any, *arguments: Any, pool: WorkerPool | None = None) -> Any:
    async def scenario() -> Any:
        used = pool or WorkerPool(workers=1)
        try:
            return await used.run(work, *arguments)
        finally:
            used.close()

    return asyncio.run(scenario())


def test_work_runs_in_another_thread_and_returns_its_value() -> None:
    assert in_pool(threading.get_ident) != threading.get_ident()
    assert in_pool(divmod, 7, 2) == (3, 1)


def test_an_exception_of_the_work_comes_back() -> None:
    with pytest.raises(ZeroDivisionError):
        in_pool(divmod, 1, 0)


def test_work_that_raises_stop_iteration_does_not_hang() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        in_pool(next, iter(()))


def test_the_worker_sees_the_context_of_the_call() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("of this call")
    assert in_pool(variable.get) == "of this call"


def test_any_executor_will_do_also_one_of_processes() -> None:
    from multiprocessing import get_context

    executor = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    found = in_pool(os.getpid, pool=WorkerPool(executor))
    assert isinstance(found, int)
    assert found != os.getpid()


def test_a_cancelled_call_stops_waiting_at_once() -> None:
    go_on = threading.Event()

    async def scenario() -> None:
        pool = WorkerPool(workers=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await pool.run(go_on.wait, 30)
        go_on.set()
        assert await pool.run(divmod, 7, 2) == (3, 1)
        pool.close()

    asyncio.run(scenario())
