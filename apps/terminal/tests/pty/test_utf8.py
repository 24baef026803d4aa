"""Output is cut at code points, whatever the chunks."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from apps.terminal.pty.utf8 import Utf8Splitter


def split(pieces: list[bytes]) -> list[tuple[str, str | bytes]]:
    splitter = Utf8Splitter()
    events: list[tuple[str, str | bytes]] = []
    for piece in pieces:
        events += splitter.feed(piece)
    return events + splitter.flush()


def joined(events: list[tuple[str, str | bytes]]) -> bytes:
    return b"".join(data.encode() if isinstance(data, str) else data for _, data in events)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=20))
def test_events_joined_are_the_bytes_that_were_fed(data: bytes, places: list[int]) -> None:
    assert joined(split(cut(data, places))) == data


@given(st.text(max_size=100), st.lists(st.integers(0, 400), max_size=20))
def test_utf8_in_any_pieces_is_only_text(text: str, places: list[int]) -> None:
    events = split(cut(text.encode(), places))
    assert {kind for kind, _ in events} <= {"text"}
    assert "".join(str(data) for _, data in events) == text


@given(st.binary(max_size=50), st.text(max_size=50))
def test_text_after_bad_bytes_is_text_again_in_the_next_piece(bad: bytes, text: str) -> None:
    splitter = Utf8Splitter()
    splitter.feed(bad)
    splitter.flush()
    assert splitter.feed(text.encode()) == ([("text", text)] if text else [])


def test_a_code_point_waits_for_its_last_byte() -> None:
    splitter = Utf8Splitter()
    assert splitter.feed("é€𝄞".encode()[:-1]) == [("text", "é€")]
    assert splitter.feed("𝄞".encode()[-1:]) == [("text", "𝄞")]


def test_a_byte_that_can_never_begin_a_code_point_is_not_kept_back() -> None:
    assert Utf8Splitter().feed(b"ok\xff") == [("text", "ok"), ("binary", b"\xff")]


def test_what_never_completes_comes_out_at_the_end() -> None:
    splitter = Utf8Splitter()
    assert splitter.feed(b"\xe2\x82") == []
    assert splitter.flush() == [("binary", b"\xe2\x82")]


def test_a_piece_of_random_bytes_is_at_most_two_events() -> None:
    assert len(Utf8Splitter().feed(b"text" + bytes(range(256)) * 10)) == 2
