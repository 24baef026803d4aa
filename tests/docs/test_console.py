"""Every command line the documentation shows is one that `tidegate` understands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.docs.page import blocks, name_of, pages
from tidegate.api.routes import ROUTES
from tidegate.cli.group import VERBS, cli

_END = {"|", "||", "&&", ";", "&", ")", ">", "2>", "<"}
_URL = re.compile(
    r"(?:https?://)?(?:127\.0\.0\.1|localhost)(?::\d+)?(/[^\s\"'?]*)|\$URL(/[^\s\"'?]*)"
)
_OWN = ("/v1/", "/healthz", "/health", "/readyz", "/metrics")


def command_lines(page: Path) -> Iterator[str]:
    """What follows `$` in the page's console blocks, continued lines joined."""
    for block in blocks(page, "console"):
        for line in block.text.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                yield line.removeprefix("$ ")


def invocations(line: str) -> Iterator[list[str]]:
    """The arguments of every `tidegate` in a command line, those in `$(…)` included."""
    spaced = line.replace("$(", " $( ").replace(")", " ) ")
    lexer = shlex.shlex(spaced, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    words = list(lexer)
    for index, word in enumerate(words):
        if word == "tidegate":
            rest = words[index + 1 :]
            end = next((i for i, each in enumerate(rest) if each in _END), len(rest))
            yield rest[:end]


def understood(arguments: list[str]) -> None:
    """Read arguments as click does, without carrying them out."""
    context: click.Context | None = None
    command: click.Command = cli
    while True:
        context = command.make_context(command.name or "", arguments, parent=context)
        if not isinstance(command, click.Group):
            return
        _, found, arguments = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert found is not None
        command = found


LINES = [
    pytest.param(line, id=f"{name_of(page)}: {line}")
    for page in pages()
    for line in dict.fromkeys(command_lines(page))
    if "tidegate " in line and any(verb in line for verb in VERBS)
]
ASKED = [
    pytest.param(line, id=f"{name_of(page)}: {line}")
    for page in pages()
    for line in dict.fromkeys(command_lines(page))
    if "curl" in line
]


@pytest.mark.parametrize("line", LINES)
def test_a_shown_command_line_is_understood(line: str) -> None:
    for arguments in invocations(line):
        understood(arguments)


@pytest.mark.parametrize("line", ASKED)
def test_a_shown_request_is_one_that_is_served(line: str) -> None:
    words = shlex.split(line)
    method = words[words.index("-X") + 1] if "-X" in words else ("POST" if "-d" in words else "GET")
    for found in _URL.finditer(line):
        path = found[1] or found[2]
        if path.startswith(_OWN):
            assert any(
                route.method == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", route.path), path)
                for route in ROUTES
            ), f"{method} {path}"
        else:
            assert path.startswith("/connection/"), path
