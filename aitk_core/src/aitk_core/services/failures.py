"""Loads the installed catalogues of failures, each isolated from the others.

A catalogue that cannot be read or does not fit its schema is left out whole; a signature whose
expression is refused, or whose code another catalogue has, is left out alone. Each is named with
its plugin and distribution, here and in the log.
"""

from __future__ import annotations

import asyncio
import json
import logging
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from aitk_core.contracts import compile_schema, list_faults
from aitk_core.errors import InvalidSpecError
from aitk_core.evidence.failures import FailureCatalogue, read_catalogue
from aitk_core.registry import PluginProblem
from aitk_core.specs import Lazy

if TYPE_CHECKING:
    from aitk_core.registry import Owned, PluginInfo, Registry
    from aitk_core.services.executor import WorkerPool
    from aitk_core.specs import FailureCatalogueSpec

logger = logging.getLogger(__name__)

STAGE: Final = "aitk_failure_catalogues"
SCHEMA: Final = "failure-catalogue.v1"
MAX_BYTES: Final = 2_000_000
"""Of one document; our own bound, 20 times the first catalogue's."""
_FAULTS_SHOWN: Final = 3
_REASON_CHARS: Final = 600


class FailureLibrary:
    """All installed catalogues as one, read at the first call and kept."""

    def __init__(self, registry: Registry, *, pool: WorkerPool, timeout_s: float) -> None:
        """Take the declarations; nothing is read yet.

        Args:
            registry: What is installed.
            pool: Where documents are read, away from the event loop.
            timeout_s: For each of them.
        """
        self._declared = declared_catalogues(registry)
        self._pool = pool
        self._timeout_s = timeout_s
        self._loading: asyncio.Task[FailureCatalogue] | None = None
        self._problems: tuple[PluginProblem, ...] = ()

    @property
    def problems(self) -> tuple[PluginProblem, ...]:
        """What was left out and why, as far as the catalogues have been read."""
        return self._problems

    async def catalogue(self) -> FailureCatalogue:
        """Return the whole; what cannot be used is left out of it and under `problems`."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        # Who asked first may go away; the others, and the next, need it all the same.
        return await asyncio.shield(self._loading)

    def close(self) -> None:
        """End the reading that may be under way."""
        if self._loading is not None:
            self._loading.cancel()

    async def _load(self) -> FailureCatalogue:
        whole = FailureCatalogue()
        owners: dict[str, PluginInfo] = {}
        for owned in self._declared:
            name, plugin = owned.spec.name, owned.plugin
            part, faults = await self._part(owned)
            whole, taken = whole.merge(part)
            owners[name] = plugin
            reasons = [f"catalogue {name!r}: {fault}" for fault in faults]
            for code, holder in taken.items():
                keeper = owners[holder]
                reasons.append(
                    f"catalogue {name!r}: code {code!r} is already taken by catalogue {holder!r} "
                    f"of {keeper.name} ({keeper.distribution})"
                )
            self._problems += tuple(_problem(plugin, reason) for reason in reasons)
        return whole

    async def _part(
        self, owned: Owned[FailureCatalogueSpec]
    ) -> tuple[FailureCatalogue, tuple[str, ...]]:
        scope = asyncio.timeout(self._timeout_s)
        try:
            async with scope:
                return await self._pool.run(load_catalogue, owned.spec)
        except InvalidSpecError as error:
            reason = str(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code may fail in any way
            reason = f"{type(error).__name__}: {error}"
            if scope.expired():
                reason = f"took longer than {self._timeout_s:g} s to read"
        return FailureCatalogue(), (reason,)


def declared_catalogues(registry: Registry) -> list[Owned[FailureCatalogueSpec]]:
    """Return the catalogues in the order in which they are merged."""
    # As everywhere, the first plugin by name keeps what two declare.
    return sorted(registry.failure_catalogues.values(), key=lambda o: (o.plugin.name, o.spec.name))


def _problem(plugin: PluginInfo, reason: str) -> PluginProblem:
    reason = reason if len(reason) <= _REASON_CHARS else f"{reason[:_REASON_CHARS]}..."
    logger.warning("plugin %s (%s): %s: %s", plugin.name, plugin.distribution, STAGE, reason)
    return PluginProblem(
        plugin=plugin.name, distribution=plugin.distribution, stage=STAGE, reason=reason
    )


def load_catalogue(spec: FailureCatalogueSpec) -> tuple[FailureCatalogue, tuple[str, ...]]:
    """Read, check and compile one catalogue; blocking.

    Returns:
        The catalogue, and why signatures were left out of it.

    Raises:
        InvalidSpecError: The document is too large, no JSON, or does not fit the schema.
        Exception: Whatever a plugin's own function raises.
    """
    return read_catalogue(spec.name, read_document(spec))


def read_document(spec: FailureCatalogueSpec) -> dict[str, Any]:
    """Return a catalogue's document, checked against `failure-catalogue.v1`; blocking.

    Raises:
        InvalidSpecError: It is too large, no JSON, or does not fit.
        Exception: Whatever a plugin's own function raises.
    """
    document = _parsed(_encoded(spec))
    faults = list_faults(compile_schema(catalogue_schema()), document)
    if faults:
        shown = "; ".join(f"{f['path'] or '/'}: {f['message']}" for f in faults[:_FAULTS_SHOWN])
        more = len(faults) - _FAULTS_SHOWN
        raise InvalidSpecError(
            f"does not fit {SCHEMA}: {shown}{f' (and {more} more)' if more > 0 else ''}",
            field="document",
        )
    return document


def catalogue_schema() -> dict[str, Any]:
    """Return the schema of a catalogue's document."""
    file = files("aitk_core") / "schemas" / f"{SCHEMA}.schema.json"
    schema: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return schema


def _encoded(spec: FailureCatalogueSpec) -> bytes:
    if isinstance(spec.document, Lazy):
        try:
            text = json.dumps(spec.document.load()(), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidSpecError(f"document is not JSON: {error}", field="document") from error
        encoded = text.encode("utf-8")
    else:
        with spec.document.open("rb") as file:
            encoded = file.read(MAX_BYTES + 1)
    if len(encoded) > MAX_BYTES:
        raise InvalidSpecError(f"document has more than {MAX_BYTES} bytes", field="document")
    return encoded


def _parsed(encoded: bytes) -> dict[str, Any]:
    try:
        document = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise InvalidSpecError(f"document is not JSON: {error}", field="document") from error
    if not isinstance(document, dict):
        raise InvalidSpecError("document is not a JSON object", field="document")
    return document
