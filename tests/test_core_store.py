"""The server's own state: namespaces, migrations, transactions, and what cannot be used."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from aitk_core.errors import StoreError
from aitk_core.services.store import Store

if TYPE_CHECKING:
    from pathlib import Path

FIRST = "CREATE TABLE note (text TEXT NOT NULL);"
SECOND = "ALTER TABLE note ADD COLUMN at REAL;\nCREATE INDEX by_at ON note (at);"


def test_what_is_written_is_there_in_the_next_session(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    with store.session("notes", [FIRST]) as database:
        database.execute("INSERT INTO note VALUES ('a')")
    with Store(tmp_path / "state").session("notes", [FIRST]) as database:
        assert database.execute("SELECT text FROM note").fetchall() == [("a",)]


def test_a_session_that_raises_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fails_half_way() -> None:
        with store.session("notes", [FIRST]) as database:
            database.execute("INSERT INTO note VALUES ('a')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails_half_way()
    with store.session("notes", [FIRST]) as database:
        assert database.execute("SELECT count(*) FROM note").fetchone() == (0,)


def test_a_newer_form_keeps_what_is_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.session("notes", [FIRST]) as database:
        database.execute("INSERT INTO note VALUES ('a')")
    with store.session("notes", [FIRST, SECOND]) as database:
        assert database.execute("SELECT text, at FROM note").fetchall() == [("a", None)]


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.session("notes", [FIRST]):
        pass
    broken = "CREATE TABLE other (x);\nCREATE TABLE note (x);"
    with pytest.raises(StoreError, match="notes"), store.session("notes", [FIRST, broken]):
        pass
    with store.session("notes", [FIRST]) as database:
        names = database.execute("SELECT name FROM sqlite_master").fetchall()
    assert names == [("note",)]


def test_a_store_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.session("notes", [FIRST, SECOND]):
        pass
    with pytest.raises(StoreError, match="newer version"), store.session("notes", [FIRST]):
        pass


def test_namespaces_do_not_see_each_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in ("one", "two"):
        with store.session(name, [FIRST]) as database:
            database.execute("INSERT INTO note VALUES (?)", (name,))
    with store.session("one", [FIRST]) as database:
        assert database.execute("SELECT text FROM note").fetchall() == [("one",)]


@pytest.mark.parametrize("name", ["", "../x", "A", "a b", "x" * 60])
def test_a_namespace_is_a_plain_word(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="namespace"), Store(tmp_path).session(name, [FIRST]):
        pass


def test_a_folder_that_is_none_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with (
        pytest.raises(StoreError, match="cannot be used"),
        Store(tmp_path / "state").session("notes", [FIRST]),
    ):
        pass


def test_a_file_that_is_no_database_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "notes.sqlite3").write_bytes(b"no database at all, but text" * 100)
    with pytest.raises(StoreError, match="cannot be used"), Store(tmp_path).session("notes", []):
        pass


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def write(number: int) -> None:
        with Store(tmp_path).session("notes", [FIRST]) as database:
            database.execute("INSERT INTO note VALUES (?)", (str(number),))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(40)))
    with Store(tmp_path).session("notes", [FIRST]) as database:
        assert database.execute("SELECT count(DISTINCT text) FROM note").fetchone() == (40,)
        assert isinstance(database, sqlite3.Connection)
