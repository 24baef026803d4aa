"""What the queue backend costs per job, with no worker around it: `python bench/backend_micro.py`.

Wall time, this process's CPU and the server's CPU, in microseconds per job, for enqueuing in bulk
and for a worker's loop of settling one batch while the next is claimed. The CPU figures hold on a
busy machine; the wall figures need two idle cores.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from tidegate.connections.embedded import EmbeddedValkey
from tidegate.connections.valkey import Valkey
from tidegate.ids import new_ids
from tidegate.jobs.backend import Complete, QueueSettings
from tidegate.jobs.backends.valkey import ValkeyQueues
from tidegate.jobs.job import JobPolicy, NewJob

QUEUE = "micro"


async def main(jobs: int, batch: int, *, append_only: bool, dedupe: bool) -> None:
    with TemporaryDirectory() as folder:
        server = EmbeddedValkey(Path(folder), append_only=append_only)
        await server.start()
        try:
            async with (
                await Valkey.open(server.url, app="bench") as valkey,
                ValkeyQueues(valkey) as queues,
            ):
                await queues.declare([QueueSettings(name=QUEUE)])
                await measured("enqueue", valkey, jobs, lambda: fill(queues, jobs, dedupe=dedupe))
                await measured("drain", valkey, jobs, lambda: drain(queues, batch))
                await latency(queues)
        finally:
            await server.stop()


async def fill(queues: ValkeyQueues, jobs: int, *, dedupe: bool) -> None:
    policy = JobPolicy(timeout=60.0)
    new = [
        NewJob(
            id=name,
            queue=QUEUE,
            name="bench.noop",
            payload=b'{"n":%d}' % n,
            policy=policy,
            lane=1,
            dedupe=name if dedupe else None,
        )
        for n, name in enumerate(new_ids(jobs))
    ]
    for first in range(0, jobs, 900):
        await queues.enqueue(new[first : first + 900])


async def drain(queues: ValkeyQueues, batch: int) -> None:
    """Two exchanges under way at once, as a worker does whose slots are busy meanwhile."""

    async def lane() -> None:
        settled: list[Complete] = []
        while True:
            answer = await queues.exchange("w", settle=settled, queues=[QUEUE], limit=batch)
            if not answer.claims:
                return
            settled = [Complete(id=c.id, fence=c.fence, result=b"null") for c in answer.claims]

    async with asyncio.TaskGroup() as group:
        group.create_task(lane())
        group.create_task(lane())


async def measured(
    what: str, valkey: Valkey, jobs: int, work: Callable[[], Awaitable[None]]
) -> None:
    server, own, wall = await server_cpu(valkey), time.process_time(), time.perf_counter()
    await work()
    wall, own = time.perf_counter() - wall, time.process_time() - own
    server = await server_cpu(valkey) - server
    print(
        f"{what:8} {jobs / wall:9,.0f} jobs/s   us/job: wall {wall / jobs * 1e6:5.1f}  "
        f"client cpu {own / jobs * 1e6:5.1f}  server cpu {server / jobs * 1e6:5.1f}"
    )


async def server_cpu(valkey: Valkey) -> float:
    info = (await valkey.call("INFO", "cpu")).decode()
    values = dict(line.split(":") for line in info.split() if ":" in line)
    return float(values["used_cpu_sys_main_thread"]) + float(values["used_cpu_user_main_thread"])


async def latency(queues: ValkeyQueues, rounds: int = 200) -> None:
    """From the call of enqueue to the claim in the hands of a worker that was waiting."""
    claimed: list[float] = []

    async def worker() -> None:
        settle: list[Complete] = []
        while len(claimed) < rounds:
            answer = await queues.exchange("w", settle=settle, queues=[QUEUE], limit=10)
            settle = []
            if answer.claims:
                claimed.extend([time.perf_counter()] * len(answer.claims))
                settle = [Complete(id=c.id, fence=c.fence) for c in answer.claims]
            else:
                await queues.wait("w", [QUEUE], 5.0)

    started: list[float] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(worker())
        for name in new_ids(rounds):
            await asyncio.sleep(0.005)  # the interval of the measurement
            started.append(time.perf_counter())
            await queues.enqueue(
                [NewJob(id=name, queue=QUEUE, name="n", payload=b"1", policy=JobPolicy())]
            )
    waits = sorted(end - start for start, end in zip(started, claimed, strict=True))
    print(
        f"latency  p50 {waits[rounds // 2] * 1e3:.2f} ms  p99 {waits[-rounds // 100] * 1e3:.2f} ms"
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--jobs", type=int, default=20_000)
    options.add_argument("--batch", type=int, default=100)
    options.add_argument("--aof", action="store_true", help="with the append-only file")
    options.add_argument("--dedupe", action="store_true", help="every job has a dedupe id")
    chosen = options.parse_args()
    uvloop.run(main(chosen.jobs, chosen.batch, append_only=chosen.aof, dedupe=chosen.dedupe))
