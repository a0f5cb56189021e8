"""Before anything changes its name: room, permissions, and every new file written and checked."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aitk_core.errors import AitkError, ConflictError
from aitk_datasets.digests import sha256_of_bytes
from aitk_datasets.repair.captions import to_utf8
from aitk_datasets.repair.faults import typed_errors
from aitk_datasets.repair.history import quarantine_of
from aitk_datasets.repair.journal import JOURNALS, QUARANTINE, operation_ids
from aitk_datasets.repair.system import Entry, probe_abilities, remove_if_there
from aitk_datasets.repair.tree import OWN, describe, split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aitk_datasets.repair.journal import Journal, Record
    from aitk_datasets.repair.plan import Action, Plan
    from aitk_datasets.repair.system import Abilities
    from aitk_datasets.repair.tree import Identity, Tree

MARGIN: Final = 16 << 20
"""Bytes that stay free besides what is written (datasets.md C2)."""

_PROBE = ".aitk-probe"
_SECOND = 1_000_000_000


def new_id(tree: Tree, now: float) -> str:
    """Return an id for an operation, after all ids of the dataset; the lock is held."""
    last = max((int(one[:6]) for one in operation_ids(tree)), default=0)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    return f"{last + 1:06}-{stamp}-{secrets.token_hex(4)}"


def make_own_folders(tree: Tree) -> None:
    """Make our folder in the dataset.

    Raises:
        NotPermittedError: The dataset cannot be written.
        ConflictError: The disk is full, or our folder's name is a link.
    """
    with typed_errors(tree):
        tree.sync([*tree.make_folders(JOURNALS), *tree.make_folders(QUARANTINE)])


def check_space(tree: Tree, plan: Plan) -> None:
    """See that the disk has room for the new files.

    Raises:
        ConflictError: It has not.
    """
    for store in sorted({"", *(action.store for action in plan.actions)}):
        facts = os.fstatvfs(tree.folder(store))
        free, needed = facts.f_bavail * facts.f_frsize, plan.space_needed(store) + MARGIN
        if free < needed:
            raise ConflictError(
                f"{store or tree.path.name!r} needs {needed} bytes, {free} are free;"
                " nothing was changed",
                remedy="make room on the disk of the dataset, then try again",
                needed_bytes=needed,
                free_bytes=free,
            )


def prepare_stores(tree: Tree, record: Record) -> Mapping[str, Abilities]:
    """Make the quarantine folders of an operation, and see what each file system can do."""
    abilities = {}
    changed: set[str] = set()
    for store in sorted({"", *(action.store for action in record.plan.actions)}):
        folder = "/".join(part for part in (store, QUARANTINE, record.id) if part)
        changed.update(tree.make_folders(folder))
        abilities[store] = probe_abilities(tree.system, tree.folder(folder), "probe")
    places = {
        quarantine_of(record, row, part, path)
        for row, action in enumerate(record.plan.actions)
        for part, path in _places(action)
    }
    for folder in sorted({split(place)[0] for place in places}):
        changed.update(tree.make_folders(folder))
    tree.sync(changed)
    return abilities


def _places(action: Action) -> list[tuple[str, str]]:
    """Return what the quarantine may hold of an action."""
    old = [("old", action.path)] if action.identity is not None else []
    return old + ([("new", action.target)] if action.target is not None else [])


def probe_folders(tree: Tree, record: Record, abilities: Mapping[str, Abilities]) -> None:
    """See that each folder concerned can be written, and moved out of.

    Raises:
        OSError: One cannot, or lies in another mount than its quarantine.
    """
    folders = {split(action.path)[0]: action.store for action in record.plan.actions}
    for folder, store in sorted(folders.items()):
        quarantine = "/".join(part for part in (store, QUARANTINE, record.id) if part)
        try:
            _probe(tree, folder, quarantine, abilities[store])
        except OSError as error:
            # The folder is what is to be mended, not the file that we tried it with.
            raise OSError(error.errno, error.strerror, folder or tree.path.name) from error


def _probe(tree: Tree, folder: str, quarantine: str, abilities: Abilities) -> None:
    here = Entry(tree.folder(folder), _PROBE)
    there = Entry(tree.folder(quarantine), "probe-1")
    for entry in (here, there):
        remove_if_there(tree.system, entry)
    descriptor = tree.system.create(here)
    try:
        tree.system.write(descriptor, b"probe", _PROBE)
        tree.system.sync(descriptor, _PROBE)
        tree.system.move(here, there, abilities.method)
    finally:
        os.close(descriptor)
        for entry in (here, there):
            # The first error is the one to tell.
            with suppress(OSError):
                remove_if_there(tree.system, entry)


def stage(tree: Tree, journal: Journal, check: Callable[[], None]) -> None:
    """Write every new file into the quarantine, durably, and note their identities.

    A file that cannot be made is noted as failed; its action is left out.

    Raises:
        OSError: The system refused; nothing has changed its name.
    """
    record = journal.record
    new: dict[int, Identity] = {}
    unchanged, failed = [], {}
    folders: set[str] = set()
    for row, action in enumerate(record.plan.actions):
        if action.target is None:
            continue
        check()
        path = quarantine_of(record, row, "new", action.target)
        folders.add(split(path)[0])
        try:
            data, before = _content(tree, action)
        except AitkError as error:
            failed[row] = str(error)
            continue
        if data is None:
            unchanged.append(row)
            continue
        new[row] = _write(tree, path, data, before)
    tree.sync(folders)
    journal.rows(unchanged, "unchanged", "the new file would equal the old one")
    for row, detail in failed.items():
        journal.rows([row], "failed", detail)
    journal.staged(new)


def _content(tree: Tree, action: Action) -> tuple[bytes | None, os.stat_result | None]:
    """Return the new file's bytes, None where nothing changes, and the facts of the old one.

    Raises:
        ConflictError: The old file is not as planned, or nothing can be made of it.
    """
    if action.is_generated:
        return (action.text or "").encode("utf-8"), None
    if action.identity is None:
        raise ValueError(f"{action.kind} without a file")
    if action.kind == "refuse_caption":
        return b"", None
    data, found = tree.read(action.path)
    if sha256_of_bytes(data) != action.identity.sha256:
        raise ConflictError(f"{action.path!r} is not as planned", remedy="plan again")
    if action.encoding is not None:
        return to_utf8(data, action.encoding), found
    from aitk_datasets.repair.rewrite import rewrite_picture

    if action.rewrite is None:
        raise ValueError(f"{action.kind} without a transformation")
    result = rewrite_picture(data, action.rewrite)
    return (result.data if result.is_changed else None), found


def _write(tree: Tree, path: str, data: bytes, before: os.stat_result | None) -> Identity:
    entry = tree.entry(path)
    # Of a run that was killed while it wrote: ours, and nothing has been moved by then.
    remove_if_there(tree.system, entry)
    descriptor = tree.system.create(entry)
    try:
        tree.system.write(descriptor, data, entry.name)
        if before is not None:
            # FAT has neither mode nor owner, and only root gives a file to somebody else.
            with suppress(PermissionError):
                os.fchmod(descriptor, before.st_mode & 0o777)
            with suppress(PermissionError):
                os.fchown(descriptor, before.st_uid, before.st_gid)
            differ(descriptor, before)
        tree.system.sync(descriptor, entry.name)
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return describe(found, sha256_of_bytes(data))


def differ(descriptor: int, before: os.stat_result) -> None:
    """Let size or whole second differ: the trainer else keeps the old width (datasets.md A1)."""
    now = os.fstat(descriptor)
    if (
        now.st_size == before.st_size
        and now.st_mtime_ns // _SECOND == before.st_mtime_ns // _SECOND
    ):
        later = before.st_mtime_ns + _SECOND
        os.utime(descriptor, ns=(later, later))


def sweep(tree: Tree, record: Record) -> None:
    """Remove the new files that lie unused in the quarantine, and the folders left empty.

    Only what we wrote and nobody touched: its content is in the plan, or can be made again.
    """
    folders = set()
    for row, action in enumerate(record.plan.actions):
        for part, path in _places(action):
            place = quarantine_of(record, row, part, path)
            folders.add(split(place)[0])
            found = tree.lstat(place) if part == "new" else None
            known = record.new.get(row)
            if found is not None and (known.is_exactly(found) if known else not record.is_staged):
                tree.system.unlink(tree.entry(place))
        folder = split(action.path)[0]
        if tree.lstat(f"{folder}/{_PROBE}" if folder else _PROBE) is not None:
            remove_if_there(tree.system, Entry(tree.folder(folder), _PROBE))
    stores = {action.store for action in record.plan.actions} | {""}
    for store in stores:
        top = "/".join(part for part in (store, QUARANTINE, record.id) if part)
        for name in ("probe-1", "probe-2"):
            if tree.lstat(f"{top}/{name}") is not None:
                remove_if_there(tree.system, tree.entry(f"{top}/{name}"))
        folders.add(top)
    remove_empty(tree, folders)


def remove_empty(tree: Tree, folders: set[str]) -> None:
    """Remove those of our folders that are empty, and then those above them, up to `quarantine`."""
    for folder in sorted(folders, key=lambda path: -path.count("/")):
        path = folder
        while f"/{OWN}/quarantine/" in f"/{path}":
            if tree.lstat(path) is not None:
                if tree.names(path):
                    break
                entry = tree.entry(path)
                tree.forget(path)
                tree.system.rmdir(entry)
            path = split(path)[0]
