"""Ids sort by the time they were made."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.ids import ID_LENGTH, IdSource

_moments = st.floats(min_value=0, max_value=2**40, allow_nan=False)


@given(st.lists(st.tuples(_moments, st.integers(1, 50)), max_size=20))
def test_ids_of_one_source_ascend_whatever_the_clock_does(
    calls: list[tuple[float, int]],
) -> None:
    source = IdSource()
    ids = [made for now, count in calls for made in source.many(count, now)]

    assert ids == sorted(set(ids))


@given(_moments, _moments)
def test_ids_of_two_sources_sort_by_their_millisecond(one: float, other: float) -> None:
    first, second = IdSource().new(one), IdSource().new(other)

    if int(one * 1000) != int(other * 1000):
        assert (first < second) == (one < other)


def test_an_id_is_26_characters_without_look_alikes() -> None:
    made = IdSource().new()

    assert len(made) == ID_LENGTH
    assert not set(made) & set("ILOU")
