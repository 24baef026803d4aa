"""Workspaces and what goes wrong: a killed worker, a full disk, hostile folders."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.terminal.sandbox import Lease, Sandbox
from apps.terminal.tests.places import lease, needs_root, sandbox
from apps.terminal.tests.workspace.conftest import Opener
from apps.terminal.workspace import ProjectFiles, Workspace, WorkspaceFullError
from tidegate.objects import Objects

__all__ = ["lease", "sandbox"]

DIES_BEFORE_COMMIT = """
import asyncio, os, signal, sys
from pathlib import Path
from apps.terminal.workspace.manifest import Commits
from apps.terminal.workspace import Workspace
from tidegate.objects import Objects

async def die(self, manifest):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    objects = Objects.open(sys.argv[1])
    workspace = await Workspace.open(objects, "p", Path(sys.argv[2]))
    await workspace.fetch()
    (workspace.folder / "a").write_text("changed")
    (workspace.folder / "new").write_text("new")
    (workspace.folder / "gone").unlink()
    Commits.append = die
    await workspace.save(1, "t1")

asyncio.run(main())
"""


async def test_killed_between_upload_and_commit_leaves_the_old_state_whole(
    files: ProjectFiles, objects: Objects, opened: Opener, tmp_path: Path
) -> None:
    await files.write_many({"a": b"1", "gone": b"2"})
    argv = [sys.executable, "-c", DIES_BEFORE_COMMIT, (tmp_path / "objects").as_uri()]
    root = Path(__file__).parents[4]
    killed = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
        [*argv, str(tmp_path / "dying")], cwd=root, check=False, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    other = await opened("other")
    await other.fetch()
    assert (other.folder / "a").read_bytes() == b"1"
    assert (other.folder / "gone").exists()
    assert not (other.folder / "new").exists()
    # And on the machine where it died, the next worker saves what was not.
    again = await opened("dying")
    await again.fetch()
    saved = await again.save(2, "t1")
    assert (saved.changed, saved.removed) == (("a", "new"), ("gone",))
    assert (await files.read("new"))[0] == b"new"


async def test_a_folder_that_was_removed_is_fetched_again_and_not_taken_for_removals(
    files: ProjectFiles, opened: Opener
) -> None:
    await files.write_many({"a": b"1", "d/b": b"2"})
    await (await opened("one")).fetch()
    shutil.rmtree((await opened("one")).folder)
    again = await opened("one")
    assert (await again.fetch()).written == 2
    assert (await again.save(1, "t1")).removed == ()


async def test_a_lease_that_removes_its_folder_leaves_nothing_to_mistake(
    files: ProjectFiles, objects: Objects, sandbox: Sandbox
) -> None:
    await files.write_many({"a": b"1", "b": b"2"})
    for _ in range(2):
        place = sandbox.lease("removed")
        workspace = await Workspace.open(objects, "p", place.workspace, files=place.files)
        assert (await workspace.fetch()).written == 2
        place.close(remove=True)
        assert {path.name for path in sandbox.folder.glob(".removed.*")} == {".removed.lock"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount a small file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S607


@needs_root
async def test_a_full_disk_is_a_clear_error_and_loses_nothing(
    files: ProjectFiles, objects: Objects, small_disk: Path, opened: Opener
) -> None:
    await files.write_many({"a": b"x" * 50_000, "big": b"y" * 400_000})
    workspace = await Workspace.open(objects, "p", small_disk / "w")
    with pytest.raises(WorkspaceFullError, match="'big'"):
        await workspace.fetch()
    assert not list(workspace.folder.glob(".tidegate-unfinished-*"))
    # What did not fit is not taken for removed.
    with pytest.raises(WorkspaceFullError):
        await workspace.save(1, "t1")
    assert (await files.newest()).commit == 1
    other = await opened("other")
    assert (await other.fetch()).written == 2


@needs_root
async def test_a_folder_swapped_for_a_link_does_not_lead_the_worker_out(
    files: ProjectFiles, objects: Objects, lease: Lease, tmp_path: Path
) -> None:
    target = tmp_path / "root-only"
    target.mkdir(mode=0o777)
    target.chmod(0o777)
    await files.write_many({"d/a": b"1", "keep": b"1"})
    workspace = await Workspace.open(objects, "p", lease.workspace, files=lease.files)
    await workspace.fetch()
    (lease.workspace / "d" / "a").unlink()
    (lease.workspace / "d").rmdir()
    (lease.workspace / "d").symlink_to(target)
    await files.write_many({"d/a": b"2", "d/b": b"2"})
    assert set((await workspace.fetch()).left) == {"d/a", "d/b"}
    assert list(target.iterdir()) == []


@needs_root
async def test_files_are_the_projects_users_and_roots_stay_out_of_reach(
    files: ProjectFiles, objects: Objects, lease: Lease, tmp_path: Path
) -> None:
    secret = lease.workspace.parent / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    await files.write("a", b"1")
    workspace = await Workspace.open(objects, "p", lease.workspace, files=lease.files)
    await workspace.fetch()
    assert (lease.workspace / "a").stat().st_uid == lease.identity.uid
    # A hard link to someone else's file would carry it out, had the worker root's rights here.
    os.link(secret, lease.workspace / "planted")
    saved = await workspace.save(1, "t1")
    secret.unlink()
    assert saved.changed == ()
    assert saved.skipped[0].path == "planted"


@needs_root
async def test_an_unreadable_file_is_named_and_not_removed(
    files: ProjectFiles, objects: Objects, lease: Lease
) -> None:
    await files.write_many({"a": b"1", "d/b": b"1"})
    workspace = await Workspace.open(objects, "p", lease.workspace, files=lease.files)
    await workspace.fetch()
    (lease.workspace / "a").chmod(0)
    (lease.workspace / "d").chmod(0)
    saved = await workspace.save(1, "t1")
    (lease.workspace / "d").chmod(0o755)
    assert saved.removed == ()
    assert {skipped.path for skipped in saved.skipped} == {"a", "d"}
