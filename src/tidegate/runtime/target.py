"""Finding what `module:attribute` names, with the errors a person can act on."""

import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Final

from tidegate.app import App
from tidegate.errors import DeclarationError, TidegateError

_DEFAULT_ATTRIBUTE: Final = "app"


def load_app(target: str) -> App:
    """The app that `module:attribute`, `module` or a path to a file names.

    The attribute is `app` where none is given. The current folder is put on the import path.

    Raises:
        DeclarationError: There is no such module or attribute, it is no `App`, or it declares
            something wrong.
    """
    found = load(target if ":" in target else f"{target}:{_DEFAULT_ATTRIBUTE}")
    if not isinstance(found, App):
        raise DeclarationError(
            f"expected {target!r} to name a tidegate.App, found {type(found).__name__}; "
            "give module:attribute"
        )
    return found


def load(target: str) -> object:
    """What `module:attribute` names.

    Raises:
        DeclarationError: There is no such module or attribute, or importing it failed.
    """
    module_name, _, attribute = target.partition(":")
    module = _imported(_importable(module_name))
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise DeclarationError(
            f"module {module_name!r} has no {attribute!r}; give module:attribute"
        ) from error


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except TidegateError as error:
        if frames := _frames_of_app(error):
            error.add_note(f"  {frames[-1].filename}, line {frames[-1].lineno}")
        raise
    except Exception as error:
        what = "".join(traceback.format_exception_only(error)).strip()
        where = "".join(traceback.format_list(_frames_of_app(error)))
        raise DeclarationError(f"cannot import {name!r}: {what}\n{where}".rstrip()) from error


def _frames_of_app(error: Exception) -> list[traceback.FrameSummary]:
    """Where it happened, without the part that is ours and the import system's."""
    ours = str(Path(__file__).parents[1])
    return [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((ours, "<frozen")) and "/importlib/" not in frame.filename
    ]


def _importable(name: str) -> str:
    """The name as Python imports it, once its folder is on the path and it is known to exist."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    module = _module_of(name) if name.endswith(".py") or os.sep in name else name
    if not _exists(module):
        raise DeclarationError(
            f"expected a module to import, found no {module!r} in {here} or on the Python path; "
            "run this where your app is, or give its path"
        )
    return module


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # a package it is said to be in does not exist
    except ValueError:
        return module in sys.modules


def _module_of(path: str) -> str:
    """The module name of a file, by its path from here; its folder goes on the path if outside."""
    file = Path(path).resolve()
    if file.suffix != ".py":
        file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    if not file.is_file():
        raise DeclarationError(f"expected a Python file at {path!r}, found none")
    try:
        relative = file.relative_to(Path.cwd())
    except ValueError:
        sys.path.insert(0, str(file.parent))
        relative = Path(file.name)
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
