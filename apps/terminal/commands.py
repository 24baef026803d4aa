"""Commands as the API handles them: put in line, looked up, ended."""

import asyncio
from contextlib import suppress
from typing import Any, Final, Literal

from msgspec import Struct

from apps.terminal.command import (
    COLUMNS,
    ROWS,
    UNKNOWN_END,
    Columns,
    Command,
    Line,
    Rows,
    Signal,
    Signalled,
    Terminal,
    Typed,
    input_channel,
    terminal_channel,
)
from apps.terminal.errors import RefusedError
from apps.terminal.terminals import Terminals
from tidegate import Client, Job, JobRecord, State, new_id
from tidegate.clock import SYSTEM, Clock, at
from tidegate.errors import IllegalTransitionError, TidegateError, UnknownJobError

ACTIVE: Final = frozenset({State.PENDING, State.SCHEDULED, State.READY, State.RUNNING})
# Commands of one terminal that may wait behind the one that runs.
MOST_WAITING: Final = 20


class NewCommand(Struct, forbid_unknown_fields=True):
    """What a person asks to be run."""

    command: Line
    cols: Columns = COLUMNS
    rows: Rows = ROWS
    workspace: Literal["project", "fresh"] = "project"


class Commands:
    """The commands of all terminals.

    Args:
        client: The connection to queue and channels.
        terminals: Where history is kept.
        job: The job that runs a command.
        clock: Dates them.
    """

    def __init__(
        self,
        client: Client,
        terminals: Terminals,
        job: Job[[Command], Any],
        clock: Clock = SYSTEM,
    ) -> None:
        self._client = client
        self._terminals = terminals
        self._job = job
        self._clock = clock

    async def run(self, project: str, terminal: Terminal, new: NewCommand) -> str:
        """Put a command in its terminal's line; the job's id.

        It is in the terminal's history and on its channel before a worker can have it, so that
        whoever looks on sees it begin.

        Raises:
            RefusedError: Twenty commands of this terminal wait already.
            QueueFullError: The queue is at its maximum depth.
        """
        if len(await self.active(terminal)) > MOST_WAITING:
            raise RefusedError(
                f"expected at most {MOST_WAITING} commands waiting in one terminal, found more; "
                "wait for some to end, or kill them",
                code="too_many_waiting",
                status=429,
            )
        job = new_id()
        command, cwd = await self._prepared(project, terminal, new)
        now = self._clock.now()
        line = Typed(job, new.command, at(now))
        await self._terminals.typed(project, terminal.id, line, (new.cols, new.rows))
        await self._tell(command, job, cwd=cwd, now=now)
        await self._enqueue(command, job)
        return job

    async def _prepared(
        self, project: str, terminal: Terminal, new: NewCommand
    ) -> tuple[Command, str]:
        """The command, and the folder that its terminal is in as far as is known by now."""
        position, state = await asyncio.gather(
            self._client.channels.backend.top(input_channel(project, terminal.id)),
            self._terminals.state(project, terminal.id),
        )
        command = Command(
            project=project,
            terminal=terminal.id,
            command=new.command,
            columns=new.cols,
            rows=new.rows,
            workspace=new.workspace,
            input=position,
        )
        return command, state.carried.cwd

    async def _tell(self, command: Command, job: str, *, cwd: str, now: float) -> None:
        event = {
            "type": "command",
            "job": job,
            "command": command.command,
            "cwd": cwd,
            "at": int(now * 1000),
        }
        await self._client.publish(_channel(command), event, key=f"{job}:command")

    async def _enqueue(self, command: Command, job: str) -> None:
        options = self._job.using(
            id=job,
            key=f"{command.project}:{command.terminal}",
            affinity=command.project,
            channel=_channel(command),
        )
        try:
            await options.enqueue(command)
        except TidegateError as error:
            reason = f"could not be put in line: {error}"
            event = {**UNKNOWN_END, "job": job, "state": "refused", "reason": reason}
            await self._client.publish(_channel(command), event, key=f"{job}:refused")
            raise

    async def active(self, terminal: Terminal) -> list[JobRecord]:
        """The commands of a terminal that have not ended, in the order they run."""
        newest = terminal.typed[-(MOST_WAITING + 1) :]
        records = await asyncio.gather(*(self._client.job(line.job) for line in newest))
        return [record for record in records if record and record.state in ACTIVE]

    async def kill(self, project: str, terminal: Terminal, signal: Signal) -> int:
        """End the commands of a terminal; how many that reached.

        INT is for the one that runs, as ctrl-C is. TERM and KILL end it within two seconds, and
        take back those that wait.
        """
        active = await self.active(terminal)
        running = [record.id for record in active if record.state is State.RUNNING]
        if signal != "INT":
            waiting = [record.id for record in active if record.state is not State.RUNNING]
            # The last first: else the next in line starts as soon as one is taken back.
            running += [job for job in reversed(waiting) if await self._has_started(job)]
        channel = input_channel(project, terminal.id)
        for job in running:
            event = Signalled(signal=signal, job=job)
            await self._client.publish(channel, event, key=f"kill:{new_id()}")
        return len(active)

    async def ended(self, terminal: Terminal, seconds: float) -> None:
        """Return once no command of the terminal is active, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for record in await self.active(terminal):
                    with suppress(UnknownJobError):
                        await self._client.handle(record.id).ended()

    async def _has_started(self, job: str) -> bool:
        """Take a waiting command back; whether it started at that very moment instead."""
        try:
            return await self._client.cancel(job, "killed before it started") is State.RUNNING
        except (UnknownJobError, IllegalTransitionError):
            return False


def _channel(command: Command) -> str:
    return terminal_channel(command.project, command.terminal)
