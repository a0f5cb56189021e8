"""Embedded state in SQLite: a database for each namespace, with migrations.

A namespace is a plugin's own; it lies in a file of its own, so that what is only a cache can be
deleted by hand while journals stay.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from aitk_core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_NAMESPACE: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
_BUSY_S: Final = 10.0
"""How long a writer waits for another server on this host."""


class Store:
    """Opens databases below one folder; blocking, so through `context.run` only."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made at the first use."""
        self._folder = folder

    @contextmanager
    def session(self, namespace: str, migrations: Sequence[str]) -> Iterator[sqlite3.Connection]:
        """Open a namespace's database, brought to its newest form, for one piece of work.

        What the block does is one transaction: committed at its end, undone where it raises. One
        session at a time; so keep it short.

        Args:
            namespace: Lower-case words joined by `_`.
            migrations: SQL scripts, oldest first; those that this database has had are left out.

        Raises:
            ValueError: The namespace is no such word.
            StoreError: The folder or file cannot be used, or a newer version wrote it.
        """
        if not _NAMESPACE.fullmatch(namespace):
            raise ValueError(f"namespace {namespace!r} must be lower-case words joined by _")
        path = self._folder / f"{namespace}.sqlite3"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            opened = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(namespace, error) from error
        with closing(opened) as database:
            try:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = NORMAL")
                _migrate(database, namespace, migrations)
                # At once for writing: a transaction that reads first may not be let write later.
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise _unusable(namespace, error) from error
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            try:
                database.execute("COMMIT")
            except sqlite3.Error as error:
                raise _unusable(namespace, error) from error


def _migrate(database: sqlite3.Connection, namespace: str, migrations: Sequence[str]) -> None:
    if _version(database) == len(migrations):
        return
    # Alone from here on, and asked again: another server may have done it meanwhile.
    database.execute("BEGIN IMMEDIATE")
    try:
        version = _version(database)
        _refuse_newer(namespace, version, len(migrations))
        for script in migrations[version:]:
            for statement in _statements(script):
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {len(migrations)}")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _refuse_newer(namespace: str, version: int, known: int) -> None:
    if version > known:
        raise StoreError(
            f"the store {namespace!r} was written by a newer version ({version}) than this one "
            f"({known})",
            remedy="update AI ToolKit MCP, or give it another AITK_HOME",
        )


def _version(database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)


def _statements(script: str) -> Iterator[str]:
    """Yield a script's statements; `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def _unusable(namespace: str, error: Exception) -> StoreError:
    return StoreError(
        f"the store {namespace!r} cannot be used: {error}",
        remedy="check that AITK_HOME can be written and that the disk has room",
    )
