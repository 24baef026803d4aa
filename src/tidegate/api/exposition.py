"""What `/metrics` says: what workers reported, what queues hold, what this gateway does."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from tidegate.client import Client
from tidegate.gateway.server import Gateway
from tidegate.jobs.backend import QueueStats, WorkerReport
from tidegate.observability import metrics
from tidegate.observability.metrics import Increments, parsed_series

Simple = CounterMetricFamily | GaugeMetricFamily


async def exposed(client: Client, gateway: Gateway) -> bytes:
    """The text that Prometheus reads.

    Raises:
        BackendUnavailableError: Valkey does not answer.
    """
    stats, reports, reported = await asyncio.gather(
        client.queues(), client.workers(), client.queue_backend.metrics()
    )
    registry = CollectorRegistry()
    registry.register(_Collected([*_queues(stats), *_reported(reported), *_here(gateway, reports)]))
    text: bytes = generate_latest(registry)
    return text


class _Collected:
    """Families as the library's registry wants them."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _queues(stats: list[QueueStats]) -> Iterator[Metric]:
    measured: dict[metrics.Metric, Sequence[float]] = {
        metrics.QUEUE_DEPTH: [each.depth for each in stats],
        metrics.QUEUE_READY: [each.ready for each in stats],
        metrics.QUEUE_RUNNING: [each.running for each in stats],
        metrics.QUEUE_DEAD: [each.dead + each.quarantined for each in stats],
        metrics.QUEUE_OLDEST: [each.oldest_age for each in stats],
        metrics.ENQUEUED: [each.enqueued_total for each in stats],
        metrics.SUCCEEDED: [each.succeeded_total for each in stats],
        metrics.FAILED: [each.failed_total for each in stats],
    }
    for metric, values in measured.items():
        family = _simple(metric)
        for each, value in zip(stats, values, strict=True):
            family.add_metric([each.name], value)
        yield family


def _reported(reported: Increments) -> Iterator[Metric]:
    families: dict[str, HistogramMetricFamily | Simple] = {}
    for text, values in sorted(reported.items()):
        known = parsed_series(text)
        if known is None:
            continue
        metric, labels = known
        family = families.get(metric.name)
        if family is None:
            family = families[metric.name] = _histogram(metric) or _simple(metric)
        names = [labels[name] for name in metric.labels]
        if isinstance(family, HistogramMetricFamily):
            family.add_metric(names, _cumulated(metric, values), values.get("sum", 0.0))
        else:
            family.add_metric(names, values.get("value", 0.0))
    yield from families.values()


def _cumulated(metric: metrics.Metric, values: dict[str, float]) -> list[tuple[str, float]]:
    total = 0.0
    buckets = []
    for bound in [*(f"{bound:g}" for bound in metric.buckets), "+Inf"]:
        total += values.get(bound, 0.0)
        buckets.append((bound, total))
    return buckets


def _here(gateway: Gateway, reports: list[WorkerReport]) -> Iterator[Metric]:
    yield GaugeMetricFamily("tidegate_workers", "Workers that report.", value=len(reports))
    yield GaugeMetricFamily(
        "tidegate_worker_slots", "Jobs all workers can run at once.", value=_total(reports, "slots")
    )
    yield GaugeMetricFamily(
        "tidegate_gateway_connections", "Sockets of clients open here.", value=gateway.connections
    )
    yield GaugeMetricFamily(
        "tidegate_gateway_channels",
        "Channels somebody here is subscribed to.",
        value=gateway.channels_followed,
    )
    yield CounterMetricFamily(
        "tidegate_gateway_deliveries_total",
        "Events sent to subscribers here.",
        value=gateway.deliveries,
    )


def _total(reports: list[WorkerReport], field: str) -> int:
    return sum(getattr(report, field) for report in reports)


def _histogram(metric: metrics.Metric) -> HistogramMetricFamily | None:
    if metric.kind != "histogram":
        return None
    return HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)


def _simple(metric: metrics.Metric) -> Simple:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.help, labels=metric.labels)
