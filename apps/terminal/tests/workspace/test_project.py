"""A project's files as the page sees them: read and edited without a worker."""

import asyncio
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from apps.terminal.workspace import (
    ArchiveError,
    EditConflictError,
    FileMissingError,
    PathError,
    PathTakenError,
    ProjectFiles,
    ProjectFullError,
    ProjectLimits,
)
from apps.terminal.workspace.tree import digest
from tidegate.objects import Objects


async def paths(files: ProjectFiles) -> list[str]:
    return sorted((await files.newest()).tree.files)


async def test_a_written_file_is_read_back_with_its_hash(files: ProjectFiles) -> None:
    await files.write("src/a.txt", b"hello", author="ada")
    data, entry = await files.read("src/a.txt")
    assert (data, entry.hash, entry.size, entry.mode) == (b"hello", digest(b"hello"), 5, 0o644)
    assert (await files.newest()).author == "ada"


async def test_a_missing_file_is_named(files: ProjectFiles) -> None:
    with pytest.raises(FileMissingError, match="'nope'"):
        await files.read("nope")


async def test_an_edit_of_a_file_that_has_changed_is_refused(files: ProjectFiles) -> None:
    await files.write("a", b"1")
    await files.write("a", b"2", if_match=digest(b"1"))
    with pytest.raises(EditConflictError) as caught:
        await files.write("a", b"3", if_match=digest(b"1"))
    assert caught.value.found == digest(b"2")
    with pytest.raises(EditConflictError):
        await files.write("a", b"3", if_match="")
    with pytest.raises(EditConflictError):
        await files.delete("a", if_match=digest(b"1"))


async def test_an_edit_keeps_the_executable_bit(files: ProjectFiles) -> None:
    await files.write("run", b"1", executable=True)
    await files.write("run", b"2")
    assert (await files.read("run"))[1].executable


async def test_writing_the_same_again_is_no_commit(files: ProjectFiles) -> None:
    assert (await files.write("a", b"1")).commit == 1
    assert (await files.write("a", b"1")).commit == 1


async def test_ten_edits_at_once_all_happen(objects: Objects) -> None:
    # One editor each, as ten processes would have, so that they meet only in the store.
    editors = [ProjectFiles(objects, "p") for _ in range(10)]
    await asyncio.gather(*(each.write(f"f{n}", b"x") for n, each in enumerate(editors)))
    assert await paths(editors[0]) == sorted(f"f{n}" for n in range(10))


async def test_a_folder_is_made_kept_when_emptied_and_removed_with_all_in_it(
    files: ProjectFiles,
) -> None:
    await files.mkdir("d/e")
    await files.write("d/f/x", b"1")
    await files.delete("d/f/x")
    assert (await files.newest()).tree.folders == {"d/e", "d/f"}
    await files.rmdir("d")
    assert (await files.newest()).tree.all_folders() == set()
    with pytest.raises(FileMissingError):
        await files.rmdir("d")


async def test_files_and_folders_move(files: ProjectFiles) -> None:
    await files.write_many({"a": b"1", "d/x": b"2", "d/e/y": b"3"})
    await files.move("a", "n/b")
    saved = await files.move("d", "moved")
    assert await paths(files) == ["moved/e/y", "moved/x", "n/b"]
    assert saved.removed == ("d/e/y", "d/x")


@pytest.mark.parametrize(
    ("source", "target", "error"),
    [
        ("nope", "x", FileMissingError),
        ("a", "d", PathTakenError),
        ("d", "d/e", PathError),
        ("a", "../out", PathError),
        ("d", "a/b", PathTakenError),
    ],
)
async def test_a_move_that_cannot_be_changes_nothing(
    files: ProjectFiles, source: str, target: str, error: type[Exception]
) -> None:
    await files.write_many({"a": b"1", "d/x": b"2"})
    with pytest.raises(error):
        await files.move(source, target)
    assert await paths(files) == ["a", "d/x"]


async def test_a_file_is_not_put_where_a_folder_is_nor_below_a_file(files: ProjectFiles) -> None:
    await files.write("d/x", b"1")
    with pytest.raises(PathTakenError, match="'d'"):
        await files.write("d", b"1")
    with pytest.raises(PathTakenError, match="'d/x'"):
        await files.write("d/x/y", b"1")
    with pytest.raises(PathTakenError):
        await files.write_many({"d/x/y": b"1"})
    with pytest.raises(PathTakenError):
        await files.mkdir("d/x")


async def test_a_path_that_leads_out_stores_nothing(files: ProjectFiles, objects: Objects) -> None:
    with pytest.raises(PathError):
        await files.write("../../etc/passwd", b"x")
    assert [info async for info in objects.list()] == []


async def test_a_project_has_a_largest_size(objects: Objects) -> None:
    files = ProjectFiles(objects, "p", limits=ProjectLimits(total_bytes=10))
    with pytest.raises(ProjectFullError, match="in all files"):
        await files.write_many({"a": b"x" * 6, "b": b"y" * 6})


# Archives


def tarred(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def member(
    name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, to: str = ""
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, mode, to
    return info


async def test_a_project_comes_back_whole_from_its_own_archive(objects: Objects) -> None:
    one, other = ProjectFiles(objects, "one"), ProjectFiles(objects, "other")
    await one.write_many({"a": b"1", "d/ü.txt": b"2" * 100_000})
    await one.write("run", b"#!/bin/sh", executable=True)
    await one.mkdir("empty/deep")
    archive = b"".join([piece async for piece in one.archive()])
    await other.import_archive(archive)
    assert (await other.newest()).tree.is_same((await one.newest()).tree)


async def test_a_tar_with_links_and_folders_is_unpacked(files: ProjectFiles) -> None:
    await files.import_archive(
        tarred(
            (member("./d", tarfile.DIRTYPE), b""),
            (member("./run", mode=0o755), b"x"),
            (member("link", tarfile.SYMTYPE, to="run"), b""),
        )
    )
    tree = (await files.newest()).tree
    assert tree.folders == {"d"}
    assert tree.files["run"].executable
    assert tree.files["link"].link == "run"


@pytest.mark.parametrize(
    ("archive", "error"),
    [
        (b"not an archive", ArchiveError),
        (b"", ArchiveError),
        (tarred((member("../out"), b"x")), PathError),
        (tarred((member("/etc/passwd"), b"x")), PathError),
        (tarred((member("l", tarfile.SYMTYPE, to="../../x"), b"")), PathError),
        (tarred((member("h", tarfile.LNKTYPE, to="a"), b"")), ArchiveError),
        (tarred((member("a"), b"1"), (member("a/b"), b"2")), PathTakenError),
        (tarred((member("zeros"), bytes(3_000_000))), ProjectFullError),
    ],
)
async def test_an_archive_a_project_cannot_hold_changes_nothing(
    objects: Objects, archive: bytes, error: type[Exception]
) -> None:
    files = ProjectFiles(objects, "p", limits=ProjectLimits(file_bytes=1_000_000))
    with pytest.raises(error):
        await files.import_archive(archive)
    assert (await files.newest()).commit == 0


async def test_a_zip_that_lies_about_its_size_is_stopped_at_the_limit(
    objects: Objects, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(str(number), bytes(500_000))
    files = ProjectFiles(objects, "p", limits=ProjectLimits(total_bytes=1_000_000))
    with pytest.raises(ProjectFullError, match="in all files"):
        await files.import_archive(path)


# Plain trees


async def test_a_project_goes_to_a_plain_tree_and_back(objects: Objects) -> None:
    one, other = ProjectFiles(objects, "one"), ProjectFiles(objects, "other")
    await one.write_many({"a": b"1", "d/b": b"2"})
    assert await one.export_tree("plain/one") == 2
    assert await objects.get("plain/one/d/b") == b"2"
    await other.import_tree("plain/one")
    assert await paths(other) == ["a", "d/b"]


async def test_a_plain_tree_in_the_projects_own_place_is_taken_in(objects: Objects) -> None:
    files = ProjectFiles(objects, "p")
    await files.write("mine", b"1")
    await objects.put("projects/p/src/theirs", b"2")
    await files.import_tree()
    assert await paths(files) == ["mine", "src/theirs"]


async def test_names_tidegate_keeps_for_itself_are_not_exported_over(files: ProjectFiles) -> None:
    await files.write("blobs/x", b"1")
    with pytest.raises(PathError, match="another prefix"):
        await files.export_tree()


async def test_a_destroyed_project_leaves_nothing(files: ProjectFiles, objects: Objects) -> None:
    await files.write("a", b"1")
    await files.destroy()
    assert [info async for info in objects.list()] == []
    assert (await files.newest()).commit == 0
