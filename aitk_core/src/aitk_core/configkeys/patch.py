"""Changes of a config as JSON Patch (RFC 6902): made, applied, undone, and checked.

    patch = make_patch(config, {"config.process.0.train.lr": 5e-5})
    if not check_patch(config, patch):
        changed = apply_patch(config, patch)

Patches and configs may be hostile: both are bounded before they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

from attrs import frozen

from aitk_core.configkeys import problems as codes
from aitk_core.configkeys.check import whole_problems
from aitk_core.configkeys.json_values import plain_copy, require_json
from aitk_core.configkeys.paths import (
    from_pointer,
    index_of,
    join_path,
    overlap,
    same_json,
    split_path,
    to_pointer,
)
from aitk_core.configkeys.problems import listed, problem
from aitk_core.configkeys.table import key_table
from aitk_core.configkeys.values import text_problems, tree_problems
from aitk_core.errors import ConflictError, InvalidArgumentsError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.configkeys.paths import Keys
    from aitk_core.configkeys.problems import PatchProblem
    from aitk_core.configkeys.table import KeyTable

OperationName: TypeAlias = Literal["test", "add", "replace", "remove"]

MOST_OPERATIONS: Final = 1000
"""Operations of one patch; ours."""
MOST_CHANGES: Final = MOST_OPERATIONS // 2
"""Changes to make one patch of: each is a test and a replace at most, and so is its inverse."""

_NAMES: Final = frozenset(get_args(OperationName))
_MISSING: Final = object()


class _NowhereError(Exception):
    """A change leads nowhere; the text says why."""


@frozen(kw_only=True)
class Operation:
    """One step of a patch.

    Raises:
        InvalidArgumentsError: An unknown operation, a path that is no JSON Pointer, or a value
            that is no JSON.
        TooLargeError: A value that is more than a config can be.
    """

    op: OperationName
    path: str
    """JSON Pointer (RFC 6901): `/config/process/0/train/lr`."""
    value: Any = None
    """Without meaning for `remove`."""

    def __attrs_post_init__(self) -> None:
        """Refuse what is no operation."""
        if self.op not in _NAMES:
            raise InvalidArgumentsError(
                f"operation {str(self.op)[:40]!r} must be one of {', '.join(sorted(_NAMES))}"
            )
        if not isinstance(self.path, str):
            raise InvalidArgumentsError("the path of an operation must be a text")
        from_pointer(self.path)
        require_json(self.value, what="the value of an operation")

    @property
    def keys(self) -> Keys:
        """Return the keys of the path."""
        return from_pointer(self.path)

    def to_json(self) -> dict[str, Any]:
        """Return the operation as RFC 6902 writes it."""
        row: dict[str, Any] = {"op": self.op, "path": self.path}
        return row if self.op == "remove" else {**row, "value": plain_copy(self.value)}


@frozen(kw_only=True)
class ConfigPatch:
    """Steps that are taken all or none, in their order.

    Raises:
        TooLargeError: More than 1000 operations, or more values than a config can have.
    """

    operations: tuple[Operation, ...]

    def __attrs_post_init__(self) -> None:
        """Refuse what is too much."""
        _bound(len(self.operations))
        require_json([each.value for each in self.operations], what="the patch")

    def to_json(self) -> list[dict[str, Any]]:
        """Return the patch as RFC 6902 writes it."""
        return [operation.to_json() for operation in self.operations]

    @classmethod
    def from_json(cls, rows: Any) -> ConfigPatch:
        """Return the patch that a JSON value is; members that RFC 6902 does not know are ignored.

        Raises:
            InvalidArgumentsError: It is none, or has an operation other than test, add, replace
                and remove.
            TooLargeError: More than 1000 operations, or more values than a config can have.
        """
        if not isinstance(rows, list):
            raise InvalidArgumentsError("a patch must be a list of operations")
        _bound(len(rows))
        return cls(operations=tuple(_operation(index, row) for index, row in enumerate(rows)))


def make_patch(config: Mapping[str, Any], changes: Mapping[str, Any]) -> ConfigPatch:
    """Return the patch that sets values of a config.

    A value that is there is guarded by a `test` of what it is now. JSON Patch cannot test that
    a key is absent, so an `add` has no guard. A parent that is absent or null becomes an object.
    A value that is there already needs no operation. Lists do not grow: give the whole list.

    Args:
        config: The whole job config.
        changes: Dotted path from the top, such as `config.process.0.train.lr`, to new value.

    Raises:
        InvalidArgumentsError: With all paths that lead nowhere, or overlap; or the config or a
            value is no JSON.
        TooLargeError: More than 500 changes, or more than a config can be.
    """
    if len(changes) > MOST_CHANGES:
        raise TooLargeError(
            f"{len(changes)} changes are more than {MOST_CHANGES}", limit=MOST_CHANGES
        )
    require_json(config, what="the config")
    require_json(list(changes.values()), what="the list of values")
    document = plain_copy(config)
    operations: list[Operation] = []
    faults: list[dict[str, str]] = []
    taken: list[Keys] = []
    for path, value in changes.items():
        try:
            keys = _own_place(path, taken)
            taken.append(keys)
            steps = _steps(document, keys, plain_copy(value))
        except (_NowhereError, InvalidArgumentsError) as error:
            shown = join_path([path])
            faults.append(
                {"path": to_pointer(["changes", shown]), "message": f"{shown!r}: {error}"}
            )
            continue
        for step in steps:
            document = _applied(document, step, len(operations))
            operations.append(step)
    if faults:
        raise InvalidArgumentsError(
            f"change {faults[0]['message']}",
            remedy="give paths such as config.process.0.train.lr that lead into the config",
            faults=faults,
        )
    return ConfigPatch(operations=tuple(operations))


def apply_patch(config: Mapping[str, Any], patch: ConfigPatch) -> dict[str, Any]:
    """Return a changed copy of a config, in dicts and lists.

    Args:
        config: The whole job config; it is not touched, and the copy shares nothing with it.
        patch: Applied as a whole or not at all.

    Raises:
        ConflictError: An operation does not fit the config. Details: `path` (dotted), `pointer`,
            `operation` (its index), `reason` (a code of `problems`).
        InvalidArgumentsError: The config is no JSON, or the result is no object.
        TooLargeError: More than a config can be.
    """
    require_json(config, what="the config")
    document = plain_copy(config)
    for index, operation in enumerate(patch.operations):
        document = _applied(document, operation, index)
    require_json(document, what="the changed config")
    if not isinstance(document, dict):
        raise InvalidArgumentsError("the patch leaves no object")
    return document


def invert_patch(config: Mapping[str, Any], patch: ConfigPatch) -> ConfigPatch:
    """Return the patch that takes a patch back, guarded by tests of what it has set.

    Args:
        config: The config as it is before the patch.
        patch: The patch to take back.

    Raises:
        ConflictError: The patch does not fit the config; see `apply_patch`.
        InvalidArgumentsError: The config is no JSON.
        TooLargeError: More than a config can be, or an inverse of more than 1000 operations.
    """
    require_json(config, what="the config")
    document = plain_copy(config)
    undo: list[Operation] = []
    for index, operation in enumerate(patch.operations):
        keys = _counted(document, operation.keys)
        inserts = operation.op == "add" and isinstance(_at(document, keys[:-1]), list)
        # A test takes nothing away, and neither does what is put between the items of a list.
        keeps = operation.op == "test" or (inserts and bool(keys))
        before = _MISSING if keeps else plain_copy(_at(document, keys))
        document = _applied(document, operation, index)
        undo[:0] = _undoing(operation, keys, before)
    return ConfigPatch(operations=tuple(undo))


def check_patch(config: Mapping[str, Any], patch: ConfigPatch) -> tuple[PatchProblem, ...]:
    """Return what is wrong with a patch and with the config that it makes, at most 200 problems.

    Each value is judged by the key table, each operation by the config, and, where all fit, the
    changed config by the rules about several keys, whoever broke them. `check_config` judges the
    values that the patch leaves alone, too. The search ends with the first operation that does
    not fit.

    Raises:
        InvalidArgumentsError: The config is no JSON.
        TooLargeError: More than a config can be.
    """
    require_json(config, what="the config")
    return listed(_patch_problems(key_table(), plain_copy(config), patch))


def _patch_problems(table: KeyTable, document: Any, patch: ConfigPatch) -> Iterator[PatchProblem]:
    for index, operation in enumerate(patch.operations):
        keys = operation.keys
        if operation.op in ("add", "replace"):
            named = {keys[-1]: operation.value} if keys else operation.value
            yield from text_problems(keys[:-1], named)
            yield from tree_problems(table, keys, plain_copy(operation.value))
        try:
            document = _applied(document, operation, index)
        except ConflictError as error:
            near = " or ".join(map(repr, table.nearest_keys(keys)))
            yield problem(
                error.details["reason"],
                keys,
                str(error),
                remedy=f"did you mean {near}?" if near else error.remedy,
                value=operation.to_json().get("value"),
            )
            return
    require_json(document, what="the changed config")
    yield from whole_problems(table, document)


def _bound(count: int) -> None:
    if count > MOST_OPERATIONS:
        raise TooLargeError(
            f"a patch may have {MOST_OPERATIONS} operations, not {count}", limit=MOST_OPERATIONS
        )


def _operation(index: int, row: Any) -> Operation:
    if not isinstance(row, Mapping):
        raise InvalidArgumentsError(f"operation {index} must be an object")
    name, path = row.get("op"), row.get("path")
    if not isinstance(name, str) or not isinstance(path, str):
        raise InvalidArgumentsError(f"operation {index} must have the texts 'op' and 'path'")
    if name != "remove" and "value" not in row:
        raise InvalidArgumentsError(f"operation {index} must have a value")
    # Operation itself refuses a name that is none.
    value = None if name == "remove" else row["value"]
    return Operation(op=cast("OperationName", name), path=path, value=value)


def _own_place(path: str, taken: list[Keys]) -> Keys:
    keys = split_path(path)
    if any(overlap(keys, other) for other in taken):
        raise _NowhereError("overlaps with another change")
    return keys


def _steps(document: Any, keys: Keys, value: Any) -> list[Operation]:
    """Return the operations that set one value."""
    parent = document
    for depth, key in enumerate(keys[:-1]):
        child = _child(parent, key, keys[:depth])
        if child is _MISSING or child is None:
            return _set(keys[: depth + 1], child, _nested(keys[depth + 1 :], value))
        parent = child
    old = _child(parent, keys[-1], keys[:-1])
    return [] if old is not _MISSING and same_json(old, value) else _set(keys, old, value)


def _child(parent: Any, key: str, where: Keys) -> Any:
    if isinstance(parent, dict):
        return parent.get(key, _MISSING)
    if not isinstance(parent, list):
        raise _NowhereError(f"{join_path(where)!r} is a single value and has no keys")
    index = index_of(key)
    if index is None:
        raise _NowhereError(f"{join_path(where)!r} is a list, and its items have numbers")
    if index >= len(parent):
        raise _NowhereError(f"{join_path(where)!r} has {len(parent)} items, give the whole list")
    return parent[index]


def _nested(keys: Keys, value: Any) -> Any:
    for key in reversed(keys):
        if index_of(key) is not None:
            raise _NowhereError("the list is not there, give the whole list")
        value = {key: value}
    return value


def _set(keys: Keys, old: Any, value: Any) -> list[Operation]:
    path = to_pointer(keys)
    if old is _MISSING:
        return [Operation(op="add", path=path, value=value)]
    return [
        Operation(op="test", path=path, value=plain_copy(old)),
        Operation(op="replace", path=path, value=value),
    ]


def _applied(document: Any, operation: Operation, index: int) -> Any:
    """Return the document after one operation, which changes it in place where it can.

    Raises:
        ConflictError: The operation does not fit.
    """
    import jsonpatch

    try:
        return jsonpatch.apply_patch(document, [operation.to_json()], in_place=True)
    except jsonpatch.JsonPatchTestFailed as error:
        reason, words = codes.TEST_FAILED, "another value is there than the patch was made for"
        cause: Exception = error
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        reason, words = codes.PATH_INTO_NOTHING, "the path leads into nothing"
        cause = error
    path = join_path(operation.keys)
    # The library's own words may hold the whole document.
    raise ConflictError(
        f"{operation.op} does not fit the config at {path!r}: {words}",
        remedy="make the patch again from the config as it is now",
        path=path,
        pointer=operation.path,
        operation=index,
        reason=reason,
    ) from cause


def _at(document: Any, keys: Keys) -> Any:
    """Return what is at a place, `_MISSING` where nothing is."""
    for key in keys:
        if isinstance(document, dict):
            document = document.get(key, _MISSING)
        elif isinstance(document, list):
            index = index_of(key)
            document = _MISSING if index is None or index >= len(document) else document[index]
        else:
            return _MISSING
    return document


def _counted(document: Any, keys: Keys) -> Keys:
    """Return the keys with the `-` behind a list's end as the index that it stands for."""
    parent = _at(document, keys[:-1])
    behind = bool(keys) and keys[-1] == "-" and isinstance(parent, list)
    return (*keys[:-1], str(len(parent))) if behind else keys


def _undoing(operation: Operation, keys: Keys, before: Any) -> list[Operation]:
    path = to_pointer(keys)
    if operation.op == "test":
        return []
    if operation.op == "remove":
        return [Operation(op="add", path=path, value=before)]
    guard = Operation(op="test", path=path, value=plain_copy(operation.value))
    if before is _MISSING:
        return [guard, Operation(op="remove", path=path)]
    return [guard, Operation(op="replace", path=path, value=before)]
