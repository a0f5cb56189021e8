"""The hooks a plugin may implement. This page is the plugin interface.

A plugin is a module (or any object) named in the entry-point group `aitk.plugins`, with
functions marked `@hookimpl`. Hooks take no argument, run once while the registry is built,
and only declare: no I/O, no heavy import. Each returns an iterable; a generator will do.
What a plugin declares names its code as `Lazy("module:attribute")`, imported at first use.

The distribution states the interface it was written for by its requirement on the core,
`aitk-core>=1,<2`; the registry checks that, and refuses a plugin that does not state it.

    [project.entry-points."aitk.plugins"]
    acme = "acme_probe.plugin"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable

    from aitk_core.specs import (
        AnalyzerSpec,
        BackendSpec,
        BandPolicySpec,
        CommandSpec,
        FailureCatalogueSpec,
        PromptSpec,
        ResourceSpec,
        ServiceSpec,
        SettingsSpec,
        SinkSpec,
        ToolSpec,
        WebRouteSpec,
    )

PROJECT: Final = "aitk"
GROUP: Final = "aitk.plugins"

hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)


@hookspec
def aitk_tools() -> Iterable[ToolSpec]:
    """Declare tools.

    yield ToolSpec(name="acme-probe", description="Counts what acme sees.",
                   arguments=Probe, contract="acme-probe.v1",
                   handler=Lazy("acme_probe.tools:probe"))

    async def probe(arguments: Probe, context: ToolContext) -> ToolResult: ...
    """


@hookspec
def aitk_analyzers() -> Iterable[AnalyzerSpec]:
    """Declare analyzers: pure functions from evidence to findings.

    yield AnalyzerSpec(name="acme-restarts", subject="run",
                       analyze=Lazy("acme_probe.restarts:analyze"),
                       proofs=Lazy("acme_probe.restarts_proofs:cases"))

    def analyze(evidence: RunEvidence) -> Analysis | Iterable[Finding]: ...
    def cases() -> Iterable[ProofCase]: ...  # what `aitk doctor --prove` shows it
    """


@hookspec
def aitk_failure_catalogues() -> Iterable[FailureCatalogueSpec]:
    """Declare catalogues of failures that a run's log or row may show.

    yield FailureCatalogueSpec(name="acme", document=files("acme_probe") / "failures.json")

    {"version": 1, "signatures": [{"code": "ACME_DOWN", "category": "network",
      "severity": "critical", "confidence": 0.9, "patterns": ["^acme: no route to the vault"],
      "cause": "...", "remedies": [...], "sources": [...], "examples": [...]}]}
    """


@hookspec
def aitk_sinks() -> Iterable[SinkSpec]:
    """Declare kinds of alert destination.

    yield SinkSpec(kind="acme-pager", open=Lazy("acme_probe.pager:open_pager"))

    @asynccontextmanager
    async def open_pager(destination: str, context: ToolContext) -> AsyncIterator[Sink]: ...
    """


@hookspec
def aitk_services() -> Iterable[ServiceSpec]:
    """Declare work that goes on as long as a server runs.

    yield ServiceSpec(name="acme-poll", run=Lazy("acme_probe.poll:poll"))

    async def poll(service: ServiceContext) -> None:
        while True:
            service.beat()
            ...
    """


@hookspec
def aitk_band_policies() -> Iterable[BandPolicySpec]:
    """Declare ways to name the size of a score difference.

    yield BandPolicySpec(id="acme_bands_v1", policy=Lazy("acme_probe.bands:AcmeBands"))

    class AcmeBands:
        def band(self, delta, *, standard_error, n): ...
        def source(self): return {"id": "acme_bands_v1", "units": ..., "thresholds": ...}
    """


@hookspec
def aitk_schemas() -> Iterable[Traversable]:
    """Name folders that hold `<contract>.v<major>.schema.json` files.

    yield files("acme_probe") / "schemas"
    """


@hookspec
def aitk_resources() -> Iterable[ResourceSpec]:
    """Declare data that a client reads by URI.

    yield ResourceSpec(uri="acme://runs/{job_id}/curve", name="acme_curve",
                       description="Loss as CSV.", mime_type="text/csv",
                       read=Lazy("acme_probe.resources:read_curve"))
    """


@hookspec
def aitk_web_routes() -> Iterable[WebRouteSpec]:
    """Declare paths of the HTTP frontend, such as pages and downloads.

    yield WebRouteSpec(path="/acme/{name}", handler=Lazy("acme_probe.pages:show"))

    async def show(request: Request, context: ToolContext) -> Response: ...  # of Starlette
    """


@hookspec
def aitk_prompts() -> Iterable[PromptSpec]:
    """Declare workflows that a person starts from the client's menu.

    yield PromptSpec(name="acme-diagnose", description="Find out why a run is bad.",
                     arguments=(PromptArgument(name="job_id", required=True),),
                     render=Lazy("acme_probe.prompts:diagnose"))
    """


@hookspec
def aitk_settings() -> Iterable[SettingsSpec]:
    """Declare the plugin's own settings and secrets.

    yield SettingsSpec(section="acme", record=AcmeSettings)

    @frozen(kw_only=True)
    class AcmeSettings:
        token: str | None = setting(None, env="ACME_TOKEN", secret=True, description="...")
    """


@hookspec
def aitk_backends() -> Iterable[BackendSpec]:
    """Declare training services that can be asked for by name: `aitk serve --<kind>`.

    yield BackendSpec(kind="acme-cloud", summary="Jobs at acme.",
                      open=Lazy("acme_probe.cloud:open_backend"))
    """


@hookspec
def aitk_commands() -> Iterable[CommandSpec]:
    """Declare sub-commands of `aitk`.

    yield CommandSpec(name="acme-check", summary="Check the acme account.",
                      run=Lazy("acme_probe.cli:check"))
    """
