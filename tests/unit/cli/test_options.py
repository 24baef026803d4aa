"""What options default to, and how durations are read."""

from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cli.options import chosen_app, read_dotenv, seconds
from tidegate.errors import UsageError


@pytest.fixture(autouse=True)
def empty_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIDEGATE_APP", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("10s", 10), ("1.5m", 90), ("2h", 7200), ("1d", 86400)]
)
def test_durations_have_units(text: str, expected: float) -> None:
    assert seconds(text) == expected


@given(st.floats(0, 1e6), st.sampled_from("smhd"))
def test_a_number_and_a_unit_are_a_duration(number: float, unit: str) -> None:
    assert seconds(f"{number:.3f}{unit}") >= float(f"{number:.3f}")


@pytest.mark.parametrize("text", ["", "s", "-5s", "5w", "5 s", "1e3", "ten"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a duration such as"):
        seconds(text)


def test_the_app_named_wins_over_the_environment_and_that_over_the_project(
    empty_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_project / "pyproject.toml").write_text('[tool.tidegate]\napp = "project:app"\n')
    assert chosen_app(None) == "project:app"
    monkeypatch.setenv("TIDEGATE_APP", "environment:app")
    assert chosen_app(None) == "environment:app"
    assert chosen_app("named:app") == "named:app"


def test_without_an_app_the_ways_to_name_one_are_told() -> None:
    with pytest.raises(UsageError, match="set TIDEGATE_APP, or put app = "):
        chosen_app(None)


def test_a_project_file_that_is_no_toml_is_wrong_usage(empty_project: Path) -> None:
    (empty_project / "pyproject.toml").write_text("[tool")
    with pytest.raises(UsageError, match=r"expected pyproject\.toml to be TOML"):
        chosen_app(None)


def test_dotenv_lies_below_the_environment_and_not_inside_a_task(
    empty_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_project / ".env").write_text("COLOUR=blue\nSHAPE=round\n")
    monkeypatch.setenv("COLOUR", "red")
    monkeypatch.delenv("SHAPE", raising=False)
    monkeypatch.setenv("TIDEGATE_TASK", "t1")
    read_dotenv()
    assert environment("SHAPE") is None
    monkeypatch.delenv("TIDEGATE_TASK")
    read_dotenv()
    assert (environment("COLOUR"), environment("SHAPE")) == ("red", "round")
    monkeypatch.delenv("SHAPE")


def environment(name: str) -> str | None:
    import os  # noqa: PLC0415

    return os.environ.get(name)
