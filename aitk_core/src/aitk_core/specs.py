"""What a plugin declares: frozen records, with the code behind them named lazily."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from importlib.resources.abc import Traversable
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, cast

from attrs import Attribute, field, frozen, has  # noqa: TC002 - attrs reads annotations
from attrs.validators import optional

from aitk_core.arguments import input_schema_of
from aitk_core.backend.protocol import Backend
from aitk_core.errors import InvalidSpecError
from aitk_core.protocols import BandPolicy, ServiceContext, Sink, ToolContext
from aitk_core.proving.cases import ProofCase
from aitk_core.records.findings import Analysis, Finding
from aitk_core.records.results import JsonObject, PromptMessage, ResourceContent, ToolResult

T_co = TypeVar("T_co", covariant=True)

_TOOL_NAME: Final = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")
_WORD: Final = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_IDENTIFIER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TARGET: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_CONTRACT: Final = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*\.v[1-9][0-9]*")


def _matches(pattern: re.Pattern[str]) -> Callable[[Any, Attribute[Any], Any], None]:
    def check(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is not None and not (isinstance(value, str) and pattern.fullmatch(value)):
            message = f"{attribute.name} {value!r} must match {pattern.pattern}"
            raise InvalidSpecError(message, field=attribute.name, value=str(value))

    return check


def _at_most(limit: int) -> Callable[[Any, Attribute[str], str], None]:
    def check(_instance: Any, attribute: Attribute[str], value: Any) -> None:
        if not isinstance(value, str) or not 0 < len(value) <= limit:
            raise InvalidSpecError(
                f"{attribute.name} must be text of 1 to {limit} characters", field=attribute.name
            )

    return check


@frozen
class Lazy(Generic[T_co]):
    """A `module:attribute` reference, imported the first time it is needed."""

    target: str = field(validator=_matches(_TARGET))

    def load(self) -> T_co:
        """Import the module and return the attribute.

        Raises:
            ImportError: The module cannot be imported.
            AttributeError: The module has no such attribute.
        """
        module, _, attribute = self.target.partition(":")
        return cast("T_co", getattr(import_module(module), attribute))


def _lazy(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, Lazy):
        message = f"{attribute.name} must be Lazy('module:attribute')"
        raise InvalidSpecError(message, field=attribute.name)


Handler: TypeAlias = Callable[[Any, ToolContext], Awaitable[ToolResult]]
"""Runs a tool on arguments that fit its input schema: the `arguments` record, or plain JSON."""


@frozen(kw_only=True)
class ToolSpec:
    """One tool as clients see it."""

    name: str = field(validator=[_matches(_TOOL_NAME), _at_most(64)])
    title: str = field(default="", validator=lambda _i, _a, v: _at_most(60)(_i, _a, v or "-"))
    description: str = field(validator=_at_most(4000))
    """First sentence: what it answers. Then when to use it, and when another tool."""
    handler: Lazy[Handler] = field(validator=_lazy)
    arguments: type | None = None
    """An attrs class made with `aitk_core.arguments.arg`; gives the input schema."""
    schema: JsonObject | None = None
    """An input schema in place of `arguments`; the handler then gets plain JSON."""
    contract: str | None = field(default=None, validator=_matches(_CONTRACT))
    """Output schema, `<name>.v<major>`. Without one the answer is blocks only."""
    text: Literal["json", "prose"] = "prose"
    """Whether the first text item is the JSON document or the summary."""
    read_only: bool = True
    destructive: bool = False
    idempotent: bool = True
    open_world: bool = False
    """Whether it reaches beyond this machine and its backend."""
    timeout_s: float | None = None
    """Its own limit, where it needs less than the server's."""
    hint: str = ""
    """One line for the server's instructions, where a workflow begins with this tool."""
    meta: JsonObject = field(factory=dict)
    """Extra `_meta` for the tool list."""
    input_schema: JsonObject = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Derive the input schema.

        Raises:
            InvalidSpecError: Both `arguments` and `schema` given, a schema that is not JSON or
                whose root is no object, or a read-only tool marked destructive.
        """
        if self.arguments is not None and self.schema is not None:
            raise InvalidSpecError("give arguments or schema, not both", field="schema")
        if self.read_only and self.destructive:
            raise InvalidSpecError("a read-only tool cannot be destructive", field="destructive")
        schema = self.schema
        if schema is None:
            schema = (
                input_schema_of(self.arguments)
                if self.arguments is not None
                else {"type": "object", "properties": {}, "additionalProperties": False}
            )
        if schema.get("type") != "object":
            raise InvalidSpecError("the root of an input schema must be an object", field="schema")
        try:
            # One tool that cannot be written would take the whole list with it.
            json.dumps([schema, self.meta], allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidSpecError(f"input schema or meta is not JSON: {error}") from error
        object.__setattr__(self, "input_schema", schema)


Analyze: TypeAlias = Callable[[Any], Analysis | Iterable[Finding]]

SUBJECTS: Final = ("run", "config", "dataset", "image", "samples")


@frozen(kw_only=True)
class AnalyzerSpec:
    """A pure function from evidence to findings: no clock, no randomness, no I/O."""

    name: str = field(validator=_matches(_WORD))
    subject: str = field(default="run")
    """What it looks at: run, config, dataset, image or samples."""
    analyze: Lazy[Analyze] = field(validator=_lazy)
    proofs: Lazy[Callable[[], Iterable[ProofCase]]] | None = field(
        default=None, validator=optional(_lazy)
    )
    """What it must find and what it must stay quiet on, for `aitk doctor --prove`."""

    @subject.validator
    def _known(self, _attribute: Attribute[str], value: str) -> None:
        if value not in SUBJECTS:
            raise InvalidSpecError(f"subject {value!r} must be one of {', '.join(SUBJECTS)}")


@frozen(kw_only=True)
class FailureCatalogueSpec:
    """Failures that a run's log or row may show, as data; read when a run is first looked at."""

    name: str = field(validator=_matches(_WORD))
    document: Traversable | Lazy[Callable[[], JsonObject]] = field()
    """A JSON file that fits `failure-catalogue.v1`, or what returns such a document."""

    @document.validator
    def _readable(self, _attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, Lazy | Traversable):
            message = "document must be a file or Lazy('module:attribute')"
            raise InvalidSpecError(message, field="document")


@frozen(kw_only=True)
class SinkSpec:
    """A kind of alert destination, such as `file` or `webhook`."""

    kind: str = field(validator=_matches(_WORD))
    open: Lazy[Callable[[str, ToolContext], AbstractAsyncContextManager[Sink]]] = field(
        validator=_lazy
    )
    """Called with the destination that the settings or the user gave, for each message.

    Raises `InvalidArgumentsError` for a destination that is none: that is also how a destination
    is checked before anything is sent, so opening sends nothing.
    """
    shows_charts: bool = False
    """Whether it does anything with a message's chart, which is drawn only then."""


@frozen(kw_only=True)
class ServiceSpec:
    """Work that goes on as long as a server runs, apart from any call."""

    name: str = field(validator=_matches(_WORD))
    run: Lazy[Callable[[ServiceContext], Awaitable[None]]] = field(validator=_lazy)
    """Runs until it is cancelled; one that raises is started again after a while."""
    interval_s: float = 30.0
    """It beats at least this often; a server whose service was silent for two of these is not
    healthy."""


@frozen(kw_only=True)
class BandPolicySpec:
    """A way to name the size of a score difference."""

    id: str = field(validator=_matches(_WORD))
    """Rises with any change of behaviour: `absolute_delta_thresholds_v1`."""
    policy: Lazy[Callable[[], BandPolicy]] = field(validator=_lazy)


@frozen(kw_only=True)
class BackendSpec:
    """A kind of training service that can be asked for by name: `--<kind>`."""

    kind: str = field(validator=_matches(_WORD))
    summary: str
    open: Lazy[Callable[[Any], AbstractAsyncContextManager[Backend]]] = field(validator=_lazy)
    """Called with the core's settings."""


@frozen(kw_only=True)
class CommandSpec:
    """A sub-command of `aitk`."""

    name: str = field(validator=_matches(_WORD))
    summary: str
    run: Lazy[Callable[[list[str]], int]] = field(validator=_lazy)
    """Called with the arguments after the name; returns the exit status."""


ReadResource: TypeAlias = Callable[
    [str, Mapping[str, str], ToolContext], Awaitable[ResourceContent]
]


def _distinct_parts(_instance: Any, _attribute: Attribute[str], value: str) -> None:
    parts = re.findall(r"\{(\w+)\}", value)
    if len(parts) != len(set(parts)):
        raise InvalidSpecError(f"uri {value!r} names a part twice", field="uri")


@frozen(kw_only=True)
class ResourceSpec:
    """Data a client can read by URI."""

    uri: str = field(validator=[_at_most(500), _distinct_parts])
    """A URI, or a template with `{name}` parts, each of which matches one path segment."""
    name: str
    title: str = ""
    description: str
    mime_type: str = "text/plain"
    read: Lazy[ReadResource] = field(validator=_lazy)
    complete: Lazy[Callable[[str, str, ToolContext], Awaitable[list[str]]]] | None = None
    """Called with the part's name and what was typed so far."""

    @property
    def is_template(self) -> bool:
        """Tell whether the URI has parts to fill in."""
        return "{" in self.uri


WebHandler: TypeAlias = Callable[[Any, ToolContext], Awaitable[Any]]
"""Takes a Starlette request and returns a Starlette response."""
_ROUTE: Final = re.compile(r"/[a-z0-9][a-zA-Z0-9_.:{}/-]{0,199}")
_CORE_ROUTES: Final = frozenset(
    {"health", "mcp", "metrics", "openapi.json", "ready", "session", "tools"}
)


def _free_path(_instance: Any, _attribute: Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not _ROUTE.fullmatch(value):
        raise InvalidSpecError(f"path {value!r} is no path such as /acme/{{name}}", field="path")
    if value.split("/")[1] in _CORE_ROUTES:
        raise InvalidSpecError(f"path {value!r} belongs to the core", field="path")


@frozen(kw_only=True)
class WebRouteSpec:
    """A path of the HTTP frontend; GET answers HEAD as well.

    Host, Origin, token and rate are checked before the handler runs; an `AitkError` that it
    raises is answered as every frontend answers it.
    """

    path: str = field(validator=_free_path)
    """With parts to fill in as Starlette writes them: `/acme/{name}`, `/acme/{rest:path}`."""
    handler: Lazy[WebHandler] = field(validator=_lazy)
    method: Literal["GET", "POST"] = "GET"
    needs_token: bool = True
    """Off for what everybody may see even where a token is set, such as a style sheet."""
    login: str = ""
    """Page that a browser without the token is sent to; it posts the token to `/session`."""
    summary: str = ""
    """One line for the OpenAPI document."""
    responses: Mapping[int, str] = field(factory=dict, hash=False)
    """What each status of an answer means, for the same; refusals need not be named."""


@frozen(kw_only=True)
class PromptArgument:
    """One argument of a prompt."""

    name: str = field(validator=_matches(_IDENTIFIER))
    description: str = ""
    required: bool = False


@frozen(kw_only=True)
class PromptSpec:
    """A workflow a person can start from the client's menu."""

    name: str = field(validator=_matches(_WORD))
    title: str = ""
    description: str
    arguments: tuple[PromptArgument, ...] = ()
    render: Lazy[
        Callable[[Mapping[str, str], ToolContext], Awaitable[tuple[PromptMessage, ...]]]
    ] = field(validator=_lazy)
    complete: Lazy[Callable[[str, str, ToolContext], Awaitable[list[str]]]] | None = None


@frozen(kw_only=True)
class SettingsSpec:
    """A plugin's own settings: an attrs class made with `aitk_core.settings.setting`."""

    section: str = field(validator=_matches(_WORD))
    """The table in the TOML file; environment names are given field by field."""
    record: type = field()

    @record.validator
    def _is_attrs(self, _attribute: Attribute[type], value: object) -> None:
        if not (isinstance(value, type) and has(value)):
            raise InvalidSpecError(f"record {value!r} is not an attrs class", field="record")
