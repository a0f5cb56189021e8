"""download-model."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from aitk_core.convert import unstructure
from aitk_core.errors import InvalidArgumentsError, TooLargeError
from aitk_core.records.results import Link, ToolResult
from aitk_core.wording import size_text
from aitk_export.download.beside import Beside, what_is_said
from aitk_export.download.digest import digest_of
from aitk_export.download.locate import locate
from aitk_export.download.records import Downloaded, Elsewhere
from aitk_export.download.uris import http_path_of, uri_of
from aitk_export.settings import ExportSettings

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_export.arguments import DownloadModel
    from aitk_export.download.locate import Located


async def download_model(arguments: DownloadModel, context: ToolContext) -> ToolResult:
    """Answer with a model's facts, and with its bytes where they are few or asked for in pieces.

    Raises:
        InvalidArgumentsError: The name is none of a model, or the offset lies beyond its end.
        PathOutsideRootsError: It leads out of its folder.
        NotFoundError: There is no such model.
        TooLargeError: More was asked for than one answer may hold.
        BackendError: Only the backend has it, and does not answer.
    """
    located = await locate(context, arguments.model_path)
    limit = context.settings(ExportSettings).inline_bytes
    start, length = _piece(arguments, located, limit)
    notes: list[str] = []
    content = None
    if length is not None:
        data = await located.source.read(start, start + length)
        length = len(data)
        content = await context.run(lambda: base64.b64encode(data).decode("ascii"))
    elif arguments.content != "none":
        notes.append(
            f"The file has {located.source.size_bytes} bytes and an answer holds {limit}: fetch "
            "http_path from the HTTP frontend, or ask for pieces with offset."
        )
    said = await what_is_said(context, located) if arguments.include_metadata else Beside()
    digest = await digest_of(context, located)
    if digest is None:
        notes.append("SHA-256 was not computed: the call's time would not have sufficed.")
    end = start + (length or 0)
    answer = Downloaded(
        filename=located.source.name,
        path=located.ref.text,
        size=located.source.size_bytes,
        content=content,
        offset=start,
        length=length or 0,
        next_offset=end if content is not None and end < located.source.size_bytes else None,
        sha256=digest,
        download=Elsewhere(uri=uri_of(located.ref.text), http_path=http_path_of(located.ref.text)),
        metadata=said.metadata,
        metadata_source=said.metadata_source,
        training_config=said.training_config,
        notes=(*notes, *said.notes),
    )
    link = Link(
        uri=answer.download.uri,
        name=answer.filename,
        description="The whole file.",
        mime_type="application/octet-stream",
        size_bytes=answer.size,
    )
    return ToolResult(data=unstructure(answer), summary=_summary(answer), blocks=(link,))


def _piece(arguments: DownloadModel, located: Located, limit: int) -> tuple[int, int | None]:
    """Return where the piece begins and how long it is, None for no piece."""
    size = located.source.size_bytes
    start = arguments.offset or 0
    if start > size:
        message = f"offset {start} lies beyond the end of {size} bytes"
        raise InvalidArgumentsError(
            message,
            remedy="begin at 0, and go on at next_offset",
            faults=[{"path": "/offset", "message": message}],
        )
    if arguments.max_bytes is not None and arguments.max_bytes > limit:
        raise TooLargeError(
            f"an answer holds {limit} bytes of a model",
            remedy="ask for less, or set AITK_DOWNLOAD_INLINE_BYTES",
            limit_bytes=limit,
        )
    if arguments.content == "none":
        return start, None
    if arguments.offset is None and arguments.max_bytes is None:
        return (0, size) if size <= limit else (0, None)
    return start, min(arguments.max_bytes or limit, size - start)


def _summary(answer: Downloaded) -> str:
    lines = [f"{answer.path}: {size_text(answer.size)}, SHA-256 {answer.sha256 or 'not computed'}"]
    if answer.content is not None:
        lines.append(f"Bytes {answer.offset} to {answer.offset + answer.length} are in content.")
    lines.append(f"Whole file: {answer.download.http_path} of the HTTP frontend.")
    return "\n".join([*lines, *answer.notes])
