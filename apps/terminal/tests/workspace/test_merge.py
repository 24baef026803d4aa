"""Two changes of one project made into one, losing neither."""

from hypothesis import given
from hypothesis import strategies as st

from apps.terminal.workspace.merge import Conflict, copy_name, merge
from apps.terminal.workspace.tree import Entry, Tree, digest, parents

LABEL = "t1 at 2026-01-02 03.04.05"
PATHS = st.sampled_from(["a", "b", "a/x", "a/y", "b/c", "b/c/d", "n.txt"])
CONTENTS = st.sampled_from([b"1", b"2", b"3"])


def entry(content: bytes, *, executable: bool = False) -> Entry:
    return Entry(digest(content), len(content), executable)


def tree(files: dict[str, bytes], folders: set[str] | None = None) -> Tree:
    kept = {
        path: entry(content)
        for path, content in files.items()
        if not any(folder in files for folder in parents(path))
    }
    return Tree.tidy(kept, folders or set())


TREES = st.builds(
    tree, st.dictionaries(PATHS, CONTENTS), st.sets(st.sampled_from(["e", "a", "f/g"]))
)


def contents(tree: Tree) -> set[str]:
    return {entry.hash for entry in tree.files.values()}


@given(TREES, TREES)
def test_a_change_on_one_side_only_is_taken_as_it_is(base: Tree, changed: Tree) -> None:
    assert merge(base, changed, base, LABEL).tree.is_same(changed)
    assert merge(base, base, changed, LABEL).tree.is_same(changed)


@given(TREES, TREES)
def test_the_same_change_on_both_sides_is_no_conflict(base: Tree, changed: Tree) -> None:
    merged = merge(base, changed, changed, LABEL)
    assert merged.tree.is_same(changed)
    assert merged.conflicts == ()


@given(TREES, TREES, TREES)
def test_nothing_that_either_side_wrote_is_lost(base: Tree, ours: Tree, theirs: Tree) -> None:
    merged = merge(base, ours, theirs, LABEL).tree
    for side in (ours, theirs):
        written = {path for path, found in side.files.items() if base.files.get(path) != found}
        assert {side.files[path].hash for path in written} <= contents(merged)


@given(TREES, TREES, TREES)
def test_no_file_lies_where_another_needs_a_folder(base: Tree, ours: Tree, theirs: Tree) -> None:
    merged = merge(base, ours, theirs, LABEL).tree
    needed = merged.all_folders()
    assert needed.isdisjoint(merged.files)


@given(TREES, TREES, TREES)
def test_merging_again_changes_nothing(base: Tree, ours: Tree, theirs: Tree) -> None:
    once = merge(base, ours, theirs, LABEL).tree
    assert merge(once, once, once, LABEL).tree.is_same(once)
    assert merge(theirs, once, theirs, LABEL).tree.is_same(once)


def test_both_versions_of_a_file_are_kept_and_ours_says_whose_it_is() -> None:
    merged = merge(tree({"n.txt": b"1"}), tree({"n.txt": b"2"}), tree({"n.txt": b"3"}), LABEL)
    copy = f"n (conflict from {LABEL}).txt"
    assert merged.tree.is_same(tree({"n.txt": b"3", copy: b"2"}))
    assert merged.conflicts == (Conflict("n.txt", copy),)


def test_a_change_wins_over_a_removal_on_either_side() -> None:
    base, changed, removed = tree({"a": b"1"}), tree({"a": b"2"}), tree({})
    assert merge(base, changed, removed, LABEL).conflicts == (Conflict("a", "a"),)
    assert merge(base, removed, changed, LABEL).conflicts == (Conflict("a", None),)
    assert merge(base, removed, changed, LABEL).tree.is_same(changed)


def test_a_removal_on_one_side_removes() -> None:
    assert merge(tree({"a": b"1"}), tree({}), tree({"a": b"1"}), LABEL).tree.is_same(tree({}))


def test_making_a_file_executable_is_no_conflict_with_leaving_it() -> None:
    runs = Tree({"a": entry(b"2", executable=True)})
    merged = merge(tree({"a": b"1"}), runs, tree({"a": b"2"}), LABEL)
    assert merged.tree.files["a"].executable
    assert merged.conflicts == ()


def test_a_file_gives_way_to_a_folder_of_its_name() -> None:
    merged = merge(tree({}), tree({"a": b"1"}), tree({"a/x": b"2"}), LABEL)
    assert set(merged.tree.files) == {"a/x", f"a (conflict from {LABEL})"}


def test_an_emptied_folder_stays_and_a_removed_one_goes() -> None:
    base = tree({"a/x": b"1", "b/c": b"1"})
    ours = tree({"b/c": b"1"}, {"a"})
    theirs = tree({"a/x": b"1"})
    assert merge(base, ours, theirs, LABEL).tree.is_same(tree({}, {"a"}))


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


@given(NAMES.filter(lambda name: len(name.encode()) <= 255), st.text("ab", max_size=300))
def test_a_copys_name_is_free_and_fits_any_file_system(name: str, label: str) -> None:
    names: set[str] = set()
    for _ in range(3):
        found = copy_name(f"folder/{name}", label, names)
        assert found not in names
        assert len(found.removeprefix("folder/").encode()) <= 255
        names.add(found)
