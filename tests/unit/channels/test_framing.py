"""Runs of events survive being written down, and a damaged one is noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.channels.event import Event
from tidegate.channels.framing import packed_run, unpacked_run
from tidegate.channels.segment import Segment, packed_segment, unpacked_segment
from tidegate.errors import ChannelError, ObjectError

RUNS = st.lists(st.binary(max_size=40), min_size=1, max_size=20)


def events_of(first: int, data: list[bytes]) -> list[Event]:
    return [Event(offset, each) for offset, each in enumerate(data, first)]


@given(data=RUNS, first=st.integers(1, 10**12))
def test_a_run_is_read_back(data: list[bytes], first: int) -> None:
    assert unpacked_run(packed_run("1-ab.2", first, data)) == ("1-ab.2", events_of(first, data))


@given(data=RUNS, first=st.integers(1, 10**12))
def test_a_segment_is_read_back(data: list[bytes], first: int) -> None:
    assert unpacked_segment(packed_segment("1-ab", first, data)) == events_of(first, data)


@given(data=RUNS, cut=st.integers(0, 10**6))
def test_a_segment_that_was_cut_short_is_refused(data: list[bytes], cut: int) -> None:
    whole = packed_segment("1-ab", 1, data)
    with pytest.raises(ObjectError, match="expected a segment"):
        unpacked_segment(whole[: cut % len(whole)])


@given(data=RUNS, place=st.integers(0, 10**6), flip=st.integers(1, 255))
def test_a_segment_with_a_changed_byte_is_refused(data: list[bytes], place: int, flip: int) -> None:
    changed = bytearray(packed_segment("1-ab", 1, data))
    changed[place % len(changed)] ^= flip
    with pytest.raises(ObjectError):
        unpacked_segment(bytes(changed))


def test_a_segment_of_a_later_version_says_so() -> None:
    with pytest.raises(ObjectError, match="expected a segment of version 1"):
        unpacked_segment(b"tidegate-segment 2 00000000\n")


@pytest.mark.parametrize("run", [b"", b"e\n", b"e 1\n", b"e x 1\na", b"e 1 2\na", b"e 1 1 1\na"])
def test_what_is_no_run_is_refused(run: bytes) -> None:
    with pytest.raises(ChannelError, match="expected a run of events"):
        unpacked_run(run)


def test_a_segment_says_where_it_lies_and_is_named_by_its_entry() -> None:
    segment = Segment.named("1-ab.2/101-200/4096")
    assert segment == Segment("1-ab.2", 101, 200, 4096)
    assert segment.key("app", "a:b") == "channels/app/a:b/1-ab.2/101-200"
