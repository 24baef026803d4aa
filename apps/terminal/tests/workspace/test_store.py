"""Commits, contents, packs and their removal, in a real object store."""

from pathlib import Path

import pytest

from apps.terminal.workspace import ProjectFiles, StaleEpochError
from apps.terminal.workspace.blobs import PACK_WORTH, Blobs, batches, to_pack
from apps.terminal.workspace.manifest import Commits, Manifest, new_nonce
from apps.terminal.workspace.tree import Entry, Tree, digest
from tidegate.errors import ObjectError
from tidegate.objects import Objects

MIB = 1024 * 1024


def draft(commit: int, epoch: int = 0) -> Manifest:
    return Manifest(commit=commit, epoch=epoch, nonce=new_nonce())


async def keys(objects: Objects, kind: str) -> set[str]:
    return {info.key.rpartition("/")[2] async for info in objects.list(f"projects/p/{kind}")}


async def test_of_two_who_commit_the_same_number_one_does(objects: Objects) -> None:
    one, other = Commits(objects, "p"), Commits(objects, "p")
    assert await one.append(draft(1))
    assert not await other.append(draft(1))
    assert (await other.newest()).nonce == one.known.nonce


async def test_a_commit_whose_answer_was_lost_is_recognised(objects: Objects) -> None:
    commits, mine = Commits(objects, "p"), draft(1)
    assert await commits.append(mine)
    assert await Commits(objects, "p").append(mine)


async def test_a_commit_under_an_older_ownership_is_refused(objects: Objects) -> None:
    commits = Commits(objects, "p")
    await commits.append(draft(1, epoch=3))
    with pytest.raises(StaleEpochError):
        await commits.append(draft(2, epoch=2))


async def test_what_is_no_manifest_is_reported_as_such(objects: Objects) -> None:
    await objects.put("projects/p/manifests/000000000001", b"garbage")
    with pytest.raises(ObjectError, match="expected a manifest"):
        await Commits(objects, "p").newest()


async def test_a_content_that_is_not_what_its_name_says_is_refused(objects: Objects) -> None:
    name = digest(b"right")
    await objects.put(f"projects/p/blobs/{name}", b"wrong")
    with pytest.raises(ObjectError, match="other bytes"):
        await Blobs(objects, "p").get(name)


def small(number: int, *, packed: bool = False) -> Entry:
    return Entry(digest(b"%d" % number), 10, is_packed=packed)


def test_a_pack_is_made_when_enough_small_files_are_in_none() -> None:
    few = Tree({str(n): small(n) for n in range(PACK_WORTH - 1)})
    enough = Tree({str(n): small(n) for n in range(PACK_WORTH)})
    mostly_packed = Tree({str(n): small(n, packed=n > 40) for n in range(200)})
    assert to_pack(few) == {}
    assert len(to_pack(enough)) == PACK_WORTH
    assert to_pack(mostly_packed) == {}


def test_a_pack_that_would_hold_the_same_is_not_made_again() -> None:
    full = {str(n): Entry(digest(b"%d" % n), 64 * 1024, is_packed=n < 128) for n in range(400)}
    assert to_pack(Tree(full)) == {}


def test_contents_are_fetched_in_groups_that_fit_in_memory() -> None:
    sizes = [1, 2, 40 * MIB, 31 * MIB, 50 * MIB]
    groups = batches(Entry(str(n), size) for n, size in enumerate(sizes))
    assert [[entry.size for entry in group] for group in groups] == [
        [1, 2, 31 * MIB],
        [40 * MIB],
        [50 * MIB],
    ]


async def test_a_lost_pack_costs_time_and_nothing_else(objects: Objects, tmp_path: Path) -> None:
    files = ProjectFiles(objects, "p")
    contents = {f"f{n}": b"%d" % n for n in range(PACK_WORTH)}
    await files.write_many(contents)
    manifest = await files.newest()
    assert manifest.pack is not None
    await objects.delete(f"projects/p/packs/{manifest.pack}")
    found: dict[str, bytes] = {}
    async for batch in Blobs(objects, "p").stream([*manifest.tree.files.values()], manifest.pack):
        found |= batch
    assert set(found.values()) == set(contents.values())


async def test_collecting_keeps_what_kept_commits_need(objects: Objects) -> None:
    files = ProjectFiles(objects, "p")
    for number in range(5):
        await files.write("a", b"%d" % number)
    await files.write("b", b"4")
    # A negative age: everything counts as old enough, as if a day had passed.
    removed = await files.collect(keep=2, age=-60)
    assert removed == 8
    assert await keys(objects, "manifests") == {"000000000005", "000000000006"}
    assert await keys(objects, "blobs") == {digest(b"4")}
    assert (await ProjectFiles(objects, "p").read("b"))[0] == b"4"


async def test_collecting_leaves_the_young_alone(objects: Objects) -> None:
    files = ProjectFiles(objects, "p")
    await files.write("a", b"1")
    await files.write("a", b"2")
    await objects.put(f"projects/p/blobs/{digest(b'on its way')}", b"on its way")
    assert await files.collect(keep=1, age=3600) == 0
