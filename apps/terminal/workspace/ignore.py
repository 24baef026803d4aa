"""Which paths of a workspace are not part of the project."""

import posixpath
from collections.abc import Iterable

from pathspec import GitIgnoreSpec

RULES_FILE = ".tidegateignore"
RULES_BYTES = 64 * 1024
# Made by tools and made again by them; the last four would travel with every save otherwise.
IGNORED = frozenset({
    ".git",
    "node_modules",
    ".next",
    "dist",
    "build",
    ".cache",
    ".npm",
    ".venv",
    "__pycache__",
})  # fmt: skip
# What an interrupted write leaves behind.
UNFINISHED = ".tidegate-unfinished-"


class Ignored:
    """The names everyone ignores, and the rules of one project, written as for git.

    Args:
        rules: Lines of the project's `.tidegateignore`.
    """

    def __init__(self, rules: Iterable[str] = ()) -> None:
        self._spec = GitIgnoreSpec.from_lines(rules)
        self._has_rules = len(self._spec) > 0

    def __call__(self, path: str, *, is_folder: bool) -> bool:
        """Whether the file or folder at `path` is ignored, with all below it."""
        name = posixpath.basename(path)
        if name in IGNORED or name.startswith(UNFINISHED):
            return True
        return self._has_rules and self._spec.match_file(f"{path}/" if is_folder else path)
