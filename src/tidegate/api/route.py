"""What one route of the API is, as data."""

from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec import Struct
from starlette.responses import Response

from tidegate.api.call import Call

Access = Literal["public", "admin", "enqueue", "history", "publish", "attempt"]
"""Who may call: anybody; an admin; who may enqueue to `{queue}`; who may read the history of
`{channel}` or publish to it; the attempt of `{job}` that holds its lease."""

Handler = Callable[[Call], Awaitable[Struct | Response]]


class Route(Struct, frozen=True, kw_only=True):
    """One operation.

    Attributes:
        path: With `{name}` for each part that varies.
        handler: What carries it out; the first line of its docstring is the summary.
        answer: The type of the JSON that is answered; None for text.
        body: The type of the JSON that is sent; None where nothing is.
        query: The type of the query parameters; None where there are none.
        status: The HTTP status of success.
        refusals: Statuses it may answer beside those of its access and 400.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    access: Access
    answer: type[Struct] | None
    body: type[Struct] | None = None
    query: type[Struct] | None = None
    status: int = 200
    refusals: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The operation's id, of its module and its function."""
        return f"{self.handler.__module__.rpartition('.')[2]}.{self.handler.__name__}"

    @property
    def summary(self) -> str:
        """What it does, in one sentence."""
        return (self.handler.__doc__ or "").strip().partition("\n")[0]
