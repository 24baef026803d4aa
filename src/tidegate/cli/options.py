"""Options that several verbs share, and what they default to."""

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from tidegate.errors import UsageError
from tidegate.settings import DEFAULT_DATA, read_env_file

F = TypeVar("F", bound=Callable[..., Any])

_NO_APP: Final = (
    "expected an app as module:attribute, found none; name one, set TIDEGATE_APP, "
    'or put app = "module:attribute" under [tool.tidegate] in pyproject.toml'
)

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")

data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="TIDEGATE_DATA",
    default=DEFAULT_DATA,
    show_default=True,
    help="Folder that `up` keeps everything in.",
)

app_argument = click.argument("app", required=False, metavar="[APP]")


def seconds(text: str) -> float:
    """The seconds in a duration: `90`, `10s`, `5m`, `2h` or `1d`.

    Raises:
        BadParameter: It is no duration.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"expected a duration such as 90, 10s, 5m or 1d, found {text!r}")
    return float(found[1]) * _UNITS[found[2]]


def app_option(function: F) -> F:
    """`--app`, for verbs whose argument is something else."""
    return click.option("--app", metavar="APP", help="module:attribute of the app.")(function)


def chosen_app(given: str | None) -> str:
    """The app that was named, or that the environment or `pyproject.toml` names.

    Raises:
        UsageError: None is named anywhere.
    """
    app = given or os.environ.get("TIDEGATE_APP") or _app_of_project(Path("pyproject.toml"))
    if not app:
        raise UsageError(_NO_APP)
    return app


def _app_of_project(file: Path) -> str | None:
    try:
        project = tomllib.loads(file.read_text())
    except FileNotFoundError:
        return None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"expected {file} to be TOML, found: {error}") from error
    app = project.get("tool", {}).get("tidegate", {}).get("app")
    return app if isinstance(app, str) else None


def read_dotenv() -> None:
    """Put what `.env` says below the environment; a task has been given all it is to know."""
    if "TIDEGATE_TASK" not in os.environ:
        for name, value in read_env_file(Path(".env")).items():
            os.environ.setdefault(name, value)
