"""Changes of a config that end an issue, as JSON Patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.configkeys.patch import ConfigPatch, Operation, apply_patch, make_patch
from aitk_core.errors import AitkError

if TYPE_CHECKING:
    from collections.abc import Mapping


def changed(config: Mapping[str, Any], changes: Mapping[str, Any]) -> ConfigPatch | None:
    """Return the patch that sets values by dotted path; None where they lead nowhere."""
    try:
        patch = make_patch(config, changes)
    except AitkError:
        return None
    return patch if patch.operations else None


def removed(config: Mapping[str, Any], pointer: str, value: Any) -> ConfigPatch | None:
    """Return the patch that takes a value out; None where it is not there."""
    return _working(config, (_same(pointer, value), Operation(op="remove", path=pointer)))


def moved(config: Mapping[str, Any], pointer: str, target: str, value: Any) -> ConfigPatch | None:
    """Return the patch that puts a value elsewhere; None where there is no place for it."""
    steps = (
        _same(pointer, value),
        Operation(op="remove", path=pointer),
        Operation(op="add", path=target, value=value),
    )
    return _working(config, steps)


def _same(pointer: str, value: Any) -> Operation:
    return Operation(op="test", path=pointer, value=value)


def _working(config: Mapping[str, Any], steps: tuple[Operation, ...]) -> ConfigPatch | None:
    try:
        patch = ConfigPatch(operations=steps)
        apply_patch(config, patch)
    except AitkError:
        return None
    return patch
