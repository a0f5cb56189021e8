"""The steps of an action from every state of the disk, on a disk that is a dictionary."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, get_args

import pytest

from aitk_datasets.repair.decide import (
    Drop,
    End,
    Exchange,
    Holds,
    Move,
    Shape,
    backward,
    forward,
)

if TYPE_CHECKING:
    from aitk_datasets.repair.decide import Place, Step

    Disk = dict[Place, Holds]

PLACES: dict[Shape, tuple[Place, ...]] = {
    "move": ("live", "old"),
    "create": ("target", "staged"),
    "replace": ("live", "staged", "old"),
    "convert": ("live", "target", "staged", "old"),
}
START: dict[Shape, Disk] = {
    "move": {"live": "old", "old": "nothing"},
    "create": {"target": "nothing", "staged": "new"},
    "replace": {"live": "old", "staged": "new", "old": "nothing"},
    "convert": {"live": "old", "target": "nothing", "staged": "new", "old": "nothing"},
}
DONE: dict[Shape, Disk] = {
    "move": {"live": "nothing", "old": "old"},
    "create": {"target": "new", "staged": "nothing"},
    "replace": {"live": "new", "staged": "nothing", "old": "old"},
    "convert": {"live": "nothing", "target": "new", "staged": "nothing", "old": "old"},
}
SHAPES: tuple[Shape, ...] = get_args(Shape)
both_kinds = pytest.mark.parametrize("can_exchange", [True, False])
each_shape = pytest.mark.parametrize("shape", SHAPES)


def seen(disk: Disk) -> Disk:
    return {place: disk.get(place, "nothing") for place in ("live", "target", "staged", "old")}


def take(disk: Disk, step: Step) -> None:
    """Do what the file system would; a step that would end a name's last file fails."""
    if isinstance(step, Move):
        assert disk[step.target] == "nothing", step
        assert disk[step.source] in ("old", "new"), step
        disk[step.target], disk[step.source] = disk[step.source], "nothing"
    elif isinstance(step, Exchange):
        assert {disk[step.first], disk[step.second]} <= {"old", "new"}, step
        disk[step.first], disk[step.second] = disk[step.second], disk[step.first]
    elif isinstance(step, Drop):
        assert disk[step.place] == disk[step.remaining] != "other", step
        disk[step.place] = "nothing"


def run(shape: Shape, disk: Disk, *, back: bool, can_exchange: bool) -> tuple[End, int]:
    decide = backward if back else forward
    for count in range(8):
        step = decide(shape, seen(disk), can_exchange=can_exchange)
        if isinstance(step, End):
            return step, count
        take(disk, step)
    pytest.fail(f"{shape} comes to no end")


@each_shape
@both_kinds
def test_an_action_is_done_and_taken_back(shape: Shape, *, can_exchange: bool) -> None:
    disk = dict(START[shape])
    end, _ = run(shape, disk, back=False, can_exchange=can_exchange)
    assert (end.state, disk) == ("done", DONE[shape])
    end, _ = run(shape, disk, back=True, can_exchange=can_exchange)
    assert (end.state, disk) == ("undone", START[shape])


@each_shape
@both_kinds
def test_every_state_comes_to_an_end_and_keeps_what_it_holds(
    shape: Shape, *, can_exchange: bool
) -> None:
    states = list(product(get_args(Holds), repeat=len(PLACES[shape])))
    longest = 0
    for state in states:
        for back in (False, True):
            disk = dict(zip(PLACES[shape], state, strict=True))
            before = dict(disk)
            end, count = run(shape, disk, back=back, can_exchange=can_exchange)
            longest = max(longest, count)
            assert set(before.values()) - {"nothing"} == set(disk.values()) - {"nothing"}
            # What is somebody else's stays where it is.
            for place in PLACES[shape]:
                assert (before[place] == "other") == (disk[place] == "other")
            allowed = {"undone", "left", "refused"} if back else {"done", "conflict"}
            assert end.state in allowed
            assert bool(end.detail) == (end.state not in ("done", "undone"))
    assert longest <= 5


@each_shape
@both_kinds
def test_a_turn_in_the_middle_leads_back(shape: Shape, *, can_exchange: bool) -> None:
    """Also on a system that lost or gained the exchange between the two directions."""
    for steps in range(6):
        for other in (True, False):
            disk = dict(START[shape])
            for _ in range(steps):
                step = forward(shape, seen(disk), can_exchange=can_exchange)
                take(disk, step)
            end, _ = run(shape, disk, back=True, can_exchange=other)
            assert end.state == "undone"
            if shape != "replace" or can_exchange == other:
                assert disk == START[shape]


@both_kinds
def test_what_is_in_an_old_place_is_never_displaced(*, can_exchange: bool) -> None:
    for shape in ("move", "replace", "convert"):
        disk: Disk = {**DONE[shape], "live": "other"}
        end, _ = run(shape, disk, back=True, can_exchange=can_exchange)
        assert (end.state, disk["live"], disk["old"]) == ("refused", "other", "old")
