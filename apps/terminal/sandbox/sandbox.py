"""Where commands run: what holds them on this machine, and a place for each project."""

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from apps.terminal.sandbox import environment, layers, rights
from apps.terminal.sandbox.entry import Entry, Means
from apps.terminal.sandbox.identity import Identity, Locked, UidPool
from apps.terminal.sandbox.limits import Limits
from tidegate.errors import UsageError
from tidegate.launchers import tree

UIDS = range(61000, 61100)
# Private to root, as only root hands out users; a shared folder could be tampered with.
LOCKS = Path("/run" if Path("/run").is_dir() else "/var/run") / "tidegate" / "users"
SLOTS = 100
PROJECT = re.compile(r"[A-Za-z0-9_-]{1,100}")


class UnreachableFolderError(UsageError):
    """The users that commands run as could not enter their own workspaces.

    Attributes:
        folder: Where the workspaces should have been.
    """

    code = "unreachable_folder"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"expected every user to be able to enter {folder}, found a folder above it that is "
            "private; choose another with folder=, or chmod o+x what is above it"
        )
        self.folder = folder


class ProjectNameError(UsageError):
    """A project's id cannot be the name of a folder.

    Attributes:
        project: The id given.
    """

    code = "wrong_project"

    def __init__(self, project: str) -> None:
        super().__init__(
            f"expected a project id of letters, digits, '_' and '-', found {project[:80]!r}"
        )
        self.project = project


class Sandbox:
    """What holds commands on this machine, and the places they run in.

    Attributes:
        folder: Where the workspaces lie.
        layers: What holds here and what does not, in words.
    """

    def __init__(self, folder: Path, means: Means, passed: Mapping[str, str]) -> None:
        self.folder = folder
        self.layers = layers.report(means)
        self._means = means
        self._passed = passed
        self._pool = UidPool(means.uids, LOCKS)
        entries = os.environ.get("PATH", "").split(":")
        self._path = environment.search_path(entries, means.uids[0] if means.uids else None)
        self.shell = shutil.which("bash") or shutil.which("sh") or "/bin/sh"

    @classmethod
    def probe(
        cls,
        folder: Path,
        *,
        uids: Sequence[int] = UIDS,
        hidden: Sequence[Path] = (),
        pass_env: Collection[str] = (),
    ) -> Self:
        """The sandbox this machine allows, each layer tried; takes about 0.1 s, once a worker.

        Args:
            folder: For workspaces and temporary files; made if missing. As root, every user must
                be able to enter it.
            uids: Users nobody else has, for projects to run as; only root can use them.
            hidden: Folders that no command may read, where the kernel can see to it: the data
                folder of a worker that is not root. The user's home is always among them then.
            pass_env: More names of the worker's environment that commands may see.

        Raises:
            UnreachableFolderError: `folder` lies in a private one.
        """
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        means = layers.found(uids, _hidden(hidden), folder)
        if means.uids and not environment.reachable(folder, means.uids[0]):
            raise UnreachableFolderError(folder)
        return cls(folder, means, environment.scrubbed(os.environ, pass_env))

    def lease(self, project: str, *, fresh: bool = False) -> "Lease":
        """A place for `project`, alone on this machine until `close`.

        The folder of a project that was here before is handed out again, files and all.

        Args:
            project: Its id.
            fresh: A new empty place instead, removed when closed.

        Raises:
            ProjectNameError: The id cannot name a folder.
            NoFreeIdentityError: Every user is taken.
            OSError: The folders cannot be made.
        """
        if not PROJECT.fullmatch(project):
            raise ProjectNameError(project)
        with contextlib.ExitStack() as undo:
            uid = None
            if self._means.uids:
                uid, held = self._pool.take()
                undo.callback(held.close)
                _clear(uid)
            name = f"{project}.{secrets.token_hex(4)}" if fresh else project
            workspace, held = self._slot(name)
            undo.callback(held.close)
            identity = Identity(uid, self.folder / f".{workspace.name}.scratch")
            for folder in (identity.scratch, workspace):
                folder.mkdir(mode=0o700, exist_ok=True)
                rights.give(folder, uid)
            lease = Lease(identity, workspace, undo.pop_all(), fresh=fresh)
            lease.files.submit(_make_folders, identity.scratch).result()
            return lease

    def _slot(self, name: str) -> tuple[Path, Locked]:
        """A folder for `name` that no other worker of this machine has."""
        for number in range(SLOTS):
            folder = self.folder / (f"{name}~{number}" if number else name)
            if held := Locked.try_take(folder.with_name(f".{folder.name}.lock")):
                return folder, held
        raise FileExistsError(f"expected a free folder for {name!r} in {self.folder}, found none")

    def entry(
        self,
        identity: Identity,
        limits: Limits,
        *,
        home: Path,
        cwd: str,
        exported: Mapping[str, str | None],
    ) -> Entry:
        """The way in for one command; `exported` changes the environment it would have."""
        own = self.environment(identity, home)
        changed = own | {name: value for name, value in exported.items() if value is not None}
        for name in exported.keys() - changed.keys() | _unset(exported):
            changed.pop(name, None)
        return Entry(self._means, identity, limits, home=home, cwd=cwd, environment=changed)

    def environment(self, identity: Identity, home: Path) -> dict[str, str]:
        """What a command's environment is before its terminal has changed anything."""
        return environment.for_command(
            self._passed,
            path=self._path,
            home=home,
            scratch=identity.scratch,
            shell=self.shell,
        )


class Lease:
    """A project's place on this machine.

    Attributes:
        identity: Who its commands are.
        workspace: Its folder.
        files: One thread that may touch what the project may touch, and no more.
    """

    def __init__(
        self, identity: Identity, workspace: Path, held: contextlib.ExitStack, *, fresh: bool
    ) -> None:
        self.identity = identity
        self.workspace = workspace
        self.files: ThreadPoolExecutor = rights.file_thread(identity)
        self._held = held
        self._fresh = fresh

    def close(self, *, remove: bool = False) -> None:
        """End what still runs as the project, and give its user and folder back.

        Takes seconds for a large folder: call it in a thread. Safe to repeat.

        Args:
            remove: Remove the workspace as well; a fresh one always is.
        """
        self.files.shutdown(cancel_futures=True)
        if self.identity.uid is not None:
            _clear(self.identity.uid)
        shutil.rmtree(self.identity.scratch, ignore_errors=True)
        if remove or self._fresh:
            self._remove()
        self._held.close()

    def _remove(self) -> None:
        # What the workspace was goes first: with it, half a folder would look like removals.
        self._beside("state").unlink(missing_ok=True)
        shutil.rmtree(self.workspace, ignore_errors=True)
        if self._fresh:
            self._beside("lock").unlink(missing_ok=True)

    def _beside(self, suffix: str) -> Path:
        return self.workspace.with_name(f".{self.workspace.name}.{suffix}")


def _make_folders(scratch: Path) -> None:
    for name in ("tmp", "cache"):
        (scratch / name).mkdir(mode=0o700, exist_ok=True)


def _unset(exported: Mapping[str, str | None]) -> set[str]:
    return {name for name, value in exported.items() if value is None}


def _clear(uid: int) -> None:
    """End every process of `uid` and remove its files from shared folders."""
    tree.end_user(uid)
    rights.sweep(uid)


def _hidden(hidden: Sequence[Path]) -> list[Path]:
    """What commands may not read: nothing more for root, whose files are private anyway."""
    if os.geteuid() == 0:
        return []
    return [Path.home(), *hidden]
