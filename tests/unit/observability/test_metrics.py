"""Counting in one process, and handing over what was added."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.observability.metrics import (
    ALL,
    OUTCOMES,
    QUEUE_WAIT,
    Recorder,
    parsed_series,
    series,
)

LABELS = {"queue": "q", "job": "app.work"}


def test_every_metric_has_one_name_with_its_unit() -> None:
    names = [metric.name for metric in ALL]
    assert len(set(names)) == len(names)
    assert all(name.startswith("tidegate_") for name in names)
    assert all(name.endswith(("_seconds", "_total", "_jobs")) for name in names)


def test_a_series_is_read_back_from_its_text() -> None:
    assert parsed_series(series(QUEUE_WAIT, LABELS)) == (QUEUE_WAIT, LABELS)
    assert parsed_series("tidegate_of_another_release|queue=q") is None


def test_only_what_was_added_since_is_handed_over() -> None:
    recorder = Recorder()
    waits = recorder.histogram(QUEUE_WAIT, LABELS)
    waits.observe(0.0004)
    waits.observe(7.0)
    added, values = recorder.taken()
    assert added == {series(QUEUE_WAIT, LABELS): {"0.0005": 1.0, "10": 1.0, "sum": 7.0004}}
    recorder.told(values)
    assert recorder.taken()[0] == {}
    waits.observe(99999.0)
    assert recorder.taken()[0] == {series(QUEUE_WAIT, LABELS): {"+Inf": 1.0, "sum": 99999.0}}


def test_what_could_not_be_handed_over_is_handed_over_later() -> None:
    recorder = Recorder()
    recorder.counter(OUTCOMES, {"queue": "q", "outcome": "lost"}).add()
    lost = recorder.taken()[0]
    assert recorder.taken()[0] == lost


@given(st.lists(st.lists(st.floats(-1, 1e6), max_size=5), max_size=10))
def test_however_often_it_is_taken_nothing_is_lost_or_counted_twice(
    rounds: list[list[float]],
) -> None:
    recorder = Recorder()
    waits = recorder.histogram(QUEUE_WAIT, LABELS)
    counted = 0.0
    for seconds in rounds:
        for value in seconds:
            waits.observe(value)
        added, values = recorder.taken()
        recorder.told(values)
        for parts in added.values():
            counted += sum(count for part, count in parts.items() if part != "sum")
    assert counted == sum(map(len, rounds))
