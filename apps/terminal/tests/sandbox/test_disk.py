"""How much disk files take, and when that is too much."""

import asyncio
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from apps.terminal.sandbox.disk import MIB, SLACK, DiskBudget, DiskWatch, used_bytes


def test_a_file_with_two_names_counts_once_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(100_000))
    once = used_bytes([tmp_path])
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "link").symlink_to("/usr")
    assert used_bytes([tmp_path]) - once < 10_000


def test_a_sparse_file_counts_what_it_takes(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10**12)
    assert used_bytes([tmp_path]) < MIB


@given(st.integers(0, 10**10), st.integers(1, 10**10))
def test_who_starts_over_the_limit_may_stay_but_not_grow(used: int, limit: int) -> None:
    budget = DiskBudget.at_start(limit, used, 10**12)
    assert not budget.is_spent
    assert budget.counted(max(limit, used + SLACK) + 1, 10**12).is_spent


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_count_is_due_before_the_limit_can_be_passed_by_much(used: int, written: int) -> None:
    budget = DiskBudget.at_start(10**9, min(used, 10**9), 10**12)
    over = budget.used + written > budget.allowed + SLACK
    assert not over or budget.is_in_question(10**12 - written)


async def test_filling_the_disk_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    folder.mkdir()
    watch = asyncio.create_task(DiskWatch([folder], 20 * MIB).until_spent())
    await asyncio.sleep(0.05)  # the watch counts first, and what is there then is not growth
    (folder / "big").write_bytes(os.urandom(60 * MIB))
    assert await asyncio.wait_for(watch, 5.0) == "files take 60 MiB; the limit is 20 MiB"
