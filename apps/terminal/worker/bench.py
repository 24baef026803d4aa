"""Where a worker runs commands: its sandbox, and the workspaces it holds."""

import asyncio
from typing import Final
from weakref import WeakKeyDictionary

from apps.terminal.command import Command, Ended
from apps.terminal.isolation import Isolation
from apps.terminal.records import Records
from apps.terminal.sandbox import Sandbox
from apps.terminal.settings import TerminalSettings
from apps.terminal.terminals import Terminals
from apps.terminal.worker.leftovers import remove_leftovers
from apps.terminal.worker.run import Begun, Run
from apps.terminal.worker.workspaces import Workspaces
from tidegate import Client, JobContext
from tidegate.clock import SYSTEM

NOT_AGAIN: Final = "its worker was lost after it had begun; it is never run twice"


class Bench:
    """What the commands of one worker process share.

    Args:
        client: The worker's connection.
        settings: Limits and places.
    """

    def __init__(self, client: Client, settings: TerminalSettings) -> None:
        self._client = client
        self._settings = settings
        self._records = Records(client.objects)
        self._terminals = Terminals(self._records)
        self._opening = asyncio.Lock()
        self._sandbox: Sandbox | None = None
        self._workspaces: Workspaces | None = None

    async def run(self, job: JobContext, command: Command) -> Ended:
        """Run one command to its end."""
        if job.checkpointed(Begun) is not None:
            return Ended(code=None, cwd="", duration_s=0.0, reason=NOT_AGAIN)
        sandbox, workspaces = await self._opened()
        run = Run(
            job,
            command,
            terminals=self._terminals,
            sandbox=sandbox,
            limits=self._settings.limits,
        )
        await run.teller.status("fetching")
        epoch, fresh = job.claim.affinity_epoch, command.workspace == "fresh"
        async with workspaces.hold(command.project, epoch, fresh=fresh) as workspace:
            return await run.on(workspace)

    async def release(self, project: str, epoch: int) -> None:
        """Save a project's workspace and give it up."""
        if self._workspaces is not None:
            await self._workspaces.release(project, epoch)

    async def _opened(self) -> tuple[Sandbox, Workspaces]:
        async with self._opening:
            if self._sandbox is None or self._workspaces is None:
                folder = self._settings.workspaces
                self._sandbox = await asyncio.to_thread(Sandbox.probe, folder)
                await asyncio.to_thread(remove_leftovers, folder, SYSTEM.now())
                await Isolation(self._records, None).report(self._sandbox.layers)
                limits = self._settings.project_limits
                self._workspaces = Workspaces(self._client, self._sandbox, limits)
            return self._sandbox, self._workspaces


_benches: Final[WeakKeyDictionary[Client, Bench]] = WeakKeyDictionary()


def bench(client: Client, settings: TerminalSettings) -> Bench:
    """The bench of this process, made on the first call."""
    if client not in _benches:
        _benches[client] = Bench(client, settings)
    return _benches[client]
