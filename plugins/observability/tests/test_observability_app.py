"""The view of a run in a client that shows interfaces, with a host that speaks as the spec says."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.sync_api import sync_playwright

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend, recorded_runs
from aitk_observability.resources.app import app_page
from aitk_observability.resources.uris import APP, APP_MIME_TYPE

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.registry import Registry

RUNS: Final = recorded_runs()
CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE: Final = "<img src=x onerror=alert(1)>"

HOST: Final = """<!doctype html><html><body>
<iframe id="view" sandbox="allow-scripts"></iframe><script>
window.heard = [];
window.given = null;
const view = document.getElementById("view");
const reply = (message) => view.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
addEventListener("message", (event) => {
  if (event.source !== view.contentWindow) return;
  const { id, method, params } = event.data;
  heard.push([method, params]);
  if (method === "ui/initialize") reply({ id, result: {
    protocolVersion: "2026-01-26", hostInfo: { name: "t", version: "1" },
    hostCapabilities: { serverTools: {}, serverResources: {} }, hostContext: { theme: "dark" } } });
  if (method === "ui/notifications/initialized") {
    reply({ method: "ui/notifications/tool-input", params: { arguments: { job_id: given.job } } });
    reply({ method: "ui/notifications/tool-result", params: given.result });
  }
  if (method === "resources/read")
    reply({ id, result: { contents: [{ uri: params.uri, text: given.csv }] } });
  if (method === "tools/call") reply({ id, result: given.result });
});
window.begin = (page, what) => { window.given = what; view.srcdoc = page; };
</script></body></html>"""


def report_of(name: str, home: Path, **changes: Any) -> dict[str, Any]:
    """Return what a host has: the tool's result, and the run's table."""
    job = RUNS[name].job_id

    async def work() -> dict[str, Any]:
        source = SettingsSource(environment={"AITK_HOME": str(home)})
        application = Application(source=source, backend=recorded_backend(RUNS.values()))
        async with application:
            session = Session(request_id="t", policy=application.policy)
            asked = {"job_id": job, "include_dataset": False, "include_nlp": False}
            answer = await application.dispatcher.call("get-training-observability", asked, session)
            table = await application.dispatcher.read(f"aitk://runs/{job}/loss.csv", session)
            data: dict[str, Any] = json.loads(json.dumps(answer.data, default=dict))
            data["run_report"] |= changes
            return {"job": job, "result": {"structuredContent": data}, "csv": table.text}

    return asyncio.run(work())


def test_the_tool_names_its_view_and_the_view_is_a_resource(registry: Registry) -> None:
    tool = registry.tools["get-training-observability"].spec
    assert tool.meta["ui"] == {"resourceUri": APP}
    assert registry.resources[APP].spec.mime_type == APP_MIME_TYPE


def test_the_view_asks_for_nothing_from_elsewhere() -> None:
    page = app_page()
    assert "http://www.w3.org/2000/svg" in page
    rest = page.replace("http://www.w3.org/2000/svg", "")
    assert "http" not in rest.replace("https", "http").lower()
    assert "innerHTML" not in page


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_a_host_gets_the_report_shown_with_its_curves_and_hostile_text_as_text(
    tmp_path: Path,
) -> None:
    given = report_of("overfit", tmp_path, job_name=HOSTILE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.set_content(HOST)
        page.evaluate("([page, what]) => begin(page, what)", [app_page(), given])
        frame = page.frame_locator("#view")
        frame.locator("article.warning").first.wait_for(timeout=15_000)
        text = frame.locator("main").inner_text()
        assert HOSTILE in text
        for expected in ("OVERFITTING", "n = 42", "overfit_val_v1", "false alarms 0 per run"):
            assert expected in text
        frame.locator("svg[aria-label^=Validation]").wait_for(timeout=15_000)
        assert "from 0.2033 to 0.3525" in str(
            frame.locator("svg[aria-label^=Validation]").get_attribute("aria-label")
        )
        assert frame.locator("img").count() == 0
        frame.get_by_role("button", name="Look again").click()
        page.wait_for_function("() => heard.some(([method]) => method === 'tools/call')")
        methods = [each[0] for each in page.evaluate("heard")]
        assert methods.index("ui/initialize") < methods.index("ui/notifications/initialized")
        assert "ui/notifications/size-changed" in methods
        assert faults == []
        browser.close()
