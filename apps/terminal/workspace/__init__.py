"""A project's files: stored by content, fetched and saved as folders, edited without one."""

from apps.terminal.workspace.errors import (
    ArchiveError,
    CommitContentionError,
    EditConflictError,
    FileMissingError,
    PathError,
    PathTakenError,
    ProjectFullError,
    StaleEpochError,
    WorkspaceFullError,
)
from apps.terminal.workspace.limits import ProjectLimits
from apps.terminal.workspace.merge import Conflict
from apps.terminal.workspace.outcome import Fetched, Saved
from apps.terminal.workspace.project import ProjectFiles
from apps.terminal.workspace.workspace import Workspace

__all__ = [
    "ArchiveError",
    "CommitContentionError",
    "Conflict",
    "EditConflictError",
    "Fetched",
    "FileMissingError",
    "PathError",
    "PathTakenError",
    "ProjectFiles",
    "ProjectFullError",
    "ProjectLimits",
    "Saved",
    "StaleEpochError",
    "Workspace",
    "WorkspaceFullError",
]
