"""Where cgroups are, by what the kernel says of them."""

import os
from pathlib import Path

import pytest

from apps.terminal.sandbox import Limits
from apps.terminal.sandbox.cgroup import Cgroup, own_folders, parents, settings

V1 = """22 1 0:21 / /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory
23 1 0:22 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
24 1 0:23 / /proc rw - proc proc rw"""
V2 = "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate"


def test_version_one_has_a_folder_for_each_controller() -> None:
    found = own_folders("4:memory:/task/7\n8:pids:/\n", V1)
    assert found == {
        "memory": Path("/sys/fs/cgroup/memory/task/7"),
        "pids": Path("/sys/fs/cgroup/pids"),
    }


def test_version_two_has_one_for_both() -> None:
    assert own_folders("0::/user.slice", V2) == {
        "memory": Path("/sys/fs/cgroup/user.slice"),
        "pids": Path("/sys/fs/cgroup/user.slice"),
    }


def test_no_cgroups_at_all_is_told() -> None:
    with pytest.raises(KeyError):
        own_folders("", "")


def test_both_versions_hold_memory_and_processes() -> None:
    limits = Limits(memory_bytes=1024, processes=5)
    assert settings(limits, unified=True)["memory.max"] == "1024"
    assert settings(limits, unified=False) == {"memory.limit_in_bytes": "1024", "pids.max": "5"}


def test_a_cgroup_is_made_and_removed_where_this_process_may() -> None:
    found = parents()
    if not found:
        pytest.skip("no cgroup can be made here")
    cgroup = Cgroup.create(found, Limits())
    assert all(file.exists() for file in cgroup.members)
    assert not cgroup.out_of_memory()
    cgroup.remove()
    assert not any(file.exists() for file in cgroup.members)


def test_the_cgroup_of_a_killed_worker_is_removed_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = parents()
    if not found:
        pytest.skip("no cgroup can be made here")
    monkeypatch.setattr(os, "getpid", lambda: 2**22 + 1)  # above the largest there can be
    left = Cgroup.create(found, Limits())
    monkeypatch.undo()
    parents()
    assert not any(file.exists() for file in left.members)


def test_a_cgroup_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        Cgroup.create({"memory": tmp_path, "pids": tmp_path / "nowhere"}, Limits())
    assert list(tmp_path.iterdir()) == []
