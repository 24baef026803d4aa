"""What counts as the tree of a process."""

import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.launchers import tree
from tidegate.launchers.tree import Process


def process(pid: int, parent: int, state: str = "S", session: int = 1) -> Process:
    return Process(pid, parent=parent, group=session, session=session, state=state, resident=0)


def table(*processes: Process) -> dict[int, Process]:
    return {each.pid: each for each in processes}


def pids(processes: list[Process]) -> list[int]:
    return [each.pid for each in processes]


def test_a_stat_line_is_read_past_a_name_with_spaces_and_parentheses() -> None:
    line = b"42 (a) b (c)) T 7 5 3 0 -1 4194560 " + b" ".join(b"%d" % n for n in range(17, 60))
    found = tree.parsed_stat(line)
    assert (found.pid, found.parent, found.group, found.session) == (42, 7, 5, 3)
    assert found.state == "T"


def test_the_stat_of_this_process_names_its_parent_and_memory() -> None:
    found = tree.snapshot()[os.getpid()]
    assert found.parent == os.getppid()
    assert found.resident > 1024 * 1024


def test_a_ps_line_gives_the_same_without_sessions() -> None:
    found = tree.parsed_ps(b"  42     7     5 Ss+    1024")
    assert (found.pid, found.parent, found.group, found.session) == (42, 7, 5, 5)
    assert found.resident == 1024 * 1024


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
def test_the_table_that_ps_prints_names_this_process_as_proc_does() -> None:
    found = tree._from_ps()[os.getpid()]
    assert (found.parent, found.group) == (os.getppid(), os.getpgrp())


def test_descendants_come_parents_first_and_without_the_root_or_the_dead() -> None:
    processes = table(process(2, 1), process(3, 2), process(4, 3), process(5, 2, "Z"))
    assert pids(tree.below(processes, 2)) == [3, 4]


def test_children_of_a_dead_process_still_belong_to_the_tree() -> None:
    processes = table(process(2, 1), process(3, 2, "Z"), process(4, 3))
    assert pids(tree.below(processes, 2)) == [4]


def test_a_session_finds_those_who_no_longer_hang_below_the_root() -> None:
    processes = table(process(9, 1, session=9), process(10, 1, session=9), process(11, 1))
    assert pids(tree.in_session(processes, 9)) == [9, 10]


@given(st.dictionaries(st.integers(1, 30), st.integers(0, 30)), st.integers(0, 30))
def test_reading_any_table_ends_and_finds_each_process_once(
    parents: dict[int, int], root: int
) -> None:
    found = pids(tree.below(table(*(process(*pair) for pair in parents.items())), root))
    assert len(found) == len(set(found))
    assert root not in found


def test_memory_below_the_limit_is_the_sum_of_resident_sizes() -> None:
    assert tree.used_bytes(tree.snapshot().values(), 2**60) > 0


def test_memory_above_the_limit_counts_shared_pages_once() -> None:
    mine = [tree.snapshot()[os.getpid()]]
    assert 0 < tree.used_bytes(mine, 0) <= mine[0].resident * 2


def test_ending_a_tree_stops_every_process_below_it_and_counts_them() -> None:
    script = "sleep 60 & sleep 60 & echo ready; wait"
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        ended = tree.end(shell.pid)
        shell.kill()
    assert (ended.count, ended.left) == (2, ())
