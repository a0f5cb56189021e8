"""What a running call may reach: the implementation of `protocols.ToolContext`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import asdict, evolve, field, frozen

from aitk_core.backend.protocol import Backend
from aitk_core.errors import AitkError, MissingCapabilityError, NotFoundError
from aitk_core.policy import Policy
from aitk_core.protocols import Outbound, Paths, Store
from aitk_core.records.results import (
    Completion,
    Inquiry,
    Question,
    Reply,
    ResourceContent,
    ToolResult,
)
from aitk_core.registry import Registry, problem_of_settings
from aitk_core.services.analysis import run_analyzers
from aitk_core.services.bands import find_policy
from aitk_core.services.executor import WorkerPool
from aitk_core.services.failures import FailureLibrary
from aitk_core.services.parallel import ParallelPool
from aitk_core.settings import ServerSettings, changed_settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from contextlib import AbstractAsyncContextManager

    from aitk_core.evidence.failures import FailureCatalogue
    from aitk_core.protocols import BandPolicy, Outcomes, Sink
    from aitk_core.records.results import JsonObject

A = TypeVar("A")
T = TypeVar("T")


class InputRequired(BaseException):
    """Ends a handler until the client has answered; the handler is then run again.

    Not an `Exception`, so that a handler's own clean-up of failures does not swallow it.
    """

    def __init__(self, inquiries: Mapping[str, Inquiry]) -> None:
        """Keep what is to be asked."""
        super().__init__("input required")
        self.inquiries = inquiries


async def _drop(*_arguments: Any) -> None:
    """Take what nobody asked for."""


@frozen(kw_only=True)
class Session:
    """What one caller brings along; a frontend makes one for each call."""

    request_id: str = ""
    policy: Policy
    timeout_s: float | None = None
    """The frontend's limit for this call."""
    progress: Callable[[float, float | None, str], Awaitable[None]] = _drop
    log: Callable[[str, str, Any], Awaitable[None]] = _drop
    announce: Callable[[str, str | None], Awaitable[None]] = _drop
    shows_images: bool = False
    """The client takes pictures in a tool's answer."""
    asks: frozenset[str] = frozenset()
    """Kinds of inquiry that the client answers: `question`, `completion`, `roots`."""
    ask: Callable[[Mapping[str, Inquiry]], Awaitable[Mapping[str, Reply]]] | None = None


@frozen(kw_only=True)
class Services:
    """What every call shares."""

    registry: Registry
    settings: ServerSettings
    backend: Backend
    paths: Paths
    outbound: Outbound
    store: Store
    pool: WorkerPool
    parallel: ParallelPool
    analyzer_pool: WorkerPool
    """Apart from the tools': an analyzer that never ends costs a worker here only."""
    failures: FailureLibrary
    settings_of: Callable[[type[Any]], Any]
    call_tool: Callable[..., Awaitable[ToolResult]]
    """The dispatcher's `call`."""
    read_resource: Callable[..., Awaitable[ResourceContent]]
    """The dispatcher's `read`."""
    redact: Callable[[str], str]


@frozen(kw_only=True)
class CallContext:
    """One call's view of the server."""

    services: Services
    session: Session
    deadline: float | None = None
    """On the event loop's clock."""
    clock: Callable[[], float] = field(default=time.time)

    @property
    def backend(self) -> Backend:
        """Return the training backend."""
        return self.services.backend

    @property
    def paths(self) -> Paths:
        """Return the door to the file system."""
        return self.services.paths

    @property
    def outbound(self) -> Outbound:
        """Return the door to the network for a caller's URL."""
        return self.services.outbound

    @property
    def store(self) -> Store:
        """Return the server's own state."""
        return self.services.store

    @property
    def read_only(self) -> bool:
        """Tell whether this call may change nothing."""
        return self.session.policy.read_only

    @property
    def shows_images(self) -> bool:
        """Tell whether the client takes pictures in an answer."""
        return self.session.shows_images

    def now(self) -> float:
        """Return Unix time in seconds."""
        return self.clock()

    def remaining_s(self) -> float | None:
        """Return the seconds until the deadline, or None without one."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - asyncio.get_running_loop().time())

    def settings(self, kind: type[T]) -> T:
        """Return the settings record of that class."""
        record: T = self.services.settings_of(kind)
        return record

    async def run(self, function: Callable[..., T], /, *arguments: Any) -> T:
        """Run blocking or CPU work away from the event loop."""
        return await self.services.pool.run(function, *arguments)

    def redacted(self, text: str) -> str:
        """Return the text without secrets."""
        return self.services.redact(text)

    def stream(
        self,
        function: Callable[[A], T],
        items: Iterable[A],
        *,
        lost: Callable[[A], T] | None = None,
    ) -> AsyncGenerator[T]:
        """Yield the function's result for each item, in order, computed on all cores."""
        return self.services.parallel.stream(function, items, lost=lost)

    async def analyze(self, subject: str, evidence: object) -> Outcomes:
        """Run the installed analyzers of a subject, each isolated from the others."""
        registry = self.services.registry
        return await run_analyzers(
            [owned for owned in registry.analyzers.values() if owned.spec.subject == subject],
            evidence,
            pool=self.services.analyzer_pool,
            timeout_s=self.services.settings.analyzer_timeout_s,
        )

    async def failure_catalogue(self) -> FailureCatalogue:
        """Return the installed catalogues of failures as one, loaded at the first call."""
        return await self.services.failures.catalogue()

    def band_policy(self, policy_id: str | None = None) -> BandPolicy:
        """Return an installed band policy."""
        chosen = policy_id or self.services.settings.band_policy
        return find_policy(self.services.registry.band_policies, chosen)

    def sinks(self) -> Mapping[str, bool]:
        """Return the installed kinds of alert destination, and which of them show charts."""
        sinks = self.services.registry.sinks
        return {kind: owned.spec.shows_charts for kind, owned in sinks.items()}

    def open_sink(self, kind: str, destination: str) -> AbstractAsyncContextManager[Sink]:
        """Open a destination."""
        owned = self.services.registry.sinks.get(kind)
        if owned is None:
            kinds = ", ".join(self.services.registry.sinks) or "none"
            raise NotFoundError(
                f"no sink {kind[:60]!r} is installed", remedy=f"installed: {kinds}", kind=kind[:60]
            )
        return owned.spec.open.load()(destination, self)

    async def call_tool(self, name: str, arguments: JsonObject) -> ToolResult:
        """Use another installed tool, under this call's policy and deadline."""
        # The answer goes to a tool: pictures that nobody asked for would be drawn for nothing.
        session = evolve(self.session, shows_images=False)
        return await self.services.call_tool(
            name, arguments, session, deadline=self.deadline, clock=self.clock
        )

    async def read_resource(self, uri: str) -> ResourceContent:
        """Read a resource of any plugin, under this call's policy.

        Raises:
            ResourceNotFoundError: No plugin offers it.
        """
        return await self.services.read_resource(uri, self.session)

    def installed(self) -> JsonObject:
        """Return what this server consists of, and what is set; see the protocol."""
        registry = self.services.registry
        changed: list[JsonObject] = []
        problems = [*registry.problems, *self.services.failures.problems]
        for section, record in registry.sections().items():
            try:
                changed += changed_settings(section, self.services.settings_of(record))
            except AitkError as error:
                problems.append(problem_of_settings(section, str(error)))
        return {
            "plugins": [asdict(each) for each in registry.plugins],
            "problems": [
                {**asdict(each), "reason": self.redacted(each.reason)} for each in problems
            ],
            "settings": changed,
            "tools": [name for name in registry.tools if self.offers(name)],
        }

    def offers(self, tool: str) -> bool:
        """Tell whether a tool is installed and this caller may use it."""
        owned = self.services.registry.tools.get(tool)
        return owned is not None and self.session.policy.refusal(owned) is None

    async def progress(self, done: float, total: float | None, message: str) -> None:
        """Report progress."""
        await self.session.progress(done, total, message)

    async def log(self, level: str, message: str, *, data: Any = None) -> None:
        """Send a log message to the client."""
        await self.session.log(level, message, data)

    async def ask(self, inquiries: Mapping[str, Inquiry]) -> Mapping[str, Reply]:
        """Ask the client.

        Raises:
            MissingCapabilityError: It cannot answer one of them.
        """
        for inquiry in inquiries.values():
            kind = kind_of(inquiry)
            if self.session.ask is None or kind not in self.session.asks:
                raise MissingCapabilityError(
                    f"this client cannot answer a {kind}",
                    remedy="call again from a client that can, or give the answer as an argument",
                    capability=kind,
                )
        return await self.session.ask(inquiries) if self.session.ask else {}

    def can_ask(self, kind: str) -> bool:
        """Tell whether the client answers that kind."""
        return self.session.ask is not None and kind in self.session.asks

    async def announce(self, change: str, uri: str | None = None) -> None:
        """Tell clients what changed."""
        await self.session.announce(change, uri)


def kind_of(inquiry: Inquiry) -> str:
    """Return `question`, `completion` or `roots`."""
    if isinstance(inquiry, Question):
        return "question"
    return "completion" if isinstance(inquiry, Completion) else "roots"
