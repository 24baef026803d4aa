"""What a Tab may complete: paths of the project, as the shell would need them typed. Pure."""

import posixpath
import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

MOST_OPTIONS: Final = 200
_NEEDS_ESCAPE: Final = re.compile(r"([^\w@%+=:,./-])")
_SEPARATORS: Final = " \t\n;|&<>()"


class Completion(Struct, frozen=True):
    """What the text from `start` to the cursor may be replaced with; folders end in `/`."""

    start: int
    options: list[str]


class Word(Struct, frozen=True):
    """The word before the cursor.

    Attributes:
        start: Where it begins in the line.
        text: What it means, quotes and escapes taken off.
        quote: The quote it is still inside of; empty for none.
        is_command: Whether the shell would look for a program of that name.
    """

    start: int
    text: str
    quote: str
    is_command: bool


def completed(line: str, cursor: int, *, cwd: str, paths: Iterable[str]) -> Completion:
    """The completions at `cursor`.

    Args:
        line: What is typed.
        cursor: Where, in UTF-16 units as a browser counts.
        cwd: Working directory, relative to the project.
        paths: Files of the project; folders too, ending in `/`.
    """
    word = last_word(_before(line, cursor))
    start = _utf16_length(line[: word.start])
    if (word.is_command and "/" not in word.text) or cwd.startswith("/"):
        return Completion(start, [])
    typed_folder, _, typed_name = word.text.rpartition("/")
    folder = _folder(word.text, typed_folder, cwd)
    if folder is None:
        return Completion(start, [])
    names = _names_in(folder, paths, typed_name)
    given = word.text[: len(word.text) - len(typed_name)]
    return Completion(start, [_spelled(given + name, word.quote) for name in names])


def last_word(text: str) -> Word:
    """The word that `text` ends in; an empty one after a space."""
    start, meaning, quote, is_command, is_escaped = 0, "", "", True, False
    for index, character in enumerate(text):
        if is_escaped:
            meaning, is_escaped = meaning + character, False
        elif character == "\\" and quote != "'":
            is_escaped = True
        elif quote:
            quote, meaning = ("", meaning) if character == quote else (quote, meaning + character)
        elif character in "\"'":
            quote = character
        elif character in _SEPARATORS:
            is_command = character in ";|&(\n" or (is_command and not meaning)
            start, meaning = index + 1, ""
        else:
            meaning += character
    return Word(start, meaning, quote, is_command)


def _folder(word: str, typed: str, cwd: str) -> str | None:
    """The folder, relative to the project, that the word names an entry of; None for elsewhere."""
    if word.startswith("~/"):
        path = typed.removeprefix("~").lstrip("/")
    elif word.startswith(("/", "~")):
        return None
    else:
        path = posixpath.join(cwd, typed)
    folder = posixpath.normpath(path or ".")
    if folder == ".." or folder.startswith("../"):
        return None
    return "" if folder == "." else folder + "/"


def _names_in(folder: str, paths: Iterable[str], begin: str) -> list[str]:
    names: set[str] = set()
    for path in paths:
        if not path.startswith(folder):
            continue
        name, slash, _ = path[len(folder) :].partition("/")
        is_wanted = name.startswith(begin) and (begin or not name.startswith("."))
        if name and is_wanted:
            names.add(name + slash)
    return sorted(names)[:MOST_OPTIONS]


def _spelled(path: str, quote: str) -> str:
    """`path` as it is typed, inside the quote that was begun if one was."""
    if quote == "'":
        return quote + path.replace("'", "'\\''")
    if quote == '"':
        return quote + re.sub(r'(["\\$`])', r"\\\1", path)
    home = "~/" if path.startswith("~/") else ""
    return home + _NEEDS_ESCAPE.sub(r"\\\1", path.removeprefix(home))


def _before(line: str, cursor: int) -> str:
    encoded = line.encode("utf-16-le", "surrogatepass")[: cursor * 2]
    return encoded.decode("utf-16-le", "ignore")


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
