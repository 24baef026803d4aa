"""Tells everyone who looks at a project that its files have changed."""

from typing import Final

from apps.terminal.command import project_channel
from apps.terminal.workspace.workspace import Saved
from tidegate.client import Client

# Paths that one event names; who sees that there are more reads the listing again anyway.
MOST_PATHS: Final = 1000


async def announce(client: Client, project: str, saved: Saved) -> None:
    """Publish what a save has changed for others, once, and each conflict it met."""
    channel = project_channel(project)
    if saved.changed or saved.removed:
        event = {
            "type": "files",
            "commit": saved.commit,
            "changed": saved.changed[:MOST_PATHS],
            "removed": saved.removed[:MOST_PATHS],
        }
        await client.publish(channel, event, key=f"files:{saved.commit}")
    for number, conflict in enumerate(saved.conflicts):
        event = {
            "type": "conflict",
            "commit": saved.commit,
            "path": conflict.path,
            "kept": conflict.kept_as,
        }
        await client.publish(channel, event, key=f"conflict:{saved.commit}:{number}")
