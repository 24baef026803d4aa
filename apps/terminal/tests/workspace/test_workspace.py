"""A project's folder, fetched, changed and saved, with a real object store."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.terminal.tests.workspace.conftest import Opener
from apps.terminal.workspace import (
    FileMissingError,
    PathTakenError,
    ProjectFiles,
    ProjectFullError,
    ProjectLimits,
    StaleEpochError,
    Workspace,
)
from tidegate.objects import Objects


def holds(workspace: Workspace) -> dict[str, bytes]:
    """What the folder holds."""
    root = workspace.folder
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


async def test_what_one_saves_another_fetches(opened: Opener) -> None:
    one, other = await opened("one"), await opened("other")
    (one.folder / "src").mkdir()
    (one.folder / "src" / "main.py").write_text("print()")
    saved = await one.save(1, "t1")
    fetched = await other.fetch()
    assert (saved.commit, saved.changed) == (1, ("src/main.py",))
    assert (fetched.commit, fetched.written) == (1, 1)
    assert holds(other) == {"src/main.py": b"print()"}


async def test_a_removal_travels_and_takes_its_empty_folder_along(opened: Opener) -> None:
    one, other = await opened("one"), await opened("other")
    (one.folder / "d").mkdir()
    (one.folder / "d" / "a").write_text("1")
    await one.save(1, "t1")
    await other.fetch()
    shutil.rmtree(other.folder / "d")
    saved = await other.save(1, "t2")
    await one.fetch()
    assert saved.removed == ("d/a",)
    assert list(one.folder.iterdir()) == []


async def test_a_folder_that_is_up_to_date_is_not_read_or_written(
    opened: Opener, files: ProjectFiles
) -> None:
    await files.write("a", b"1")
    workspace = await opened("one")
    await workspace.fetch()
    before = (workspace.folder / "a").stat()
    assert (await workspace.fetch()).written == 0
    reopened = await opened("one")
    assert (await reopened.fetch()).written == 0
    assert (workspace.folder / "a").stat().st_ctime_ns == before.st_ctime_ns


async def test_nothing_changed_is_no_commit(opened: Opener, files: ProjectFiles) -> None:
    await files.write("a", b"1")
    workspace = await opened("one")
    await workspace.fetch()
    os.utime(workspace.folder / "a", (0, 0))
    assert (await workspace.save(1, "t1")).commit == 1


async def test_the_executable_bit_links_and_empty_folders_are_kept(opened: Opener) -> None:
    one, other = await opened("one"), await opened("other")
    (one.folder / "run.sh").write_text("#!/bin/sh\n")
    (one.folder / "run.sh").chmod(0o755)
    (one.folder / "link").symlink_to("run.sh")
    (one.folder / "empty" / "deep").mkdir(parents=True)
    await one.save(1, "t1")
    await other.fetch()
    assert os.access(other.folder / "run.sh", os.X_OK)
    assert (other.folder / "link").readlink() == Path("run.sh")
    assert (other.folder / "empty" / "deep").is_dir()


async def test_a_link_that_leaves_the_project_is_left_out_and_named(opened: Opener) -> None:
    one = await opened("one")
    (one.folder / "out").symlink_to("/etc/passwd")
    (one.folder / "up").symlink_to("../..")
    saved = await one.save(1, "t1")
    assert saved.commit == 0
    assert [skipped.path for skipped in saved.skipped] == ["out", "up"]


async def test_both_versions_of_a_file_changed_in_two_places_are_kept(opened: Opener) -> None:
    one, other = await opened("one"), await opened("other")
    (one.folder / "n.md").write_text("begun")
    await one.save(1, "t1")
    await other.fetch()
    (one.folder / "n.md").write_text("first")
    (other.folder / "n.md").write_text("second")
    await one.save(1, "t1")
    saved = await other.save(1, "t2")
    assert [conflict.path for conflict in saved.conflicts] == ["n.md"]
    await one.fetch()
    assert holds(one) == holds(other)
    assert sorted(holds(one).values()) == [b"first", b"second"]
    assert holds(one)["n.md"] == b"first"


async def test_a_fetch_leaves_what_was_changed_here_and_the_save_merges_it(
    opened: Opener, files: ProjectFiles
) -> None:
    await files.write_many({"a": b"1", "b": b"1"})
    workspace = await opened("one")
    await workspace.fetch()
    (workspace.folder / "a").write_text("mine")
    await files.write_many({"a": b"theirs", "b": b"theirs"})
    assert (await workspace.fetch()).left == ("a",)
    assert holds(workspace) == {"a": b"mine", "b": b"theirs"}
    saved = await workspace.save(1, "t1")
    assert len(saved.conflicts) == 1
    assert sorted(holds(workspace).values()) == [b"mine", b"theirs", b"theirs"]


async def test_an_older_owner_can_no_longer_commit_and_loses_nothing(opened: Opener) -> None:
    old, new = await opened("old"), await opened("new")
    (new.folder / "a").write_text("new")
    await new.save(2, "t2")
    (old.folder / "b").write_text("old")
    with pytest.raises(StaleEpochError, match="commits of epoch 2"):
        await old.save(1, "t1")
    assert holds(old) == {"b": b"old"}
    assert (await old.save(3, "t1")).changed == ("b",)


async def test_edits_from_the_page_keep_the_owners_epoch(
    opened: Opener, files: ProjectFiles
) -> None:
    workspace = await opened("one")
    (workspace.folder / "a").write_text("1")
    await workspace.save(5, "t1")
    await files.write("b", b"2")
    (workspace.folder / "c").write_text("3")
    with pytest.raises(StaleEpochError):
        await workspace.save(4, "t1")


async def test_ignored_folders_stay_here_and_do_not_count_as_removed_elsewhere(
    opened: Opener, files: ProjectFiles
) -> None:
    await files.write_many({"build/kept": b"1", ".tidegateignore": b"*.log\n/private/\n"})
    workspace = await opened("one")
    await workspace.fetch()
    for path in ("node_modules/x/i.js", ".git/config", "a.log", "private/key", "src/private/ok"):
        (workspace.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace.folder / path).write_text("x")
    shutil.rmtree(workspace.folder / "build")
    saved = await workspace.save(1, "t1")
    assert (saved.changed, saved.removed) == (("src/private/ok",), ())


async def test_a_file_over_the_limit_is_left_out_named_and_not_removed(
    opened: Opener, files: ProjectFiles
) -> None:
    await files.write("big", b"small")
    workspace = await opened("one", ProjectLimits(file_bytes=10))
    await workspace.fetch()
    (workspace.folder / "big").write_text("x" * 11)
    (workspace.folder / "ok").write_text("1")
    saved = await workspace.save(1, "t1")
    assert (saved.changed, saved.removed) == (("ok",), ())
    assert saved.skipped[0].path == "big"
    assert (await files.read("big"))[0] == b"small"


async def test_more_files_than_allowed_are_refused_before_anything_travels(
    opened: Opener, objects: Objects
) -> None:
    workspace = await opened("one", ProjectLimits(files=3))
    for number in range(4):
        (workspace.folder / str(number)).write_text("x")
    with pytest.raises(ProjectFullError, match="found 4"):
        await workspace.save(1, "t1")
    assert [info async for info in objects.list()] == []


async def test_a_pipe_in_the_workspace_is_left_out_and_does_not_block(opened: Opener) -> None:
    workspace = await opened("one")
    os.mkfifo(workspace.folder / "pipe")
    saved = await workspace.save(1, "t1")
    assert "neither a file" in saved.skipped[0].reason


async def test_a_name_that_is_no_text_is_left_out_and_named(opened: Opener) -> None:
    workspace = await opened("one")
    (workspace.folder / "bad\udcff").write_text("x")
    saved = await workspace.save(1, "t1")
    assert saved.commit == 0
    assert len(saved.skipped) == 1


async def test_a_content_changed_within_a_tick_of_the_clock_is_not_missed(opened: Opener) -> None:
    one, other = await opened("one"), await opened("other")
    for number in range(5):
        (one.folder / "a").write_text(str(number))
        await one.save(1, "t1")
        await other.fetch()
        assert holds(other) == {"a": str(number).encode()}


async def test_a_folder_left_by_a_dead_worker_is_taken_up_with_its_changes(
    opened: Opener, files: ProjectFiles
) -> None:
    await files.write("a", b"1")
    dead = await opened("one")
    await dead.fetch()
    (dead.folder / "unsaved").write_text("mine")
    await files.write("a", b"2")
    taken_up = await opened("one")
    await taken_up.fetch()
    assert (await taken_up.save(2, "t1")).changed == ("unsaved",)
    assert holds(taken_up) == {"a": b"2", "unsaved": b"mine"}


async def test_a_file_made_again_elsewhere_after_its_removal_here_comes_back(
    opened: Opener, files: ProjectFiles
) -> None:
    workspace = await opened("one")
    (workspace.folder / "a").write_text("1")
    await workspace.save(1, "t1")
    (workspace.folder / "a").unlink()
    await workspace.save(1, "t1")
    await files.write("a", b"2")
    assert (await workspace.fetch()).left == ()
    assert holds(workspace) == {"a": b"2"}


PATHS = st.sampled_from(["a", "b.txt", "d", "d/e", "d/f", "d/e/g"])
STEP = st.tuples(st.sampled_from([0, 1, 2]), PATHS, st.one_of(st.none(), st.binary(max_size=3)))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(STEP, max_size=8))
async def test_any_edits_in_two_folders_and_on_the_page_meet_in_one_tree(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, bytes | None]]
) -> None:
    tmp_path = tmp_path_factory.mktemp("edits")
    objects = Objects.open((tmp_path / "objects").as_uri())
    places = [await Workspace.open(objects, "p", tmp_path / name) for name in ("one", "two")]
    page = ProjectFiles(objects, "p")
    for who, path, content in steps:
        # What a folder or a page would not allow either is no edit.
        with contextlib.suppress(OSError, PathTakenError, FileMissingError):
            if who == 2:
                await (page.delete(path) if content is None else page.write(path, content))
            else:
                _edit(places[who].folder / path, content)
                await places[who].save(1, f"t{who}")
    for place in (*places, *places):
        await place.fetch()
        await place.save(1, "end")
    assert holds(places[0]) == holds(places[1])
    tree = (await page.newest()).tree
    assert set(tree.files) == set(holds(places[0]))


def _edit(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
