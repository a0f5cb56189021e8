"""What was read from files of weights, kept in the store: a list reads only what changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.convert import structure, unstructure
from aitk_core.errors import InvalidArgumentsError
from aitk_core.weights.facts import VERSION, FileFacts, facts_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from aitk_core.protocols import Store, ToolContext

NAMESPACE: Final = "weights"
_MIGRATIONS: Final = (
    """
    CREATE TABLE files (
        path TEXT PRIMARY KEY,
        size_bytes INTEGER NOT NULL,
        modified_ns INTEGER NOT NULL,
        version INTEGER NOT NULL,
        facts TEXT NOT NULL,
        sha256 TEXT
    ) WITHOUT ROWID;
    """,
)
_AT_ONCE: Final = 500
"""Ours: files read between two writes."""
_ANSWER_S: Final = 3.0
"""Ours: of the call's time, kept for the answer."""


@frozen(kw_only=True)
class SeenFile:
    """A file as a walk found it."""

    path: Path
    """Absolute."""
    size_bytes: int
    modified_ns: int
    """Nanoseconds since 1970."""

    @property
    def modified(self) -> str | None:
        """Return when it was written, ISO 8601 in UTC; None where that is no time."""
        try:
            written = datetime.fromtimestamp(self.modified_ns / 1e9, UTC)
        except (OverflowError, ValueError, OSError):
            return None
        return written.strftime("%Y-%m-%dT%H:%M:%SZ")


@frozen(kw_only=True)
class Indexed:
    """What is known of a file."""

    facts: FileFacts
    sha256: str | None = None
    """None where nobody asked for it yet."""


@frozen(kw_only=True)
class Looked:
    """The files that were asked for."""

    known: Mapping[Path, Indexed]
    left: int
    """Files for which the call's time did not suffice; the next call goes on with them."""


class WeightsIndex:
    """The index of one store; several servers may share it."""

    def __init__(self, store: Store) -> None:
        """Take the store."""
        self._store = store

    def known(self, files: Iterable[SeenFile]) -> dict[Path, Indexed]:
        """Return what is known of files that did not change since; blocking."""
        wanted = {_key(each.path): each for each in files}
        found: dict[Path, Indexed] = {}
        with self._store.session(NAMESPACE, _MIGRATIONS) as database:
            rows = database.execute(
                "SELECT path, size_bytes, modified_ns, version, facts, sha256 FROM files "
                "WHERE path IN (SELECT value FROM json_each(?))",
                (json.dumps(list(wanted)),),
            )
            for path, size, modified, version, facts, sha256 in rows:
                seen = wanted[path]
                if (size, modified, version) != (seen.size_bytes, seen.modified_ns, VERSION):
                    continue
                try:
                    kept = structure(FileFacts, json.loads(facts))
                except (ValueError, InvalidArgumentsError):
                    continue  # read anew
                found[seen.path] = Indexed(facts=kept, sha256=sha256)
        return found

    def keep(self, read: Sequence[tuple[SeenFile, FileFacts]]) -> None:
        """Remember what was read; blocking."""
        with self._store.session(NAMESPACE, _MIGRATIONS) as database:
            for seen, facts in read:
                _put(database, seen, facts)

    def keep_digest(self, seen: SeenFile, sha256: str) -> None:
        """Remember the SHA-256 of a file that is in the index; blocking."""
        with self._store.session(NAMESPACE, _MIGRATIONS) as database:
            database.execute(
                "UPDATE files SET sha256 = ? WHERE path = ? AND size_bytes = ? AND modified_ns = ?",
                (sha256, _key(seen.path), seen.size_bytes, seen.modified_ns),
            )

    def forget(self, below: Path, there: Iterable[Path]) -> int:
        """Drop what is no longer there below a folder; returns how many; blocking."""
        kept = {_key(path) for path in there}
        start = _key(below) + "/"
        with self._store.session(NAMESPACE, _MIGRATIONS) as database:
            rows = database.execute(
                "SELECT path FROM files WHERE path >= ? AND path < ?", (start, _key(below) + "0")
            )
            gone = [(path,) for (path,) in rows if path not in kept]
            database.executemany("DELETE FROM files WHERE path = ?", gone)
        return len(gone)


async def look_up(context: ToolContext, files: Sequence[SeenFile]) -> Looked:
    """Return what is known of files, reading the headers of those that are new or changed.

    Headers are read on all cores; what was read is kept while it goes on, so that a call that
    runs out of time, or is killed, leaves less for the next one.
    """
    index = WeightsIndex(context.store)
    known = await context.run(index.known, files)
    missing = [seen for seen in files if seen.path not in known]
    waiting: list[tuple[SeenFile, FileFacts]] = []
    done = 0
    async with aclosing(
        context.stream(facts_of, [seen.path for seen in missing], lost=_lost)
    ) as results:
        async for facts in results:
            waiting.append((missing[done], facts))
            known[missing[done].path] = Indexed(facts=facts)
            done += 1
            if len(waiting) >= _AT_ONCE:
                await context.run(index.keep, waiting)
                waiting = []
                await context.progress(done, len(missing), "reading headers")
            left = context.remaining_s()
            if left is not None and left < _ANSWER_S:
                break
    if waiting:
        await context.run(index.keep, waiting)
    return Looked(known=known, left=len(missing) - done)


def _key(path: Path) -> str:
    # Names that are no UTF-8 cannot be kept as they are.
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _lost(_path: Path) -> FileFacts:
    return FileFacts(error="reading its header ended the process that read it")


def _put(database: sqlite3.Connection, seen: SeenFile, facts: FileFacts) -> None:
    text = json.dumps(unstructure(facts))
    database.execute(
        "INSERT OR REPLACE INTO files (path, size_bytes, modified_ns, version, facts) "
        "VALUES (?, ?, ?, ?, ?)",
        (_key(seen.path), seen.size_bytes, seen.modified_ns, VERSION, text),
    )
