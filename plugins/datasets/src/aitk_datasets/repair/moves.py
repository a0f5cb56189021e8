"""Carrying out one action of an operation, in either direction, from wherever it stands."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from attrs import define, field, frozen

from aitk_core.errors import ConflictError
from aitk_datasets.repair.decide import Drop, End, Exchange, Holds, Move, Place, backward, forward
from aitk_datasets.repair.history import quarantine_of
from aitk_datasets.repair.journal import Record
from aitk_datasets.repair.system import Abilities
from aitk_datasets.repair.tree import Tree, split

if TYPE_CHECKING:
    from aitk_datasets.repair.decide import Shape
    from aitk_datasets.repair.journal import RowState
    from aitk_datasets.repair.plan import Action
    from aitk_datasets.repair.tree import Identity

Direction = Literal["forward", "backward"]

_MOST_STEPS = 8
"""More than any action takes from any state (5, tried for all of them)."""


@frozen(kw_only=True)
class _Seen:
    holds: Mapping[Place, Holds]
    found: Mapping[Place, os.stat_result]


def shape_of(action: Action) -> Shape:
    """Return which places an action has."""
    if action.target is None:
        return "move"
    if action.identity is None:
        return "create"
    return "replace" if action.target == action.path else "convert"


@define(kw_only=True)
class Mover:
    """Moves files of one operation; keeps which folders are to be synced."""

    tree: Tree
    record: Record
    abilities: Mapping[str, Abilities]
    """By store."""
    touched: set[str] = field(factory=set)
    steps: int = 0
    """Calls made so far."""

    def run(self, row: int, direction: Direction, before: RowState) -> End:
        """Do what is left of a row, and say how it ended.

        Args:
            row: Its number.
            direction: Towards done, or towards undone.
            before: What the journal said of it when this run began.

        Raises:
            OSError: The system refused a step; the row can be continued or undone.
        """
        action = self.record.plan.actions[row]
        abilities = self.abilities[action.store]
        decide = forward if direction == "forward" else backward
        places = self._places(row, action)
        may_be_reserved = abilities.method == "reserve" and before in ("started", "undoing")
        for _ in range(_MOST_STEPS):
            seen = self._look(row, action, places)
            if may_be_reserved and self._free_reserved(seen, places):
                continue
            step = decide(shape_of(action), seen.holds, can_exchange=abilities.can_exchange)
            if isinstance(step, End):
                return step
            if (trouble := self._do(step, places, seen, abilities)) is not None:
                return trouble
        return End("conflict", "the file keeps changing", ("live", "old"))

    def stands(self, row: int, direction: Direction) -> bool:
        """Tell whether nothing is left to do of a row, without doing it."""
        action = self.record.plan.actions[row]
        decide = forward if direction == "forward" else backward
        seen = self._look(row, action, self._places(row, action))
        step = decide(shape_of(action), seen.holds, can_exchange=False)
        wanted: Mapping[Place, Holds] = {"live": "nothing"}
        if action.target is not None and direction == "forward":
            wanted = {"target": "new"}
        elif action.identity is not None and direction == "backward":
            wanted = {"live": "old"}
        return isinstance(step, End) and wanted.items() <= seen.holds.items()

    def paths(self, row: int, end: End) -> tuple[str, ...]:
        """Return the paths that an end speaks of."""
        places = self._places(row, self.record.plan.actions[row])
        return tuple(places[place] for place in end.places)

    def sync(self) -> None:
        """Make the moves so far last."""
        self.tree.sync(self.touched)
        self.touched.clear()

    def _places(self, row: int, action: Action) -> Mapping[Place, str]:
        target = action.target or action.path
        return {
            "live": action.path,
            "target": target,
            "staged": quarantine_of(self.record, row, "new", target),
            "old": quarantine_of(self.record, row, "old", action.path),
        }

    def _look(self, row: int, action: Action, places: Mapping[Place, str]) -> _Seen:
        found = {}
        for place, path in places.items():
            if (facts := self.tree.lstat(path)) is not None:
                found[place] = facts
        holds: dict[Place, Holds] = dict.fromkeys(places, "nothing")
        holds.update(dict.fromkeys(found, "other"))
        wanted: tuple[tuple[Holds, Identity | None], ...] = (
            ("new", self.record.new.get(row)),
            ("old", action.identity),
        )
        for kind, identity in wanted:
            if identity is not None:
                for place in self._holding(identity, found, places, action):
                    holds[place] = kind
        return _Seen(holds=holds, found=found)

    def _holding(
        self,
        identity: Identity,
        found: Mapping[Place, os.stat_result],
        places: Mapping[Place, str],
        action: Action,
    ) -> list[Place]:
        """Return the places of this very file, or of its copy where it is nowhere itself.

        A dataset that was copied to another disk has other inode numbers.
        """
        plain = {place: facts for place, facts in found.items() if stat.S_ISREG(facts.st_mode)}
        exact = [place for place, facts in plain.items() if identity.is_exactly(facts)]
        if exact and action.target is not None and identity.size <= _SMALL:
            # Cheap to be sure: an edit within one tick of the clock keeps size and time.
            exact = [place for place in exact if self._same_bytes(identity, places[place])]
        if exact:
            return exact
        copies = [
            place
            for place, facts in plain.items()
            if facts.st_size == identity.size and self._same_bytes(identity, places[place])
        ]
        return copies if len({found[place].st_ino for place in copies}) == 1 else []

    def _same_bytes(self, identity: Identity, path: str) -> bool:
        try:
            return self.tree.identify(path).sha256 == identity.sha256
        except (ConflictError, FileNotFoundError):
            return False

    def _do(
        self,
        step: Move | Exchange | Drop,
        places: Mapping[Place, str],
        seen: _Seen,
        abilities: Abilities,
    ) -> End | None:
        """Make one step, and see that it took the file it was meant to take."""
        system = self.tree.system
        first, second = _ends(step)
        here, there = self.tree.entry(places[first]), self.tree.entry(places[second])
        self.touched.update((split(places[first])[0], split(places[second])[0]))
        meant = seen.found[first]
        self.steps += 1
        trouble = End("conflict", "the file was replaced meanwhile", (first, second))
        if isinstance(step, Drop):
            if not self._is(places[second], meant) or not self._is(places[first], meant):
                return trouble
            system.unlink(here)
            return None
        if isinstance(step, Exchange):
            system.exchange(here, there)
            if self._is(places[second], meant) and self._is(places[first], seen.found[second]):
                return None
            system.exchange(here, there)
            return trouble
        # Where the name is taken after all, the next look says by what.
        with suppress(FileExistsError):
            system.move(here, there, abilities.method)
            if not self._is(places[second], meant):
                system.move(there, here, abilities.method)
                return trouble
        return None

    def _free_reserved(self, seen: _Seen, places: Mapping[Place, str]) -> bool:
        """Give up a name that a killed run reserved: a file of ours without a byte."""
        for place, facts in seen.found.items():
            is_empty = stat.S_ISREG(facts.st_mode) and not facts.st_size
            if seen.holds[place] == "other" and is_empty:
                self.tree.system.unlink(self.tree.entry(places[place]))
                self.touched.add(split(places[place])[0])
                return True
        return False

    def _is(self, path: str, meant: os.stat_result) -> bool:
        found = self.tree.lstat(path)
        return found is not None and (found.st_dev, found.st_ino) == (meant.st_dev, meant.st_ino)


_SMALL = 1 << 20


def _ends(step: Move | Exchange | Drop) -> tuple[Place, Place]:
    if isinstance(step, Move):
        return step.source, step.target
    if isinstance(step, Exchange):
        return step.first, step.second
    return step.place, step.remaining
