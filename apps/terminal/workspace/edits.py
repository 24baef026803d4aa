"""Single edits of a tree, as the page makes them."""

import posixpath
from collections.abc import Mapping

from apps.terminal.workspace.errors import (
    EditConflictError,
    FileMissingError,
    PathError,
    PathTakenError,
)
from apps.terminal.workspace.tree import Entry, Tree, above, checked, parents

ANY = "*"


def with_file(tree: Tree, path: str, entry: Entry, if_match: str | None = None) -> Tree:
    """`tree` with `entry` at `path`, whose folders appear as needed.

    Args:
        tree: The project so far.
        path: Where.
        entry: What.
        if_match: Hash that the file there must have; "" for no file there, None for no matter.

    Raises:
        EditConflictError: It has another.
        PathTakenError: A folder is there, or a file is where a folder is needed.
        PathError: The path cannot be.
    """
    found = tree.files.get(checked(path))
    actual = found.hash if found else ""
    if if_match is not None and if_match != actual:
        raise EditConflictError(path, if_match or None, actual or None)
    _check_free(tree, path)
    return Tree.tidy({**tree.files, path: entry}, tree.folders)


def with_files(tree: Tree, entries: Mapping[str, Entry]) -> Tree:
    """`tree` with all of `entries`; raises as `with_file`."""
    files = {**tree.files, **entries}
    folders = set(above(files)) | tree.all_folders()
    for path in entries:
        checked(path)
        if path in folders:
            raise PathTakenError(path)
    for folder in folders:
        if folder in files:
            raise PathTakenError(folder)
    return Tree.tidy(files, tree.folders)


def without_file(tree: Tree, path: str, if_match: str | None = None) -> Tree:
    """`tree` without the file at `path`; the folder it was in stays.

    Raises:
        FileMissingError: There is none.
        EditConflictError: It has another hash than `if_match`.
    """
    entry = tree.files.get(path)
    if entry is None:
        raise FileMissingError(path)
    if if_match is not None and if_match != entry.hash:
        raise EditConflictError(path, if_match or None, entry.hash)
    files = {name: kept for name, kept in tree.files.items() if name != path}
    return Tree.tidy(files, tree.folders | {*_own_folder(path)})


def with_folder(tree: Tree, path: str) -> Tree:
    """`tree` with a folder at `path`; as it is if there is one.

    Raises:
        PathTakenError: A file is there, or where a folder is needed.
        PathError: The path cannot be.
    """
    checked(path)
    for place in (path, *parents(path)):
        if place in tree.files:
            raise PathTakenError(place)
    return Tree.tidy(tree.files, tree.folders | {path})


def without_folder(tree: Tree, path: str) -> Tree:
    """`tree` without the folder at `path` and all below it.

    Raises:
        FileMissingError: There is none.
    """
    if not tree.holds_folder(path):
        raise FileMissingError(path)
    files = {name: kept for name, kept in tree.files.items() if not name.startswith(f"{path}/")}
    folders = {name for name in tree.folders if name != path and not name.startswith(f"{path}/")}
    return Tree.tidy(files, folders | {*_own_folder(path)})


def moved(tree: Tree, source: str, target: str) -> Tree:
    """`tree` with the file or folder at `source` at `target` instead.

    Raises:
        FileMissingError: Nothing is at `source`.
        PathTakenError: Something is at `target`, or a file is where a folder is needed.
        PathError: `target` cannot be, or lies in the folder that is moved.
    """
    checked(target)
    if target.startswith(f"{source}/"):
        raise PathError(target, f"it lies in {source!r}, which is moved")
    if source not in tree.files and not tree.holds_folder(source):
        raise FileMissingError(source)
    if target in tree.files or tree.holds_folder(target):
        raise PathTakenError(target)
    files = {_renamed(path, source, target): entry for path, entry in tree.files.items()}
    folders = {_renamed(path, source, target) for path in tree.folders}
    after = Tree.tidy(files, folders | {*_own_folder(source)})
    for place in parents(target):
        if place in after.files:
            raise PathTakenError(place)
    return after


def _renamed(path: str, source: str, target: str) -> str:
    if path == source or path.startswith(f"{source}/"):
        return target + path[len(source) :]
    return path


def _own_folder(path: str) -> list[str]:
    folder = posixpath.dirname(path)
    return [folder] if folder else []


def _check_free(tree: Tree, path: str) -> None:
    if path not in tree.files and tree.holds_folder(path):
        raise PathTakenError(path)
    for place in parents(path):
        if place in tree.files:
            raise PathTakenError(place)
