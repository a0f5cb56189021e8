"""Models over HTTP: ranges, ETags, tokens, and files that only the backend has."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from aitk_core.application import Application
from aitk_core.backend.client import AiToolkitBackend
from aitk_core.frontends.http.app import build_app
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend
from aitk_sandbox.demo import demo_config
from aitk_sandbox.server import running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

DATA = os.urandom(300_000)
PATH = "/models/r/a%20b.safetensors"


def with_client(
    folder: Path,
    work: Callable[[httpx.AsyncClient], Awaitable[Any]],
    *,
    backend: Any = None,
    **settings: str,
) -> Any:
    path = folder / "output" / "r" / "a b.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(DATA)

    async def run() -> Any:
        environment = {
            "AITK_HOME": str(folder / "home"),
            "AITK_OUTPUTS_DIR": str(folder / "output"),
            **settings,
        }
        source = SettingsSource(environment=environment)
        application = Application(source=source, backend=backend or recorded_backend(()))
        app = build_app(application, application.http_settings(), with_mcp=False)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            return await work(client)

    return asyncio.run(run())


def test_a_model_is_fetched_whole_and_resumed_by_ranges(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        whole = await client.get(PATH)
        assert (whole.status_code, whole.content) == (200, DATA)
        assert whole.headers["accept-ranges"] == "bytes"
        assert whole.headers["x-content-type-options"] == "nosniff"
        assert "attachment" in whole.headers["content-disposition"]
        head = await client.head(PATH)
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) == len(DATA)
        for given, start, stop in [
            ("bytes=0-99", 0, 100),
            ("bytes=299900-", 299_900, 300_000),
            ("bytes=-100", 299_900, 300_000),
            ("bytes=100-9999999", 100, 300_000),
        ]:
            part = await client.get(PATH, headers={"Range": given})
            assert (part.status_code, part.content) == (206, DATA[start:stop])
            assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
        beyond = await client.get(PATH, headers={"Range": "bytes=300000-"})
        assert beyond.status_code == 416

    with_client(tmp_path, work)


def test_what_a_client_has_already_is_not_sent_again(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        etag = (await client.head(PATH)).headers["etag"]
        same = await client.get(PATH, headers={"If-None-Match": f'"x", {etag}'})
        assert (same.status_code, same.content) == (304, b"")
        other = await client.get(PATH, headers={"If-None-Match": '"x"'})
        assert other.status_code == 200
        # A range of another version of the file would be of no use.
        changed = {"Range": "bytes=0-9", "If-Range": '"x"'}
        assert (await client.get(PATH, headers=changed)).status_code == 200
        kept = {"Range": "bytes=0-9", "If-Range": etag}
        assert (await client.get(PATH, headers=kept)).status_code == 206

    with_client(tmp_path, work)


def test_a_known_checksum_is_the_etag(tmp_path: Path) -> None:
    digest = hashlib.sha256(DATA).hexdigest()

    async def work(client: httpx.AsyncClient) -> None:
        asked = {"name": "download-model", "arguments": {"model_path": "r/a b.safetensors"}}
        answer = (await client.post("/mcp/tool", json=asked)).json()
        assert answer["data"]["sha256"] == digest
        head = await client.head(PATH)
        assert head.headers["etag"] == f'"sha256-{digest}"'
        assert head.headers["x-checksum-sha256"] == digest

    with_client(tmp_path, work)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/models/r/none.safetensors", 404, "FILE_NOT_FOUND"),
        ("/models/r", 400, "INVALID_ARGUMENTS"),
        ("/models/..%2f..%2fsecret.safetensors", 403, "PATH_OUTSIDE_ROOTS"),
        ("/models/%2fetc%2fx.safetensors", 403, "PATH_OUTSIDE_ROOTS"),
        ("/models/r/a%00b.safetensors", 400, "INVALID_ARGUMENTS"),
    ],
)
def test_a_path_that_is_none_is_an_error_of_the_bridge(
    tmp_path: Path, path: str, status: int, code: str
) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        answer = await client.get(path)
        assert answer.status_code == status
        assert answer.json()["error"]["code"] == code
        assert str(tmp_path) not in answer.text

    with_client(tmp_path, work)


def test_the_token_is_asked_for_and_other_pages_are_refused(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        assert (await client.get(PATH)).status_code == 401
        right = {"Authorization": "Bearer t0ken"}
        assert (await client.get(PATH, headers=right)).status_code == 200
        foreign = right | {"Origin": "https://elsewhere.example"}
        assert (await client.get(PATH, headers=foreign)).status_code == 403

    with_client(tmp_path, work, MCP_HTTP_AUTH_TOKEN="t0ken")


def test_a_tool_that_is_not_offered_hands_out_nothing_here_either(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        answer = await client.get(PATH)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "NOT_PERMITTED")

    with_client(tmp_path, work, AITK_EXCLUDE_TOOLS="download-model")


def test_a_file_that_only_the_backend_has_is_checked_copied_and_passed_through(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with (
            running(tmp_path / "backend", worker_interval_s=0.05) as sandbox,
            AiToolkitBackend(sandbox.url) as backend,
        ):
            config = demo_config(
                "far",
                steps=30,
                training_folder=sandbox.training_folder,
                datasets_folder=sandbox.datasets_folder,
                sandbox={"step_delay_s": 0.0},
            )
            job = await backend.create_job("far", "0", config)
            await backend.start_job(job.id)
            await backend.start_queue("0")
            async with asyncio.timeout(60):
                while not (await backend.job(job.id)).is_terminal:
                    await asyncio.sleep(0.05)
            real = (sandbox.training_folder / "far" / "far.safetensors").read_bytes()
            environment = {"AITK_HOME": str(tmp_path / "home")}
            application = Application(
                source=SettingsSource(environment=environment), backend=backend
            )
            app = build_app(application, application.http_settings(), with_mcp=False)
            transport = httpx.ASGITransport(app=app)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
            ):
                arguments = {"job_id": job.id, "copy_to": "exports"}
                asked = {"name": "export-model", "arguments": arguments}
                exported = (await client.post("/mcp/tool", json=asked, timeout=60)).json()["data"]
                (file,) = exported["files"]
                assert file["check"]["verdict"] == "sound"
                assert file["check"]["sha256"] == hashlib.sha256(real).hexdigest()
                copy = tmp_path / "home" / "exports" / "far.safetensors"
                assert copy.read_bytes() == real
                assert file["model_path"] == f"job:{job.id}/far.safetensors"
                passed = await client.get(f"/models/{file['model_path']}")
                assert (passed.status_code, passed.content) == (200, real)
                assert passed.headers["accept-ranges"] == "none"
                head = await client.head(f"/models/{file['model_path']}")
                assert int(head.headers["content-length"]) == len(real)

    asyncio.run(work())
