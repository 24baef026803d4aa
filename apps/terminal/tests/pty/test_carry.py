"""What carries over from one command of a terminal to the next."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from apps.terminal.pty.carry import CARRIED_BYTES, NOT_CARRIED, Carried, carried, relative

HOME = "/work/p"
NAMES = st.from_regex(r"\A[A-Z][A-Z0-9_]{0,8}\Z").filter(lambda name: name not in NOT_CARRIED)
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
VARIABLES = st.dictionaries(NAMES, VALUES, max_size=8)


def written(cwd: str, variables: dict[str, str]) -> bytes:
    entries = [cwd, *(f"{name}={value}" for name, value in variables.items()), "="]
    return b"".join(entry.encode() + b"\0" for entry in entries)


@given(VARIABLES, VARIABLES)
def test_the_changes_turn_a_new_environment_into_the_one_that_was_left(
    new: dict[str, str], left: dict[str, str]
) -> None:
    found = carried(written(HOME, left), new, HOME)
    assert found is not None
    now = new | {name: value for name, value in found.exported.items() if value is not None}
    removed = {name for name, value in found.exported.items() if value is None}
    assert {name: value for name, value in now.items() if name not in removed} == left


def test_what_nobody_changed_is_not_carried() -> None:
    found = carried(written(HOME, {"PATH": "/bin", "SHLVL": "3", "A": "1"}), {"PATH": "/bin"}, HOME)
    assert found == Carried(exported={"A": "1"}, workspace=HOME)


def test_a_folder_inside_the_workspace_is_kept_relative_to_it() -> None:
    assert [relative(path, HOME) for path in (HOME, f"{HOME}/a/b", "/usr", f"{HOME}2")] == [
        "",
        "a/b",
        "/usr",
        f"{HOME}2",
    ]


def test_paths_follow_a_workspace_that_has_moved() -> None:
    found = carried(written(f"{HOME}/src", {"BIN": f"{HOME}/bin:/bin"}), {}, HOME)
    assert found is not None
    assert found.folder_in("/other/q") == "/other/q/src"
    assert found.exported_in("/other/q") == {"BIN": "/other/q/bin:/bin"}


def test_an_absolute_folder_stays_where_it_is() -> None:
    assert Carried(cwd="/usr").folder_in("/other") == "/usr"


def test_a_report_that_was_cut_short_is_no_report() -> None:
    whole = written(HOME, {"A": "1"})
    assert carried(whole[:-2], {}, HOME) is None
    assert carried(b"", {}, HOME) is None


def test_more_than_fits_is_not_carried() -> None:
    assert carried(written(HOME, {"A": "x" * CARRIED_BYTES}), {}, HOME) is None


def test_names_a_shell_would_not_take_back_are_left_out() -> None:
    found = carried(written(HOME, {"BASH_FUNC_f%%": "() { :; }", "A": "1"}), {}, HOME)
    assert found is not None
    assert found.exported == {"A": "1"}


def test_values_do_not_show_in_a_log_but_travel_as_json() -> None:
    secret = Carried(exported={"TOKEN": "hunter2"})
    assert "hunter2" not in repr(secret)
    assert json.decode(json.encode(secret), type=Carried) == secret
