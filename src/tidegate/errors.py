"""Every error Tidegate raises, in one tree.

An error keeps its facts as fields; its message says what was expected, what was found and what to
do. `exit_status` is what the command line exits with: 2 for wrong usage, 1 for a failure.
"""

from collections.abc import Sequence


class TidegateError(Exception):
    """The root of every error Tidegate raises on purpose."""

    exit_status = 1
    code = "failed"


class UsageError(TidegateError):
    """The caller asked for something that cannot be; asking again changes nothing."""

    exit_status = 2
    code = "usage"


class DeclarationError(UsageError):
    """An app declares something wrong; raised where it is written."""

    code = "wrong_declaration"


class SettingsError(UsageError):
    """An environment variable or `.env` line has a value Tidegate cannot use."""

    code = "wrong_setting"


class UnknownQueueError(DeclarationError):
    """A job names a queue the app never declared.

    Attributes:
        queue: The name asked for.
        known: Declared names, sorted.
    """

    code = "unknown_queue"

    def __init__(self, queue: str, known: Sequence[str]) -> None:
        declared = ", ".join(known) or "none"
        super().__init__(f"unknown queue {queue!r}; declared queues: {declared}")
        self.queue = queue
        self.known = tuple(known)


class UnknownHandlerError(UsageError):
    """A queue has no handler of this name.

    Attributes:
        name: The handler asked for.
        queue: The queue it was asked of.
        known: Handler names of that queue, sorted.
    """

    code = "unknown_handler"

    def __init__(self, name: str, queue: str, known: Sequence[str]) -> None:
        declared = ", ".join(known) or "none"
        super().__init__(f"queue {queue!r} has no job {name!r}; declared jobs: {declared}")
        self.name = name
        self.queue = queue
        self.known = tuple(known)


class UnknownJobError(UsageError):
    """No record of this job is kept; it never was, or its record has expired."""

    code = "unknown_job"

    def __init__(self, job: str) -> None:
        super().__init__(f"no job {job!r}; it was never enqueued here, or its record has expired")
        self.job = job


class PayloadError(UsageError):
    """A payload is not of the type its job declares, or is larger than allowed."""

    code = "wrong_payload"


class QueueFullError(TidegateError):
    """A queue is at its maximum depth and takes no more until it drains.

    Attributes:
        queue: The queue's name.
        depth: Jobs it holds, ready and running.
        retry_after: Seconds after which asking again is sensible.
    """

    code = "queue_full"

    def __init__(self, queue: str, depth: int, limit: int, retry_after: float) -> None:
        super().__init__(
            f"queue {queue!r} holds {depth} jobs, its maximum is {limit}; "
            f"try again in {retry_after:g} s or raise max_depth"
        )
        self.queue = queue
        self.depth = depth
        self.limit = limit
        self.retry_after = retry_after


class IllegalTransitionError(UsageError):
    """A job is not in a state from which the wanted change is possible."""

    code = "illegal_transition"

    def __init__(self, job: str, wanted: str, state: str, expected: Sequence[str]) -> None:
        super().__init__(
            f"cannot {wanted} job {job!r}: expected state {' or '.join(expected)}, found {state}"
        )
        self.job = job
        self.state = state


class JobFailedError(TidegateError):
    """A job whose result was asked for ended without one.

    Attributes:
        job: The job's id.
        state: How it ended.
        reason: Why, in words; its record holds more.
    """

    code = "job_failed"

    def __init__(self, job: str, state: str, reason: str) -> None:
        because = f": {reason}" if reason else ""
        super().__init__(f"job {job!r} has no result, it is {state}{because}")
        self.job = job
        self.state = state
        self.reason = reason


class BackendUnavailableError(TidegateError):
    """Valkey or the object store did not answer; safe to try again."""

    code = "backend_unavailable"


class StaleAttemptError(TidegateError):
    """This attempt's lease has passed to another; nothing it writes is accepted any more.

    Attributes:
        job: The job's id.
        fence: The fencing token that was refused.
    """

    code = "stale_attempt"

    def __init__(self, job: str, fence: int) -> None:
        super().__init__(
            f"attempt {fence} of job {job!r} no longer holds its lease; its write was refused"
        )
        self.job = job
        self.fence = fence


class TokenError(TidegateError):
    """A token is missing, forged, expired or malformed."""

    code = "bad_token"


class ForbiddenError(TidegateError):
    """The token is good, and does not grant this."""

    code = "forbidden"


class ChannelError(UsageError):
    """A channel name, offset or setting cannot be."""

    code = "wrong_channel"


class SlowReaderError(TidegateError):
    """A reader of a channel whose setting is `slow="cut"` did not keep up.

    Attributes:
        channel: The channel that had more than fitted.
        buffer: Bytes that might wait.
    """

    code = "slow_reader"

    def __init__(self, channel: str, buffer: int) -> None:
        super().__init__(
            f"more than {buffer} bytes of channel {channel!r} waited for this reader; "
            "subscribe again from its last cursor, or read faster"
        )
        self.channel = channel
        self.buffer = buffer


class ObjectError(TidegateError):
    """The object store refused or lost something."""

    code = "object_store"


class ObjectMissingError(ObjectError):
    """There is no object of this key.

    Attributes:
        key: The key asked for.
    """

    code = "object_missing"

    def __init__(self, key: str) -> None:
        super().__init__(f"no object {key!r}; it was never stored, or has been deleted")
        self.key = key


class AlreadyRunningError(TidegateError):
    """Another `tidegate up` holds this data folder.

    Attributes:
        pid: The process that holds it.
    """

    code = "already_running"

    def __init__(self, folder: str, pid: int) -> None:
        super().__init__(
            f"{folder} is in use by process {pid}; stop it, or choose another folder with --data"
        )
        self.pid = pid
