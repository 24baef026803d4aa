"""`tidegate init`: write a small working app to start from."""

from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from tidegate.cli.options import as_json
from tidegate.cli.show import print_json
from tidegate.cli.style import BOLD, GREEN, styled
from tidegate.errors import UsageError

_PROJECT: Final = '[tool.tidegate]\napp = "app:app"\n'
_IGNORED: Final = ".tidegate/\n.env\n__pycache__/\n"


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@as_json
def command(*, folder: Path, as_json: bool) -> None:
    r"""Write a small app into FOLDER: a page, a queue and the job behind it.

    Nothing that exists is overwritten.

    \b
    Examples:
      tidegate init
      tidegate init words && cd words && tidegate up
    """
    contents = {
        "app.py": (files("tidegate.cli") / "starter.py").read_text(encoding="utf-8"),
        "pyproject.toml": _PROJECT,
        ".gitignore": _IGNORED,
    }
    written = _write(folder, contents)
    if as_json:
        print_json({"folder": str(folder), "written": written})
        return
    for name in written:
        print(f"  {styled('+', GREEN)} {folder / name}")
    begin = "tidegate up" if folder == Path() else f"cd {folder} && tidegate up"
    print(f"\nStart it with {styled(begin, BOLD)}")


def _write(folder: Path, contents: dict[str, str]) -> list[str]:
    """The names of the files written.

    Raises:
        UsageError: The app itself is there already.
    """
    if (folder / "app.py").exists():
        raise UsageError(f"expected no {folder / 'app.py'}, found one; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    fresh = [name for name in contents if not (folder / name).exists()]
    for name in fresh:
        (folder / name).write_text(contents[name], encoding="utf-8")
    return fresh
