"""arq, polling every 10 ms, keeping no results."""

import asyncio
import time
from typing import Any

import probe
from arq import create_pool
from arq.connections import RedisSettings

SETTINGS = RedisSettings.from_dsn(probe.URL)


async def noop(ctx: dict[str, Any], number: int) -> None:
    probe.tick()


async def timed(ctx: dict[str, Any], sent: float) -> None:
    probe.arrived(sent)


class WorkerSettings:
    functions = (noop, timed)
    redis_settings = SETTINGS
    keep_result = 0
    poll_delay = 0.01
    max_jobs = 10
    log_results = False


async def main() -> None:
    pool = await create_pool(SETTINGS)
    if probe.verb() == "paced":
        for number in range(probe.JOBS):
            await asyncio.sleep(0.5 if number == 1 else 0.02)
            await pool.enqueue_job("timed", time.monotonic())
    else:
        start = time.monotonic()
        for number in range(probe.JOBS):
            await pool.enqueue_job("noop", number)
        probe.report({"seconds": time.monotonic() - start})
    await pool.aclose()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
