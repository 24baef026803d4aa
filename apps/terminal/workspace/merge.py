"""Two changes of one project made into one, losing neither."""

import posixpath
from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from apps.terminal.workspace.tree import NAME_BYTES, Entry, Tree, above, parents, same

LABEL_BYTES, EXTENSION_BYTES = 120, 32


class Conflict(Struct, frozen=True):
    """A path that both sides changed.

    Attributes:
        path: The path.
        kept_as: Where our version is now; `path` itself where the other side had removed it, and
            None where we had removed it and theirs was kept.
    """

    path: str
    kept_as: str | None


class Merged(Struct, frozen=True):
    """The one tree, and what both sides had changed."""

    tree: Tree
    conflicts: tuple[Conflict, ...] = ()


def merge(base: Tree, ours: Tree, theirs: Tree, label: str) -> Merged:
    """`ours` and `theirs`, which both began as `base`, in one.

    A path changed on one side is taken from there. Changed on both, theirs keeps the path and ours
    is kept beside it; a change wins over a removal. Where one has a file and the other a folder,
    the file gives way.

    Args:
        base: What both sides began with.
        ours: Our side.
        theirs: Theirs, which others may have seen already.
        label: Who and when, for the name of a copy: `notes (conflict from LABEL).md`.
    """
    files: dict[str, Entry] = {}
    copies: dict[str, Entry] = {}
    conflicts: list[Conflict] = []
    for path in sorted(base.files.keys() | ours.files.keys() | theirs.files.keys()):
        sides = base.files.get(path), ours.files.get(path), theirs.files.get(path)
        chosen, is_conflict = _chosen(*sides)
        if chosen is not None:
            files[path] = chosen
        if is_conflict and sides[1] is not None and chosen is not sides[1]:
            copies[path] = sides[1]
        elif is_conflict:
            conflicts.append(Conflict(path, None if sides[1] is None else path))
    copies |= {path: files.pop(path) for path in list(_displaced(files))}
    taken = {*files, *above(files)}
    for path, entry in copies.items():
        name = copy_name(path, label, taken)
        taken.add(name)
        files[name] = entry
        conflicts.append(Conflict(path, name))
    tree = Tree.tidy(files, _folders(base, ours, theirs))
    return Merged(tree, tuple(sorted(conflicts, key=lambda conflict: conflict.path)))


def _chosen(
    base: Entry | None, ours: Entry | None, theirs: Entry | None
) -> tuple[Entry | None, bool]:
    """Who has the path, and whether that is in dispute."""
    if same(ours, theirs) or same(base, ours):
        return theirs, False
    if same(base, theirs):
        return ours, False
    if ours is None or theirs is None:
        return ours or theirs, True
    if ours.link is None and theirs.link is None and ours.hash == theirs.hash:
        # Only one side can have changed whether it may be run; else the two would be the same.
        was = base is not None and base.executable
        return replace(theirs, executable=not was), False
    return theirs, True


def _displaced(files: Mapping[str, Entry]) -> Iterator[str]:
    """Files where other files need a folder."""
    needed = {folder for path in files for folder in parents(path)}
    return (path for path in files if path in needed)


def _folders(base: Tree, ours: Tree, theirs: Tree) -> set[str]:
    """Empty folders that either made, or neither removed."""
    were, here, there = base.all_folders(), ours.all_folders(), theirs.all_folders()
    return {
        folder
        for folder in ours.folders | theirs.folders
        if (folder in here and folder in there)
        or (folder in here and folder not in were)
        or (folder in there and folder not in were)
    }


def copy_name(path: str, label: str, taken: Collection[str]) -> str:
    """A free path beside `path` for a copy, short enough for any file system."""
    folder, name = posixpath.split(path)
    stem, extension = posixpath.splitext(name)
    if len(extension.encode()) > EXTENSION_BYTES:
        stem, extension = name, ""
    label = label.encode()[:LABEL_BYTES].decode(errors="ignore")
    for number in range(1, len(taken) + 2):
        again = f" {number}" if number > 1 else ""
        suffix = f" (conflict from {label}{again}){extension}"
        room = max(NAME_BYTES - len(suffix.encode()), 1)
        short = stem.encode()[:room].decode(errors="ignore")
        found = posixpath.join(folder, f"{short}{suffix}")
        if found not in taken:
            return found
    raise AssertionError("one more name than files are taken cannot all be taken")
