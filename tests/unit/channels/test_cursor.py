"""The text form of cursors is exact, short and forgiving to type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.channels.cursor import START, Cursor, cursor_text, parsed_cursors
from tidegate.errors import ChannelError

SEGMENTS = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
NAMES = st.lists(SEGMENTS, min_size=1, max_size=4).map(":".join)
EPOCHS = st.from_regex(r"[a-z0-9.-]{0,12}", fullmatch=True)
CURSORS = st.builds(Cursor, st.integers(0, 2**49), EPOCHS)


@given(cursors=st.dictionaries(NAMES, CURSORS, max_size=8))
def test_what_was_written_is_read_back(cursors: dict[str, Cursor]) -> None:
    assert parsed_cursors(cursor_text(cursors)) == cursors


@given(cursors=st.dictionaries(NAMES, CURSORS, min_size=2, max_size=8))
def test_equal_cursors_give_equal_text(cursors: dict[str, Cursor]) -> None:
    assert cursor_text(dict(reversed(cursors.items()))) == cursor_text(cursors)


@given(cursors=st.dictionaries(NAMES, CURSORS, max_size=8))
def test_the_text_fits_into_a_header(cursors: dict[str, Cursor]) -> None:
    text = cursor_text(cursors)
    assert text.isascii()
    assert not set(text) & set(" \r\n\0\"'\\")


@given(text=st.text(max_size=60))
def test_any_text_is_read_or_refused_with_what_is_expected(text: str) -> None:
    try:
        cursors = parsed_cursors(text)
    except ChannelError as refusal:
        assert "expected" in str(refusal)  # noqa: PT017 - either outcome is right
    else:
        assert parsed_cursors(cursor_text(cursors)) == cursors


def test_channels_of_one_epoch_share_its_name() -> None:
    cursors = {"b": Cursor(2, "1-ab"), "a": Cursor(1, "1-ab"), "c": Cursor(3, "2-cd")}
    assert cursor_text(cursors) == "a=1,b=2@1-ab;c=3@2-cd"


def test_no_cursors_are_the_empty_text() -> None:
    assert cursor_text({}) == ""
    assert parsed_cursors("") == parsed_cursors(" ; ") == {}


@pytest.mark.parametrize(
    ("text", "cursors"),
    [
        ("notes=0", {"notes": START}),
        (" a=1 , b=2 @ e ;; c=3@", {"a": Cursor(1, "e"), "b": Cursor(2, "e"), "c": Cursor(3)}),
        ("a=1@e;a=2@f", {"a": Cursor(2, "f")}),
    ],
)
def test_what_a_person_types_is_understood(text: str, cursors: dict[str, Cursor]) -> None:
    assert parsed_cursors(text) == cursors


@pytest.mark.parametrize(
    "text", ["a", "a=", "a=-1", "a=1.5", "=1", "a b=1", "a=1@e@f", "a=1@e p", "a=" + "9" * 16]
)
def test_what_is_wrong_is_named(text: str) -> None:
    with pytest.raises(ChannelError, match="expected a c"):
        parsed_cursors(text)


def test_a_text_without_end_is_refused_unread() -> None:
    with pytest.raises(ChannelError, match="at most 65536 characters"):
        parsed_cursors("a=1," * 20_000)
