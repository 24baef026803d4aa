"""One command, from claim to exit, as a line of steps."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from msgspec import Struct

from apps.terminal.command import Command, Ended, TerminalState
from apps.terminal.pty import CommandSpec, CommandTooLongError, Exit, PtyCommand
from apps.terminal.sandbox import Limits, Sandbox
from apps.terminal.terminals import Terminals
from apps.terminal.worker.keyboard import Keyboard, where_input_starts
from apps.terminal.worker.output import Teller
from apps.terminal.worker.workspaces import HeldWorkspace
from apps.terminal.workspace.errors import StaleEpochError
from apps.terminal.workspace.merge import Conflict
from apps.terminal.workspace.workspace import Saved
from tidegate import Interrupted, JobContext
from tidegate.errors import TidegateError

# What ending a command and saving its files may take of the time that a drain leaves.
TO_END: Final = 6.0
MOST_REMARKS: Final = 5
STOPPING: Final = "the worker is being stopped"

REASONS: Final = {
    "killed": "killed",
    "drain": STOPPING,
    "abandoned": STOPPING,
    "lost": "its guard died",
    "exec": "it could not be started",
}


class Begun(Struct, frozen=True):
    """Kept before a command starts, so that it is never started again."""

    worker: str


class Run:
    """One command in its terminal, on a workspace that is held for it.

    Args:
        job: The attempt.
        command: What to run.
        terminals: What terminals carry from one command to the next.
        sandbox: What holds the command.
        limits: What it may use.
    """

    def __init__(
        self,
        job: JobContext,
        command: Command,
        *,
        terminals: Terminals,
        sandbox: Sandbox,
        limits: Limits,
    ) -> None:
        self._job = job
        self._command = command
        self._terminals = terminals
        self._sandbox = sandbox
        self._limits = limits
        self.teller = Teller(job)

    async def on(self, workspace: HeldWorkspace) -> Ended:
        """Run it there, and save what it changed."""
        state = await self._terminals.state(self._command.project, self._command.terminal)
        keyboard = self._keyboard(state)
        if self._job.is_draining:
            raise Interrupted  # not begun yet: another worker may have it
        # From here on it runs at most once: another attempt finds this and refuses.
        await self._begun()
        await self.teller.status("running")
        try:
            exit_ = await self._attended(workspace, state, keyboard)
        except CommandTooLongError as error:
            return Ended(code=126, cwd=state.carried.cwd, duration_s=0.0, reason=str(error))
        if exit_.ended:
            await self.teller.notice(_left_behind(exit_.ended))
        await self.teller.status("saving")
        unsaved = await self._saved(workspace)
        await self._kept(exit_, keyboard)
        return ended(exit_, unsaved=unsaved, cancelled=self._job.cancel_reason)

    async def _begun(self) -> None:
        await self._job.checkpoint(Begun(self._job.worker))

    def _keyboard(self, state: TerminalState) -> Keyboard:
        return Keyboard(
            self._job.client,
            self.teller,
            job=self._job.claim.id,
            project=self._command.project,
            terminal=self._command.terminal,
            start=where_input_starts(self._command.input, state.input),
        )

    async def _attended(
        self, workspace: HeldWorkspace, state: TerminalState, keyboard: Keyboard
    ) -> Exit:
        """Run the command with someone at its keyboard, until it has ended."""
        command = self._command
        spec = CommandSpec(
            command=command.command,
            workspace=workspace.folder,
            identity=workspace.identity,
            limits=self._limits,
            carried=state.carried,
            cols=command.columns,
            rows=command.rows,
        )
        async with PtyCommand.start(self._sandbox, spec) as running:
            helpers = (keyboard.attend(running), self._watch_drain(running))
            await _beside(helpers, self._until_end(running))
            return await running.wait()

    async def _until_end(self, running: PtyCommand) -> None:
        """Pass output on until there is no more; asked to stop, end the command first."""
        output = asyncio.create_task(self.teller.output(running.output()), name="output")
        try:
            await asyncio.shield(output)
        except asyncio.CancelledError:
            if self._job.cancel_reason is None:
                raise
            await running.kill("drain" if self._job.is_draining else "cancelled")
            _stay()
            await output
        finally:
            output.cancel()
            await asyncio.wait([output])

    async def _watch_drain(self, running: PtyCommand) -> None:
        """Say that the worker stops, and end the command while there is time to save."""
        await self._job.draining()
        left = max(0.0, (self._job.drained_by or 0.0) - TO_END)
        await self.teller.notice(
            f"{STOPPING}; this command is ended in {left:.0f} s unless it ends by itself"
        )
        await asyncio.sleep(left)
        await running.kill("drain")

    async def _saved(self, workspace: HeldWorkspace) -> str | None:
        """Save what the command changed; why that failed, if it did.

        What could not be saved stays in the workspace, and the next save tries again.
        """
        try:
            saved = await workspace.save()
        except StaleEpochError:
            raise
        except TidegateError as error:
            await self.teller.notice(f"changed files are not saved yet: {error}")
            return f"its files could not be saved: {error}"
        for notice in remarks(saved):
            await self.teller.notice(notice)
        return None

    async def _kept(self, exit_: Exit, keyboard: Keyboard) -> None:
        state = TerminalState(
            carried=exit_.carried,
            last_exit=exit_.code,
            input=keyboard.position,
        )
        # Refused where the lease has passed: a worker that was thought dead may come back late,
        # and its terminal has gone on without it.
        await self._begun()
        await self._terminals.save_state(self._command.project, self._command.terminal, state)


async def _beside(
    helpers: Iterable[Coroutine[Any, Any, None]], work: Coroutine[Any, Any, None]
) -> None:
    """Do `work` with `helpers` at its side, which end with it; the first failure ends all."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(helper) for helper in helpers]
            try:
                await work
            finally:
                for task in tasks:
                    task.cancel()
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures


def ended(exit_: Exit, *, unsaved: str | None = None, cancelled: str | None = None) -> Ended:
    """How a command ended, in words for the person who typed it.

    Args:
        exit_: How it ended.
        unsaved: Why its files could not be saved, if they could not.
        cancelled: Why its job was cancelled, if it was.
    """
    reason = unsaved
    if exit_.reason == "cancelled":
        reason = cancelled
    elif exit_.reason is not None:
        reason = exit_.detail or REASONS.get(exit_.reason, exit_.reason)
    return Ended(
        code=exit_.code,
        cwd=exit_.cwd,
        duration_s=round(exit_.duration, 3),
        signal=exit_.signal,
        reason=reason,
    )


def remarks(saved: Saved) -> list[str]:
    """What a person should hear of a save."""
    said = [_in_words(conflict) for conflict in saved.conflicts[:MOST_REMARKS]]
    said += [
        f"{each.path} was not saved: it {each.reason}" for each in saved.skipped[:MOST_REMARKS]
    ]
    more = len(saved.conflicts) + len(saved.skipped) - len(said)
    return [*said, f"and {more} more files"] if more else said


def _in_words(conflict: Conflict) -> str:
    path = conflict.path
    if conflict.kept_as is None:
        return f"{path} was removed here and changed elsewhere; the changed file is kept"
    if conflict.kept_as == path:
        return f"{path} was changed here and removed elsewhere; the changed file is kept"
    return f"{path} was changed elsewhere as well; what was written here is in {conflict.kept_as}"


def _left_behind(processes: int) -> str:
    if processes == 1:
        return "1 process was still running in the background and has been ended"
    return f"{processes} processes were still running in the background and have been ended"


def _stay() -> None:
    """Take back the cancellation that was meant for the command, not for what saves its files."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
