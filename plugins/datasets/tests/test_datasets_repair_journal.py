"""What journals tell, whole, torn, of another version, or from somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aitk_core.errors import (
    ConflictError,
    FileMissingError,
    InvalidArgumentsError,
    NotFoundError,
)
from aitk_datasets.repair.history import operations
from aitk_datasets.repair.journal import parse
from aitk_datasets.repair.plan import remove_image
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.recovery import recover
from aitk_datasets.repair.undo import undo
from support.repairs import (
    NOW,
    applied,
    contents_of,
    digest,
    everything,
    picture,
    state_of,
    undone,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "set"


def test_operations_tell_counts_bytes_and_times(root: Path) -> None:
    plan = plan_repair(root, everything(root))
    outcome = applied(root, plan)
    (told,) = operations(root)
    assert told == outcome.operation
    assert (told.state, told.plan_hash, told.created_at) == ("applied", plan.hash, NOW)
    assert (told.quarantined_files, told.quarantined_bytes) == (11, plan.quarantined_bytes)
    for row in told.rows:
        if row.kind != "create_caption":
            assert (root / row.quarantine).exists()


def test_a_torn_line_at_the_end_of_a_journal_is_dropped(root: Path) -> None:
    plan = plan_repair(root, everything(root))
    before = state_of(root)
    outcome = applied(root, plan)
    journal = root / ".aitk" / "journal" / f"{outcome.operation.id}.jsonl"
    whole = journal.read_bytes()
    # The last line says `applied`; without it the operation is half done.
    for cut in (len(whole) - 1, len(whole) - 20):
        journal.write_bytes(whole[:cut])
        assert operations(root)[0].state == "applying"
    undone(root, outcome)
    assert state_of(root) == before
    assert operations(root)[0].state == "undone"
    record = parse(outcome.operation.id, journal.read_bytes())
    assert record is not None
    assert record.length == journal.stat().st_size


@pytest.mark.parametrize("damage", [b'"version":1', b'"kind":"move"'])
def test_a_journal_of_another_version_is_told(root: Path, damage: bytes) -> None:
    outcome = applied(root, plan_repair(root, everything(root)))
    journal = root / ".aitk" / "journal" / f"{outcome.operation.id}.jsonl"
    _, _, body = journal.read_bytes().partition(b"\n")[0].partition(b" ")
    body = body.replace(damage, damage.replace(b"1", b"9").replace(b"move", b"melt"))
    journal.write_bytes(digest(body)[:16].encode() + b" " + body + b"\n")
    with pytest.raises(ConflictError) as caught:
        operations(root)
    assert outcome.operation.id in str(caught.value)


def test_a_journal_from_outside_leads_nowhere_out(root: Path, tmp_path: Path) -> None:
    """A dataset may come from anybody, its journal with it."""
    write(tmp_path, {"secret.png": picture(1)})
    write(root, {"a.png": picture(1)})
    outcome = applied(root, plan_repair(root, [remove_image("a.png", reason="x")]))
    journal = root / ".aitk" / "journal" / f"{outcome.operation.id}.jsonl"
    lines = journal.read_bytes().splitlines()
    for path in (b"../secret.png", b"/secret.png", b"sub/../../secret.png"):
        body = lines[0].partition(b" ")[2].replace(b"a.png", path)
        journal.write_bytes(digest(body)[:16].encode() + b" " + body + b"\n")
        with pytest.raises(InvalidArgumentsError):
            undone(root, outcome)
    assert contents_of(tmp_path) == {"secret.png": picture(1)}


def test_unknown_operations_and_folders_are_told(root: Path) -> None:
    with pytest.raises(FileMissingError):
        operations(root)
    root.mkdir()
    assert operations(root) == ()
    assert recover(root, prefer="undo", now=NOW) == ()
    for operation in ("000001-20260101T000000-00000000", "../../etc/passwd"):
        with pytest.raises(NotFoundError):
            undo(root, operation, now=NOW)
