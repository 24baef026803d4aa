"""Slots: coroutines that each run one job after another, from claim to settlement."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tidegate.clock import Clock
from tidegate.errors import PayloadError, StaleAttemptError, TidegateError, UnknownHandlerError
from tidegate.jobs.attempt import (
    Attempt,
    Crashed,
    Detached,
    Outcome,
    Raised,
    Returned,
    Stop,
    Stopped,
    Unroutable,
    in_words,
    judged,
    prepared,
)
from tidegate.jobs.calling import Threads, on_loop
from tidegate.jobs.drain import Drain
from tidegate.jobs.holdings import Holdings
from tidegate.jobs.isolated import in_child
from tidegate.jobs.lease import Held
from tidegate.jobs.payloads import loaded
from tidegate.jobs.plan import plans
from tidegate.jobs.running import RunningJob
from tidegate.observability.logs import Logger
from tidegate.observability.metrics import OUTCOMES, Recorder

if TYPE_CHECKING:
    from tidegate.client import Client

log = Logger("tidegate.worker")

_YIELD_EVERY: Final = 16
_FIRST_MET: Final = "tidegate:first-met"

SlotTask = asyncio.Task[Any]


class Slots:
    """Runs what is ready in `holdings`, so many jobs at once, and puts outcomes back there.

    Args:
        worker: The worker's id.
        client: The app's open connection.
        holdings: Where jobs come from and outcomes go.
        drain: Whether the worker is on its way out.
        recorder: Where durations and outcomes are counted.
        settled: Called after each outcome.
        clock: Where time comes from.
        chance: Uniform in [0, 1), for the jitter of retries.

    Attributes:
        busy: Slots that run a job.
        stragglers: Slots whose job is settled although its thread still runs.
    """

    def __init__(
        self,
        worker: str,
        client: "Client",
        *,
        count: int,
        holdings: Holdings,
        drain: Drain,
        recorder: Recorder,
        settled: Callable[[], None],
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self.busy = 0
        self.stragglers = 0
        self._worker = worker
        self._client = client
        self._count = count
        self._holdings = holdings
        self._drain = drain
        self._recorder = recorder
        self._settled = settled
        self._clock = clock
        self._chance = chance
        self._plans = plans(client.app, recorder)
        self._threads = Threads(count)
        self._turns = 0

    def start(self, group: asyncio.TaskGroup) -> None:
        """Start the slots; they end once `holdings` is closed."""
        for number in range(self._count):
            group.create_task(self._slot(), name=f"slot-{number}")

    def close(self) -> None:
        """Let the threads go."""
        self._threads.close()

    async def _slot(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("expected a slot to be a task")
        while (held := await self._holdings.next()) is not None:
            self.busy += 1
            self._settle(held, await self._outcome(held, task))
            self.busy -= 1
            # Handlers that never wait would keep the loop from its sockets.
            self._turns += 1
            if self._turns >= _YIELD_EVERY:
                self._turns = 0
                await asyncio.sleep(0)
            if held.straggler is not None:
                await self._outlast(held.straggler)

    async def _outlast(self, straggler: "asyncio.Future[Any]") -> None:
        self.stragglers += 1
        await asyncio.wait((straggler,))
        self.stragglers -= 1

    async def _outcome(self, held: Held, task: SlotTask) -> Outcome:
        claim = held.claim
        try:
            payload = claim.payload
            if claim.payload_ref is not None:
                payload = await loaded(claim, self._client.objects)
            attempt = prepared(claim, payload, self._plans)
        except (UnknownHandlerError, PayloadError) as error:
            return Unroutable(error, await self._known_for(held))
        except TidegateError as error:
            return Raised(error)
        if held.stop is not None:
            return Stopped(held.stop, held.reason)
        return await self._timed(held, attempt, task)

    async def _timed(self, held: Held, attempt: Attempt, task: SlotTask) -> Outcome:
        claim, plan = held.claim, attempt.plan
        started = self._clock.monotonic()
        plan.waited.observe(self._clock.now() - claim.ready_at)
        timeout = claim.policy.timeout
        if timeout is None:
            outcome = await self._called(held, attempt, task)
        else:
            words = f"ran longer than its timeout of {timeout:g} s"
            alarm = asyncio.get_running_loop().call_later(timeout, held.ask, Stop.TIMEOUT, words)
            try:
                outcome = await self._called(held, attempt, task)
            finally:
                alarm.cancel()
        plan.ran.observe(self._clock.monotonic() - started)
        return outcome

    async def _called(self, held: Held, attempt: Attempt, task: SlotTask) -> Outcome:
        plan = attempt.plan
        if plan.takes_context:
            return await self._with_context(held, attempt, task)
        if plan.runs_in == "async":
            return await on_loop(held, task, plan.function, attempt.args)
        if plan.runs_in == "thread":
            return await self._threads.call(held, plan.function, attempt.args)
        return await in_child(held, plan.handler, plan.name, attempt.payload)

    async def _with_context(self, held: Held, attempt: Attempt, task: SlotTask) -> Outcome:
        job = RunningJob(
            held, self._client, worker=self._worker, drain=self._drain, clock=self._clock
        )
        args = (job, *attempt.args)
        if attempt.plan.runs_in == "async":
            outcome = await on_loop(held, task, attempt.plan.function, args)
        else:
            outcome = await self._threads.call(held, attempt.plan.function, args)
        try:
            await job.close()
        except StaleAttemptError as error:
            return Stopped(Stop.LOST, str(error))
        except TidegateError as error:
            return Raised(error)
        return Detached() if held.is_detached and isinstance(outcome, Returned) else outcome

    async def _known_for(self, held: Held) -> float:
        """Seconds since a worker first met this job and could not run it."""
        claim, now = held.claim, self._clock.now()
        try:
            first = await self._client.queue_backend.remember(
                claim.id, claim.fence, _FIRST_MET, str(now).encode()
            )
        except TidegateError:
            return 0.0
        return now - float(first) if first is not None else 0.0

    def _settle(self, held: Held, outcome: Outcome) -> None:
        claim = held.claim
        if held.has_passed(self._clock.monotonic()) and not held.is_detached:
            outcome = Stopped(Stop.LOST, "its lease has passed")
        plan = self._plans.get(claim.name)
        settlement = judged(claim, plan, outcome, chance=self._chance(), now=self._clock.now())
        if not isinstance(outcome, Returned):
            self._note(held, outcome)
        self._holdings.settle(held, settlement)
        self._settled()

    def _note(self, held: Held, outcome: Outcome) -> None:
        claim = held.claim
        labels = {"queue": claim.queue, "outcome": _word(outcome)}
        self._recorder.counter(OUTCOMES, labels).add()
        log.info(
            "attempt_ended",
            job=claim.id,
            name=claim.name,
            attempt=claim.attempt,
            why=_why(outcome),
            **labels,
        )


def _word(outcome: Outcome) -> str:
    return outcome.why.value if isinstance(outcome, Stopped) else type(outcome).__name__.lower()


def _why(outcome: Outcome) -> str:
    match outcome:
        case Raised(error) | Unroutable(error, _):
            return in_words(error)
        case Stopped(_, reason) | Crashed(reason):
            return reason
        case _:
            return ""
