"""RQ's SimpleWorker, which does not fork for every job."""

import probe
from redis import Redis
from rq import Queue


def noop(number: int) -> None:
    probe.tick()


def timed(sent: float) -> None:
    probe.arrived(sent)


queue = Queue(connection=Redis.from_url(probe.URL))


def enqueue() -> None:
    # By name: under __main__ the function would not be importable for the worker.
    for number in range(probe.JOBS):
        queue.enqueue("with_rq.noop", number, result_ttl=0)


def send(sent: float) -> None:
    queue.enqueue("with_rq.timed", sent, result_ttl=0)


if __name__ == "__main__":
    if probe.verb() == "paced":
        probe.paced(send)
    else:
        probe.timed(enqueue)
