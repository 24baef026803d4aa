"""A worker: claims jobs, runs them in slots, settles them, and leaves in good order.

    claim loop ──▶ ready ──▶ slots ──▶ outbox ──▶ claim loop
                     ▲ leases: renewed from a thread of its own

Each slot is one coroutine for the worker's whole life; what it does with a job is in `attempt` and
`calling`. See `Worker.run` for how a worker ends.
"""

import asyncio
import os
import random
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tidegate.clock import SYSTEM, Clock
from tidegate.errors import (
    BackendUnavailableError,
    PayloadError,
    StaleAttemptError,
    TidegateError,
    UnknownHandlerError,
)
from tidegate.ids import new_id
from tidegate.jobs.affinities import Affinities
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
from tidegate.jobs.backend import Exchange, Renewal, Settlement, WorkerReport
from tidegate.jobs.calling import Threads, on_loop
from tidegate.jobs.claiming import ClaimLoop
from tidegate.jobs.drain import Drain
from tidegate.jobs.holdings import Holdings
from tidegate.jobs.isolated import in_child
from tidegate.jobs.lease import Held, LeaseKeeper, Verdicts
from tidegate.jobs.payloads import loaded
from tidegate.jobs.plan import plans
from tidegate.jobs.running import RunningJob
from tidegate.observability.logs import Logger
from tidegate.observability.metrics import OUTCOMES, REFUSED, Recorder
from tidegate.spec import WorkerSpec

if TYPE_CHECKING:
    from tidegate.client import Client

log = Logger("tidegate.worker")

STUCK_AFTER: Final = 60.0
STUCK_STATUS: Final = 70
STOP_GRACE: Final = 5.0
_YIELD_EVERY: Final = 16
_IDLE_LOOKS: Final = 8
_FIRST_MET: Final = "tidegate:first-met"


class Worker:
    """Runs the jobs of some queues until it is told to stop, or has been idle for long enough.

    Args:
        client: The app's open connection.
        spec: What it serves, with how many slots.
        idle_timeout: Seconds without a job after which it leaves by itself; None to stay.
        stuck_after: Seconds without progress of the claim loop, while the server answers, after
            which the process ends itself with status 70.
        clock: Where time comes from.
        chance: Uniform in [0, 1): jitter of retries and renewals.

    Attributes:
        id: Unique for ever.
        drain: Whether it is on its way out.
    """

    def __init__(
        self,
        client: "Client",
        spec: WorkerSpec,
        *,
        idle_timeout: float | None = None,
        stuck_after: float = STUCK_AFTER,
        clock: Clock = SYSTEM,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.id = new_id()
        self.drain = Drain(spec.drain, clock)
        self._client = client
        self._spec = spec
        self._idle_timeout = idle_timeout
        self._stuck_after = stuck_after
        self._clock = clock
        self._chance = chance
        self._recorder = Recorder()
        self._refused = self._recorder.counter(REFUSED, {})
        self._plans = plans(client.app, self._recorder)
        queues = [client.app.find_queue(name) for name in spec.queues]
        self._affinities = Affinities(
            self.id, client.queue_backend, {queue.name: queue.release_hook for queue in queues}
        )
        self._holdings = Holdings(self._affinities)
        self._threads = Threads(spec.slots)
        self._stragglers = 0
        self._running = 0
        self._turns = 0
        leases = {queue.name: queue.settings.lease for queue in queues}
        self._claims = ClaimLoop(
            self.id,
            client.queue_backend,
            leases=leases,
            slots=spec.slots,
            holdings=self._holdings,
            answered=self._answered,
            clock=clock,
        )
        self._keeper = LeaseKeeper(self, lease=min(leases.values()), clock=clock, chance=chance)

    # Life

    async def run(self) -> None:
        """Work until drained.

        Draining stops claims and hands back at once what has not started. Running jobs have the
        drain's budget to finish; then they are cancelled and handed back, which uses up none of
        their attempts. Affinities are synced and released, and the worker takes its leave. A
        handler that cannot be stopped, a thread above all, ends with the process, here.
        """
        self._loop = asyncio.get_running_loop()
        log.info("worker_started", worker=self.id, queues=self._spec.queues, slots=self._spec.slots)
        self._keeper.start()
        try:
            async with asyncio.TaskGroup() as group:
                await self._work(group)
        finally:
            self._threads.close()
            await self._keeper.close()
        log.info("worker_left", worker=self.id)

    async def _work(self, group: asyncio.TaskGroup) -> None:
        claiming = group.create_task(self._claims.run(), name="claims")
        for number in range(self._spec.slots):
            group.create_task(self._slot(), name=f"slot-{number}")
        if self._idle_timeout is not None:
            group.create_task(self._leave_when_idle(self._idle_timeout), name="idle")
        await self.drain.begun.wait()
        log.info("worker_draining", worker=self.id, running=self._running)
        self._claims.stop_claiming()
        self._keeper.kick()
        await self._finish_running()
        await self._affinities.release_all()
        self._holdings.close()
        self._claims.close()
        await claiming
        # A renewal under way would register again what is about to take its leave.
        await self._keeper.close()
        with suppress(BackendUnavailableError):
            await self._client.queue_backend.leave(self.id)
        if self._holdings.open or self._stragglers:
            self._quit(1 if self._holdings.open else 0)

    async def _finish_running(self) -> None:
        await self._emptied(self.drain.seconds_left, self.drain.hurried)
        for held in self._holdings.held():
            held.ask(Stop.DRAIN, "its worker was told to stop")
        await self._emptied(STOP_GRACE)
        for held in self._holdings.held():
            # It would not let itself be stopped; its lease will lapse, which counts as a crash.
            log.error("job_abandoned", job=held.claim.id, name=held.claim.name)

    async def _emptied(self, seconds: float | None, *events: asyncio.Event) -> None:
        """Return when nothing is held, one of `events` is set, or `seconds` have passed."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._holdings.emptied, *events)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _leave_when_idle(self, seconds: float) -> None:
        quiet, seen = 0, -1
        while quiet < _IDLE_LOOKS:
            await asyncio.sleep(seconds / _IDLE_LOOKS)
            total = self._holdings.total
            quiet = quiet + 1 if total == seen and not self._holdings.open else 0
            seen = total
        log.info("worker_idle", worker=self.id, idle_s=seconds)
        self.drain.begin()

    # One job

    async def _slot(self) -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None:
            raise AssertionError("expected a slot to be a task")
        while (held := await self._holdings.next()) is not None:
            self._running += 1
            await self._run(held, task)
            self._running -= 1
            # Handlers that never wait would keep the loop from its sockets.
            self._turns += 1
            if self._turns >= _YIELD_EVERY:
                self._turns = 0
                await asyncio.sleep(0)
            if held.straggler is not None:
                await self._outlast(held.straggler)

    async def _outlast(self, straggler: "asyncio.Future[Any]") -> None:
        self._stragglers += 1
        await asyncio.wait((straggler,))
        self._stragglers -= 1

    async def _run(self, held: Held, task: "asyncio.Task[Any]") -> None:
        """Run one job to its settlement."""
        claim = held.claim
        outcome: Outcome
        try:
            payload = claim.payload
            if claim.payload_ref is not None:
                payload = await loaded(claim, self._client.objects)
            attempt = prepared(claim, payload, self._plans)
        except (UnknownHandlerError, PayloadError) as error:
            outcome = Unroutable(error, await self._known_for(held))
        except TidegateError as error:
            outcome = Raised(error)
        else:
            outcome = await self._called(held, attempt, task)
        self._settle(held, outcome)

    async def _called(self, held: Held, attempt: Attempt, task: "asyncio.Task[Any]") -> Outcome:
        if held.stop is not None:
            return Stopped(held.stop, held.reason)
        claim, plan = held.claim, attempt.plan
        started = self._clock.monotonic()
        plan.waited.observe(self._clock.now() - claim.ready_at)
        timeout = claim.policy.timeout
        timer = None
        if timeout is not None:
            words = f"ran longer than its timeout of {timeout:g} s"
            timer = self._loop.call_later(timeout, held.ask, Stop.TIMEOUT, words)
        try:
            if plan.takes_context:
                outcome = await self._with_context(held, attempt, task)
            elif plan.runs_in == "async":
                outcome = await on_loop(held, task, plan.function, attempt.args)
            elif plan.runs_in == "thread":
                outcome = await self._threads.call(held, plan.function, attempt.args)
            else:
                outcome = await in_child(held, plan.handler, plan.name, attempt.payload)
        finally:
            if timer is not None:
                timer.cancel()
        plan.ran.observe(self._clock.monotonic() - started)
        return outcome

    async def _with_context(
        self, held: Held, attempt: Attempt, task: "asyncio.Task[Any]"
    ) -> Outcome:
        job = RunningJob(held, self._client, worker=self.id, drain=self.drain)
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
        first = await self._client.queue_backend.remember(
            claim.id, claim.fence, _FIRST_MET, str(now).encode()
        )
        return now - float(first) if first is not None else 0.0

    def _settle(self, held: Held, outcome: Outcome) -> None:
        claim = held.claim
        if held.until < self._clock.monotonic() and not held.is_detached:
            outcome = Stopped(Stop.LOST, "its lease has passed")
        plan = self._plans.get(claim.name)
        chance, now = self._chance(), self._clock.now()
        settlement = judged(claim, plan, outcome, chance=chance, now=now)
        self._note(held, outcome)
        self._holdings.settle(held, settlement)
        self._claims.settled()

    def _note(self, held: Held, outcome: Outcome) -> None:
        if isinstance(outcome, Returned):
            return
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

    # Answers

    def _answered(self, settled: Sequence[Settlement], answer: Exchange) -> None:
        if answer.wanted:
            self._affinities.wanted(answer.wanted)
        if not all(answer.accepted):
            for settlement, accepted in zip(settled, answer.accepted, strict=True):
                if not accepted:
                    self._refused.add()
                    log.warning("settlement_refused", job=settlement.id, fence=settlement.fence)

    # What the lease keeper's thread asks

    def held(self) -> list[Held]:
        """As `Renewing.held`."""
        return self._holdings.held()

    def renew(self, held: Sequence[Held]) -> Renewal:
        """As `Renewing.renew`."""
        metrics, told = self._recorder.taken()
        report = WorkerReport(
            worker=self.id,
            task=self._client.settings.task,
            queues=list(self._spec.queues),
            slots=self._spec.slots,
            busy=self._running,
            draining=self.drain.is_on,
            host=socket.gethostname(),
            pid=os.getpid(),
            metrics=metrics,
        )
        pairs = [(each.claim.id, each.claim.fence) for each in held]
        renewal = self._client.queue_backend.renew(report, pairs)
        self._recorder.told(told)
        return renewal

    def judge(self, verdicts: Verdicts) -> None:
        """As `Renewing.judge`."""
        self._loop.call_soon_threadsafe(self._judge, verdicts)

    def _judge(self, verdicts: Verdicts) -> None:
        for held in verdicts.lost:
            if not held.is_detached:
                held.ask(Stop.LOST, "its lease has passed to another worker")
        for held, reason in verdicts.cancelled:
            held.ask(Stop.CANCEL, reason)

    def is_stuck(self, now: float) -> bool:
        """As `Renewing.is_stuck`."""
        return now - self._claims.turned_at > self._stuck_after

    def give_up(self) -> None:
        """As `Renewing.give_up`."""
        log.error("worker_stuck", worker=self.id, for_s=self._stuck_after)
        self._quit(STUCK_STATUS)

    def _quit(self, status: int) -> None:
        # Not sys.exit: that waits for threads, and for an event loop that may never turn again.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _why(outcome: Outcome) -> str:
    match outcome:
        case Raised(error) | Unroutable(error, _):
            return in_words(error)
        case Stopped(_, reason) | Crashed(reason):
            return reason
        case _:
            return ""


def _word(outcome: Outcome) -> str:
    return outcome.why.value if isinstance(outcome, Stopped) else type(outcome).__name__.lower()
