"""What a person may do on the gateway: tokens that say so."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from apps.terminal.command import input_channel, project_channel, terminal_channel
from apps.terminal.projects import Project
from apps.terminal.users.user import Role, User
from tidegate import Cap, Keyring
from tidegate.clock import SYSTEM, Clock, at

# A person who is dismissed keeps what they have for so long at most.
TTL: Final = 300.0
# A token has at most 16 KiB; a project takes about 100 bytes of it.
MOST_PROJECTS: Final = 100
STATUS: Final = "tidegate:status"


class Grants:
    """Issues gateway tokens.

    Args:
        secret: The app's secret, or several, as `TIDEGATE_SECRET_KEY` has them.
        clock: Dates them.
    """

    def __init__(self, secret: str, clock: Clock = SYSTEM) -> None:
        self._keys = Keyring.parse(secret)
        self._clock = clock

    def issue(self, user: User, projects: Sequence[Project]) -> tuple[str, datetime]:
        """A token for the first hundred of `projects`, and when it expires."""
        covered = projects[:MOST_PROJECTS]
        now = self._clock.now()
        token = self._keys.issue(sub=user.id, now=now, ttl=TTL, caps=caps(user, covered))
        return token, at(now + TTL)


def caps(user: User, projects: Sequence[Project]) -> list[Cap]:
    """To see what goes on in each project; to type where the person may run commands."""
    seen = [STATUS]
    typed = []
    for project in projects:
        role = project.role(user)
        if role is None:
            continue
        seen += [terminal_channel(project.id, "*"), project_channel(project.id)]
        if role.includes(Role.EDITOR):
            typed.append(input_channel(project.id, "*"))
    may_see = Cap(channels=tuple(seen), allow=frozenset({"subscribe", "history", "presence"}))
    may_type = Cap(channels=tuple(typed), allow=frozenset({"publish", "rpc"}))
    return [may_see, may_type] if typed else [may_see]
