"""An app to declare jobs on, and where its worker finds the rest."""

from pathlib import Path

import pytest

from tidegate import App
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.settings import Settings


@pytest.fixture
def app() -> App:
    return App("test")


@pytest.fixture
def settings(server: EmbeddedValkey, tmp_path: Path) -> Settings:
    return Settings(
        valkey_url=server.url,
        objects_url=(tmp_path / "objects").as_uri(),
        secret_key="k" * 32,
    )
