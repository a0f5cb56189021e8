"""Wishes for one file that are the same, or that contradict each other: pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from aitk_datasets.repair.plan import PlanConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aitk_datasets.repair.plan import Request

_REPEATABLE: Final = frozenset({"write_caption", "remove_image"})
"""Two reasons, or two pictures of one caption, ask for the same thing."""


def without_contradictions(
    requests: Sequence[Request], caption_of: Callable[[str], str]
) -> tuple[list[Request], list[PlanConflict]]:
    """Drop repetitions; of different wishes for one file keep none, and tell.

    Args:
        requests: As they were asked for.
        caption_of: Returns where a picture's caption is, or would be.
    """
    by_file: defaultdict[tuple[str, str], list[Request]] = defaultdict(list)
    going = {request.path for request in requests if request.kind == "remove_image"}
    for request in dict.fromkeys(requests):
        is_caption = request.kind not in ("remove_image", "rewrite_image")
        file = caption_of(request.path) if request.kind == "write_caption" else request.path
        by_file["caption" if is_caption else "image", file].append(request)
    wanted, conflicts = [], []
    for (_, file), same in by_file.items():
        captions = {request.text for request in same if request.kind == "write_caption"}
        kinds = {request.kind for request in same}
        paths = tuple(dict.fromkeys([file, *(request.path for request in same)]))
        if len(captions) > 1:
            message = "different texts for one caption"
            conflicts.append(PlanConflict(code="different_captions", paths=paths, message=message))
        elif kinds == {"remove_image", "rewrite_image"}:
            wanted.append(next(one for one in same if one.kind == "remove_image"))
            message = f"{file!r} is to be removed"
            conflicts.append(PlanConflict(code="removed_image", paths=(file,), message=message))
        elif len(kinds) == 1 and (kinds <= _REPEATABLE or len(same) == 1):
            staying = (one for one in same if one.path not in going)
            wanted.append(next(staying, same[0]))
        else:
            message = f"different wishes for {file!r}"
            conflicts.append(PlanConflict(code="contradiction", paths=paths, message=message))
    return wanted, conflicts
