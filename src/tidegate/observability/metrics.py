"""Every metric Tidegate has: its name, unit and buckets, and how a process counts into it.

Names follow Prometheus: seconds and bytes, `_total` for what only grows. A process counts locally
and hands over what was added since it last did (`Recorder.taken`); the server adds it up, so a
worker that lives for a minute is not lost to `/metrics`.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from tidegate.errors import DeclarationError

Increments = dict[str, dict[str, float]]


class Metric(Struct, frozen=True):
    """One metric.

    Attributes:
        name: As `/metrics` shows it; ends in its unit, or in `_total`.
        help: One sentence.
        labels: Names of its labels, in order.
        buckets: Upper bounds of a histogram's buckets; none for counters and gauges.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# From a quarter of a millisecond, the fastest start there is, to an hour, the longest common job.
_SECONDS: Final = (
    *(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0),
)

QUEUE_WAIT: Final = Metric(
    "tidegate_queue_wait_seconds",
    "histogram",
    "Time from when a job could have been claimed to the start of its handler.",
    ("queue", "job"),
    _SECONDS,
)
RUN_TIME: Final = Metric(
    "tidegate_run_seconds",
    "histogram",
    "Time that handlers ran, by attempt.",
    ("queue", "job"),
    _SECONDS,
)
OUTCOMES: Final = Metric(
    "tidegate_attempts_total",
    "counter",
    "Attempts that did not return, by how they ended.",
    ("queue", "outcome"),
)
REFUSED: Final = Metric(
    "tidegate_settlements_refused_total",
    "counter",
    "Settlements that came after the lease had passed, and were refused.",
)
QUEUE_DEPTH: Final = Metric(
    "tidegate_queue_depth_jobs", "gauge", "Jobs ready and running.", ("queue",)
)
QUEUE_READY: Final = Metric("tidegate_queue_ready_jobs", "gauge", "Jobs ready.", ("queue",))
QUEUE_RUNNING: Final = Metric("tidegate_queue_running_jobs", "gauge", "Jobs running.", ("queue",))
QUEUE_DEAD: Final = Metric(
    "tidegate_queue_dead_jobs", "gauge", "Jobs dead or quarantined.", ("queue",)
)
QUEUE_OLDEST: Final = Metric(
    "tidegate_queue_oldest_seconds", "gauge", "Age of the oldest ready job.", ("queue",)
)
ENQUEUED: Final = Metric("tidegate_jobs_enqueued_total", "counter", "Jobs enqueued.", ("queue",))
SUCCEEDED: Final = Metric("tidegate_jobs_succeeded_total", "counter", "Jobs succeeded.", ("queue",))
FAILED: Final = Metric("tidegate_jobs_failed_total", "counter", "Jobs failed for good.", ("queue",))

ALL: Final = (
    *(QUEUE_WAIT, RUN_TIME, OUTCOMES, REFUSED, QUEUE_DEPTH, QUEUE_READY, QUEUE_RUNNING),
    *(QUEUE_DEAD, QUEUE_OLDEST, ENQUEUED, SUCCEEDED, FAILED),
)

_BY_NAME: Final = {metric.name: metric for metric in ALL}


def series(metric: Metric, labels: Mapping[str, str]) -> str:
    """The text a series is known by between processes: `name|label=value|…`."""
    values = (f"{name}={labels[name]}" for name in metric.labels)
    return "|".join((metric.name, *values))


def parsed_series(text: str) -> tuple[Metric, dict[str, str]] | None:
    """The metric and labels of a series; None where this release does not know the metric."""
    name, *pairs = text.split("|")
    metric = _BY_NAME.get(name)
    if metric is None:
        return None
    return metric, dict(pair.partition("=")[::2] for pair in pairs)


class Histogram:
    """Counts by bucket, and their sum."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, metric: Metric) -> None:
        if not metric.buckets:
            raise DeclarationError(f"expected buckets for histogram {metric.name}, found none")
        self._bounds = metric.buckets
        self.counts = [0] * (len(metric.buckets) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one value; a negative one, which only clocks can make, counts as 0."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        if seconds > 0:
            self.total += seconds

    def values(self) -> dict[str, float]:
        """Counts by the bucket's upper bound, not accumulated; and `sum`, in seconds."""
        bounds = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        found: dict[str, float] = {
            bound: float(count) for bound, count in zip(bounds, self.counts, strict=True) if count
        }
        return {**found, "sum": self.total} if found else found


class Counter:
    """A count that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def add(self, count: int = 1) -> None:
        """Add to it."""
        self.value += count

    def values(self) -> dict[str, float]:
        """The count, as `value`."""
        return {"value": float(self.value)} if self.value else {}


class Recorder:
    """The histograms and counters of one process.

    Counting and taking may happen in different threads: taking only reads.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Histogram | Counter] = {}
        self._told: Increments = {}

    def histogram(self, metric: Metric, labels: Mapping[str, str]) -> Histogram:
        """The histogram of these labels, the same one each time."""
        found = self._kept.setdefault(series(metric, labels), Histogram(metric))
        if not isinstance(found, Histogram):
            raise DeclarationError(f"expected {metric.name} to be a histogram, found a counter")
        return found

    def counter(self, metric: Metric, labels: Mapping[str, str]) -> Counter:
        """The counter of these labels, the same one each time."""
        found = self._kept.setdefault(series(metric, labels), Counter())
        if not isinstance(found, Counter):
            raise DeclarationError(f"expected {metric.name} to be a counter, found a histogram")
        return found

    def taken(self) -> tuple[Increments, Increments]:
        """What was added since `told` was last called, and what to call it with once sent."""
        now = {name: each.values() for name, each in list(self._kept.items())}
        return {name: added for name in now if (added := self._added(name, now[name]))}, now

    def told(self, values: Increments) -> None:
        """Take note that everything up to `values` has been handed over."""
        self._told = values

    def _added(self, name: str, values: dict[str, float]) -> dict[str, float]:
        before = self._told.get(name, {})
        return {
            part: value - before.get(part, 0.0)
            for part, value in values.items()
            if value != before.get(part, 0.0)
        }
