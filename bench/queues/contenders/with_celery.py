"""celery on Redis, acknowledged late, in its threads pool."""

import probe
from celery import Celery

app = Celery("bench", broker=probe.URL)
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=128,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop(number: int) -> None:
    probe.tick()


@app.task(name="timed")
def timed(sent: float) -> None:
    probe.arrived(sent)


def enqueue() -> None:
    for number in range(probe.JOBS):
        noop.delay(number)


if __name__ == "__main__":
    if probe.verb() == "paced":
        probe.paced(timed.delay)
    else:
        probe.timed(enqueue)
