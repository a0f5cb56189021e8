"""From requests to a plan: look at every file concerned, write nothing."""

from __future__ import annotations

import posixpath
import stat
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import define, field

from aitk_core.errors import ConflictError, InvalidArgumentsError, TooLargeError
from aitk_datasets.digests import sha256_of_bytes
from aitk_datasets.folder.names import fold, is_control, is_media, stem_of
from aitk_datasets.repair import names
from aitk_datasets.repair.captions import EncodingError, is_blank, to_utf8
from aitk_datasets.repair.faults import typed_errors
from aitk_datasets.repair.history import Captions, captions_in
from aitk_datasets.repair.plan import (
    Action,
    KeptCaption,
    Plan,
    PlanConflict,
)
from aitk_datasets.repair.system import REAL
from aitk_datasets.repair.tree import Tree, split
from aitk_datasets.repair.wishes import without_contradictions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from aitk_datasets.repair.plan import (
        ConflictCode,
        Request,
    )
    from aitk_datasets.repair.system import Check, FileSystem
    from aitk_datasets.repair.tree import Identity

MAX_CAPTION: Final = 1 << 20
"""Bytes of the longest caption that is written or re-encoded. Ours."""

T = TypeVar("T")


class _LeaveOut(Exception):  # noqa: N818  (not an error: it carries a conflict to where it is kept)
    def __init__(self, code: ConflictCode, message: str, *paths: str) -> None:
        super().__init__(message)
        self.conflict = PlanConflict(code=code, paths=paths, message=message)


def plan_repair(
    root: Path,
    requests: Iterable[Request],
    *,
    caption_ext: str = ".txt",
    check: Check | None = None,
    system: FileSystem = REAL,
) -> Plan:
    """Return what would be done, with the identity of each file that it would touch.

    Requests that cannot be done, or that contradict each other, are left out and told in
    `conflicts`. The same requests on the same files give the same plan and the same hash.

    Raises:
        InvalidArgumentsError: A path leads out of the dataset, or the extension is none.
        FileMissingError: There is no such folder.
        NotPermittedError: A file may not be read.
        ConflictError: A journal was written by a later version, or not by us.
    """
    if not caption_ext.startswith("."):
        caption_ext = f".{caption_ext}"
    if len(caption_ext) == 1 or "/" in caption_ext or "\0" in caption_ext:
        raise InvalidArgumentsError(f"{caption_ext[:64]!r} is no extension of a caption")
    with Tree(root, system) as tree, typed_errors(tree):
        return _Planner(tree=tree, caption_ext=caption_ext).plan(tuple(requests), check)


@define(kw_only=True)
class _Planner:
    tree: Tree
    caption_ext: str
    conflicts: list[PlanConflict] = field(factory=list)
    kept: list[KeptCaption] = field(factory=list)
    captions: Captions = field(init=False)
    _listings: dict[str, names.Listing] = field(factory=dict)

    def plan(self, requests: tuple[Request, ...], check: Check | None) -> Plan:
        for request in requests:
            split(request.path)
        self.captions = captions_in(self.tree)
        wanted, conflicts = without_contradictions(requests, self._caption)
        self.conflicts += conflicts
        removed = {request.path for request in wanted if request.kind == "remove_image"}
        groups: list[tuple[Request, list[Action]]] = []
        for number, request in enumerate(wanted):
            if check is not None:
                check(number, len(wanted))
            if (action := self._attempt(self._action, request, removed)) is not None:
                groups.append((request, [action]))
        # A picture that stays after all must count as one that needs its caption.
        groups = [group for group in self._without_clashes(groups) if group[1]]
        groups = self._with_captions(groups)
        device, inode = self.tree.identity()
        return Plan(
            device=device,
            inode=inode,
            caption_ext=self.caption_ext,
            requests=requests,
            actions=tuple(
                action for _, actions in self._without_clashes(groups) for action in actions
            ),
            conflicts=tuple(self.conflicts),
            kept=tuple(self.kept),
        )

    def _attempt(self, function: Callable[..., T], *arguments: object) -> T | None:
        try:
            return function(*arguments)
        except _LeaveOut as left_out:
            self.conflicts.append(left_out.conflict)
            return None

    def _conflict(self, code: ConflictCode, message: str, *paths: str) -> None:
        self.conflicts.append(PlanConflict(code=code, paths=paths, message=message))

    def _caption(self, image: str) -> str:
        folder, name = split(image)
        return names.join(folder, stem_of(name) + self.caption_ext)

    def _listing(self, folder: str) -> names.Listing:
        if folder not in self._listings:
            found: list[str] = []
            with suppress(FileNotFoundError, ConflictError):
                found = self.tree.names(folder)
            self._listings[folder] = names.Listing.of(found)
        return self._listings[folder]

    def _action(self, request: Request, removed: set[str]) -> Action:
        folder, name = split(request.path)
        if any(part.startswith(".") for part in request.path.split("/")):
            raise _LeaveOut("hidden", f"{request.path!r} is not trained: hidden", request.path)
        if request.kind == "reencode_caption":
            return self._reencode(request, removed)
        if request.kind == "refuse_caption":
            return self._refuse(request)
        if not is_media(name):
            raise _LeaveOut("not_an_image", f"{request.path!r} is no picture", request.path)
        if request.kind == "write_caption":
            return self._write_caption(request, removed)
        if is_control(request.path):
            raise _LeaveOut("control_image", f"{request.path!r} is a control image", request.path)
        if request.kind == "remove_image":
            identity, _ = self._identity(request.path)
            return Action(
                kind="move",
                path=request.path,
                reason=request.reason,
                identity=identity,
                store=self.tree.store(folder),
            )
        return self._rewrite(request)

    def _identity(self, path: str) -> tuple[Identity, int]:
        """Return the file's identity and how many names it has."""
        try:
            found = self.tree.lstat(path)
            if found is None:
                raise _LeaveOut("missing", f"{path!r} does not exist", path)
            if not stat.S_ISREG(found.st_mode):
                raise _LeaveOut("linked", f"{path!r} is a link or no regular file", path)
            return self.tree.identify(path), found.st_nlink
        except ConflictError as error:
            code: ConflictCode = "unreadable" if "changed" in str(error) else "linked"
            raise _LeaveOut(code, str(error), path) from error
        except FileNotFoundError as error:
            raise _LeaveOut("missing", f"{path!r} does not exist", path) from error
        except PermissionError:
            raise
        except OSError as error:
            raise _LeaveOut("unreadable", f"{path!r}: {error.strerror}", path) from error

    def _replaceable(self, path: str) -> Identity:
        identity, links = self._identity(path)
        if links > 1:
            raise _LeaveOut(
                "hard_links", f"{path!r} has {links} names: what changes one hides the other", path
            )
        return identity

    def _rewrite(self, request: Request) -> Action:
        rewrite = request.rewrite
        if rewrite is None or not rewrite.names:
            raise _LeaveOut("nothing_to_do", f"nothing is asked of {request.path!r}", request.path)
        folder, name = split(request.path)
        stem, extension = posixpath.splitext(name)
        fitting = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg")}.get(rewrite.format, (extension,))
        target = request.path
        if rewrite.format != "same" and extension.lower() not in fitting:
            target = names.join(folder, stem + fitting[0])
        return Action(
            kind="rewrite_image",
            path=request.path,
            target=target,
            reason=request.reason,
            identity=self._replaceable(request.path),
            store=self.tree.store(folder),
            rewrite=rewrite,
        )

    def _write_caption(self, request: Request, removed: set[str]) -> Action:
        if request.path in removed:
            raise _LeaveOut(
                "removed_image", f"{request.path!r} is to be removed: no caption", request.path
            )
        if self.tree.lstat(request.path) is None:
            raise _LeaveOut("missing", f"{request.path!r} does not exist", request.path)
        path, text = self._caption(request.path), request.text or ""
        data = _encoded(text, path)
        identity: Identity | None = None
        if self.tree.lstat(path) is not None:
            identity = self._replaceable(path)
            if not self._may_fill(path, identity):
                raise _LeaveOut(
                    "caption_exists", f"{path!r} holds a text that is not ours", path, request.path
                )
        return Action(
            kind="create_caption" if identity is None else "fill_caption",
            path=path,
            target=path,
            reason=request.reason,
            identity=identity,
            store=self.tree.store(split(path)[0]),
            text=text,
            generator=request.generator,
            new_sha256=sha256_of_bytes(data),
        )

    def _may_fill(self, path: str, identity: Identity) -> bool:
        if self.captions.generated.get(path) == identity.sha256:
            return True
        # More than this is no empty caption, whatever it holds.
        return identity.size <= MAX_CAPTION and is_blank(self.tree.read(path)[0])

    def _reencode(self, request: Request, removed: set[str]) -> Action:
        path = request.path
        if not path.lower().endswith(self.caption_ext.lower()) or request.encoding is None:
            raise _LeaveOut("not_text", f"{path!r} is no caption of this dataset", path)
        folder, name = split(path)
        stem = name[: -len(self.caption_ext)]
        owners = self._owners(folder, stem)
        if owners and removed.issuperset(owners):
            raise _LeaveOut("removed_image", f"{path!r} goes with its picture", path)
        identity = self._replaceable(path)
        if identity.size > MAX_CAPTION:
            raise _LeaveOut("not_text", f"{path!r} is too long for a caption", path)
        try:
            data, _ = self.tree.read(path, MAX_CAPTION)
            new = to_utf8(data, request.encoding)
        except (EncodingError, TooLargeError) as error:
            raise _LeaveOut("not_text", f"{path!r}: {error}", path) from error
        if new == data:
            raise _LeaveOut("nothing_to_do", f"{path!r} is UTF-8 without BOM", path)
        return Action(
            kind="reencode_caption",
            path=path,
            target=path,
            reason=request.reason,
            identity=identity,
            store=self.tree.store(folder),
            encoding=request.encoding,
            new_sha256=sha256_of_bytes(new),
        )

    def _refuse(self, request: Request) -> Action:
        path = request.path
        wanted = self.captions.generated.get(path)
        if wanted is None:
            raise _LeaveOut("caption_exists", f"{path!r} is no caption of ours", path)
        identity = self._replaceable(path)
        if identity.sha256 != wanted:
            raise _LeaveOut("edited", f"{path!r} was edited since it was made: it stays", path)
        # An empty caption that it had replaced is there again, empty.
        is_filled = path in self.captions.filled
        return Action(
            kind="refuse_caption",
            path=path,
            target=path if is_filled else None,
            reason=request.reason,
            identity=identity,
            store=self.tree.store(split(path)[0]),
            new_sha256=sha256_of_bytes(b"") if is_filled else None,
        )

    def _owners(self, folder: str, stem: str) -> list[str]:
        return [names.join(folder, name) for name in self._listing(folder).owners(stem)]

    def _with_captions(
        self, groups: list[tuple[Request, list[Action]]]
    ) -> list[tuple[Request, list[Action]]]:
        """Let captions that nobody needs any more go with the last picture of their stem."""
        moved: dict[str, None] = {}
        last: dict[tuple[str, str], tuple[int, set[str]]] = {}
        for number, (request, actions) in enumerate(groups):
            if request.kind == "remove_image":
                folder, name = split(request.path)
                stem = stem_of(name)
                stems = last.get((folder, fold(stem)), (0, set[str]()))[1] | {stem}
                last[folder, fold(stem)] = number, stems
                moved.update(dict.fromkeys(action.path for action in actions))
        for (folder, folded), (number, stems) in last.items():
            request, actions = groups[number]
            staying = [path for path in self._owners(folder, folded) if path not in moved]
            for stem in sorted(stems):
                for name in self._listing(folder).captions(stem, self.caption_ext):
                    path = names.join(folder, name)
                    if staying:
                        self.kept.append(KeptCaption(path=path, needed_by=staying[0]))
                    elif (action := self._attempt(self._caption_move, path, request)) is not None:
                        actions.append(action)
        return groups

    def _caption_move(self, path: str, request: Request) -> Action:
        identity, _ = self._identity(path)
        return Action(
            kind="move",
            path=path,
            reason=request.reason,
            identity=identity,
            store=self.tree.store(split(path)[0]),
        )

    def _without_clashes(
        self, groups: list[tuple[Request, list[Action]]]
    ) -> list[tuple[Request, list[Action]]]:
        """Leave out what would meet a name that some system takes for the same."""
        quarantined = Counter(
            fold(action.path) for _, actions in groups for action in actions if action.identity
        )
        created = Counter(
            fold(action.target)
            for _, actions in groups
            for action in actions
            if action.target is not None
        )
        remaining = []
        for request, actions in groups:
            fitting: list[Action] = []
            for action in actions:
                taken = self._clashes(action, quarantined=quarantined, created=created)
                if not taken:
                    fitting.append(action)
                    continue
                self._conflict(
                    "name_clash",
                    f"{taken[0]!r} is taken, or differs by case or Unicode form only",
                    *dict.fromkeys([action.path, *taken]),
                )
                if action is actions[0]:
                    break
            remaining.append((request, fitting))
        return remaining

    def _clashes(
        self, action: Action, *, quarantined: Mapping[str, int], created: Mapping[str, int]
    ) -> list[str]:
        if action.identity is not None and quarantined[fold(action.path)] > 1:
            return [action.path]
        if action.target is None:
            return []
        folder, name = split(action.target)
        like = self._listing(folder).by_name.get(fold(name), ())
        taken = {names.join(folder, other) for other in like}
        if action.target == action.path and action.identity is not None:
            taken.discard(action.path)
        if created[fold(action.target)] > 1:
            taken.add(action.target)
        return sorted(taken)


def _encoded(text: str, path: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _LeaveOut("not_text", f"the text for {path!r} is broken", path) from error
    if is_blank(data) or "\0" in text or len(data) > MAX_CAPTION:
        raise _LeaveOut("not_text", f"the text for {path!r} is empty, too long or none", path)
    return data
