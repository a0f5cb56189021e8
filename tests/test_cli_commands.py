"""The `aitk` command: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from aitk_core import __version__, registry
from aitk_core.arguments import arg
from aitk_core.cli import main
from aitk_core.records.results import Text, ToolResult
from aitk_core.specs import BackendSpec, CommandSpec, Lazy
from aitk_core.testing.plugins import declare, fake_points, fake_tool, lazy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aitk_core.protocols import ToolContext


class FakeBackend:
    url = "fake://here"

    async def probe(self) -> None:
        return None


@asynccontextmanager
async def open_fake(_settings: Any) -> AsyncIterator[FakeBackend]:
    yield FakeBackend()


def open_broken(_settings: Any) -> None:
    raise OSError("the port is taken")


@frozen(kw_only=True)
class Probe:
    job_id: str = arg(description="Job id.")


async def probe(arguments: Probe, context: ToolContext) -> ToolResult:
    data = {"job": arguments.job_id, "backend": getattr(context.backend, "url", ""), "é": None}
    return ToolResult(data=data, summary=f"Probed {arguments.job_id}.")


async def show(_arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(blocks=(Text("one"), Text("two")))


def acme(words: list[str]) -> int:
    sys.stdout.write(" ".join(["acme", *words]) + "\n")
    return 7


def stumbles(_words: list[str]) -> int:
    raise AttributeError("of its own")


PLUGIN = declare(
    aitk_tools=[
        fake_tool(probe, arguments=Probe, description="Counts what there is. More of it."),
        fake_tool(show, "show"),
        fake_tool(show, "change", read_only=False),
    ],
    aitk_backends=[
        BackendSpec(kind="acme", summary="Fake.", open=lazy(open_fake)),
        BackendSpec(kind="broken", summary="Broken.", open=lazy(open_broken)),
    ],
    aitk_commands=[
        CommandSpec(name="acme-check", summary="Checks.", run=lazy(acme)),
        CommandSpec(name="acme-gone", summary="Gone.", run=Lazy("no_such_module:run")),
        CommandSpec(name="acme-stumbles", summary="Stumbles.", run=lazy(stumbles)),
    ],
)


@pytest.fixture
def aitk(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command with the fake plugin, and nothing installed."""
    for name in list(os.environ):
        if name.startswith(("AITK_", "MCP_HTTP_", "AI_TOOLKIT_", "LOG_LEVEL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AITK_HOME", str(tmp_path / "home"))
    # A port of loopback on which nobody listens.
    monkeypatch.setenv("AI_TOOLKIT_SERVER_URL", "http://127.0.0.1:9")
    points = metadata.EntryPoints(fake_points(acme=PLUGIN))
    monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))

    def run(*words: str, **environment: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            try:
                status = main(words)
            except SystemExit as exit_:
                status = int(exit_.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_tools_are_listed_with_plugin_and_first_sentence(aitk: Any) -> None:
    status, out, _ = aitk("tools")
    assert status == 0
    lines = [line.split(maxsplit=2) for line in out.splitlines()]
    assert lines == [
        ["change", "acme", "For a test"],
        ["probe", "acme", "Counts what there is"],
        ["show", "acme", "For a test"],
    ]


def test_tools_as_json_carry_their_schemas(aitk: Any) -> None:
    status, out, _ = aitk("tools", "--json", "--tools", "probe")
    (tool,) = json.loads(out)
    assert (status, tool["name"], tool["outputSchema"]) == (0, "probe", None)
    assert tool["inputSchema"]["required"] == ["job_id"]


@pytest.mark.parametrize(
    ("words", "environment", "names"),
    [
        (["--read-only"], {}, {"probe", "show"}),
        (["--exclude-tools", "show,probe"], {}, {"change"}),
        (["--toolsets", "acme"], {"AITK_EXCLUDE_TOOLS": "show"}, {"probe", "change"}),
        (["--tools", "show"], {"AITK_TOOLS": "probe"}, {"show"}),
        ([], {"AITK_READ_ONLY": "yes"}, {"probe", "show"}),
    ],
)
def test_flags_narrow_and_win_over_the_environment(
    aitk: Any, words: list[str], environment: dict[str, str], names: set[str]
) -> None:
    status, out, _ = aitk("tools", *words, **environment)
    assert status == 0
    assert {line.split()[0] for line in out.splitlines()} == names


def test_a_call_prints_the_document(aitk: Any) -> None:
    status, out, err = aitk("call", "probe", '{"job_id": "x"}')
    assert (status, err) == (0, "")
    assert json.loads(out) == {"job": "x", "backend": "http://127.0.0.1:9", "é": None}
    assert '"é"' in out


def test_a_call_prints_the_summary_where_asked_and_text_where_there_is_no_document(
    aitk: Any,
) -> None:
    assert aitk("call", "probe", '{"job_id": "x"}', "--summary")[1] == "Probed x.\n"
    assert aitk("call", "show")[1] == "one\ntwo\n"


@pytest.mark.parametrize(
    ("words", "code", "remedy"),
    [
        (["probe", "{}"], "INVALID_ARGUMENTS", "nothing was changed"),
        (["probe", "{"], "INVALID_ARGUMENTS", "try: aitk call TOOL"),
        (["probe", "[" * 100_000], "INVALID_ARGUMENTS", "try: aitk call TOOL"),
        (["probe", "[]"], "INVALID_ARGUMENTS", ""),
        (["probe", '{"job_id": NaN}'], "INVALID_ARGUMENTS", "finite"),
        (["prob"], "TOOL_NOT_FOUND", "did you mean 'probe'?"),
        (["change", "--read-only"], "READ_ONLY", "AITK_READ_ONLY"),
        (["show", "--toolsets", "acmee"], "INVALID_SETTING", ""),
        (["show", "--log-level", "LOUD"], "INVALID_SETTING", ""),
        (["show", "--backend", "none"], "INVALID_SETTING", "installed: acme, broken"),
        (["show", "--backend", "broken"], "BACKEND_ERROR", ""),
    ],
)
def test_a_failure_is_told_on_stderr_with_status_1(
    aitk: Any, words: list[str], code: str, remedy: str
) -> None:
    status, out, err = aitk("call", *words)
    assert (status, out) == (1, "")
    first = next(line for line in err.splitlines() if line.startswith("aitk: "))
    assert first.startswith(f"aitk: {code}: ")
    assert remedy in err


@pytest.mark.parametrize("flags", [["--acme"], ["--backend", "acme"]])
def test_a_backend_of_a_plugin_is_chosen_by_its_name(aitk: Any, flags: list[str]) -> None:
    status, out, _ = aitk("call", "probe", '{"job_id": "x"}', *flags)
    assert (status, json.loads(out)["backend"]) == (0, "fake://here")


@pytest.mark.parametrize(
    "words",
    [
        ["tools", "--acmee"],
        ["tools", "--acme", "--broken"],
        ["tools", "xxacme"],
        ["tools", "acme"],
        ["settings", "--acme"],
        ["connect", "cursor", "--wirte"],
        ["connect", "emacs"],
        ["serve", "--port", "many"],
        ["call"],
        [],
    ],
)
def test_what_no_parser_and_no_plugin_knows_is_a_usage_error(aitk: Any, words: list[str]) -> None:
    status, out, err = aitk(*words)
    assert (status, out) == (2, "")
    assert "usage: aitk" in err


def test_an_unknown_command_names_those_there_are(aitk: Any) -> None:
    status, _, err = aitk("frobnicate", "--x")
    assert status == 1
    assert "aitk: INVALID_ARGUMENTS: unknown command 'frobnicate'" in err
    assert "acme-check" in err
    assert "doctor" in err


def test_a_plugin_s_command_reads_its_own_arguments_and_gives_its_status(aitk: Any) -> None:
    assert aitk("acme-check", "--deep", "x") == (7, "acme --deep x\n", "")


def test_a_plugin_s_command_that_cannot_be_loaded_names_its_distribution(aitk: Any) -> None:
    status, _, err = aitk("acme-gone")
    assert status == 1
    assert "command 'acme-gone' of ? cannot be loaded" in err


def test_a_plugin_s_command_that_stumbles_is_not_said_to_be_missing(aitk: Any) -> None:
    with pytest.raises(AttributeError, match="of its own"):
        aitk("acme-stumbles")


def test_settings_are_a_table(aitk: Any) -> None:
    status, out, _ = aitk("settings")
    assert status == 0
    assert out.startswith("| environment | file | default | meaning |\n|---|---|---|---|\n")
    assert "| `AI_TOOLKIT_SERVER_URL` | `server.backend_url` | `http://localhost:8675` |" in out
    assert "MCP_HTTP_PORT" in out


def test_a_bad_setting_stops_every_command_that_needs_it(aitk: Any) -> None:
    for words in (["tools"], ["doctor"], ["call", "show"], ["serve"], ["mcp"]):
        status, _, err = aitk(*words, AITK_READ_ONLY="maybe")
        assert status == 1
        assert "aitk: INVALID_SETTING: environment variable AITK_READ_ONLY: 'maybe' is not" in err


def test_version_and_help_are_there(aitk: Any) -> None:
    assert aitk("--version") == (0, f"{__version__}\n", "")
    status, out, _ = aitk("--help")
    assert status == 0
    for command in ("mcp", "serve", "call", "tools", "doctor", "settings", "connect"):
        assert command in out


def process(*words: str) -> subprocess.Popen[str]:
    # Buffered, as for a person: short output is then written at the end only.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        [sys.executable, "-m", "aitk_core", *words],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, encoding="utf-8",
    )  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize(
    "words", [["settings"], ["tools", "--json"], ["tools", "--tools", "get-system-stats"]]
)
def test_a_reader_that_has_had_enough_is_no_error(words: list[str]) -> None:
    with process(*words) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        err = running.stderr.read()
    assert (running.returncode, err) == (0, "")


def test_the_module_is_the_command() -> None:
    with process("--version") as running:
        out, err = running.communicate()
    assert (running.returncode, out, err) == (0, f"{__version__}\n", "")
