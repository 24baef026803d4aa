"""Keeps a workspace and its project alike while commands run in it, both ways."""

import asyncio
from typing import Final

import msgspec
from msgspec import Struct

from apps.terminal.announce import TIDY_AGE, announce, is_tidying_due
from apps.terminal.command import project_channel
from apps.terminal.workspace.errors import StaleEpochError
from apps.terminal.workspace.project import ProjectFiles
from apps.terminal.workspace.workspace import Saved, Workspace
from tidegate import Client, Logger
from tidegate.errors import TidegateError

log = Logger("terminal.worker")

AUTHOR: Final = "terminal"
# What a running command writes is seen by others after so long.
EVERY: Final = 2.0
# A large workspace takes time to look through; that is to stay a twentieth of the whole.
SHARE: Final = 20.0


class FilesEvent(Struct, frozen=True):
    """The part of a project's event that matters here."""

    commit: int = 0


class Tending:
    """A workspace's comings and goings under one ownership.

    Args:
        client: Tells others, and hears of them.
        project: The project's id.
        workspace: Its folder.
        epoch: The ownership that commits are made under.
    """

    def __init__(self, client: Client, project: str, workspace: Workspace, epoch: int) -> None:
        self._client = client
        self._project = project
        self._workspace = workspace
        self._tidied_at = workspace.commit
        self.epoch = epoch

    async def save(self) -> Saved:
        """Commit what has changed here, and tell others; raises as `Workspace.save`."""
        saved = await self._workspace.save(self.epoch, AUTHOR)
        await announce(self._client, self._project, saved)
        return saved

    async def tidy(self) -> None:
        """Remove commits that nobody needs any more, if it is time to."""
        commit = self._workspace.commit
        if is_tidying_due(self._tidied_at, commit):
            self._tidied_at = commit
            try:
                await ProjectFiles(self._client.objects, self._project).collect(age=TIDY_AGE)
            except TidegateError as error:
                log.warning("tidying_failed", project=self._project, error=str(error))

    async def run(self, enough: asyncio.Event) -> None:
        """Save and fetch as changes come, until there is `enough`, or another owns the project.

        A save that has begun is finished, so that what is stored is always told as well.
        """
        try:
            async with asyncio.TaskGroup() as group:
                follower = group.create_task(self._follow(), name=f"follow-{self._project}")
                await self._save_until(enough)
                follower.cancel()
        except* StaleEpochError:
            log.warning("project_owned_elsewhere", project=self._project, epoch=self.epoch)

    async def _save_until(self, enough: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        pause = EVERY
        while not await _is_set(enough, within=pause):
            before = clock()
            try:
                await self.save()
            except StaleEpochError:
                raise
            except TidegateError as error:
                # The save at the command's end says so to the person, if it still fails then.
                log.warning("save_failed", project=self._project, error=str(error))
            pause = max(EVERY, SHARE * (clock() - before))
            await self.tidy()

    async def _follow(self) -> None:
        channel = project_channel(self._project)
        async with self._client.subscribe([channel]) as events:
            async for item in events:
                commit = _commit(getattr(item, "data", b""))
                if commit is None or commit > self._workspace.commit:
                    await self._fetch()

    async def _fetch(self) -> None:
        try:
            await self._workspace.fetch()
        except TidegateError as error:
            log.warning("fetch_failed", project=self._project, error=str(error))


async def _is_set(event: asyncio.Event, *, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            return await event.wait()
    except TimeoutError:
        return False


def _commit(data: bytes) -> int | None:
    """The commit an event tells of; None where it may be any."""
    try:
        return msgspec.json.decode(data, type=FilesEvent).commit
    except msgspec.MsgspecError:
        return None
