"""What every stop of the tour uses: a Valkey of its own, and the settings that name it."""

from pathlib import Path

import pytest

from tidegate.connections.embedded import EmbeddedValkey
from tidegate.settings import Settings


@pytest.fixture
def settings(server: EmbeddedValkey, tmp_path: Path) -> Settings:
    """What `tidegate up` would put into the environment."""
    return Settings(valkey_url=server.url, objects_url=(tmp_path / "objects").as_uri())
