"""One run of a job, as a line of small steps on values that never change. Pure.

    claim -> Attempt -> Outcome -> Settlement

`prepared` finds the handler and decodes its arguments, the worker calls it, `judged` decides what
becomes of the job. Nothing here waits, reads a clock or draws a random number.
"""

import traceback
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from tidegate.errors import PayloadError, UnknownHandlerError
from tidegate.jobs.backend import Cancelled, Complete, Crash, Fail, Release, Settlement
from tidegate.jobs.context import Fatal, Interrupted, Snooze
from tidegate.jobs.job import Claim, State
from tidegate.jobs.plan import Plan
from tidegate.serde import encoded

LARGEST_RESULT: Final = 1024 * 1024
LARGEST_IN_END: Final = 64 * 1024
LARGEST_MESSAGE: Final = 2_000
LARGEST_TRACEBACK: Final = 8_000
UNROUTABLE_GRACE: Final = 600.0
UNROUTABLE_DELAY: Final = 5.0

_STATE_NAMES: Final = {state: state.value.encode() for state in State}
_decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Stop(StrEnum):
    """Why a running attempt is asked to stop."""

    CANCEL = "cancel"  # somebody cancelled the job
    TIMEOUT = "timeout"  # it ran longer than its handler allows
    LOST = "lost"  # its lease has passed: whatever it does, it may no longer say so
    DRAIN = "drain"  # its worker's time is over


class Attempt(Struct, frozen=True):
    """A claim whose handler is known and whose payload has been read."""

    claim: Claim
    plan: Plan
    payload: bytes
    args: tuple[object, ...]


class Returned(Struct, frozen=True):
    """The handler returned; `result` is JSON, None for nothing."""

    result: bytes | None = None


class Raised(Struct, frozen=True):
    """The handler raised."""

    error: BaseException


class Stopped(Struct, frozen=True):
    """The handler was stopped; see `Stop`. `reason` says so in words."""

    why: Stop
    reason: str


class Detached(Struct, frozen=True):
    """An outside program has reported for this attempt; there is nothing to settle."""


class ChildError(Exception):
    """What a handler raised in its child process, as far as it can be told over a pipe.

    Attributes:
        type_name: Name of the exception's class.
        traceback: As the child formatted it.
        is_worth_retrying: Whether the class is one of the handler's `retry_on`.
    """

    def __init__(
        self, type_name: str, message: str, traceback_text: str, *, is_worth_retrying: bool
    ) -> None:
        super().__init__(message)
        self.type_name = type_name
        self.traceback = traceback_text
        self.is_worth_retrying = is_worth_retrying


class Crashed(Struct, frozen=True):
    """The child process that ran the handler died; `reason` says how."""

    reason: str


class Unroutable(Struct, frozen=True):
    """No handler of this release can run the job; another release may. Seconds known for `age`."""

    error: UnknownHandlerError | PayloadError
    age: float


Outcome = Returned | Raised | Stopped | Detached | Crashed | Unroutable


def prepared(claim: Claim, payload: bytes, plans: dict[str, Plan]) -> Attempt:
    """The attempt to run for a claim and its payload.

    Raises:
        UnknownHandlerError: This release has no handler of that name.
        PayloadError: The payload is not of the handler's type in this release.
    """
    plan = plans.get(claim.name)
    if plan is None:
        raise UnknownHandlerError(claim.name, claim.queue, sorted(plans))
    return Attempt(claim, plan, payload, plan.unpack(payload))


def returned(value: object) -> Returned | Raised:
    """The outcome of a handler that returned `value`."""
    if value is None:
        return _NOTHING
    try:
        result = encoded(value)
    except PayloadError as error:
        return _unstorable(str(error))
    if len(result) > LARGEST_RESULT:
        return _unstorable(
            f"expected a result of at most {LARGEST_RESULT} bytes, found {len(result)}; "
            "put the data into objects and return their key"
        )
    return Returned(result)


def _unstorable(problem: str) -> Raised:
    # What the handler did is done; doing it again would not change what it returns.
    return Raised(Fatal(problem))


_NOTHING: Final = Returned()


def judged(
    claim: Claim, plan: Plan | None, outcome: Outcome, *, chance: float, now: float
) -> Settlement | None:
    """What becomes of the job; None where this worker has nothing more to say about it.

    Args:
        claim: The job.
        plan: Its handler, where this release has one.
        outcome: How the attempt went.
        chance: Uniform in [0, 1), for the jitter of a retry.
        now: Seconds since the epoch, for the error's record.
    """
    match outcome:
        case Returned(result):
            return Complete(
                id=claim.id,
                fence=claim.fence,
                result=result,
                end=end_event(claim, State.SUCCEEDED, result=result),
            )
        case Raised(error):
            return _failed(claim, plan, error, chance=chance, now=now)
        case Stopped(why, reason):
            return _stopped(claim, plan, why, reason, chance=chance, now=now)
        case Crashed(reason):
            return Crash(id=claim.id, fence=claim.fence, reason=reason)
        case Unroutable(error, age):
            return _parked(claim, error, age, now=now)
        case Detached():
            return None


def _stopped(
    claim: Claim, plan: Plan | None, why: Stop, reason: str, *, chance: float, now: float
) -> Settlement | None:
    match why:
        case Stop.LOST:
            return None
        case Stop.DRAIN:
            return Release(id=claim.id, fence=claim.fence, reason="drain")
        case Stop.CANCEL:
            end = end_event(claim, State.CANCELLED, reason=reason)
            return Cancelled(id=claim.id, fence=claim.fence, reason=reason, end=end)
        case Stop.TIMEOUT:
            return _failed(claim, plan, TimeoutError(reason), chance=chance, now=now)


def _failed(
    claim: Claim, plan: Plan | None, error: BaseException, *, chance: float, now: float
) -> Settlement:
    if isinstance(error, Interrupted):
        return Release(id=claim.id, fence=claim.fence, reason="interrupted")
    if isinstance(error, Snooze):
        return Release(id=claim.id, fence=claim.fence, delay=error.delay, reason="snooze")
    retry_in = None if plan is None else _retry_in(plan, error, claim.attempt, chance)
    return _fail(claim, error, retry_in=retry_in, now=now)


def _retry_in(plan: Plan, error: BaseException, attempt: int, chance: float) -> float | None:
    if not isinstance(error, ChildError):
        return plan.retry.after(error, attempt, chance)
    # The class is known only in the child, which has looked at `retry_on` itself.
    if not error.is_worth_retrying or attempt >= plan.retry.attempts:
        return None
    return plan.retry.delay(attempt, chance)


def _fail(claim: Claim, error: BaseException, *, retry_in: float | None, now: float) -> Fail:
    end = None
    if retry_in is None:
        end = end_event(claim, State.DEAD, reason=in_words(error))
    return Fail(
        id=claim.id,
        fence=claim.fence,
        error=error_record(error, attempt=claim.attempt, now=now),
        retry_in=retry_in,
        end=end,
    )


def _parked(
    claim: Claim, error: UnknownHandlerError | PayloadError, age: float, *, now: float
) -> Settlement:
    if age < UNROUTABLE_GRACE:
        return Release(id=claim.id, fence=claim.fence, delay=UNROUTABLE_DELAY, reason="unroutable")
    return _fail(claim, error, retry_in=None, now=now)


def error_record(error: BaseException, *, attempt: int, now: float) -> bytes:
    """One entry of `JobRecord.errors`: what went wrong, cut to a readable size."""
    if isinstance(error, ChildError):
        name, text = error.type_name, error.traceback
    else:
        name, text = type(error).__name__, "".join(traceback.format_exception(error))
    return encoded(
        {
            "at": now,
            "attempt": attempt,
            "type": name,
            "message": str(error)[:LARGEST_MESSAGE],
            # The end of a traceback tells more than its beginning.
            "traceback": text[-LARGEST_TRACEBACK:],
        }
    )


def in_words(error: BaseException) -> str:
    """An error in one line, for an end event."""
    name = error.type_name if isinstance(error, ChildError) else type(error).__name__
    message = str(error)[:500]
    return f"{name}: {message}" if message else name


def end_event(
    claim: Claim, state: State, *, result: bytes | None = None, reason: str | None = None
) -> bytes:
    """The event that ends the job on its channel.

    It is the handler's template, the result's fields where the result is a JSON object of at most
    64 KiB, and `job`, `state` and `reason` of the job itself.
    """
    is_object = result is not None and result.startswith(b"{") and len(result) <= LARGEST_IN_END
    if reason is None and not is_object:
        # What nearly every job takes; two string joins instead of a decode and an encode.
        return b'%b"job":"%b","state":"%b"}' % (
            _opening(claim.policy.end),
            claim.id.encode(),
            _STATE_NAMES[state],
        )
    template = msgspec.json.decode(claim.policy.end, type=dict[str, Any])
    event: dict[str, object] = {**template}
    if is_object and result is not None:
        event.update(_decode_object(result))
    event.update(type=template.get("type", "end"), job=claim.id, state=state.value)
    if reason is not None:
        event["reason"] = reason
    return encoded(event)


@lru_cache(maxsize=256)
def _opening(template: str) -> bytes:
    fields = msgspec.json.decode(template, type=dict[str, msgspec.Raw])
    kept = {name: value for name, value in fields.items() if name not in ("job", "state")}
    return encoded(kept)[:-1] + (b"," if kept else b"")
