"""What of the worker's environment a command sees."""

import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from apps.terminal.sandbox.environment import (
    NEVER_PREFIXES,
    for_command,
    reachable,
    scrubbed,
    search_path,
)

NAMES = st.sampled_from(["LANG", "AWS_SECRET", "ECS_AGENT", "TIDEGATE_KEY", "LD_PRELOAD", "LC_ALL"])


@given(st.dictionaries(NAMES, st.text(max_size=3)), st.sets(NAMES))
def test_nothing_passes_that_is_not_on_the_list_and_secrets_never_do(
    worker: dict[str, str], also: set[str]
) -> None:
    passed = scrubbed(worker, also)
    assert set(passed) <= {"LANG", "LC_ALL"} | also
    assert not any(name.startswith(NEVER_PREFIXES) for name in passed)


def test_caches_go_to_the_scratch_folder_and_not_into_the_project() -> None:
    made = for_command({}, path="/bin", home=Path("/w/p"), scratch=Path("/s"), shell="sh")  # noqa: S604 - a name
    assert made["HOME"] == "/w/p"
    for name in ("TMPDIR", "XDG_CACHE_HOME", "npm_config_cache"):
        assert made[name].startswith("/s/")


def test_the_search_path_holds_what_can_be_reached_and_the_standard_folders() -> None:
    path = search_path(["/nonexistent", "relative", "/usr/bin", ""], None)
    assert path.split(":")[0] == "/usr/bin"
    assert "/bin" in path.split(":")
    assert "nonexistent" not in path
    assert "relative" not in path


def test_the_environment_tidegate_runs_in_is_not_the_commands() -> None:
    own = str(Path(sys.prefix) / "bin")
    assert sys.prefix == sys.base_prefix or own not in search_path([own], None)


def test_a_folder_below_a_private_one_is_out_of_reach(tmp_path: Path) -> None:
    private = tmp_path / "private" / "inside"
    private.mkdir(parents=True)
    private.parent.chmod(0o700)
    assert not reachable(private, 61000)
    assert reachable(private, None)
