"""Everything but what is hidden."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from apps.terminal.sandbox.landlock import beside, programs, writable

TREE = {
    "/": ["/etc", "/home", "/usr"],
    "/home": ["/home/ada", "/home/bob"],
    "/home/ada": ["/home/ada/app", "/home/ada/notes"],
    "/home/ada/app": ["/home/ada/app/data", "/home/ada/app/src"],
}
PLACES = sorted({place for places in TREE.values() for place in places})


def listing(folder: Path) -> list[Path]:
    return [Path(place) for place in TREE.get(str(folder), [])]


def opened(*hidden: str) -> set[str]:
    return set(map(str, beside(map(Path, hidden), listing)))


def test_the_neighbours_at_each_level_are_opened() -> None:
    assert opened("/home/ada/app/data") == {
        "/etc",
        "/usr",
        "/home/bob",
        "/home/ada/notes",
        "/home/ada/app/src",
    }


def test_a_folder_hidden_within_a_hidden_one_changes_nothing() -> None:
    assert opened("/home/ada", "/home/ada/app/data") == opened("/home/ada")


@given(st.sets(st.sampled_from(PLACES), min_size=1))
def test_nothing_hidden_is_opened_and_all_else_is(hidden: set[str]) -> None:
    found = opened(*hidden)
    inside = {place for place in PLACES if any(_is_within(place, other) for other in hidden)}
    reached = {place for place in PLACES if any(_is_within(place, other) for other in found)}
    assert reached.isdisjoint(inside)
    on_the_way = {place for place in PLACES if any(_is_within(it, place) for it in hidden)}
    assert reached | inside | on_the_way == set(PLACES)


def _is_within(place: str, folder: str) -> bool:
    return place == folder or place.startswith(f"{folder}/")


def test_programs_in_a_home_keep_what_they_need() -> None:
    home = Path("/home/ada")
    path = "/usr/bin:/home/ada/.nvm/v20/bin:/home/ada/bin:/home/ada/.local/bin"
    found = set(map(str, programs(path, home)))
    assert found == {
        "/home/ada/.nvm/v20",
        "/home/ada/bin",
        "/home/ada/.local/bin",
        "/home/ada/.local/lib",
    }


def test_a_shared_folder_with_something_hidden_in_it_is_not_written() -> None:
    assert "/dev" in writable([Path("/home/ada")])
    assert "/dev" not in writable([Path("/dev/shm/data")])  # noqa: S108 - only a name here


def test_a_link_that_may_lead_to_what_is_hidden_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "link").symlink_to("hidden")
    (tmp_path / "open").mkdir()
    found = beside([tmp_path / "hidden"])
    assert tmp_path / "open" in found
    assert tmp_path / "link" not in found
