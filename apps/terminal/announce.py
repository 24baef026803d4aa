"""What follows a save: everyone who looks on is told, and now and then old commits are removed."""

from typing import Final

from apps.terminal.command import project_channel
from apps.terminal.workspace.workspace import Saved
from tidegate import Client

# Commits between two rounds of tidying.
TIDY_EVERY: Final = 100
# What was stored in the last hour may be on its way to or from someone.
TIDY_AGE: Final = 3600.0
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


def is_tidying_due(before: int, after: int) -> bool:
    """Whether a project that went from one commit to another has old ones to remove.

    It goes by the number alone, so that many short-lived writers tidy as often as one would.
    """
    return before // TIDY_EVERY < after // TIDY_EVERY
