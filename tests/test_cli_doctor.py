"""`aitk doctor` says what is installed, what is set, and whether the backend answers."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core import __version__, registry
from aitk_core.cli import main
from aitk_core.errors import BackendUnauthorizedError
from aitk_core.specs import AnalyzerSpec, BackendSpec, CommandSpec
from aitk_core.testing.plugins import declare, fake_distribution, fake_tool, lazy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


class Backend:
    url = "fake://here"

    def __init__(self, kind: str) -> None:
        self._kind = kind

    async def probe(self) -> None:
        if self._kind == "hangs":
            await asyncio.Event().wait()
        if self._kind == "unauthorized":
            raise BackendUnauthorizedError("the backend wants a token", remedy="set one")


def backend(kind: str) -> BackendSpec:
    @asynccontextmanager
    async def open_backend(_settings: Any) -> AsyncIterator[Backend]:
        yield Backend(kind)

    return BackendSpec(kind=kind, summary="Fake.", open=lazy(open_backend))


def fails_to_open(_settings: Any) -> None:
    raise OSError("the port is taken")


async def nothing(_arguments: Any, _context: Any) -> None:
    raise NotImplementedError


GOOD = declare(
    aitk_tools=[fake_tool(nothing)],
    aitk_analyzers=[AnalyzerSpec(name="acme", analyze=lazy(nothing))],
    aitk_commands=[CommandSpec(name="acme-check", summary="Checks acme.", run=lazy(nothing))],
    aitk_backends=[
        *map(backend, ("up", "hangs", "unauthorized")),
        BackendSpec(kind="closed", summary="Fake.", open=lazy(fails_to_open)),
    ],
)
BAD = declare(aitk_tools=[5])
WARNED = declare(aitk_tools=[fake_tool(nothing, schema={"type": "object", "anyOf": [{}]})])


@pytest.fixture
def doctor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Return a function that gives exit status, report and text of `aitk doctor`."""
    monkeypatch.setenv("AITK_HOME", str(tmp_path / "home"))
    # A port of loopback on which nobody listens.
    monkeypatch.setenv("AI_TOOLKIT_SERVER_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("AI_TOOLKIT_AUTH", raising=False)

    def run(plugin: object, *words: str, **environment: str) -> tuple[int, dict[str, Any], str]:
        points = metadata.EntryPoints(
            fake_distribution(tmp_path / "installed", "acme-probe", {"acme": plugin})
        )
        with monkeypatch.context() as patch:
            patch.setattr(registry, "entry_points", lambda group: points.select(group=group))
            for name, value in environment.items():
                patch.setenv(name, value)
            status = main(["doctor", "--json", *words])
            report: dict[str, Any] = json.loads(capsys.readouterr().out)
            assert main(["doctor", *words]) == status
        return status, report, capsys.readouterr().out

    return run


def test_a_sound_installation_with_a_backend_is_ok(doctor: Any) -> None:
    status, report, text = doctor(GOOD, "--up")
    assert (status, report["ok"], report["version"]) == (0, True, __version__)
    assert report["plugins"] == [{"name": "acme", "distribution": "acme-probe", "version": "1.0"}]
    assert report["counts"] == {
        "tools": 1, "analyzers": 1, "failure_catalogues": 0, "sinks": 0,
        "band_policies": 0, "resources": 0, "prompts": 0,
    }  # fmt: skip
    assert report["backend"] == {"url": "fake://here", "reachable": True}
    assert report["problems"] == []
    assert "Backend fake://here: answers\n" in text
    assert "No problems." in text
    assert "aitk acme-check   Checks acme." in text


def test_a_broken_plugin_is_named_and_makes_the_status_1(doctor: Any) -> None:
    status, report, text = doctor(BAD)
    (problem,) = report["problems"]
    assert (status, report["ok"]) == (1, False)
    assert (problem["plugin"], problem["distribution"]) == ("acme", "acme-probe")
    assert "error: acme (acme-probe): aitk_tools: 5 is not a ToolSpec" in text


def test_a_warning_is_told_and_not_fatal(doctor: Any) -> None:
    status, report, text = doctor(WARNED)
    assert (status, report["ok"]) == (0, True)
    assert report["problems"][0]["severity"] == "warning"
    assert "warning: acme (acme-probe): check: probe: some hosts refuse anyOf" in text


def test_pitfall_80_a_backend_that_is_away_is_told_and_not_fatal(doctor: Any) -> None:
    status, report, text = doctor(GOOD)
    backend = report["backend"]
    assert (status, report["ok"]) == (0, True)
    assert (backend["url"], backend["reachable"]) == ("http://127.0.0.1:9", False)
    assert backend["code"] == "BACKEND_UNREACHABLE"
    assert backend["remedy"]
    assert "Backend http://127.0.0.1:9: away\n  BACKEND_UNREACHABLE: " in text


@pytest.mark.parametrize(
    ("flag", "code"),
    [
        ("--unauthorized", "BACKEND_UNAUTHORIZED"),
        ("--hangs", "TIMEOUT"),
        ("--closed", "BACKEND_ERROR"),
    ],
)
def test_each_way_to_be_away_has_its_code(doctor: Any, flag: str, code: str) -> None:
    status, report, text = doctor(GOOD, flag, AITK_BACKEND_TIMEOUT_SECONDS="0.1")
    assert (status, report["backend"]["code"]) == (0, code)
    assert f"  {code}: " in text


def test_disabled_plugins_are_listed(doctor: Any) -> None:
    _, report, text = doctor(GOOD, AITK_DISABLE_PLUGINS="acme")
    assert (report["plugins"], report["disabled_plugins"]) == ([], ["acme"])
    assert "acme             disabled" in text


def test_a_key_that_nobody_declares_makes_the_status_1(doctor: Any, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("[server]\nwokers = 2\n", encoding="utf-8")
    status, _, text = doctor(GOOD, AITK_SETTINGS_FILE=str(tmp_path / "settings.toml"))
    assert status == 1
    assert "nobody declares 'server.wokers' in the settings file" in text


def test_settings_that_differ_are_shown_with_their_variable(doctor: Any) -> None:
    _, report, text = doctor(GOOD, AITK_WORKERS="7", AITK_READ_ONLY="yes")
    shown = {row["env"]: row["value"] for row in report["settings"]}
    assert shown.pop("AITK_HOME").endswith("home")
    assert shown == {
        "AI_TOOLKIT_SERVER_URL": "http://127.0.0.1:9", "AITK_WORKERS": 7, "AITK_READ_ONLY": True,
    }  # fmt: skip
    assert "server.workers = 7  (AITK_WORKERS)" in text
