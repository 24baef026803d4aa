"""A client's place in one topic."""

from tidegate.channels.cursor import Cursor
from tidegate.gateway.auth import Claims
from tidegate.gateway.topic import Topic


class Subscription:
    """A client's place in one topic.

    Attributes:
        claims: What its own token says; None where the connection's stands for it.
        held_at: Where it stands in the log while it is held back; None while it is live.
    """

    __slots__ = ("claims", "held_at", "topic")

    def __init__(self, topic: Topic, claims: Claims | None) -> None:
        self.topic = topic
        self.claims = claims
        self.held_at: Cursor | None = None
