"""Names that channels may have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.channels.event import checked_name, job_channel
from tidegate.errors import ChannelError
from tidegate.ids import new_id


@pytest.mark.parametrize("name", ["a", "terminal:p_1:t-2", "A:9", job_channel(new_id()), "x" * 255])
def test_segments_of_letters_digits_and_dashes_are_a_name(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", ":", "a:", ":a", "a::b", "a b", "ü", "a*", "a\n", "x" * 256])
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(ChannelError, match="expected a channel name"):
        checked_name(name)


@given(name=st.text(max_size=20))
def test_a_name_that_passes_needs_no_quoting_anywhere(name: str) -> None:
    try:
        checked_name(name)
    except ChannelError:
        return
    assert name.isascii()
    assert not set(name) & set("/=@;,{}*% \n")
