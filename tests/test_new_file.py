"""A new file is there whole or not at all, and replaces nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from aitk_core.errors import ConflictError
from aitk_core.services.newfile import NewFile

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["unnamed", "hidden"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "hidden":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("this system has no files without a name")
    return str(request.param)


@pytest.mark.usefixtures("kind")
def test_it_appears_whole_when_it_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with NewFile(path) as file:
        file.write(b"one")
        file.write(memoryview(b"two"))
        assert not path.exists()
        file.commit()
        assert path.read_bytes() == b"onetwo"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.usefixtures("kind")
def test_without_a_commit_nothing_is_left(tmp_path: Path) -> None:
    with NewFile(tmp_path / "a.bin") as file:
        file.write(b"one")
    assert names(tmp_path) == []


@pytest.mark.usefixtures("kind")
def test_what_is_there_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with NewFile(path) as file:
        file.write(b"new")
        path.write_bytes(b"old")
        with pytest.raises(ConflictError, match="already"):
            file.commit()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_what_a_killed_process_left_hidden_is_removed_a_day_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    old, fresh = tmp_path / ".a.bin.1.aitk-part", tmp_path / ".b.bin.2.aitk-part"
    for path in (old, fresh):
        path.write_bytes(b"half")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    with NewFile(tmp_path / "c.bin") as file:
        file.commit()
    assert names(tmp_path) == [".b.bin.2.aitk-part", "c.bin"]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no files without a name")
def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from aitk_core.services.newfile import NewFile\n"
        "with NewFile(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'half')\n"
        "    print('written', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.bin")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert names(tmp_path) == []
