from hypothesis import given
from hypothesis import strategies as st

from tidegate.channels.cursor import Cursor
from tidegate.channels.event import Event
from tidegate.gateway.tail import Tail


def events(first: int, count: int, size: int = 10) -> list[Event]:
    return [Event(offset, b"x" * size) for offset in range(first, first + count)]


@given(st.lists(st.integers(1, 50), max_size=20), st.integers(0, 1200), st.integers(1, 9000))
def test_a_tail_answers_exactly_what_follows_or_nothing(
    runs: list[int], since: int, size: int
) -> None:
    tail, log = Tail(), []
    for count in runs:
        log += events(len(log) + 1, count, size)
        tail.extend("e", log[-count:])
    found = tail.after(Cursor(since, "e"))
    if found is not None:
        assert found == log[since:]
        assert since <= len(log)
    elif since == len(log) and log:
        raise AssertionError("the newest place is always known")


@given(st.integers(1, 3000), st.integers(0, 4000))
def test_a_tail_is_bounded_in_bytes_and_in_events(count: int, size: int) -> None:
    tail = Tail()
    for offset in range(1, count + 1):
        tail.extend("e", [Event(offset, b"x" * size)])
    kept = [event for event in events(1, count, size) if tail.after(Cursor(event.offset - 1, "e"))]
    assert len(kept) <= 1000
    assert sum(len(event.data) for event in kept[1:]) <= 256 * 1024
    assert tail.newest == Event(count, b"x" * size)


def test_events_of_another_epoch_replace_what_is_held() -> None:
    tail = Tail()
    tail.extend("one", events(1, 5))
    tail.extend("two", events(6, 1))
    assert tail.after(Cursor(5, "one")) is None
    assert tail.after(Cursor(5, "two")) == events(6, 1)


def test_an_empty_tail_knows_nothing() -> None:
    tail = Tail()
    assert tail.newest is None
    assert tail.after(Cursor(0, "")) is None
