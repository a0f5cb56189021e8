"""Pictures that belong together, by pairs that are sure.

Joining possible pairs as well chains products on white ground into one group (datasets.md
section A5), so only what a caller is sure of comes in here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def group(pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Return groups of two or more that pairs join, each ascending, by their first members.

    The order of the pairs is no matter. Union-find with path halving: time grows with the number
    of pairs, memory with that of members.
    """
    parent: dict[int, int] = {}

    def root(member: int) -> int:
        above = parent.setdefault(member, member)
        while above != member:
            parent[member] = parent[above]
            member, above = above, parent[above]
        return member

    for first, second in pairs:
        one, other = root(first), root(second)
        # The smaller becomes the root, which keeps the order the same whatever comes first.
        parent[max(one, other)] = min(one, other)
    members: dict[int, list[int]] = {}
    for member in sorted(parent):
        members.setdefault(root(member), []).append(member)
    return tuple(tuple(each) for each in members.values() if len(each) > 1)
