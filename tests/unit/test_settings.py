"""What a process is told by its environment and `.env`."""

from pathlib import Path

import pytest

from tidegate.errors import SettingsError
from tidegate.settings import Settings, read_env_file


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TIDEGATE_VALKEY_URL=valkey://file\nTIDEGATE_RELEASE=7\n")

    settings = Settings.load({"TIDEGATE_VALKEY_URL": "valkey://env"}, tmp_path)

    assert (settings.valkey_url, settings.release) == ("valkey://env", "7")


def test_objects_live_in_the_data_folder_unless_said_otherwise(tmp_path: Path) -> None:
    settings = Settings.load({"TIDEGATE_DATA": str(tmp_path / "data")}, tmp_path)

    assert settings.objects_url == (tmp_path / "data" / "objects").as_uri()


def test_a_data_folder_asked_for_takes_the_objects_with_it(tmp_path: Path) -> None:
    settings = Settings.load({"TIDEGATE_DATA": "elsewhere"}, tmp_path, data=tmp_path / "mine")

    assert settings.objects_url == (tmp_path / "mine" / "objects").as_uri()


def test_quotes_comments_and_export_are_understood(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# one\nexport A='1 # 2'\nB=\"x\"\nC=plain # said why\n\n")

    assert read_env_file(path) == {"A": "1 # 2", "B": "x", "C": "plain"}


def test_a_line_that_is_not_an_assignment_is_named_without_its_value(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\nnot an assignment\n")

    with pytest.raises(SettingsError, match=r"\.env:2: expected NAME=value"):
        read_env_file(path)


def test_secrets_do_not_show(tmp_path: Path) -> None:
    environ = {"TIDEGATE_SECRET_KEY": "s3cret", "TIDEGATE_VALKEY_URL": "valkey://:pass@h"}
    shown = repr(Settings.load(environ, tmp_path))

    assert "s3cret" not in shown
    assert "pass" not in shown
