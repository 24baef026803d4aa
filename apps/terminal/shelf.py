"""The files of the projects that were asked for lately, each with its newest commit in memory."""

from collections import OrderedDict
from typing import Final

from apps.terminal.workspace import ProjectFiles, ProjectLimits
from tidegate import Objects

# A commit of 20,000 files takes some 5 MB of memory.
MOST: Final = 16


class Shelf:
    """Files of projects; the sixteen used last are kept ready, others are read again.

    Args:
        objects: Where projects are stored.
        limits: How large one may be.
    """

    def __init__(self, objects: Objects, limits: ProjectLimits) -> None:
        self._objects = objects
        self._limits = limits
        self._kept: OrderedDict[str, ProjectFiles] = OrderedDict()

    def of(self, project: str) -> ProjectFiles:
        """The files of a project."""
        files = self._kept.pop(project, None)
        if files is None:
            files = ProjectFiles(self._objects, project, limits=self._limits)
        self._kept[project] = files
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return files
