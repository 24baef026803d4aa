"""Fixtures of these tests: a real object store in a folder, and a clock that stands still."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from apps.terminal.workspace import ProjectFiles, ProjectLimits, Workspace
from apps.terminal.workspace.limits import DEFAULT_LIMITS
from tidegate.objects import Objects

Opener = Callable[..., Awaitable[Workspace]]


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects.open((tmp_path / "objects").as_uri())


@pytest.fixture
def files(objects: Objects) -> ProjectFiles:
    """The project, as the page sees it."""
    return ProjectFiles(objects, "p")


@pytest.fixture
def opened(objects: Objects, tmp_path: Path) -> Opener:
    """Open the project in a folder of the given name."""

    async def open_workspace(
        name: str, limits: ProjectLimits = DEFAULT_LIMITS, store: Objects = objects
    ) -> Workspace:
        return await Workspace.open(store, "p", tmp_path / name, limits=limits)

    return open_workspace
