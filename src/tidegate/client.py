"""`Client`: an app's open connection, in a service, a worker, a daemon or a script.

    async with Client.open(app) as client:
        handle = await send.enqueue("hello")
        print(await handle.result())

Every method may be called from any coroutine of the process; cancelling one loses nothing that was
acknowledged.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tidegate.channels.backend import Published, Replay
from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.channel import Channels
from tidegate.channels.cursor import Cursor
from tidegate.channels.subscription import Subscription
from tidegate.connections.valkey import Valkey
from tidegate.errors import SettingsError, UnknownJobError
from tidegate.handler import Options
from tidegate.ids import new_id, new_ids
from tidegate.jobs.backend import Page, QueueStats, WorkerReport
from tidegate.jobs.backends.valkey import ValkeyQueues
from tidegate.jobs.coalescing import Coalescer
from tidegate.jobs.handle import JobHandle
from tidegate.jobs.job import Enqueued, JobRecord, NewJob, State
from tidegate.jobs.payloads import stored
from tidegate.objects import Objects
from tidegate.serde import INLINE_BYTES
from tidegate.settings import Settings

if TYPE_CHECKING:
    from tidegate.app import App
    from tidegate.handler import Job

_PAGE = 500
_LONGEST_RENEWAL = 5.0


class Client:
    """What a process does with an app: enqueue, look, steer, publish, subscribe.

    Attributes:
        app: The app.
        settings: What the process was told.
        valkey: The connection for commands.
        queue_backend: Queues as their store keeps them.
        channels: Channels: publish, subscribe, and their store as `channels.backend`.
        objects: Objects in S3 or in a folder, as the settings say.
    """

    def __init__(
        self,
        app: "App",
        settings: Settings,
        *,
        valkey: Valkey,
        queues: ValkeyQueues,
        channels: Channels,
        objects: Objects,
    ) -> None:
        self.app = app
        self.settings = settings
        self.valkey = valkey
        self.queue_backend = queues
        self.channels = channels
        self.objects = objects
        self._coalescer = Coalescer(queues)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, app: "App", settings: Settings | None = None, *, name: str = "tidegate"
    ) -> AsyncIterator["Client"]:
        """Connect, make the app's queue settings the ones in force, and attach to the app.

        Args:
            app: The app.
            settings: From the environment and `.env` where not given.
            name: What the server's list of connections calls this process.

        Raises:
            SettingsError: No Valkey is named.
            BackendUnavailableError: Valkey does not answer within 10 s.
        """
        settings = settings or Settings.load()
        objects = Objects.open(
            settings.objects_url or (settings.data.resolve() / "objects").as_uri()
        )
        async with (
            await Valkey.open(_url(settings), app=app.name, name=name) as valkey,
            ValkeyQueues(valkey, renew_timeout=_renew_timeout(app)) as queues,
            ValkeyChannels(valkey, objects=objects, settings=app.spec.channels) as backend,
            Channels(backend) as channels,
        ):
            await queues.declare([queue.settings for queue in app.queues.values()])
            client = cls(
                app, settings, valkey=valkey, queues=queues, channels=channels, objects=objects
            )
            before = app.attach(client)
            try:
                yield client
            finally:
                app.attach(before)
                await client._coalescer.close()

    # Enqueuing

    async def enqueue_packed(
        self, job: "Job[..., Any]", payload: bytes, options: Options
    ) -> JobHandle:
        """Enqueue one job whose payload has been checked; concurrent calls share a round trip.

        Raises:
            DeclarationError: The queue has no such priority.
            QueueFullError: The queue is at its maximum depth.
            BackendUnavailableError: No answer; the job may have been stored. Enqueuing it again
                under the same `id` is safe.
        """
        new = job.new(options, payload, new_id())
        if len(payload) > INLINE_BYTES:
            new = await stored(new, self.objects)
        return self._handle(new, await self._coalescer.enqueue(new))

    async def enqueue_many(
        self, job: "Job[..., Any]", payloads: Iterable[Sequence[object]], **options: Any
    ) -> list[JobHandle]:
        """Enqueue a job for each tuple of arguments, in order; the same options for all.

        Calls carry 300 jobs each. Where one is refused, those before it stay enqueued.

        Raises:
            PayloadError: Arguments are not of the handler's type; nothing was enqueued.
            QueueFullError: The queue is at its maximum depth.
        """
        chosen = job.using(**options).options
        pack = job.payload.pack
        packed = [pack(tuple(args), {}) for args in payloads]
        ids = new_ids(len(packed))
        jobs = [job.new(chosen, payload, each) for payload, each in zip(packed, ids, strict=True)]
        if any(len(payload) > INLINE_BYTES for payload in packed):
            jobs = [await stored(new, self.objects) for new in jobs]
        answers = await self.queue_backend.enqueue(jobs) if jobs else []
        return [self._handle(new, answer) for new, answer in zip(jobs, answers, strict=True)]

    async def enqueue_named(
        self, queue: str, name: str, payload: bytes, options: Options | None = None
    ) -> JobHandle:
        """Enqueue by names and JSON, as HTTP and the command line do; everything is checked.

        Raises:
            UnknownQueueError: The app declares no such queue.
            UnknownHandlerError: The queue has no such job.
            PayloadError: `payload` is not JSON of the handler's type.
        """
        job = self.app.find_queue(queue).find(name)
        job.payload.check(payload)
        return await self.enqueue_packed(job, payload, options or Options())

    def _handle(self, new: NewJob, answer: Enqueued) -> JobHandle:
        return JobHandle(
            self,
            answer.id,
            channel=new.channel,
            created=answer.created,
        )

    # Looking

    def handle(self, job: str) -> JobHandle:
        """A handle on a job that was enqueued earlier, wherever that was."""
        return JobHandle(self, job, created=False)

    async def job(self, job: str) -> JobRecord | None:
        """A job's record; None if it never was or has expired."""
        return await self.queue_backend.get(job)

    async def jobs(
        self, queue: str, *, state: State | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """Jobs of a queue, newest first.

        Raises:
            UnknownQueueError: The app declares no such queue.
        """
        self.app.find_queue(queue)
        return await self.queue_backend.browse(queue, state=state, cursor=cursor, limit=limit)

    async def queues(self) -> list[QueueStats]:
        """Counts and rates of every queue, in the order they were declared."""
        return await self.queue_backend.stats(list(self.app.queues))

    async def workers(self) -> list[WorkerReport]:
        """What every worker last said of itself."""
        return await self.queue_backend.workers()

    # Steering

    async def cancel(self, job: str, reason: str = "cancelled") -> State:
        """Cancel a job where it waits, ask its worker where it runs; the state it is now in.

        Raises:
            UnknownJobError: There is no such job.
            IllegalTransitionError: It has ended already.
        """
        return await self.queue_backend.cancel(job, reason)

    async def redrive(self, *jobs: str) -> int:
        """Make ended, unsuccessful jobs ready again, with fresh counters; how many were.

        Raises:
            UnknownJobError: One job was asked for, and there is none.
        """
        if len(jobs) == 1 and await self.job(jobs[0]) is None:
            raise UnknownJobError(jobs[0])
        return await self.queue_backend.redrive(jobs)

    async def redrive_all(self, queue: str, *, state: State = State.DEAD, limit: int = 1000) -> int:
        """Redrive up to `limit` jobs of a queue that ended in `state`; how many were.

        Raises:
            UnknownQueueError: The app declares no such queue.
        """
        self.app.find_queue(queue)
        redriven = 0
        cursor: str | None = None
        while redriven < limit:
            page = await self.queue_backend.browse(
                queue, state=state, cursor=cursor, limit=min(_PAGE, limit - redriven)
            )
            redriven += await self.queue_backend.redrive([record.id for record in page.jobs])
            cursor = page.cursor
            if cursor is None:
                break
        return redriven

    async def pause(self, queue: str) -> None:
        """Stop claims from a queue; jobs that run go on.

        Raises:
            UnknownQueueError: The app declares no such queue.
        """
        await self.queue_backend.pause(self.app.find_queue(queue).name, paused=True)

    async def resume(self, queue: str) -> None:
        """Let a paused queue be claimed from again; raises as `pause` does."""
        await self.queue_backend.pause(self.app.find_queue(queue).name, paused=False)

    # Channels

    async def publish(
        self, channel: str, event: object, *, key: str | None = None, window: float = 300.0
    ) -> Published:
        """Append an event to a channel; see `Channels.publish`."""
        return await self.channels.publish(channel, event, key=key, window=window)

    def subscribe(
        self,
        channels: Iterable[str],
        cursor: str | Cursor | Mapping[str, Cursor] | None = None,
    ) -> Subscription:
        """The messages of some channels, from a cursor on; see `Channels.subscribe`."""
        return self.channels.subscribe(channels, cursor)

    async def replay(
        self, channel: str, since: Cursor | None = None, *, limit: int = 1000
    ) -> Replay:
        """A stretch of a channel's log; see `ChannelBackend.replay`."""
        return await self.channels.backend.replay(channel, since or Cursor(), limit=limit)


def _renew_timeout(app: "App") -> float:
    """Seconds a renewal may take: one that hangs must leave time for another within the lease."""
    leases = [queue.settings.lease for queue in app.queues.values()]
    return min([_LONGEST_RENEWAL, *(lease / 4 for lease in leases)])


def _url(settings: Settings) -> str:
    if not settings.valkey_url:
        raise SettingsError(
            "expected TIDEGATE_VALKEY_URL to name a Valkey server, found nothing; "
            "set it, or run this under `tidegate up`"
        )
    return settings.valkey_url
