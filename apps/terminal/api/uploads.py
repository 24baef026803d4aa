"""Bodies that are files: taken in as they come, and no larger than allowed."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message

from apps.terminal.errors import RefusedError, TooLargeError

MIB = 1024 * 1024
MOST_PARTS = 5000


async def whole(request: Request, limit: int) -> bytes:
    """The body, held in memory.

    Raises:
        TooLargeError: It has more than `limit` bytes.
    """
    data = bytearray()
    async for piece in _pieces(request, limit):
        data += piece
    return bytes(data)


@asynccontextmanager
async def in_file(request: Request, limit: int) -> AsyncIterator[Path]:
    """The body as a file that is gone afterwards; raises as `whole`."""
    with tempfile.NamedTemporaryFile(prefix="tidegate-upload-") as file:
        async for piece in _pieces(request, limit):
            file.write(piece)
        file.flush()
        yield Path(file.name)


@asynccontextmanager
async def form(request: Request, limit: int) -> AsyncIterator[FormData]:
    """A multipart body, its larger files on disk; gone afterwards.

    Raises:
        TooLargeError: It has more than `limit` bytes in all.
        RefusedError: It is no multipart body.
    """
    _check_announced(request, limit)
    left = limit

    async def receive() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise too_large(limit)
        return message

    counted = Request(request.scope, receive)
    try:
        async with counted.form(max_files=MOST_PARTS, max_fields=MOST_PARTS) as parsed:
            yield parsed
    except MultiPartException as error:
        raise RefusedError(f"expected a multipart body: {error.message}") from error


def files_of(parsed: FormData) -> list[UploadFile]:
    """The files of a form, in order."""
    return [value for _, value in parsed.multi_items() if isinstance(value, UploadFile)]


async def _pieces(request: Request, limit: int) -> AsyncIterator[bytes]:
    _check_announced(request, limit)
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        yield piece


def _check_announced(request: Request, limit: int) -> None:
    """Refuse before anything travels, where the size is said."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise too_large(limit)


def too_large(limit: int) -> TooLargeError:
    """The refusal of a body with more than `limit` bytes."""
    return TooLargeError(
        f"expected a body of at most {limit // MIB} MiB, found more; send less at a time",
        detail={"limit_bytes": limit},
    )
