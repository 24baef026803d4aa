"""What a queue should be doing, in plain Python: the judge of a state machine test.

It holds the invariants a queue promises:

* I1: an accepted job is always somewhere until its record is pruned after its end;
* I2: at most one lease of a job is valid;
* I3: a write is accepted only from the attempt that holds the lease;
* I4: failures, crashes and fence never go down, and crashes stay within the policy;
* I5: two live jobs never share a dedupe id;
* I6: of a key, only the oldest live job runs;
* I7: each end of a job is told once;
* I8: no more jobs run than the queue allows;
* I9: pausing stops claims and no lease;
* I10: a worker is given nothing it did not ask for, and what it hands back is first in line.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tidegate.jobs.backend import Cancelled, Complete, Crash, Exchange, Fail, Release, Settlement
from tidegate.jobs.job import (
    REDRIVABLE,
    TERMINAL,
    TRANSITIONS,
    WAITING,
    Claim,
    Enqueued,
    NewJob,
    State,
)

CRASH_BACKOFF: Final = 1.0


@dataclass(eq=False)
class Job:
    """One job as it should be."""

    new: NewJob
    enqueued_at: float
    due_at: float = 0.0
    start_by: float | None = None
    states: list[State] = field(default_factory=list)
    failures: int = 0
    crashes: int = 0
    fence: int = 0
    fence_before: int = 0
    lease_until: float = 0.0
    worker: str = ""
    epoch: int = 0
    cancel: str | None = None
    kept_until: float = 0.0

    @property
    def state(self) -> State:
        """Where it is."""
        return self.states[-1]

    def move(self, state: State) -> None:
        """Change its state, legally."""
        if self.states and state is not self.state:
            assert state in TRANSITIONS[self.state], (self.new.id, self.state, state)
        self.states.append(state)


class Model:
    """One queue. Times are seconds on a clock that only `now` moves.

    Args:
        lease: Seconds a claim lasts.
        concurrency: Jobs that may run at once; 0 for no bound.
    """

    def __init__(self, *, now: float, lease: float, concurrency: int) -> None:
        self.now = now
        self.lease = lease
        self.concurrency = concurrency
        self.paused = False
        self.jobs: dict[str, Job] = {}
        self.lines: dict[str, list[Job]] = {}
        self.dedupe: dict[str, tuple[Job, float | None]] = {}
        self.owners: dict[str, tuple[str, int]] = {}
        self.alive_until: dict[str, float] = {}
        self.ends: Counter[str] = Counter()
        self.last_epoch = 0

    # Asking

    def of(self, *states: State) -> list[Job]:
        """The jobs in these states."""
        return [job for job in self.jobs.values() if job.state in states]

    def holds(self, job: str, fence: int) -> bool:
        """Whether this attempt's lease stands."""
        held = self.jobs.get(job)
        return (
            held is not None
            and held.state is State.RUNNING
            and held.fence == fence
            and held.lease_until > self.now
        )

    def lives(self, worker: str) -> bool:
        """Whether a worker's word still holds."""
        return self.alive_until.get(worker, 0.0) > self.now

    def owner(self, job: Job) -> str | None:
        """The living owner of a job's affinity."""
        worker, _ = self.owners.get(job.new.affinity or "", (None, 0))
        return worker if worker is not None and self.lives(worker) else None

    def owns(self, affinity: str, epoch: int) -> bool:
        """Whether this epoch of an affinity is in force."""
        worker, current = self.owners.get(affinity, ("", 0))
        return epoch == current and self.lives(worker)

    # Enqueuing

    def enqueue(self, new: NewJob) -> Enqueued:
        """What the backend should answer."""
        if new.id in self.jobs:
            return Enqueued(new.id, created=False)
        if new.dedupe is not None:
            twin = self._twin(new.dedupe)
            if twin is not None:
                return Enqueued(twin.new.id, created=False)
        job = Job(new, self.now, due_at=self.now + new.due_in)
        if new.start_within is not None:
            job.start_by = self.now + new.start_within
        self.jobs[new.id] = job
        self._remember(job)
        self._place(job)
        return Enqueued(new.id, created=True)

    def _twin(self, dedupe: str) -> Job | None:
        job, until = self.dedupe.get(dedupe, (None, 0.0))
        if job is None or (until is not None and until <= self.now):
            return None
        return job

    def _remember(self, job: Job) -> None:
        if job.new.dedupe is not None:
            window = job.new.dedupe_window
            until = None if window is None else self.now + window
            self.dedupe[job.new.dedupe] = (job, until)

    def _place(self, job: Job) -> None:
        line = self._line(job)
        line.append(job)
        if line[0] is job:
            self._admit(job)
        else:
            job.move(State.PENDING)

    def _line(self, job: Job) -> list[Job]:
        # A job without a key is alone in a line of its own.
        name = f"job {job.new.id}" if job.new.key is None else f"key {job.new.key}"
        return self.lines.setdefault(name, [])

    def _admit(self, job: Job) -> None:
        job.move(State.SCHEDULED if job.due_at > self.now else State.READY)

    # Claiming

    def promote(self) -> None:
        """Due jobs become ready, as with every exchange and sweep."""
        for job in self.of(State.SCHEDULED):
            if job.due_at <= self.now:
                self._admit(job)

    def claimed(self, worker: str, limit: int, answer: Exchange, expired: Iterable[str]) -> None:
        """Judge and apply what an exchange gave to `worker`.

        `expired` are the jobs that the backend now says have expired; a claim finds some of them.
        """
        self.alive_until[worker] = max(self.alive_until.get(worker, 0.0), self.now + self.lease)
        self.promote()
        found = self._expire(expired)
        running = len(self.of(State.RUNNING))
        room = 0 if self.paused else limit
        if self.concurrency:
            room = min(room, max(0, self.concurrency - running))
        certain = [job for job in self.of(State.READY) if self._is_for(worker, job)]
        assert len(answer.claims) <= room
        if not found:
            assert len(answer.claims) >= min(room, len(certain))
        for claim in answer.claims:
            self._start(worker, self.jobs[claim.id], claim)
        for _, affinity, epoch in answer.wanted:
            assert self.owners[affinity] == (worker, epoch)
            assert not any(job.epoch == epoch for job in self.of(State.RUNNING))

    def _is_for(self, worker: str, job: Job) -> bool:
        if job.start_by is not None and job.start_by <= self.now and job.fence == 0:
            return False
        if job.new.affinity is None:
            return True
        return self.owners.get(job.new.affinity, (worker, 0))[0] == worker

    def _start(self, worker: str, job: Job, claim: Claim) -> None:
        assert job.state is State.READY
        assert self._line(job)[0] is job
        assert claim.fence == job.fence + 1
        assert claim.attempt == job.failures + 1
        assert claim.crashes == job.crashes
        assert claim.deliveries == claim.fence - job.fence_before
        if job.new.affinity is not None:
            self._take_affinity(worker, job, claim.affinity_epoch)
        job.move(State.RUNNING)
        job.fence, job.worker, job.lease_until = claim.fence, worker, self.now + self.lease

    def _take_affinity(self, worker: str, job: Job, epoch: int) -> None:
        assert job.new.affinity is not None
        assert self.owner(job) in {None, worker}
        if self.owners.get(job.new.affinity, ("", 0))[0] != worker:
            assert epoch > self.last_epoch
            self.last_epoch = epoch
            self.owners[job.new.affinity] = (worker, epoch)
        assert self.owners[job.new.affinity] == (worker, epoch)
        job.epoch = epoch

    def renewed(self, worker: str, held: Iterable[tuple[str, int]]) -> str:
        """The verdicts on a renewal."""
        self.alive_until[worker] = max(self.alive_until.get(worker, 0.0), self.now + self.lease)
        verdicts = ""
        for name, fence in held:
            if not self.holds(name, fence):
                verdicts += "l"
                continue
            job = self.jobs[name]
            job.lease_until = self.now + self.lease
            verdicts += "c" if job.cancel is not None and job.worker == worker else "o"
        return verdicts

    # Settling

    def settle(self, settled: Settlement) -> bool:
        """Whether it should be accepted; if so, it is."""
        if not self.holds(settled.id, settled.fence):
            return False
        job = self.jobs[settled.id]
        match settled:
            case Complete():
                self._end(job, State.SUCCEEDED)
            case Cancelled():
                self._end(job, State.CANCELLED)
            case Crash():
                self._crash(job)
            case Release(delay=delay):
                self._return(job, delay)
            case Fail(retry_in=retry_in):
                job.failures += 1
                if retry_in is None and job.cancel is None:
                    self._end(job, State.DEAD)
                else:
                    self._return(job, retry_in or 0.0)
        return True

    def _return(self, job: Job, delay: float) -> None:
        job.due_at = self.now + delay
        if job.cancel is not None:
            self._end(job, State.CANCELLED)
        else:
            self._admit(job)

    def _end(self, job: Job, state: State) -> None:
        job.move(state)
        keep = job.new.policy.keep
        if state in {State.DEAD, State.QUARANTINED}:
            keep = job.new.policy.keep_failed
        job.kept_until = self.now + keep
        self.ends[job.new.id] += 1
        line = self._line(job)
        was_head = line[0] is job
        line.remove(job)
        if was_head and line:
            self._admit(line[0])
        dedupe = job.new.dedupe
        if dedupe is not None and self.dedupe.get(dedupe) == (job, None):
            del self.dedupe[dedupe]

    # The rest

    def sweep(self) -> None:
        """Judge leases, free what the silent own, promote, expire, prune."""
        for job in self.of(State.RUNNING):
            if job.lease_until <= self.now:
                self._crash(job)
        for affinity, (worker, _) in list(self.owners.items()):
            if not self.lives(worker):
                del self.owners[affinity]
        self.promote()
        late = [j for j in self.of(*WAITING) if j.start_by is not None and j.start_by <= self.now]
        self._expire([job.new.id for job in late if job.fence == 0])
        for job in self.of(*TERMINAL):
            if job.kept_until <= self.now:
                del self.jobs[job.new.id]

    def _crash(self, job: Job) -> None:
        job.crashes += 1
        assert job.crashes <= job.new.policy.crashes
        if job.cancel is not None:
            self._end(job, State.CANCELLED)
        elif job.new.policy.on_crash == "fail":
            self._end(job, State.DEAD)
        elif job.crashes == job.new.policy.crashes:
            self._end(job, State.QUARANTINED)
        else:
            self._return(job, CRASH_BACKOFF * 2 ** (job.crashes - 1))

    def _expire(self, jobs: Iterable[str]) -> list[Job]:
        found = [self.jobs[job] for job in jobs if self.jobs[job].state in WAITING]
        for job in found:
            assert job.start_by is not None
            assert job.start_by <= self.now
            assert job.fence == 0
            self._end(job, State.EXPIRED)
        return found

    def cancel(self, name: str, reason: str) -> State:
        """The state the job should now be in."""
        job = self.jobs[name]
        if job.state in WAITING:
            self._end(job, State.CANCELLED)
        elif job.state is State.RUNNING:
            job.cancel = reason
        return job.state

    def redrive(self, name: str) -> int:
        """How many jobs should have been redriven."""
        job = self.jobs[name]
        if job.state not in REDRIVABLE:
            return 0
        if job.new.dedupe is not None and self._twin(job.new.dedupe) not in {None, job}:
            return 0
        self._remember(job)
        job.failures, job.crashes, job.fence_before = 0, 0, job.fence
        job.cancel, job.start_by, job.due_at = None, None, 0.0
        self._place(job)
        return 1

    def release_affinity(self, worker: str, affinity: str, epoch: int) -> bool:
        """Whether the worker was the owner, and is not any more."""
        if self.owners.get(affinity) != (worker, epoch):
            return False
        del self.owners[affinity]
        return True

    def leave(self, worker: str) -> None:
        """Nothing is owned by a worker that has left."""
        self.alive_until.pop(worker, None)
        for affinity, (owner, _) in list(self.owners.items()):
            if owner == worker:
                del self.owners[affinity]
