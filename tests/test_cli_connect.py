"""`aitk connect` registers this installation and keeps what is there."""

from __future__ import annotations

import json
import os
import stat
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core.cli import main
from aitk_core.cli.connect import default_file, this_command
from aitk_core.cli.parser import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "http://gpu:8675"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def connect(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*words: str) -> tuple[int, str, str]:
        status = main(["connect", *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def entry_of(client: str, *, url: str | None = None) -> dict[str, Any]:
    command, *arguments = this_command()
    entry: dict[str, Any] = {"command": command, "args": arguments}
    if client == "vscode":
        entry = {"type": "stdio", **entry}
    return entry | ({"env": {"AI_TOOLKIT_SERVER_URL": url}} if url else {})


def key_of(client: str) -> str:
    return {"vscode": "servers", "codex": "mcp_servers"}.get(client, "mcpServers")


def read(client: str, path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return tomllib.loads(text) if client == "codex" else json.loads(text)


def existing(client: str) -> str:
    if client == "codex":
        return '# mine\nmodel = "o3"\n\n[mcp_servers.other]\ncommand = "x"\n'
    return json.dumps({"theme": "dunkel", key_of(client): {"other": {"command": "é"}}})


def test_the_command_is_absolute_and_this_installation_s() -> None:
    command, *arguments = this_command()
    assert Path(command).is_absolute()
    assert Path(command).parent == Path(sys.executable).parent
    assert arguments in ([], ["-m", "aitk_core", "mcp"])


@pytest.mark.parametrize("client", CLIENTS)
def test_without_write_the_entry_is_printed_and_nothing_is_written(
    connect: Any, client: str, tmp_path: Path
) -> None:
    status, out, _ = connect(client, "--backend-url", URL)
    assert status == 0
    assert str(default_file(client)) in out
    assert this_command()[0] in out
    assert URL in out
    assert f"`aitk connect {client} --write` does it" in out
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_printed_is_what_is_written(connect: Any, client: str, tmp_path: Path) -> None:
    _, out, _ = connect(client, "--backend-url", URL)
    _, _, snippet = out.partition(":\n\n")
    snippet = snippet.partition("\n\nor run:")[0].partition("\n\n`aitk")[0]
    (tmp_path / "snippet").write_text(snippet, encoding="utf-8")
    assert read(client, tmp_path / "snippet") == {
        key_of(client): {"ai-toolkit": entry_of(client, url=URL)}
    }


@pytest.mark.parametrize("client", CLIENTS)
def test_a_new_file_is_made_where_the_client_looks(connect: Any, client: str) -> None:
    status, out, _ = connect(client, "--write")
    path = default_file(client)
    assert status == 0
    assert f"Wrote ai-toolkit to {path}." in out
    assert read(client, path) == {key_of(client): {"ai-toolkit": entry_of(client)}}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_was_there_is_kept_and_backed_up(connect: Any, client: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(existing(client), encoding="utf-8")
    before = read(client, path)
    assert connect(client, "--write", "--file", str(path), "--backend-url", URL)[0] == 0
    after = read(client, path)
    assert after[key_of(client)].pop("ai-toolkit") == entry_of(client, url=URL)
    assert after == before
    backup = tmp_path / "file.before-ai-toolkit-mcp"
    assert backup.read_text(encoding="utf-8") == existing(client)
    if client == "codex":
        assert path.read_text(encoding="utf-8").startswith(existing(client))
    else:
        assert "é" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("client", CLIENTS)
def test_twice_is_the_same_as_once(connect: Any, client: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(existing(client), encoding="utf-8")
    connect(client, "--write", "--file", str(path))
    once = path.read_bytes()
    status, out, _ = connect(client, "--write", "--file", str(path))
    assert status == 0
    assert "has this server already; nothing was changed" in out
    assert path.read_bytes() == once


@pytest.mark.parametrize("client", CLIENTS)
def test_two_names_are_two_servers(connect: Any, client: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    connect(client, "--write", "--file", str(path))
    connect(client, "--write", "--file", str(path), "--name", "second", "--backend-url", URL)
    assert read(client, path)[key_of(client)] == {
        "ai-toolkit": entry_of(client),
        "second": entry_of(client, url=URL),
    }


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_of_that_name_that_is_another_is_left_alone(
    connect: Any, client: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_text(existing(client), encoding="utf-8")
    status, _, err = connect(client, "--write", "--file", str(path), "--name", "other")
    assert status == 1
    assert "CONFLICT" in err
    assert "another server called 'other'; nothing was changed" in err
    assert "--name" in err
    assert path.read_text(encoding="utf-8") == existing(client)
    assert not (tmp_path / "file.before-ai-toolkit-mcp").exists()


@pytest.mark.parametrize(
    ("client", "content"),
    [
        *[("cursor", text) for text in ("{", "[]", "5", '{"mcpServers": []}',
                                        '{"mcpServers": null}', '// note\n{"mcpServers": {}}')],
        *[("codex", text) for text in ("[", "mcp_servers = 5", "mcp_servers = {}",
                                       "[[mcp_servers]]\na = 1", 'mcp_servers = {x = {}}')],
    ],
)  # fmt: skip
def test_a_file_that_takes_no_entry_is_left_untouched(
    connect: Any, client: str, content: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_text(content, encoding="utf-8")
    status, out, err = connect(client, "--write", "--file", str(path))
    assert (status, out) == (1, "")
    assert "aitk: CONFLICT: " in err
    assert "nothing was changed" in err
    assert path.read_text(encoding="utf-8") == content
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["file"]


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"{\x80}"])
def test_a_file_that_is_no_text_is_left_untouched(
    connect: Any, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert connect("cursor", "--write", "--file", str(path))[0] == 1
    assert path.read_bytes() == content


def test_a_folder_or_a_place_below_a_file_is_a_conflict(connect: Any, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    for path in (tmp_path, tmp_path / "taken" / "below.json"):
        status, _, err = connect("cursor", "--write", "--file", str(path))
        assert (status, "CONFLICT" in err) == (1, True)


def test_an_empty_file_and_a_byte_order_mark_are_taken(connect: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"", b" \n", b'\xef\xbb\xbf{"theme": "x"}'):
        path.write_bytes(content)
        assert connect("gemini", "--write", "--file", str(path))[0] == 0
        assert read("gemini", path)["mcpServers"] == {"ai-toolkit": entry_of("gemini")}


def test_a_toml_file_without_a_last_line_end_still_parses(connect: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text('model = "o3"', encoding="utf-8")
    connect("codex", "--write", "--file", str(path))
    assert read("codex", path) == {
        "model": "o3", "mcp_servers": {"ai-toolkit": entry_of("codex")},
    }  # fmt: skip


@pytest.mark.parametrize("url", ["http://h/\U0001f600", 'http://h/"quoted"\\', "http://h/é"])
@pytest.mark.parametrize("client", ["codex", "cursor"])
def test_any_text_arrives_as_it_was_given(
    connect: Any, client: str, url: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    assert connect(client, "--write", "--file", str(path), "--backend-url", url)[0] == 0
    entry = read(client, path)[key_of(client)]["ai-toolkit"]
    assert entry["env"] == {"AI_TOOLKIT_SERVER_URL": url}


@pytest.mark.parametrize("name", ["", "-", "a b", "a.b", "é", 'a"b', "a]\nx", "x" * 65])
def test_a_name_that_cannot_be_a_key_is_refused(connect: Any, name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    status, _, err = connect("codex", "--write", "--file", str(path), f"--name={name}")
    assert (status, "INVALID_ARGUMENTS" in err) == (1, True)
    assert not path.exists()


@pytest.mark.skipif(os.name != "posix", reason="links and permissions of POSIX")
def test_a_linked_file_stays_a_link_and_a_private_one_private(connect: Any, tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text('{"key": "secret"}', encoding="utf-8")
    real.chmod(0o600)
    link.symlink_to(real)
    assert connect("cursor", "--write", "--file", str(link))[0] == 0
    assert link.is_symlink()
    assert "ai-toolkit" in read("cursor", real)["mcpServers"]
    for file in (real, tmp_path / "real.json.before-ai-toolkit-mcp"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_claude_code_is_also_told_its_own_command(connect: Any) -> None:
    _, out, _ = connect("claude-code", "--backend-url", "http://h/a b")
    assert "claude mcp add ai-toolkit -e AI_TOOLKIT_SERVER_URL='http://h/a b' -- /" in out


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("linux", ".config/Claude/claude_desktop_config.json"),
        ("darwin", "Library/Application Support/Claude/claude_desktop_config.json"),
        ("win32", "AppData/Roaming/Claude/claude_desktop_config.json"),
    ],
)
def test_each_system_has_its_place_for_claude_desktop(
    monkeypatch: pytest.MonkeyPatch, platform: str, place: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("APPDATA", raising=False)
    assert default_file("claude-desktop") == Path.home() / place
