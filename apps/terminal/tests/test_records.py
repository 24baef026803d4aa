"""Records survive many writers at once."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import Struct

from apps.terminal.errors import ConflictError
from apps.terminal.records import Records
from tidegate import Objects


class Tally(Struct, frozen=True):
    count: int = 0


def to(count: int) -> Callable[[Tally | None], Tally]:
    return lambda _: Tally(count)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(Objects.open(tmp_path.as_uri()))


async def test_a_record_is_what_was_written_last(records: Records) -> None:
    assert await records.read("a/b", Tally) is None
    await records.create("a/b", Tally(1))
    assert await records.change("a/b", Tally, to(7)) == Tally(7)
    assert await records.read("a/b", Tally) == Tally(7)
    await records.delete("a/b")
    assert await records.read("a/b", Tally) is None


async def test_a_record_is_created_once(records: Records) -> None:
    await records.create("a/b", Tally())
    with pytest.raises(ConflictError):
        await records.create("a/b", Tally())


async def test_no_change_is_lost_among_many_writers(records: Records) -> None:
    def more(old: Tally | None) -> Tally:
        return Tally((old or Tally()).count + 1)

    await asyncio.gather(*(records.change("a", Tally, more) for _ in range(8)))
    assert await records.read("a", Tally) == Tally(8)


async def test_versions_do_not_pile_up(records: Records, tmp_path: Path) -> None:
    for count in range(30):
        await records.change("a", Tally, to(count))
    assert len(list((tmp_path / "a").iterdir())) <= 2


async def test_a_change_that_changes_nothing_writes_nothing(
    records: Records, tmp_path: Path
) -> None:
    for _ in range(2):
        await records.change("a", Tally, to(1))
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["0000000001"]


async def test_a_folder_lists_its_records_and_no_other_folders(records: Records) -> None:
    await records.create("p/1/x", Tally(1))
    await records.create("p/1/y", Tally(2))
    await records.create("p/11/z", Tally(3))
    await records.change("p/1/y", Tally, to(4))
    assert await records.read_all("p/1", Tally) == {"x": Tally(1), "y": Tally(4)}


async def test_marks_are_listed_by_name(records: Records) -> None:
    await records.mark("people/ada/p1")
    await records.mark("people/ada/p2")
    await records.unmark("people/ada/p1")
    await records.unmark("people/ada/p1")
    assert await records.marks("people/ada") == ["p2"]
    assert await records.marks("people/bob") == []
