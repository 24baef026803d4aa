"""The workspaces that a worker holds: one per project, shared by the project's commands."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from apps.terminal.sandbox import Identity, Lease, Sandbox
from apps.terminal.worker.tending import Tending
from apps.terminal.workspace.errors import StaleEpochError
from apps.terminal.workspace.limits import ProjectLimits
from apps.terminal.workspace.workspace import Saved, Workspace
from tidegate import Client, Logger

log = Logger("terminal.worker")

# Workspaces kept although nothing runs in them; each has a user and disk of its own.
MOST_IDLE: Final = 20


class HeldWorkspace:
    """One project's folder on this machine, and the commands that run in it.

    Attributes:
        users: Commands that run in it.
        used: Counts up with each; the least used last is given up first.
    """

    def __init__(self, lease: Lease, workspace: Workspace, tending: Tending) -> None:
        self._lease = lease
        self._workspace = workspace
        self._tending = tending
        self._tended: asyncio.Task[None] | None = None
        self._tidied: asyncio.Task[None] | None = None
        self._enough = asyncio.Event()
        self.users = 0
        self.used = 0

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._lease.workspace

    @property
    def identity(self) -> Identity:
        """Who its commands are."""
        return self._lease.identity

    async def renew(self, epoch: int) -> None:
        """Bring it to the project's newest commit, under this ownership from now on."""
        self._tending.epoch = epoch
        await self._workspace.fetch()

    async def save(self) -> Saved:
        """Commit what has changed here; raises as `Workspace.save`."""
        return await self._tending.save()

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        """While commands run in it, it and the project are kept alike."""
        self.users += 1
        if self._tended is None or self._tended.done():
            self._enough = asyncio.Event()
            self._tended = asyncio.create_task(self._tending.run(self._enough), name="tending")
        try:
            yield
        finally:
            self.users -= 1
            if not self.users:
                await self._rest()

    async def _rest(self) -> None:
        """Stop keeping it current, and tidy up behind whoever used it."""
        self._enough.set()
        tended, self._tended = self._tended, None
        if tended is not None:
            await asyncio.wait([tended])
            if error := tended.exception():
                log.error("tending_failed", error=repr(error))
        if self._tidied is None or self._tidied.done():
            self._tidied = asyncio.create_task(self._tending.tidy(), name="tidying")

    async def close(self, *, remove: bool = False) -> None:
        """Give its user and folder back."""
        await self._rest()
        if self._tidied is not None:
            self._tidied.cancel()
            await asyncio.wait([self._tidied])
        await asyncio.to_thread(self._lease.close, remove=remove)


class Workspaces:
    """All workspaces of a worker.

    Args:
        client: The worker's connection.
        sandbox: Gives each its place.
        limits: How large a project may be.
    """

    def __init__(self, client: Client, sandbox: Sandbox, limits: ProjectLimits) -> None:
        self._client = client
        self._sandbox = sandbox
        self._limits = limits
        self._held: dict[str, HeldWorkspace] = {}
        self._gates: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._turn = 0

    @asynccontextmanager
    async def hold(self, project: str, epoch: int, *, fresh: bool) -> AsyncIterator[HeldWorkspace]:
        """The project's workspace, as new as the project, for one command.

        Args:
            project: Its id.
            epoch: The ownership under which this worker has it.
            fresh: A clean copy for this command alone, gone with it.

        Raises:
            NoFreeIdentityError: Every user of this machine is taken.
            WorkspaceFullError: The disk is full.
            TidegateError: The object store does not answer.
        """
        held = await (
            self._opened(project, epoch, fresh=True) if fresh else self._ready(project, epoch)
        )
        try:
            async with held.in_use():
                yield held
        finally:
            if fresh:
                await held.close(remove=True)

    async def _ready(self, project: str, epoch: int) -> HeldWorkspace:
        async with self._gates[project]:
            held = self._held.get(project)
            if held is None:
                await self._make_room()
                held = self._held[project] = await self._opened(project, epoch)
            else:
                await held.renew(epoch)
            self._turn += 1
            held.used = self._turn
            return held

    async def _opened(self, project: str, epoch: int, *, fresh: bool = False) -> HeldWorkspace:
        lease = await asyncio.to_thread(self._sandbox.lease, project, fresh=fresh)
        try:
            workspace = await Workspace.open(
                self._client.objects,
                project,
                lease.workspace,
                files=lease.files,
                limits=self._limits,
            )
            held = HeldWorkspace(lease, workspace, Tending(self._client, project, workspace, epoch))
            await held.renew(epoch)
        except BaseException:
            await asyncio.to_thread(lease.close)
            raise
        return held

    async def _make_room(self) -> None:
        """Give up the workspaces that were used least lately; all they hold is saved."""
        idle = [project for project, held in self._held.items() if not held.users]
        idle.sort(key=lambda project: self._held[project].used)
        # Whoever is here holds the gate of a project that is not held, so two never wait in a ring.
        for project in idle[: max(0, len(self._held) + 1 - MOST_IDLE)]:
            async with self._gates[project]:
                held = self._held.get(project)
                if held is not None and not held.users:
                    await self._held.pop(project).close()

    async def release(self, project: str, epoch: int) -> None:
        """Save a workspace before another worker owns its project, and give it up.

        Does nothing where a command has just begun in it; raises as `Workspace.save`, and keeps
        the workspace then.
        """
        async with self._gates[project]:
            held = self._held.get(project)
            if held is None or held.users:
                return
            try:
                await held.save()
            except StaleEpochError:
                log.warning("project_owned_elsewhere", project=project, epoch=epoch)
            del self._held[project]
            await held.close()
