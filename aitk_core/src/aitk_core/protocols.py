"""What a running tool may reach, as protocols; `aitk_core.context` implements them.

They live below the specs, so that a spec can name what its handler is handed without
importing what builds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from pathlib import Path

    from aitk_core.backend.protocol import Backend
    from aitk_core.evidence.failures import FailureCatalogue
    from aitk_core.records.alerts import AlertMessage
    from aitk_core.records.findings import Analysis
    from aitk_core.records.outbound import OutboundAnswer
    from aitk_core.records.results import (
        Inquiry,
        JsonObject,
        Reply,
        ResourceContent,
        ToolResult,
    )

A = TypeVar("A")
T = TypeVar("T")


class Paths(Protocol):
    """The only door to the file system for a caller's path."""

    def inside(self, root: str, *parts: str) -> Path:
        """Return the path below the named root, links resolved.

        Raises:
            PathOutsideRootsError: It leads out of the root.
        """
        ...

    def resolve(self, path: str) -> Path:
        """Return an absolute path that lies inside one of the roots, links resolved.

        Raises:
            PathOutsideRootsError: It lies in none of them.
        """
        ...

    def root(self, name: str) -> Path:
        """Return a configured root.

        Raises:
            NotFoundError: No root of that name is configured.
        """
        ...


class Outbound(Protocol):
    """The only door to the network for a URL that a caller or a user gives.

    Everything but the host of a URL is a secret: an error names the host at most.
    """

    def check(self, url: str) -> str:
        """Refuse a URL that needs no look-up to be refused, and return its host.

        Raises:
            InvalidUrlError: It is no URL that is taken.
            DestinationRefusedError: It leads where nothing is sent.
        """
        ...

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = ...,
        timeout_s: float | None = None,
    ) -> OutboundAnswer:
        """Fetch a URL; redirects are not followed, and an answer of any status is an answer.

        Args:
            url: `https://host/path`.
            headers: More of them, printable ASCII.
            max_bytes: Largest body, decoded.
            timeout_s: For everything, where it is less than the settings say.

        Raises:
            InvalidUrlError: It is no URL that is taken.
            DestinationRefusedError: It leads where nothing is sent.
            OutboundError: In its kinds: no connection, no answer in time, no fit answer.
        """
        ...

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = ...,
        timeout_s: float | None = None,
    ) -> OutboundAnswer:
        """Send a body to a URL, as `get` fetches one.

        Args:
            url: `https://host/path`.
            body: Sent as it is.
            headers: More of them, the Content-Type among them.
            max_bytes: Largest body of the answer; None: it is not read at all.
            timeout_s: For everything, where it is less than the settings say.

        Raises:
            InvalidUrlError: It is no URL that is taken.
            DestinationRefusedError: It leads where nothing is sent.
            OutboundError: In its kinds: no connection, no answer in time, no fit answer.
        """
        ...


class Store(Protocol):
    """Embedded state, a database for each namespace; blocking, so through `context.run` only."""

    def session(
        self, namespace: str, migrations: Sequence[str]
    ) -> AbstractContextManager[sqlite3.Connection]:
        """Open a namespace's database for one piece of work, which is one transaction.

        Args:
            namespace: Lower-case words joined by `_`, the plugin's own.
            migrations: SQL scripts, oldest first; each is run once.

        Raises:
            StoreError: It cannot be used, or a newer version wrote it.
        """
        ...


class BandPolicy(Protocol):
    """Classifies a difference of scores; pure."""

    def band(self, delta: float, *, standard_error: float | None, n: int | None) -> str:
        """Return the band's name.

        Args:
            delta: Difference in the policy's units; never NaN.
            standard_error: Of the difference, same units, or None where unknown.
            n: Sample size behind it, or None.
        """
        ...

    def source(self) -> JsonObject:
        """Return the provenance: `id`, `units`, `thresholds`."""
        ...


class Outcomes(Protocol):
    """What the installed analyzers said, by name, and who failed."""

    @property
    def analyses(self) -> Mapping[str, Analysis]:
        """Return each analyzer's answer, also the not-assessed ones."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Return a sentence for each analyzer that failed, naming its distribution."""
        ...


class Sink(Protocol):
    """Sends alerts somewhere."""

    async def deliver(self, message: AlertMessage) -> None:
        """Hand over one message, or raise.

        It may be cancelled at its deadline. What it sent before counts as not sent, so the same
        `message_id` may come again.

        Raises:
            DeliveryRefusedError: It will never be taken there.
            DeliveryError: Not now; `not_before` in its details is heeded. Any other exception
                counts as one without a time.
        """
        ...


class ToolContext(Protocol):
    """Handed to each call; the only way from a plugin to the rest."""

    @property
    def backend(self) -> Backend:
        """Return the training backend; the connection is made at the first request."""
        ...

    @property
    def paths(self) -> Paths:
        """Return the door to the file system."""
        ...

    @property
    def outbound(self) -> Outbound:
        """Return the door to the network for a URL that the caller gave."""
        ...

    @property
    def store(self) -> Store:
        """Return the server's own state."""
        ...

    @property
    def read_only(self) -> bool:
        """Tell whether this call may change nothing."""
        ...

    @property
    def shows_images(self) -> bool:
        """Tell whether the client takes pictures in an answer; a caller over HTTP does not."""
        ...

    def now(self) -> float:
        """Return Unix time in seconds; tests pass their own."""
        ...

    def remaining_s(self) -> float | None:
        """Return the seconds until the call's deadline, or None without one."""
        ...

    def settings(self, kind: type[T]) -> T:
        """Return the settings record of that class, declared by a plugin or the core.

        Raises:
            InvalidSettingError: Nobody declared it, or its values cannot be used.
        """
        ...

    async def run(self, function: Callable[..., T], /, *arguments: Any) -> T:
        """Run blocking or CPU work away from the event loop."""
        ...

    def redacted(self, text: str) -> str:
        """Return the text without secrets, for what a plugin draws or encodes itself.

        Text that it answers is redacted anyway; a picture shows what was drawn into it. Ask before
        the text is shortened: a part of a secret is not known as one.
        """
        ...

    def stream(
        self,
        function: Callable[[A], T],
        items: Iterable[A],
        *,
        lost: Callable[[A], T] | None = None,
    ) -> AsyncGenerator[T]:
        """Yield the function's result for each item, in order, computed on all cores.

        Memory does not grow with the number of items. Close it (`contextlib.aclosing`) where it
        may be left early.

        Args:
            function: Of a module; it, the items and the results may travel to other processes.
            items: Pieces of some milliseconds of work or more.
            lost: Makes the result of an item that ends its worker process.

        Raises:
            ToolFailedError: An item ended its worker process, and `lost` is not given.
        """
        ...

    async def analyze(self, subject: str, evidence: object) -> Outcomes:
        """Run the installed analyzers of a subject, each isolated from the others."""
        ...

    async def failure_catalogue(self) -> FailureCatalogue:
        """Return the installed catalogues of failures as one, loaded at the first call."""
        ...

    def band_policy(self, policy_id: str | None = None) -> BandPolicy:
        """Return an installed band policy; without an id the configured default.

        Raises:
            NotFoundError: No such policy is installed.
        """
        ...

    def sinks(self) -> Mapping[str, bool]:
        """Return the installed kinds of alert destination, and which of them show charts."""
        ...

    def open_sink(self, kind: str, destination: str) -> AbstractAsyncContextManager[Sink]:
        """Open a destination; nothing is sent by that.

        Raises:
            NotFoundError: No such kind of sink is installed.
            InvalidArgumentsError: The destination is none, when it is entered.
        """
        ...

    async def call_tool(self, name: str, arguments: JsonObject) -> ToolResult:
        """Use another installed tool by name, under this call's policy and deadline.

        The answer comes to you, so it holds pictures only where the arguments ask for them.
        """
        ...

    async def read_resource(self, uri: str) -> ResourceContent:
        """Read a resource of any plugin, under this call's policy.

        Raises:
            ResourceNotFoundError: No plugin offers it.
        """
        ...

    def installed(self) -> JsonObject:
        """Return what this server consists of.

        Returns:
            `plugins`, `problems`, the `tools` offered, and the `settings` that differ from their
            defaults, without the values of secrets.
        """
        ...

    def offers(self, tool: str) -> bool:
        """Tell whether a tool is installed and this caller may use it."""
        ...

    async def progress(self, done: float, total: float | None, message: str) -> None:
        """Report progress; dropped where the caller did not ask for it."""
        ...

    async def log(self, level: str, message: str, *, data: Any = None) -> None:
        """Send a log message to the client; dropped where it takes none."""
        ...

    async def ask(self, inquiries: Mapping[str, Inquiry]) -> Mapping[str, Reply]:
        """Ask the client: its person, its model, or its folders.

        A handler may be run again from its beginning with the replies that are there by
        then, so whatever comes before must be harmless to repeat, and every key is used
        once in a call.

        Raises:
            MissingCapabilityError: The client cannot answer one of them.
        """
        ...

    def can_ask(self, kind: str) -> bool:
        """Tell whether the client answers `question`, `completion` or `roots`."""
        ...

    async def announce(self, change: str, uri: str | None = None) -> None:
        """Tell clients that `tools`, `prompts`, `resources` or one resource changed."""
        ...


class ServiceContext(Protocol):
    """Handed to a service, which goes on as long as the server runs."""

    @property
    def owner(self) -> str:
        """Return a name for this run of this server, unlike any other's."""
        ...

    @property
    def frontend(self) -> str:
        """Return what the server runs for: `stdio` ends with its client, others go on."""
        ...

    def tools(self) -> ToolContext:
        """Return what a call may reach, under the server's own policy and without a deadline."""
        ...

    def beat(self) -> None:
        """Say that the service's own loop is alive; not from a helper that lives without it."""
        ...
