"""A data folder has one owner, keeps its keys, and tells who runs in it."""

import os
import stat
from pathlib import Path

import msgspec
import pytest

from tidegate.errors import AlreadyRunningError, UsageError
from tidegate.runtime.folder import DataFolder, Running

RUNNING = Running(
    pid=1,
    app="captions",
    target="captions:app",
    url="http://127.0.0.1:8000",
    valkey_url="unix:///tmp/valkey.sock",
    objects_url="file:///tmp/objects",
    desk="/tmp/desk.sock",  # noqa: S108
    queues=("videos",),
    started_at=0.0,
)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.make()
    return folder


def test_a_folder_is_private_to_its_user(folder: DataFolder) -> None:
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="expected to keep data in"):
        DataFolder(tmp_path / "file" / "data").make()


def test_a_second_owner_is_refused_with_the_pid_of_the_first(folder: DataFolder) -> None:
    other = DataFolder(folder.path)
    with folder.owned(), pytest.raises(AlreadyRunningError) as caught, other.owned():
        pass
    assert caught.value.pid == os.getpid()


def test_a_folder_can_be_owned_again_afterwards(folder: DataFolder) -> None:
    with folder.owned():
        pass
    with folder.owned():
        pass


async def test_children_of_an_earlier_owner_are_waited_for(folder: DataFolder) -> None:
    first = await folder.children_lock()
    os.close(first)
    os.close(await folder.children_lock())


def test_a_key_is_made_once_for_its_user_alone(folder: DataFolder) -> None:
    assert folder.existing_key("secret_key") is None
    key = folder.secret_key()
    assert (folder.secret_key(), folder.existing_key("secret_key")) == (key, key)
    assert len(key) == 64
    assert stat.S_IMODE((folder.path / "secret_key").stat().st_mode) == 0o600


def test_what_runs_is_told_while_its_owner_lives(folder: DataFolder) -> None:
    assert folder.running() is None
    with folder.owned(), folder.told(RUNNING):
        assert folder.running() == RUNNING
    assert folder.running() is None


def test_what_a_killed_owner_left_behind_does_not_run(folder: DataFolder) -> None:
    (folder.path / "up.json").write_bytes(msgspec.json.encode(RUNNING))
    assert folder.running() is None
