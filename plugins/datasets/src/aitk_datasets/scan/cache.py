"""What was seen of files, by their identity: a rescan reads only what changed.

The key is device, inode, size and time of change, not the path: a renamed or moved file is known,
and a changed one is not. Who restores an old time of change on purpose after an edit of the same
length is not found out; the repair tools compare bytes.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from aitk_core.evidence.dataset import ImageFile, Looks
from aitk_datasets.scan.seen import METHOD, Identity, Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aitk_core.protocols import Store

_NAMESPACE: Final = "datasets"
_MIGRATIONS: Final = (
    """
    CREATE TABLE seen (
        device INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        method INTEGER NOT NULL,
        used_at REAL NOT NULL,
        format TEXT,
        problem TEXT,
        detail TEXT NOT NULL,
        width INTEGER,
        height INTEGER,
        orientation INTEGER NOT NULL,
        mode TEXT,
        frames INTEGER NOT NULL,
        alpha TEXT NOT NULL,
        is_progressive INTEGER NOT NULL,
        looks BLOB,
        prints BLOB NOT NULL,
        thumb BLOB NOT NULL,
        sha256 TEXT,
        PRIMARY KEY (device, inode, size_bytes, mtime_ns)
    ) WITHOUT ROWID;
    CREATE TABLE search (
        key BLOB PRIMARY KEY,
        used_at REAL NOT NULL,
        found BLOB NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE compared (
        key BLOB PRIMARY KEY,
        used_at REAL NOT NULL,
        mismatch REAL NOT NULL
    ) WITHOUT ROWID;
    ALTER TABLE seen DROP COLUMN thumb;
    """,
)
_COLUMNS: Final = (
    "device, inode, size_bytes, mtime_ns, format, problem, detail, width, height, orientation, "
    "mode, frames, alpha, is_progressive, looks, prints, sha256"
)
_LOOKS: Final = struct.Struct("<11d")
_DAY_S: Final = 86_400.0
_KEEP_S: Final = 90 * _DAY_S
"""Ours: what nobody asked for in 90 days is dropped."""
_AT_ONCE: Final = 200
"""Identities in one question; SQLite takes some thousand parameters."""


class ScanCache:
    """Blocking; call it through `context.run`."""

    def __init__(self, store: Store) -> None:
        """Take the server's store."""
        self._store = store

    def known(self, wanted: Sequence[Identity], *, now: float) -> dict[Identity, Seen]:
        """Return what was seen of these files before; paths are empty.

        Raises:
            StoreError: The store cannot be used.
        """
        found: dict[Identity, Seen] = {}
        with self._store.session(_NAMESPACE, _MIGRATIONS) as database:
            for begin in range(0, len(wanted), _AT_ONCE):
                part = wanted[begin : begin + _AT_ONCE]
                marks = ", ".join(["(?, ?, ?, ?)"] * len(part))
                these = f"(device, inode, size_bytes, mtime_ns) IN (VALUES {marks})"
                keys = [value for identity in part for value in _signed(identity)]
                rows = database.execute(
                    f"SELECT {_COLUMNS} FROM seen WHERE method = ? AND {these}",  # noqa: S608
                    [METHOD, *keys],
                ).fetchall()
                for row in rows:
                    seen = _seen(row)
                    found[seen.identity] = seen
                # Once a day for each row: a rescan must not rewrite the table.
                database.execute(
                    f"UPDATE seen SET used_at = ? WHERE used_at < ? AND {these}",  # noqa: S608
                    [now, now - _DAY_S, *keys],
                )
        return found

    def keep(self, all_seen: Iterable[Seen], *, now: float) -> None:
        """Keep what was seen.

        Raises:
            StoreError: The store cannot be used.
        """
        with self._store.session(_NAMESPACE, _MIGRATIONS) as database:
            marks = ", ".join("?" * (_COLUMNS.count(",") + 3))
            database.executemany(
                f"INSERT OR REPLACE INTO seen ({_COLUMNS}, method, used_at) "  # noqa: S608
                f"VALUES ({marks})",
                [(*_row(seen), METHOD, now) for seen in all_seen],
            )

    def search(self, key: bytes, *, now: float) -> bytes | None:
        """Return the result of a search over the same pictures, as it was kept."""
        with self._store.session(_NAMESPACE, _MIGRATIONS) as database:
            row = database.execute("SELECT found FROM search WHERE key = ?", [key]).fetchone()
            if row is None:
                return None
            database.execute("UPDATE search SET used_at = ? WHERE key = ?", [now, key])
            return bytes(row[0])

    def keep_search(self, key: bytes, found: bytes, *, now: float) -> None:
        """Keep the result of a search."""
        with self._store.session(_NAMESPACE, _MIGRATIONS) as database:
            database.execute("INSERT OR REPLACE INTO search VALUES (?, ?, ?)", [key, now, found])

    def mismatches(self, keys: Sequence[bytes], *, now: float) -> dict[bytes, float]:
        """Return what comparisons of pairs gave before, by their keys.

        Raises:
            StoreError: The store cannot be used.
        """
        found: dict[bytes, float] = {}
        with self._store.session(_NAMESPACE, _MIGRATIONS) as database:
            for begin in range(0, len(keys), _AT_ONCE):
                part = keys[begin : begin + _AT_ONCE]
                these = f"key IN ({', '.join('?' * len(part))})"
                rows = database.execute(
                    f"SELECT key, mismatch FROM compared WHERE {these}",  # noqa: S608
                    part,
                ).fetchall()
                found |= {bytes(key): mismatch for key, mismatch in rows}
                database.execute(
                    f"UPDATE compared SET used_at = ? WHERE used_at < ? AND {these}",  # noqa: S608
                    [now, now - _DAY_S, *part],
                )
        return found

    def keep_mismatches(self, found: Mapping[bytes, float], *, now: float) -> None:
        """Keep what comparisons gave."""
        with self._store.session(_NAMESPACE, _MIGRATIONS) as database:
            database.executemany(
                "INSERT OR REPLACE INTO compared VALUES (?, ?, ?)",
                [(key, now, mismatch) for key, mismatch in found.items()],
            )

    def forget(self, *, now: float) -> int:
        """Drop what was not used for long; return how many files that were."""
        with self._store.session(_NAMESPACE, _MIGRATIONS) as database:
            for table in ("search", "compared"):
                database.execute(f"DELETE FROM {table} WHERE used_at < ?", [now - _KEEP_S])  # noqa: S608
            return database.execute("DELETE FROM seen WHERE used_at < ?", [now - _KEEP_S]).rowcount


def _signed(identity: Identity) -> tuple[int, int, int, int]:
    """Return the identity as SQLite's signed 64 bits; inodes may use all of them."""
    device, inode, size_bytes, mtime_ns = identity
    return _wrap(device), _wrap(inode), size_bytes, mtime_ns


def _wrap(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63


def _unwrap(number: int) -> int:
    return number % 2**64


def _row(seen: Seen) -> tuple[Any, ...]:
    file, looks = seen.file, seen.file.looks
    packed = None
    if looks is not None:
        # NaN stands for a blur that was not measured.
        reblur = float("nan") if looks.reblur is None else looks.reblur
        packed = _LOOKS.pack(
            looks.p5, looks.p95, looks.clipped, looks.spread, looks.laplacian,
            looks.tile_laplacian, reblur, *looks.borders,
        )  # fmt: skip
    return (
        *_signed(seen.identity), file.format, file.problem, file.detail, file.width, file.height,
        file.orientation, file.mode, file.frames, file.alpha, file.is_progressive, packed,
        seen.prints, file.sha256,
    )  # fmt: skip


def _seen(row: Sequence[Any]) -> Seen:
    device, inode, size_bytes, mtime_ns, *facts, packed, prints, sha256 = row
    form, problem, detail, width, height, orientation, mode, frames, alpha, progressive = facts
    looks = None
    if packed is not None:
        p5, p95, clipped, spread, laplacian, tile, reblur, *borders = _LOOKS.unpack(packed)
        left, top, right, bottom = borders
        looks = Looks(
            p5=p5, p95=p95, clipped=clipped, spread=spread, laplacian=laplacian,
            tile_laplacian=tile, reblur=None if math.isnan(reblur) else reblur,
            borders=(left, top, right, bottom),
        )  # fmt: skip
    identity = Identity(_unwrap(device), _unwrap(inode), size_bytes, mtime_ns)
    return Seen(
        identity=identity,
        file=ImageFile(
            path="", size_bytes=size_bytes, mtime_ns=mtime_ns, format=form, problem=problem,
            detail=detail, width=width, height=height, orientation=orientation, mode=mode,
            frames=frames, alpha=alpha, is_progressive=bool(progressive), looks=looks,
            sha256=sha256,
        ),
        prints=prints,
    )  # fmt: skip


def named(seen: Seen, path: str) -> ImageFile:
    """Return the facts under the name that the file has now."""
    return evolve(seen.file, path=path)
