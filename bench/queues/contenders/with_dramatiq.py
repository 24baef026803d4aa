"""dramatiq with its Redis broker, threads, the middleware a no-op needs."""

import dramatiq
import probe
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, Callbacks, Pipelines, ShutdownNotifications

_unused = (AgeLimit, Callbacks, Pipelines, ShutdownNotifications)
broker = RedisBroker(url=probe.URL)
broker.middleware = [ware for ware in broker.middleware if not isinstance(ware, _unused)]
dramatiq.set_broker(broker)


@dramatiq.actor
def noop(number: int) -> None:
    probe.tick()


@dramatiq.actor
def timed(sent: float) -> None:
    probe.arrived(sent)


def enqueue() -> None:
    for number in range(probe.JOBS):
        noop.send(number)


if __name__ == "__main__":
    if probe.verb() == "paced":
        probe.paced(timed.send)
    else:
        probe.timed(enqueue)
