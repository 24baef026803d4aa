"""Which settings a channel gets."""

import pytest

from tidegate.channels.pattern import checked_pattern, matches, most_exact
from tidegate.errors import ChannelError


@pytest.mark.parametrize(
    ("pattern", "channel", "named"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("*", "a", True),
        ("*", "a:b", False),
        ("a:*", "a:b", True),
        ("a:*", "a", False),
        ("a:*", "a:b:c", False),
        ("a:*:c", "a:b:c", True),
        ("a.b", "axb", False),
    ],
)
def test_a_star_stands_for_one_segment(pattern: str, channel: str, named: bool) -> None:  # noqa: FBT001
    assert matches(pattern, channel) is named


def test_the_pattern_that_is_exact_for_longest_wins() -> None:
    patterns = ("*:*:*", "a:*:*", "a:b:*", "*:b:c", "x:y:z")
    assert most_exact(patterns, "a:b:c") == "a:b:*"
    assert most_exact(patterns, "z:b:c") == "*:b:c"
    assert most_exact(patterns, "a:z:c") == "a:*:*"
    assert most_exact(patterns, "a:b") is None


@pytest.mark.parametrize("pattern", ["", "a:", "a*", "**", "a:b c"])
def test_a_pattern_of_another_shape_is_refused(pattern: str) -> None:
    with pytest.raises(ChannelError, match="expected a channel pattern"):
        checked_pattern(pattern)


def test_a_pattern_is_returned_as_it_is() -> None:
    assert checked_pattern("terminal:*:x") == "terminal:*:x"
