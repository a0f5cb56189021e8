"""Where the files of an action stand, and the one next step: pure, for every state of the disk.

An action has up to four places: `live`, where the old file is trained; `target`, where the new one
will be (the same place unless the extension changes); `staged`, where the new file waits; `old`,
the quarantine. Each holds nothing, the old file, the new file, or something of somebody else's. The
steps follow from that alone (datasets.md C1, C3), so it makes no difference whether they are the
first ones or follow a kill, and none of them ends the last name of anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

Place = Literal["live", "target", "staged", "old"]
Holds = Literal["nothing", "old", "new", "other"]
Shape = Literal["move", "create", "replace", "convert"]


@frozen
class Move:
    """Give the file another name."""

    source: Place
    target: Place


@frozen
class Exchange:
    """Exchange the files of two places in one call."""

    first: Place
    second: Place


@frozen
class Drop:
    """Remove one of two names of the same file."""

    place: Place
    remaining: Place


@frozen
class End:
    """Nothing is left to do, or nothing can be done."""

    state: Literal["done", "undone", "left", "refused", "conflict"]
    detail: str = ""
    places: tuple[Place, ...] = ()
    """What the detail speaks of."""


Step = Move | Exchange | Drop | End


_GONE: Final = "the file is gone from the quarantine"
_TAKEN: Final = "another file has its place in the quarantine"
_NOWHERE: Final = "the file is neither in its place nor in the quarantine"


def forward(shape: Shape, seen: Mapping[Place, Holds], *, can_exchange: bool) -> Step:
    """Return the next step towards the action being done."""
    if shape == "move":
        return _away(seen)
    if shape == "create":
        return _into(seen, "target")
    if shape == "convert":
        # The new picture first: for a moment there are two, never none.
        step = _into(seen, "target")
        return _away(seen) if step == End("done") else step
    return _replace(seen, can_exchange=can_exchange)


def backward(shape: Shape, seen: Mapping[Place, Holds], *, can_exchange: bool) -> Step:
    """Return the next step towards the action never having been done."""
    if shape == "move":
        return _back(seen)
    if shape == "create":
        return _out(seen, "target")
    if shape == "convert":
        step = _back(seen)
        if not isinstance(step, End) or step.state == "refused":
            return step
        out = _out(seen, "target")
        return step if out == End("undone") else out
    return _restore(seen, can_exchange=can_exchange)


def _away(seen: Mapping[Place, Holds]) -> Step:
    match seen["live"], seen["old"]:
        case "old", "old":
            return Drop("live", "old")
        case _, "old":
            return End("done")
        case _, "other" | "new":
            detail = _TAKEN
        case "old", _:
            return Move("live", "old")
        case "nothing", _:
            detail = _NOWHERE
        case _:
            detail = "the file was changed or replaced"
    return End("conflict", detail, ("live", "old"))


def _into(seen: Mapping[Place, Holds], place: Place) -> Step:
    here, staged = seen[place], seen["staged"]
    if staged == "new":
        if here == "nothing":
            return Move("staged", place)
        if here == "new":
            return Drop("staged", place)
        return End("conflict", "another file has taken the name", (place, "staged"))
    if here in ("new", "other"):
        return End("done")
    return End("conflict", "the new file is gone", (place, "staged"))


def _replace(seen: Mapping[Place, Holds], *, can_exchange: bool) -> Step:
    live, staged, old = seen["live"], seen["staged"], seen["old"]
    if (twice := _twice(seen, ("live", "staged", "old"))) is not None:
        return twice
    match live, staged, old:
        case "old", "new", "nothing":
            return Exchange("live", "staged") if can_exchange else Move("live", "old")
        case "new", "old", "nothing":
            return Move("staged", "old")
        case "nothing", "new", "old":
            return Move("staged", "live")
        case "new" | "other", "nothing", "old":
            return End("done")
    if live == "nothing" and old == "nothing" and staged != "old":
        detail = _NOWHERE
    elif live == "other":
        detail = "the file was changed or replaced"
    else:
        detail = "the files do not stand as any step leaves them"
    return End("conflict", detail, ("live", "old"))


def _twice(seen: Mapping[Place, Holds], way: tuple[Place, ...]) -> Drop | None:
    """Return the end of a link that was made and whose first name is left.

    `way`: the places in the order of travel of the old file.
    """
    holding = [place for place in way if seen[place] == "old"]
    if len(holding) > 1:
        return Drop(holding[0], holding[-1])
    if seen["live"] == seen["staged"] == "new":
        return Drop("staged", "live") if way[0] == "live" else Drop("live", "staged")
    return None


def _back(seen: Mapping[Place, Holds]) -> Step:
    live, old = seen["live"], seen["old"]
    if live == "old":
        return Drop("old", "live") if old == "old" else End("undone")
    if old == "old":
        if live == "nothing":
            return Move("old", "live")
        return End("refused", "another file is in the old place", ("live", "old"))
    if live == "nothing":
        return End("refused", _GONE, ("live", "old"))
    return End("left", "the file was changed or replaced before it was reached", ("live",))


def _out(seen: Mapping[Place, Holds], place: Place) -> Step:
    here, staged = seen[place], seen["staged"]
    if here == "new":
        return Drop(place, "staged") if staged == "new" else _unless_taken(seen, place)
    if here == "other" and staged != "new":
        return End("left", "changed since: it is yours now", (place,))
    return End("undone")


def _unless_taken(seen: Mapping[Place, Holds], place: Place) -> Step:
    if seen["staged"] == "nothing":
        return Move(place, "staged")
    return End("refused", _TAKEN, (place, "staged"))


def _restore(seen: Mapping[Place, Holds], *, can_exchange: bool) -> Step:
    if (twice := _twice(seen, ("old", "staged", "live"))) is not None:
        return twice
    kept: list[Place] = [place for place in _KEEPING if seen[place] == "old"]
    match seen["live"], kept, seen["staged"]:
        case "old", _, _:
            return End("undone")
        case "other", [], _:
            return End("left", "changed or replaced by somebody", ("live",))
        case _, [], _:
            return End("refused", _GONE, ("live", "old"))
        case "nothing", [place, *_], _:
            return Move(place, "live")
    return _give_way(seen, can_exchange=can_exchange)


_KEEPING: Final[tuple[Place, ...]] = ("old", "staged")


def _give_way(seen: Mapping[Place, Holds], *, can_exchange: bool) -> Step:
    """Return the step of a restore where the old place is taken and the old file is kept."""
    match seen["live"], seen["staged"], seen["old"]:
        case "other", _, _:
            return End("refused", "another file is in the old place", ("live", "old"))
        case _, "old", _ if can_exchange:
            return Exchange("live", "staged")
        case _, "old", "nothing":
            return Move("staged", "old")
        case _, "nothing", _:
            return Move("old", "staged") if can_exchange else Move("live", "staged")
    return End("refused", _TAKEN, ("live", "staged"))
