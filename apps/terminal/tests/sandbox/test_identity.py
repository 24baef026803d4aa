"""Users of a pool, each held by one project."""

import subprocess
import sys
from pathlib import Path

import pytest

from apps.terminal.sandbox import Limits, NoFreeIdentityError, Sandbox
from apps.terminal.sandbox.identity import Locked, UidPool
from apps.terminal.sandbox.limits import LimitError
from apps.terminal.tests.places import needs_root
from tidegate.errors import UsageError

HOLD = """
import sys
from pathlib import Path
from apps.terminal.sandbox.identity import UidPool
held = UidPool([7, 8], Path(sys.argv[1])).take()
print(held[0], flush=True)
sys.stdin.read()
"""


def test_two_projects_never_share_a_user(tmp_path: Path) -> None:
    pool = UidPool([7, 8], tmp_path / "locks")
    (one, held), (other, _) = pool.take(), pool.take()
    assert {one, other} == {7, 8}
    with pytest.raises(NoFreeIdentityError, match="all 2 taken"):
        pool.take()
    held.close()
    held.close()
    assert pool.take()[0] == one


def test_a_user_is_held_across_processes_and_free_when_its_holder_dies(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        cwd=Path(__file__).parents[4],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"7\n"
        mine = UidPool([7, 8], folder).take()
        assert mine[0] == 8
        holder.kill()
    assert UidPool([7, 8], folder).take()[0] == 7


def test_a_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        Locked.try_take(tmp_path / "lock")


@needs_root
def test_two_leases_have_users_and_folders_of_their_own(sandbox: Sandbox) -> None:
    one, other = sandbox.lease("same"), sandbox.lease("same")
    assert one.identity.uid != other.identity.uid
    assert one.workspace != other.workspace
    one.close(remove=True)
    other.close(remove=True)


def test_a_folder_is_handed_out_again_with_its_files(sandbox: Sandbox) -> None:
    first = sandbox.lease("again")
    first.files.submit((first.workspace / "kept").touch).result()
    first.close()
    second = sandbox.lease("again")
    assert second.workspace == first.workspace
    kept = (second.workspace / "kept").stat()
    assert kept.st_uid == (second.identity.uid if second.identity.uid is not None else kept.st_uid)
    second.close(remove=True)
    assert not second.workspace.exists()


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(LimitError, match="expected timeout to be above zero"):
        Limits(timeout=0)


@pytest.mark.parametrize("project", ["", "../etc", "a/b", ".hidden", "a b", "x" * 101])
def test_an_id_that_cannot_name_a_folder_gets_none(sandbox: Sandbox, project: str) -> None:
    with pytest.raises(UsageError, match="expected a project id"):
        sandbox.lease(project)
