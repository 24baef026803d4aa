"""What a path, a link and a project may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.terminal.workspace import PathError, ProjectFullError, ProjectLimits
from apps.terminal.workspace.tree import (
    Entry,
    Tree,
    changes,
    check_limits,
    checked,
    digest,
    stays_inside,
)


@pytest.mark.parametrize("path", ["a", "a/b.txt", ".hidden", "a b/ü", "..a", "a/..b", "-", "~"])
def test_paths_inside_the_project_are_taken(path: str) -> None:
    assert checked(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\0b", "\udcff"],
)
def test_paths_that_lead_out_or_cannot_be_are_refused(path: str) -> None:
    with pytest.raises(PathError):
        checked(path)


@pytest.mark.parametrize("path", ["x" * 256, "/".join(["x" * 200] * 6)])
def test_paths_longer_than_file_systems_take_are_refused(path: str) -> None:
    with pytest.raises(PathError, match="bytes"):
        checked(path)


@pytest.mark.parametrize(
    ("path", "target", "inside"),
    [
        ("a", "b", True),
        ("d/a", "../b", True),
        ("d/a", "../../b", False),
        ("a", "/etc/passwd", False),
        ("a", "b/../../etc", False),  # b may itself be a link upwards
        ("d/e/a", "../../b/c", True),
        ("a", "./b//c/", True),
    ],
)
def test_a_link_stays_inside_wherever_other_links_lead(
    path: str,
    target: str,
    inside: bool,  # noqa: FBT001
) -> None:
    assert stays_inside(path, target) is inside


def sized(*sizes: int) -> Tree:
    return Tree({str(n): Entry(digest(b"%d" % n), size) for n, size in enumerate(sizes)})


def test_a_project_over_its_limit_may_shrink_but_not_grow() -> None:
    limits = ProjectLimits(total_bytes=10, files=2)
    check_limits(sized(12), sized(20), limits)
    with pytest.raises(ProjectFullError, match="in all files"):
        check_limits(sized(12), sized(11), limits)
    with pytest.raises(ProjectFullError, match="at most 2 files, found 3 files"):
        check_limits(sized(1, 1, 1), sized(1), limits)


def test_a_file_over_the_limit_is_refused_by_name_only_when_it_is_new() -> None:
    limits = ProjectLimits(file_bytes=5)
    check_limits(sized(6), sized(6), limits)
    with pytest.raises(ProjectFullError, match="'0'"):
        check_limits(sized(6), Tree(), limits)


NAMES = st.sampled_from(["a", "b", "c/d", "c/e", "f/g/h"])
FILES = st.dictionaries(NAMES, st.integers(0, 2).map(lambda n: Entry(str(n), n)))
TREES = st.builds(Tree.tidy, FILES, st.sets(st.sampled_from(["x", "c", "f", "x/y"])))


@given(TREES, TREES)
def test_the_changes_between_two_trees_lead_from_one_to_the_other(old: Tree, new: Tree) -> None:
    found = changes(old, new)
    files = {path: entry for path, entry in old.files.items() if path not in found.removed}
    folders = {folder for folder in old.folders if folder not in found.unmade}
    after = Tree.tidy(files | found.written, folders | set(found.made))
    assert after.is_same(new)
    assert bool(found) is not old.is_same(new)


@given(FILES, st.sets(st.sampled_from(["x", "x/y", "c", "a", "f/g"])))
def test_only_folders_that_nothing_else_shows_are_kept(
    files: dict[str, Entry], folders: set[str]
) -> None:
    tree = Tree.tidy(files, folders)
    assert tree.folders.isdisjoint(files)
    assert tree.all_folders() >= tree.folders
    for folder in tree.folders:
        assert not tree.below(folder)
        assert not any(other.startswith(f"{folder}/") for other in tree.folders)
