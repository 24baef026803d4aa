"""What can go wrong with a project's files."""

from tidegate.errors import TidegateError, UsageError

MIB = 1024 * 1024


class PathError(UsageError):
    """A path cannot name a file of a project.

    Attributes:
        path: The path given.
    """

    code = "wrong_path"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"expected a path inside the project, found {path[:200]!r}: {why}")
        self.path = path


class FileMissingError(UsageError):
    """A project has no file or folder of this path.

    Attributes:
        path: The path asked for.
    """

    code = "no_such_file"

    def __init__(self, path: str) -> None:
        super().__init__(f"the project has no {path!r}; list its files to see what it has")
        self.path = path


class PathTakenError(UsageError):
    """Something else is where a file or folder was to be put.

    Attributes:
        path: What is there.
    """

    code = "path_taken"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path!r} is there already; choose another name, or remove it first")
        self.path = path


class EditConflictError(UsageError):
    """A file is not the one its editor had read.

    Attributes:
        path: The file.
        expected: Hash the editor had read; None if it expected no file.
        found: Hash of the file now; None if there is none.
    """

    code = "edit_conflict"

    def __init__(self, path: str, expected: str | None, found: str | None) -> None:
        super().__init__(
            f"expected {path!r} at {expected or 'nothing'}, found {found or 'nothing'}; "
            "read it again and repeat the edit"
        )
        self.path = path
        self.expected = expected
        self.found = found


class ProjectFullError(UsageError):
    """A project, or a file of it, would be larger than allowed.

    Attributes:
        what: Which limit: file_bytes, total_bytes or files.
        limit: Its value.
        found: What was asked for.
    """

    code = "project_full"

    def __init__(self, what: str, limit: int, found: int, path: str = "") -> None:
        super().__init__(
            f"expected at most {_size(what, limit)}, found {_size(what, found)}"
            f"{f' ({path!r})' if path else ''}; remove files, or list them in .tidegateignore"
        )
        self.what = what
        self.limit = limit
        self.found = found
        self.path = path


def _size(what: str, value: int) -> str:
    if what == "files":
        return f"{value} files"
    return f"{value / MIB:.1f} MiB in {'one file' if what == 'file_bytes' else 'all files'}"


class WorkspaceFullError(TidegateError):
    """The machine has no disk left for a project's files.

    Attributes:
        path: The file that did not fit.
    """

    code = "workspace_full"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"no space was left on the worker's disk to write {path!r}; nothing stored was lost: "
            "remove files, or give the task more storage"
        )
        self.path = path


class StaleEpochError(TidegateError):
    """A newer owner of the project has committed; this one may not any more.

    Attributes:
        epoch: The ownership that was refused.
        newer: The ownership that has committed.
    """

    code = "stale_epoch"

    def __init__(self, epoch: int, newer: int) -> None:
        super().__init__(
            f"expected to own the project still (epoch {epoch}), found commits of epoch {newer}; "
            "fetch it again, under a new ownership"
        )
        self.epoch = epoch
        self.newer = newer


class CommitContentionError(TidegateError):
    """Others committed each time before this change could; safe to try again."""

    code = "commit_contention"

    def __init__(self, tries: int) -> None:
        super().__init__(f"others committed first, {tries} times in a row; try again")
        self.tries = tries


class ArchiveError(UsageError):
    """An archive cannot be imported."""

    code = "wrong_archive"
