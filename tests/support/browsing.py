"""A real browser: headless Chromium, and what goes wrong in its pages."""

from __future__ import annotations

import asyncio
import shutil
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest
from axe_core_python.sync_playwright import Axe  # type: ignore[import-untyped]  # has no types
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from playwright.sync_api import Browser, Page

T = TypeVar("T")

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

needs_chromium: Final = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium on this machine"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        yield opened
        opened.close()


@contextmanager
def opened(browser: Browser, **options: Any) -> Iterator[tuple[Page, list[str], list[str]]]:
    """Open a page, and keep what goes wrong in it and what it asks for."""
    context = browser.new_context(**options)
    page = context.new_page()
    faults: list[str] = []
    asked: list[str] = []
    page.on("console", lambda each: faults.append(each.text) if each.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    yield page, faults, asked
    context.close()


def violations(page: Page) -> list[tuple[str, str]]:
    """Return what axe-core finds serious or critical: the rule, and the first element."""
    return [
        (each["id"], each["nodes"][0]["html"][:200])
        for each in Axe().run(page)["violations"]
        if each["impact"] in ("serious", "critical")
    ]


@contextmanager
def beside(site: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Keep a server open in a thread with an event loop of its own, for tests without one.

    Args:
        site: Opened there; gives what the tests are given.
    """
    ready = threading.Event()
    found: list[T] = []
    faults: list[BaseException] = []
    ends: list[Callable[[], Any]] = []

    async def run() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        ends.append(lambda: loop.call_soon_threadsafe(over.set))
        async with site() as value:
            found.append(value)
            ready.set()
            await over.wait()

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 - shown by the test that waits
            faults.append(error)
        ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(120)
        assert not faults, faults
        yield found[0]
    finally:
        for end in ends:
            end()
        thread.join(60)
