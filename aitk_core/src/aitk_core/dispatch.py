"""The one path by which any frontend runs a tool, reads a resource or renders a prompt."""

from __future__ import annotations

import asyncio
import difflib
import json
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import attrs

from aitk_core.context import CallContext, Services
from aitk_core.contracts import check_arguments, check_object, compile_schema
from aitk_core.errors import (
    AitkError,
    InvalidArgumentsError,
    OutputSchemaViolationError,
    ResourceNotFoundError,
    ToolFailedError,
    ToolTimeoutError,
    UnknownToolError,
)
from aitk_core.records.results import Block, ToolResult
from aitk_core.services.calls import CallObservers
from aitk_core.services.executor import WorkerPool
from aitk_core.services.failures import FailureLibrary
from aitk_core.services.outbound.door import Outbound
from aitk_core.services.parallel import ParallelPool
from aitk_core.services.redaction import Redactor
from aitk_core.services.store import Store
from aitk_core.services.uris import match_uri
from aitk_core.settings import OutboundSettings
from aitk_core.settings.records import SettingsRecords

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jsonschema import Draft202012Validator

    from aitk_core.backend.protocol import Backend
    from aitk_core.context import Session
    from aitk_core.policy import Policy
    from aitk_core.protocols import Paths
    from aitk_core.records.results import JsonObject, PromptMessage, ResourceContent
    from aitk_core.registry import Owned, Registry
    from aitk_core.settings import ServerSettings, SettingsSource
    from aitk_core.specs import Lazy, ResourceSpec, ToolSpec

logger = logging.getLogger(__name__)
T = TypeVar("T")

_DEEPEST: Final = 64
"""Levels of nesting in arguments; nothing we take needs more than a job config's dozen."""


class Dispatcher:
    """Validates, runs and validates again; every error comes out typed."""

    def __init__(
        self,
        *,
        registry: Registry,
        settings: ServerSettings,
        source: SettingsSource,
        backend: Backend,
        paths: Paths,
        pool: WorkerPool,
        redactor: Redactor | None = None,
    ) -> None:
        """Take what calls are served with."""
        self.registry = registry
        self.settings = settings
        self.backend = backend
        self.paths = paths
        self.pool = pool
        self.observers = CallObservers()
        self._redactor = redactor or Redactor()
        self._analyzers = WorkerPool(workers=2)
        self._parallel = ParallelPool(settings.parallel, workers=settings.parallel_workers)
        self.failures = FailureLibrary(
            registry, pool=self._analyzers, timeout_s=settings.analyzer_timeout_s
        )
        settings_of = SettingsRecords(source, registry.sections(), settings).of
        self._outbound = Outbound.of(settings_of(OutboundSettings))
        self._services = Services(
            registry=registry,
            settings=settings,
            backend=backend,
            paths=paths,
            outbound=self._outbound,
            store=Store(settings.home / "state"),
            pool=pool,
            parallel=self._parallel,
            analyzer_pool=self._analyzers,
            failures=self.failures,
            settings_of=settings_of,
            call_tool=self.call,
            read_resource=self.read,
            redact=self._redactor.text,
        )
        # Of its own: tools that keep every worker busy must not hold up finished answers.
        self._checks = WorkerPool(workers=1)
        self._validators: dict[str, Draft202012Validator] = {}

    def close(self) -> None:
        """Let go of the dispatcher's own workers."""
        self.failures.close()
        self._checks.close()
        self._analyzers.close()
        self._parallel.close()
        self._outbound.close()

    def offered(self, policy: Policy) -> list[Owned[ToolSpec]]:
        """Return the tools that the policy offers, by name."""
        return [owned for owned in self.registry.tools.values() if policy.refusal(owned) is None]

    async def call(
        self,
        name: str,
        arguments: JsonObject | None,
        session: Session,
        *,
        deadline: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> ToolResult:
        """Run a tool.

        Args:
            name: The tool.
            arguments: JSON as it came in. A null stands for a left-out optional argument.
            session: Who calls.
            deadline: Of the call that this one is part of, on the event loop's clock.
            clock: Unix time in seconds.

        Returns:
            The result, its data plain JSON that fits the tool's contract.

        Raises:
            AitkError: Whatever went wrong, typed; other exceptions never come out, except
                cancellation.
        """
        try:
            with self.observers.watch(name if name in self.registry.tools else None):
                return await self._call(name, arguments, session, deadline=deadline, clock=clock)
        except AitkError as error:
            self._redact(error)
            logger.info("%s refused %r: %s: %s", session.request_id, name, error.code, error)
            raise

    async def _call(
        self,
        name: str,
        arguments: JsonObject | None,
        session: Session,
        *,
        deadline: float | None,
        clock: Callable[[], float],
    ) -> ToolResult:
        spec = self._find(name, session.policy)
        try:
            checked = self._check(spec, {} if arguments is None else arguments)
        except AitkError:
            raise
        except Exception as error:  # a plugin's input schema may be wrong in any way
            logger.exception("%s input schema of %s", session.request_id, spec.name)
            raise _failed(spec.name, session) from error
        limits = [limit for limit in (session.timeout_s, spec.timeout_s) if limit is not None]
        now = asyncio.get_running_loop().time()
        ends = [now + limit for limit in limits]
        if deadline is not None:
            ends.append(deadline)
        end = min(ends) if ends else None
        context = CallContext(services=self._services, session=session, deadline=end, clock=clock)
        scope = asyncio.timeout_at(end)
        try:
            async with scope:
                result = await self._run(spec, checked, context)
        except TimeoutError as error:
            raise ToolTimeoutError(
                f"{name} took longer than {0.0 if end is None else end - now:.3g} s",
                remedy="ask for less (fewer lines, a shorter window) or raise the limit",
                tool=name,
                tool_timeout_seconds=None if end is None else round(end - now, 3),
            ) from error
        return result

    def _find(self, name: str, policy: Policy) -> ToolSpec:
        owned = self.registry.tools.get(name)
        if owned is None:
            names = [offered.spec.name for offered in self.offered(policy)]
            shown = _clean(name[:100])
            near = difflib.get_close_matches(shown, names, n=1)
            raise UnknownToolError(
                f"unknown tool: {shown}",
                remedy=f"did you mean {near[0]!r}?" if near else "list the tools first",
                available_tools=names,
            )
        refusal = policy.refusal(owned)
        if refusal is not None:
            raise refusal
        return owned.spec

    def _check(self, spec: ToolSpec, arguments: Any) -> Any:
        if not isinstance(arguments, Mapping):
            raise InvalidArgumentsError(f"arguments of {spec.name} must be an object")
        if _depth_exceeds(arguments, _DEEPEST):
            raise InvalidArgumentsError(f"arguments of {spec.name} are nested too deeply")
        try:
            # Unpaired surrogates end here, so that nothing later meets text it cannot send.
            json.dumps(arguments, allow_nan=False, ensure_ascii=False).encode("utf-8")
        except (TypeError, ValueError) as error:
            raise InvalidArgumentsError(
                f"arguments of {spec.name} hold a number or text that JSON does not have",
                remedy="send finite numbers, and text without unpaired surrogates",
            ) from error
        required = spec.input_schema.get("required", ())
        given = {k: v for k, v in arguments.items() if v is not None or k in required}
        if spec.name not in self._validators:
            self._validators[spec.name] = compile_schema(spec.input_schema)
        check_arguments(spec.name, self._validators[spec.name], given)
        if spec.arguments is None:
            return given
        from aitk_core.convert import structure

        return structure(spec.arguments, given)

    async def _run(self, spec: ToolSpec, arguments: Any, context: CallContext) -> ToolResult:
        try:
            result = await spec.handler.load()(arguments, context)
        except AitkError:
            raise
        except (Exception, SystemExit) as error:  # a plugin may fail in any way
            logger.exception("%s tool %s", context.session.request_id, spec.name)
            raise _failed(spec.name, context.session) from error
        # Away from the event loop: a long answer takes milliseconds to check.
        return await self._checks.run(self._checked, spec, result)

    def _checked(self, spec: ToolSpec, result: Any) -> ToolResult:
        from aitk_core.convert import unstructure

        if not isinstance(result, ToolResult):
            raise OutputSchemaViolationError(
                f"{spec.name} returned a {type(result).__name__}, not a ToolResult"
            )
        if result.data is None and spec.contract is not None:
            raise OutputSchemaViolationError(f"{spec.name} returned no data", path="")
        try:
            data = None if result.data is None else unstructure(result.data)
            if spec.contract is not None:
                self.registry.contracts.check_output(spec.contract, data)
            elif data is not None:
                check_object(spec.name, data)
            blocks = tuple(self._block(block) for block in result.blocks)
            answer = attrs.evolve(result, data=self._redactor.json(data), blocks=blocks)
            sendable = self._sendable(answer)
        except AitkError as error:
            logger.error("tool %s: %s: %s", spec.name, error, error.details)  # noqa: TRY400 - ours
            raise
        except Exception as error:  # a plugin may return anything
            logger.exception("answer of %s", spec.name)
            raise OutputSchemaViolationError(
                f"{spec.name} returned what cannot be sent: {type(error).__name__}"
            ) from error
        return sendable

    def _block(self, block: Any) -> Block:
        if not isinstance(block, Block):
            raise TypeError(f"{type(block).__name__} is not a content block")
        return self._sendable(block)

    def _sendable(self, record: T) -> T:
        """Return the record with its own text free of secrets, and such as encoders take."""
        texts = {
            attribute.name: self._redactor.text(_clean(value))
            for attribute in attrs.fields(cast("Any", type(record)))
            if isinstance(value := getattr(record, attribute.name), str)
        }
        clean: T = attrs.evolve(cast("Any", record), **texts)
        return clean

    async def read(self, uri: str, session: Session) -> ResourceContent:
        """Read a resource.

        Raises:
            ResourceNotFoundError: No plugin offers it.
            AitkError: It could not be read.
        """
        for owned in self.registry.resources.values():
            parts = match_uri(owned.spec.uri, uri)
            if parts is not None:
                content = await self._guard(uri, owned.spec.read, uri, parts, self.context(session))
                # Away from the event loop: a long text takes milliseconds to check.
                return await self._checks.run(self._sendable, content)
        raise ResourceNotFoundError(f"no resource {uri[:200]!r}", uri=_clean(uri[:500]))

    async def render(
        self, name: str, arguments: Mapping[str, str], session: Session
    ) -> tuple[PromptMessage, ...]:
        """Render a prompt.

        Raises:
            ResourceNotFoundError: No plugin offers it.
            InvalidArgumentsError: A required argument is missing.
        """
        owned = self.registry.prompts.get(name)
        if owned is None:
            shown = _clean(name[:100])
            raise ResourceNotFoundError(f"unknown prompt: {shown}", prompt=shown)
        missing = [a.name for a in owned.spec.arguments if a.required and not arguments.get(a.name)]
        if missing:
            raise InvalidArgumentsError(
                f"prompt {name} needs {', '.join(missing)}",
                faults=[{"path": f"/{m}", "message": "is required"} for m in missing],
            )
        rendered = await self._guard(name, owned.spec.render, arguments, self.context(session))
        return tuple(attrs.evolve(m, content=self._block(m.content)) for m in rendered)

    async def complete(
        self, kind: str, name: str, argument: str, typed: str, session: Session
    ) -> list[str]:
        """Return values for a prompt's or a resource template's argument, best first.

        Args:
            kind: `prompt` or `resource`.
            name: The prompt's name or the template's URI.
            argument: Which argument.
            typed: What the person typed so far.
            session: Who asks.
        """
        if kind == "prompt":
            prompt = self.registry.prompts.get(name)
            lazy = prompt.spec.complete if prompt else None
        else:
            resource: Owned[ResourceSpec] | None = self.registry.resources.get(name)
            lazy = resource.spec.complete if resource else None
        if lazy is None:
            return []
        return await self._guard(name, lazy, argument, typed, self.context(session))

    def _redact(self, error: AitkError) -> None:
        """Take the secrets out of what an error says."""
        error.args = (self._redactor.text(str(error)),)
        error.remedy = self._redactor.text(error.remedy)
        error.details = self._redactor.json(error.details)

    def context(self, session: Session) -> CallContext:
        """Return what may be reached apart from any call, without a deadline."""
        return CallContext(services=self._services, session=session)

    async def _guard(
        self, what: str, code: Lazy[Callable[..., Awaitable[T]]], *arguments: Any
    ) -> T:
        what = _clean(what[:200])
        scope = asyncio.timeout(self.settings.tool_timeout_s)
        try:
            async with scope:
                return await code.load()(*arguments)
        except AitkError as error:
            self._redact(error)
            raise
        except (Exception, SystemExit) as error:  # a plugin may fail in any way
            if scope.expired() and isinstance(error, TimeoutError):
                raise ToolTimeoutError(f"{what} took too long") from error
            logger.exception("%r", what)
            raise ToolFailedError(f"{what} failed inside the server") from error


def _failed(name: str, session: Session) -> ToolFailedError:
    return ToolFailedError(
        f"{name} failed inside the server",
        remedy="the server's log has the details; retrying is unlikely to help",
        tool=name,
        request_id=session.request_id,
    )


def _clean(text: str) -> str:
    from aitk_core.convert import clean_text

    return clean_text(text)


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            item
            for node in level
            if isinstance(node, Mapping | list | tuple)
            for item in (node.values() if isinstance(node, Mapping) else node)
        ]
        if not level:
            return False
    return True
