"""File work on a project's behalf, with that project's rights and no more.

A command may turn a folder of its workspace into a link to /etc between two of our calls. The
worker is root; were it to write there with its own rights, the command would have become root too.
So every touch of a workspace happens on a thread whose file rights are those of the project's user:
the kernel then refuses whatever the command itself could not do, and new files are the user's own.
"""

import ctypes
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from apps.terminal.sandbox.identity import Identity

# On these machines glibc's setgroups is not the bare call, which acts on one thread only.
SETGROUPS = {"x86_64": 116, "aarch64": 159}
SHARED_FOLDERS = tuple(map(Path, ("/tmp", "/var/tmp", "/dev/shm")))  # noqa: S108 - swept, not used


def file_thread(identity: Identity) -> ThreadPoolExecutor:
    """One thread that touches files as `identity`; shut it down when the project leaves.

    Where the worker may not change user, it is an ordinary thread.
    """
    return ThreadPoolExecutor(1, "workspace", initializer=_take_rights, initargs=(identity.uid,))


def _take_rights(uid: int | None) -> None:
    if uid is None or sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if number := SETGROUPS.get(os.uname().machine):
        libc.syscall(number, 0, None)
    # These two act on the calling thread; leaving user 0 also drops the capabilities over files.
    libc.setfsgid(uid)
    libc.setfsuid(uid)
    if libc.setfsuid(-1) != uid:
        raise PermissionError(f"expected to take the file rights of user {uid}; the kernel refused")


def give(folder: Path, uid: int | None) -> None:
    """Make `folder` and all below it the property of `uid`, private to it.

    Only what belonged to the folder's owner before changes hands: a hard link to someone else's
    file, which a command may have planted, stays with its owner.
    """
    before = folder.stat().st_uid
    folder.chmod(0o700)
    if uid is None or before == uid:
        return
    for path, found in _walk(folder):
        if found.st_uid == before and (found.st_nlink == 1 or stat.S_ISDIR(found.st_mode)):
            os.chown(path, uid, uid, follow_symlinks=False)
    os.chown(folder, uid, uid)


def sweep(uid: int) -> None:
    """Remove what user `uid` left in the folders that everyone may write."""
    for folder in SHARED_FOLDERS:
        for entry in _entries(folder):
            if _owner(entry) == uid:
                _remove(entry)


def _walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(root, name)  # noqa: PTH118 - a Path each is half the time
            yield path, os.lstat(path)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
