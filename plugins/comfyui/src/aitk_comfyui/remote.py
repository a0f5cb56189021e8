"""What a running ComfyUI says that it sees.

Routes: `/models` (names of folders), `/models/<folder>` (names of files), `/system_stats` (its
version); server.py of comfyanonymous/ComfyUI.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from attrs import field, frozen

from aitk_comfyui.folders.known import LEGACY

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S: Final = 5.0
_MOST_BYTES: Final = 16_000_000
_MOST_FOLDERS: Final = 60
_AT_ONCE: Final = 4


@frozen(kw_only=True)
class Seen:
    """Its answer."""

    version: str | None = None
    files: Mapping[str, frozenset[str]] = field(factory=dict)
    """Names by folder, with `/` between their parts."""
    fault: str | None = None
    """Why it could not be asked."""

    def has(self, folder: str, name: str) -> bool | None:
        """Tell whether it sees a file; None where it does not list that folder."""
        return name in self.files[folder] if folder in self.files else None


async def ask_comfyui(url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> Seen:
    """Ask a running ComfyUI; one that does not answer is a fault and no error.

    Args:
        url: Of the settings; never shown.
        transport: In place of the network, for tests.
    """
    import httpx

    async with httpx.AsyncClient(
        base_url=url.rstrip("/"), timeout=_TIMEOUT_S, transport=transport, trust_env=False
    ) as client:
        asking = _Asking(client)
        try:
            folders = (await asking.names("/models"))[:_MOST_FOLDERS]
            paths = [f"/models/{quote(folder, safe='')}" for folder in folders]
            listed = await asyncio.gather(*map(asking.names, paths))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError) as error:
            return Seen(fault=f"ComfyUI (COMFYUI_URL) does not answer as one: {_why(error)}")
        try:
            version = (await asking.get("/system_stats"))["system"]["comfyui_version"]
        except (httpx.HTTPError, ValueError, TypeError, KeyError):
            version = None
    files: dict[str, frozenset[str]] = {}
    for folder, names in zip(folders, listed, strict=True):
        own = LEGACY.get(folder, folder)
        files[own] = files.get(own, frozenset()) | {name.replace("\\", "/") for name in names}
    return Seen(version=version if isinstance(version, str) else None, files=files)


class _Asking:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._limit = asyncio.Semaphore(_AT_ONCE)

    async def get(self, path: str) -> Any:
        """Return the JSON of an answer.

        Raises:
            ValueError: It is none, or too large.
        """
        async with self._limit, self._client.stream("GET", path) as answer:
            answer.raise_for_status()
            data = bytearray()
            async for part in answer.aiter_bytes():
                data += part
                if len(data) > _MOST_BYTES:
                    raise ValueError("the answer is too large")
        return json.loads(data)

    async def names(self, path: str) -> list[str]:
        """Return the texts in a list.

        Raises:
            TypeError: The answer is no list.
        """
        found = await self.get(path)
        if not isinstance(found, list):
            raise TypeError("the answer is no list")
        return [each for each in found if isinstance(each, str)]


def _why(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"HTTP {status}" if status else type(error).__name__
