"""The assembled server: registry, settings, backend, services. Frontends start from here."""

from __future__ import annotations

import logging
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from aitk_core.background import Background
from aitk_core.dispatch import Dispatcher
from aitk_core.errors import AitkError, BackendError, InvalidSettingError
from aitk_core.policy import Policy
from aitk_core.registry import load_registry
from aitk_core.services.executor import WorkerPool
from aitk_core.services.paths import RootedPaths
from aitk_core.services.redaction import Redactor
from aitk_core.settings import HttpSettings, ServerSettings, SettingsSource, secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.metadata import EntryPoint
    from types import TracebackType

    from aitk_core.backend.protocol import Backend
    from aitk_core.registry import PluginProblem

logger = logging.getLogger(__name__)

_CONTRACT_FOLDERS: Final[Mapping[str, str]] = {
    "configs": "/ai-toolkit/configs",
    "datasets": "/ai-toolkit/datasets",
    "outputs": "/ai-toolkit/outputs",
}
"""Where the reference kept them (contract/TOOLS.md section 0); used where they exist."""


class Application:
    """Everything a frontend needs, opened once and closed once."""

    def __init__(
        self,
        *,
        source: SettingsSource | None = None,
        points: Iterable[EntryPoint] | None = None,
        overrides: Mapping[str, Any] | None = None,
        backend_kind: str | None = None,
        backend: Backend | None = None,
    ) -> None:
        """Read the settings and load the plugins; nothing is connected yet.

        Args:
            source: Settings; default: this process's environment and file.
            points: Plugins in place of the installed ones.
            overrides: Values of the `[server]` section from the command line.
            backend_kind: A backend that a plugin offers, in place of the AI Toolkit.
            backend: A backend in place of both.

        Raises:
            InvalidSettingError: A setting cannot be used.
        """
        self.source = source or SettingsSource()
        self.settings = self.source.load("server", ServerSettings, overrides)
        self.registry = load_registry(
            points,
            enable=self.settings.enable_plugins,
            disable=self.settings.disable_plugins,
        )
        self.policy = Policy.of(self.settings, self.registry)
        self._kind: str | None = None
        self._backend = backend
        self._stack = AsyncExitStack()
        self._dispatcher: Dispatcher | None = None
        self._background: Background | None = None
        if backend_kind is not None:
            self.with_backend(backend_kind)

    def with_backend(self, kind: str) -> Self:
        """Choose a backend that a plugin offers; before the application is opened.

        Raises:
            InvalidSettingError: No plugin offers it.
        """
        if kind not in self.registry.backends:
            raise InvalidSettingError(
                f"no plugin offers a backend {kind!r}",
                remedy=f"installed: {', '.join(self.registry.backends) or 'none'}",
            )
        self._kind = kind
        return self

    def http_settings(self, overrides: Mapping[str, Any] | None = None) -> HttpSettings:
        """Return the HTTP frontend's settings.

        Raises:
            InvalidSettingError: A setting cannot be used.
        """
        return self.source.load("http", HttpSettings, overrides)

    @property
    def problems(self) -> tuple[PluginProblem, ...]:
        """What is left out of the registry, and, once it was read, of the failure catalogue."""
        found = self.registry.problems
        return found if self._dispatcher is None else found + self._dispatcher.failures.problems

    @property
    def dispatcher(self) -> Dispatcher:
        """Return the dispatcher; the application must be open."""
        if self._dispatcher is None:
            raise RuntimeError("the application is not open")
        return self._dispatcher

    @property
    def background(self) -> Background:
        """Return the plugins' services; the application must be open. A frontend runs them."""
        if self._background is None:
            raise RuntimeError("the application is not open")
        return self._background

    async def __aenter__(self) -> Self:
        """Open the backend and the services; makes no request yet."""
        redactor = Redactor(self._secrets())
        async with AsyncExitStack() as opening:
            for handler in logging.getLogger().handlers:
                handler.addFilter(redactor.record)
                opening.callback(handler.removeFilter, redactor.record)
            pool = WorkerPool(workers=self.settings.workers)
            opening.callback(pool.close)
            dispatcher = Dispatcher(
                registry=self.registry,
                settings=self.settings,
                source=self.source,
                backend=await self._open_backend(opening),
                paths=RootedPaths(self._roots()),
                pool=pool,
                redactor=redactor,
            )
            opening.callback(dispatcher.close)
            # Only now: what fails half way has been closed again by the stack above.
            self._stack = opening.pop_all()
        self._dispatcher = dispatcher
        self._background = Background(dispatcher, self.policy)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what was opened."""
        self._dispatcher = self._background = None
        await self._stack.__aexit__(kind, error, trace)

    def _secrets(self) -> list[str]:
        """Return the values of every secret setting, the plugins' own included."""
        found = secrets_of(self.settings)
        for section, record in self.registry.sections().items():
            if record is not ServerSettings:
                try:
                    found += secrets_of(self.source.load(section, record))
                except InvalidSettingError as error:
                    logger.warning("settings of %s: %s", section, error)
        return found

    async def _open_backend(self, stack: AsyncExitStack) -> Backend:
        if self._backend is not None:
            return self._backend
        if self._kind is not None:
            owned = self.registry.backends[self._kind]
            try:
                opened = owned.spec.open.load()(self.settings)
                return await stack.enter_async_context(opened)
            except AitkError:
                raise
            except Exception as error:
                logger.exception("backend %s (%s)", self._kind, owned.plugin.distribution)
                raise BackendError(
                    f"backend {self._kind!r} of {owned.plugin.distribution} cannot be opened: "
                    f"{type(error).__name__}"
                ) from error
        from aitk_core.backend.client import AiToolkitBackend

        backend = AiToolkitBackend(
            self.settings.backend_url,
            token=self.settings.backend_token,
            timeout_s=self.settings.backend_timeout_s,
        )
        stack.push_async_callback(backend.aclose)
        return backend

    def _roots(self) -> dict[str, Path]:
        chosen = {
            "configs": self.settings.configs_dir,
            "datasets": self.settings.datasets_dir,
            "outputs": self.settings.outputs_dir,
        }
        roots = {"home": self.settings.home}
        for name, path in chosen.items():
            known = Path(_CONTRACT_FOLDERS[name])
            if path is not None:
                roots[name] = path
            elif known.is_dir():
                roots[name] = known
            elif name == "configs":
                roots[name] = self.settings.home / "configs"
        roots["exports"] = self.settings.exports_dir or self.settings.home / "exports"
        for index, path in enumerate(self.settings.model_roots):
            roots[f"models{index or ''}"] = path
        return roots


def configure_logging(level: str) -> None:
    """Send log records to stderr; stdout belongs to the protocol.

    Raises:
        InvalidSettingError: There is no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise InvalidSettingError(f"LOG_LEVEL {level!r} is not DEBUG, INFO, WARNING or ERROR")
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Apart: `basicConfig` does nothing the second time, when the settings have been read.
    logging.getLogger().setLevel(number)
    # Requests to the backend are logged by our own client, without their headers.
    for noisy in ("httpx", "httpcore", "mcp"):
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))
