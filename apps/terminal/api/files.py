"""Files and folders of a project: list, read, write, move, upload, download, import."""

import posixpath
from typing import Annotated
from urllib.parse import quote

from msgspec import Meta, Struct
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from apps.terminal.announce import TIDY_AGE, announce, is_tidying_due
from apps.terminal.api import uploads
from apps.terminal.api.answers import answer, body
from apps.terminal.api.visit import ProjectVisit, shared
from apps.terminal.errors import RefusedError
from apps.terminal.sandbox.limits import MIB
from apps.terminal.users.user import Role
from apps.terminal.workspace import Conflict, ProjectFiles, Saved
from apps.terminal.workspace.tree import Entry, digest
from tidegate.clock import at

# Files of an upload that are in memory together, and so in one commit.
BATCH_BYTES = 32 * MIB

Path = Annotated[str, Meta(min_length=1, max_length=1024)]


class Folder(Struct, forbid_unknown_fields=True):
    """A folder to make."""

    path: Path


class Move(Struct, forbid_unknown_fields=True, rename={"source": "from", "target": "to"}):
    """A file or folder to rename."""

    source: Path
    target: Path


async def listing(visit: ProjectVisit) -> Response:
    """All files and empty folders, at one commit."""
    newest = await _files(visit).newest()
    etag = f'"c{newest.commit}"'
    if visit.request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"etag": etag})
    response = answer(
        {
            "commit": newest.commit,
            "files": [_described(path, entry) for path, entry in newest.tree.files.items()],
            "folders": sorted(newest.tree.all_folders()),
            "conflicts": [_told(conflict) for conflict in newest.conflicts],
        }
    )
    response.headers["etag"] = etag
    return response


async def read(visit: ProjectVisit) -> Response:
    """A file's content."""
    path = visit.parameter("path")
    data, entry = await _files(visit).read(path)
    etag = _etag(entry.hash)
    if visit.request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"etag": etag})
    return Response(
        data,
        media_type="application/octet-stream",
        headers={"etag": etag, **_as_download(posixpath.basename(path))},
    )


async def write(visit: ProjectVisit) -> Response:
    """Store a file, over the version its editor had read if that is given."""
    path, files = visit.parameter("path"), _files(visit)
    if_match = _if_match(visit.request)
    data = await uploads.whole(visit.request, visit.services.settings.project_file_mb * MIB)
    saved = await files.write(path, data, author=visit.user.name, if_match=if_match)
    hash_ = digest(data)
    response = await _saved(visit, saved, path=path, hash=hash_)
    response.headers["etag"] = _etag(hash_)
    return response


async def delete(visit: ProjectVisit) -> Response:
    """Remove a file."""
    path, if_match = visit.parameter("path"), _if_match(visit.request)
    return await _saved(
        visit, await _files(visit).delete(path, author=visit.user.name, if_match=if_match)
    )


async def make_folder(visit: ProjectVisit) -> Response:
    """Make an empty folder."""
    wanted = await body(visit.request, Folder)
    return await _saved(visit, await _files(visit).mkdir(wanted.path, author=visit.user.name), 201)


async def delete_folder(visit: ProjectVisit) -> Response:
    """Remove a folder and all below it."""
    path = visit.parameter("path")
    return await _saved(visit, await _files(visit).rmdir(path, author=visit.user.name))


async def move(visit: ProjectVisit) -> Response:
    """Rename a file or folder."""
    wanted = await body(visit.request, Move)
    files, author = _files(visit), visit.user.name
    return await _saved(visit, await files.move(wanted.source, wanted.target, author=author))


async def upload(visit: ProjectVisit) -> Response:
    """Put the files of a form into a folder."""
    folder = visit.request.query_params.get("path", "")
    limit = visit.services.settings.upload_mb * MIB
    async with uploads.form(visit.request, limit) as form:
        parts = uploads.files_of(form)
        if not parts:
            raise RefusedError("expected a multipart body with files, found none")
        commit = await _store(visit, folder, parts)
    return answer({"commit": commit, "files": len(parts)})


async def archive(visit: ProjectVisit) -> Response:
    """The project as a zip."""
    name = "".join(each if each.isalnum() or each in " -_." else "_" for each in visit.project.name)
    return StreamingResponse(
        _files(visit).archive(),
        media_type="application/zip",
        headers={"cache-control": "no-store", **_as_download(f"{name}.zip")},
    )


async def take_in(visit: ProjectVisit) -> Response:
    """Unpack a zip or tar over the project."""
    limit = visit.services.settings.upload_mb * MIB
    async with uploads.in_file(visit.request, limit) as packed:
        return await _saved(
            visit, await _files(visit).import_archive(packed, author=visit.user.name)
        )


async def _store(visit: ProjectVisit, folder: str, parts: list[UploadFile]) -> int:
    """Write the parts, as many in one commit as fit in memory; the last commit's number."""
    commit, batch, size = 0, dict[str, bytes](), 0
    limit = visit.services.settings.project_file_mb * MIB
    for part in parts:
        if (part.size or 0) > limit:
            raise uploads.too_large(limit)
        data = await part.read()
        batch[posixpath.join(folder, part.filename or "")] = data
        size += len(data)
        if size > BATCH_BYTES or part is parts[-1]:
            saved = await _files(visit).write_many(batch, author=visit.user.name)
            await announce(visit.services.client, visit.project.id, saved)
            commit, batch, size = saved.commit, {}, 0
    return commit


def _files(visit: ProjectVisit) -> ProjectFiles:
    return visit.services.shelf.of(visit.project.id)


async def _saved(visit: ProjectVisit, saved: Saved, status: int = 200, **more: object) -> Response:
    """Tell those who look on; the answer to an edit. What is old is removed after it is sent."""
    await announce(visit.services.client, visit.project.id, saved)
    response = answer(
        {"commit": saved.commit, "changed": saved.changed, "removed": saved.removed, **more}, status
    )
    if (saved.changed or saved.removed) and is_tidying_due(saved.commit - 1, saved.commit):
        response.background = BackgroundTask(_files(visit).collect, age=TIDY_AGE)
    return response


def _described(path: str, entry: Entry) -> dict[str, object]:
    shown: dict[str, object] = {
        "path": path,
        "size": entry.size,
        "hash": entry.hash,
        "mode": f"{entry.mode:o}",
        "modified_at": at(entry.modified_at),
    }
    return shown if entry.link is None else {**shown, "link": entry.link}


def _told(conflict: Conflict) -> dict[str, object]:
    return {"path": conflict.path, "kept": conflict.kept_as}


def _if_match(request: Request) -> str | None:
    """The hash that a file must have: "" for no file, None for any or none."""
    if request.headers.get("if-none-match") == "*":
        return ""
    given = request.headers.get("if-match")
    if given is None or given == "*":
        return None
    return given.removeprefix("W/").strip('"')


def _etag(hash_: str) -> str:
    return f'"{hash_}"'


def _as_download(name: str) -> dict[str, str]:
    """Headers that have a browser save what it gets: a person's file must not act as our page."""
    plain = "".join(
        each if each.isascii() and each.isprintable() and each not in '"\\' else "_"
        for each in name
    )
    return {
        "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}",
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
    }


ROUTES = [
    shared("GET", "/files", Role.VIEWER, listing),
    shared("GET", "/files/{path:path}", Role.VIEWER, read),
    shared("PUT", "/files/{path:path}", Role.EDITOR, write),
    shared("DELETE", "/files/{path:path}", Role.EDITOR, delete),
    shared("POST", "/folders", Role.EDITOR, make_folder),
    shared("DELETE", "/folders/{path:path}", Role.EDITOR, delete_folder),
    shared("POST", "/move", Role.EDITOR, move),
    shared("POST", "/upload", Role.EDITOR, upload),
    shared("GET", "/archive", Role.VIEWER, archive),
    shared("POST", "/import", Role.EDITOR, take_in),
]
