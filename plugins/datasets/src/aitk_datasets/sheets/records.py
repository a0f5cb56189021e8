"""What a sheet shows: pictures with a few words each, alone or in rows."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Example:
    """One picture on a sheet."""

    path: str
    """As the evidence names it: untrusted, and may hold unpaired surrogates."""
    words: str = ""
    """What is wrong with it: `1,204 x 83`. May quote a caption, which is untrusted."""
    mark: str = ""
    """`keep` or `mirrored`: written on the tile."""
    is_readable: bool = True
    """False for a file of another folder, which is not opened."""


@frozen(kw_only=True)
class Row:
    """Pictures that belong together."""

    heading: str
    """`3 pictures, nearly the same`; may name a folder, which is untrusted."""
    level: str
    """`exact`, `near`, `possible` or `leak`."""
    note: str = ""
    """Which to keep and why."""
    examples: tuple[Example, ...]
    """The one to keep first."""
    more: int = 0
    """Pictures of the group that are left out."""


@frozen(kw_only=True)
class Subject:
    """What one sheet is about."""

    code: str
    """Of the finding, or `duplicates`."""
    title: str
    examples: tuple[Example, ...] = ()
    rows: tuple[Row, ...] = ()
    more: int = 0
    """Examples or rows that are left out."""

    def paths(self) -> list[str]:
        """Return the files to be made small."""
        shown = [*self.examples, *(each for row in self.rows for each in row.examples)]
        return [each.path for each in shown if each.is_readable]
