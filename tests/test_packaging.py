"""Wheels of every distribution work without the checkout. `pytest -m packaging`."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aitk_core.testing.recorded import recorded_app, recorded_runs

ROOT = Path(__file__).parents[1]
RECORDINGS = recorded_runs()

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]


def run(*command: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    kept = ("PYTHON", "VIRTUAL", "AI_TOOLKIT", "AITK", "MCP_HTTP")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(kept)}
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=environment | more,
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare environment with our wheels, the example plugin and one that is broken."""
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "run the tests through `uv run`"
    dist = tmp_path_factory.mktemp("dist")
    place = tmp_path_factory.mktemp("away") / "environment"
    run(uv, "build", "-q", "--all-packages", "--out-dir", dist, cwd=ROOT)
    run(uv, "venv", "-q", place, cwd=dist)
    pins = dist / "pins.txt"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins.write_text("\n".join(project["tool"]["uv"]["constraint-dependencies"]), encoding="utf-8")
    run(
        uv, "pip", "install", "-q", "--python", place, "--find-links", dist, "-c", pins,
        "ai-toolkit-mcp", ROOT / "examples" / "acme_probe",
        ROOT / "tests" / "distributions" / "acme_broken", cwd=dist,
    )  # fmt: skip
    return place


@contextmanager
def backend() -> Iterator[str]:
    """Serve the recorded runs over a real socket."""
    import threading

    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        recorded_app(RECORDINGS.values()), log_level="error", lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def test_installed_wheels_list_all_tools_and_name_the_broken_plugin(installed: Path) -> None:
    checkout = run(shutil.which("aitk") or "aitk", "tools", "--json", cwd=ROOT)
    here = {tool["name"] for tool in json.loads(checkout.stdout)}
    listed = run(installed / "bin" / "aitk", "tools", "--json", cwd=installed)
    there = {tool["name"] for tool in json.loads(listed.stdout)}
    assert there == here | {"acme-probe"}
    assert "acme-broken (acme-broken): load: ModuleNotFoundError" in listed.stderr


def test_contracts_travel_inside_the_wheel(installed: Path) -> None:
    code = "import aitk_schemas; print(aitk_schemas.folder()); print(*aitk_schemas.names())"
    folder, names = run(installed / "bin" / "python", "-c", code, cwd=installed).stdout.splitlines()
    assert installed in Path(folder).parents
    files = {file.name.removesuffix(".schema.json") for file in (ROOT / "schemas").glob("*.json")}
    assert set(names.split()) == files


def test_doctor_reports_the_broken_plugin_and_fails(installed: Path) -> None:
    done = subprocess.run(
        [installed / "bin" / "aitk", "doctor", "--json", "--backend-url", "http://127.0.0.1:9"],
        cwd=installed,
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [p["distribution"] for p in report["problems"]] == ["acme-broken"]
    assert report["backend"]["code"] == "BACKEND_UNREACHABLE"


def test_third_party_tool_and_finding_are_there_over_mcp(installed: Path) -> None:
    """Listed by the stdio server of the clean environment, and in its report."""
    import mcp

    job = RECORDINGS["no_ui_logger"].job_id

    async def ask(url: str) -> tuple[list[str], str, dict[str, Any]]:
        environment = {
            "AI_TOOLKIT_SERVER_URL": url,
            "PATH": os.environ["PATH"],
            "HOME": str(installed),
        }
        command = mcp.StdioServerParameters(
            command=str(installed / "bin" / "ai-toolkit-mcp"), args=[], env=environment
        )
        async with mcp.Client(command) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            probe: Any = await client.call_tool("acme-probe", {"job_id": job})
            report = await client.call_tool("get-training-observability", {"job_id": job})
            assert report.structured_content is not None
            return names, probe.content[0].text, dict(report.structured_content)

    with backend() as url:
        names, counted, report = asyncio.run(ask(url))
    assert "acme-probe" in names
    assert counted.endswith("checkpoints")
    codes = {finding["code"]: finding for finding in report["run_report"]["findings"]}
    assert codes["ACME_NO_VALIDATION"]["category"] == "acme"
    assert "ACME_NO_VALIDATION" in {alert["code"] for alert in report["alerts"]}


def test_third_party_tool_is_listed_and_runs_over_http(installed: Path) -> None:
    with backend() as url, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        environment = {"PATH": os.environ["PATH"], "HOME": str(installed)}
        server = subprocess.Popen(
            [installed / "bin" / "aitk", "serve", "--port", str(port), "--backend-url", url],
            env=environment,
            cwd=installed,
            stderr=subprocess.DEVNULL,
        )
        try:
            listed = _get(f"http://127.0.0.1:{port}/tools")
            health = _get(f"http://127.0.0.1:{port}/health")
        finally:
            server.terminate()
            server.wait(timeout=20)
    assert "acme-probe" in {tool["name"] for tool in listed["tools"]}
    assert health["problems"][0]["distribution"] == "acme-broken"


def _get(url: str) -> dict[str, Any]:
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
                body: dict[str, Any] = json.load(answer)
                return body
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"{url} never answered")
