"""taskiq with its Redis stream broker: acknowledged after the run."""

import asyncio
import time

import probe
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisStreamBroker

# "0" and not "$": jobs sent before the first worker are not to be skipped.
broker = RedisStreamBroker(url=probe.URL, consumer_id="0").with_serializer(ORJSONSerializer())


@broker.task
async def noop(number: int) -> None:
    probe.tick()


@broker.task
async def timed(sent: float) -> None:
    probe.arrived(sent)


async def main() -> None:
    await broker.startup()
    if probe.verb() == "paced":
        for number in range(probe.JOBS):
            await asyncio.sleep(0.5 if number == 1 else 0.02)
            await timed.kiq(time.monotonic())
    else:
        start = time.monotonic()
        for number in range(probe.JOBS):
            await noop.kiq(number)
        probe.report({"seconds": time.monotonic() - start})
    await broker.shutdown()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
