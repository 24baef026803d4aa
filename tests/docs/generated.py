"""The parts of the reference that the code itself tells.

A page marks such a part with `<!-- from the code: NAME -->` and `<!-- end -->`. Tests compare it
with what the code says now; `python -m tests.docs.generated` writes it anew.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pkgutil import walk_packages
from types import SimpleNamespace
from typing import Any, Final, cast

import click

import tidegate
from tests.docs.page import DOCS
from tidegate.api import exposition
from tidegate.api.openapi import document
from tidegate.api.refusal import status_of
from tidegate.api.routes import ROUTES
from tidegate.cli.group import VERBS, cli
from tidegate.errors import TidegateError
from tidegate.gateway import protocol
from tidegate.gateway.protocol import Disconnect, Error, Unsubscribe
from tidegate.gateway.server import Gateway
from tidegate.jobs.job import TERMINAL, TRANSITIONS, State
from tidegate.observability import metrics

_MARKED: Final = re.compile(r"<!-- from the code: ([\w-]+) -->\n(.*?)<!-- end -->", re.DOTALL)
_WIDTH: Final = 100


def marked(text: str) -> Iterator[tuple[str, str]]:
    """The marked parts of a page: the name of each, and what it says."""
    for found in _MARKED.finditer(text):
        yield found[1], found[2]


def written_anew(text: str) -> str:
    """The page with every marked part as the code has it."""

    def part(found: re.Match[str]) -> str:
        return f"<!-- from the code: {found[1]} -->\n{PARTS[found[1]]()}<!-- end -->"

    return _MARKED.sub(part, text)


def states() -> str:
    """Every state and those it may change to."""
    rows = [
        (f"`{state}`", "yes" if state in TERMINAL else "", _words(sorted(TRANSITIONS[state])))
        for state in State
    ]
    return _table(("state", "ended", "may become"), rows)


def errors() -> str:
    """Every code an error may have, its class and what it means."""
    for module in walk_packages(tidegate.__path__, "tidegate."):
        if not module.name.startswith(
            ("tidegate.testing", "tidegate.__main__", "tidegate.cli.starter")
        ):
            import_module(module.name)
    found = {TidegateError, *_below(TidegateError)}
    own = sorted((each for each in found if "code" in vars(each)), key=lambda each: each.code)
    rows = [
        (f"`{each.code}`", f"`{each.__name__}`", _status(each), each.exit_status, _first_line(each))
        for each in own
        if each.__module__.startswith("tidegate.")
    ]
    return _table(("code", "class", "HTTP", "exit", "meaning"), rows)


def verbs() -> str:
    """The help of every verb, and of the verbs below it."""
    context = click.Context(cli, info_name="tidegate", **_context())
    parts = []
    for verb in VERBS:
        command = cli.get_command(context, verb)
        if command is None:
            raise LookupError(verb)
        parts += _helps(context, verb, command, level=2)
    return "\n".join(parts)


def routes() -> str:
    """Every route: who may call it, what it takes and answers."""
    rows = [
        (
            f"`{route.method} {route.path}`",
            route.access,
            _named(route.body) or _named(route.query),
            f"{route.status} {_named(route.answer) or 'text'}",
            ", ".join(map(str, route.refusals)),
            route.summary.removesuffix("."),
        )
        for route in ROUTES
    ]
    return _table(("route", "who", "takes", "answers", "refuses", "what it does"), rows)


def bodies() -> str:
    """The fields of every body and query."""
    schemas: Mapping[str, Any] = document(ROUTES, title="", version="")["components"]["schemas"]
    rows = [
        (f"`{name}`", ", ".join(_field(schema, each) for each in schema["properties"]))
        for name, schema in sorted(schemas.items())
        if "properties" in schema
    ]
    queries = {route.query for route in ROUTES if route.query is not None}
    rows += [
        (f"`{each.__name__}`", ", ".join(f"`{name}`" for name in each.__struct_fields__))
        for each in sorted(queries, key=lambda each: each.__name__)
    ]
    return _table(("type", "fields"), sorted(rows))


def metric_names() -> str:
    """Every metric, its kind and labels."""
    rows = [
        (f"`{each.name}`", each.kind, _words(each.labels), each.help.removesuffix("."))
        for each in metrics.ALL
    ]
    here = cast(Gateway, SimpleNamespace(connections=0, channels_followed=0, deliveries=0))
    for family in exposition._here(here, []):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append((f"`{name}`", family.type, "", family.documentation.removesuffix(".")))
    return _table(("name", "kind", "labels", "what it counts"), rows)


def protocol_codes() -> str:
    """What the gateway's error, disconnect and unsubscribe codes are."""
    kinds = {Error: "error", Disconnect: "disconnect", Unsubscribe: "unsubscribe"}
    found = [value for value in vars(protocol).values() if type(value) in kinds]
    rows = [
        (each.code, kinds[type(each)], _told(each))
        for each in sorted(found, key=lambda each: (list(kinds).index(type(each)), each.code))
    ]
    return _table(("code", "kind", "message"), rows)


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "states": states,
    "errors": errors,
    "verbs": verbs,
    "routes": routes,
    "bodies": bodies,
    "metrics": metric_names,
    "protocol-codes": protocol_codes,
}


def _context() -> dict[str, Any]:
    return {
        "terminal_width": _WIDTH,
        "max_content_width": _WIDTH,
        "help_option_names": ["-h", "--help"],
    }


def _helps(
    parent: click.Context, name: str, command: click.Command, *, level: int
) -> Iterator[str]:
    context = click.Context(command, parent=parent, info_name=name, **_context())
    yield f"{'#' * level} {context.command_path.removeprefix('tidegate ')}\n"
    yield f"```\n{context.get_help()}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from _helps(context, below, found, level=level + 1)


def _below(kind: type[TidegateError]) -> Iterator[type[TidegateError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _status(kind: type[TidegateError]) -> int:
    return status_of(kind.__new__(kind))


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0].removesuffix(".")


def _named(kind: type | None) -> str:
    return f"`{kind.__name__}`" if kind else ""


def _field(schema: Mapping[str, Any], name: str) -> str:
    return f"`{name}`" if name in schema.get("required", ()) else f"`{name}`?"


def _told(code: Error | Disconnect | Unsubscribe) -> str:
    if isinstance(code, Error):
        return code.message + (" (temporary: try again)" if code.temporary else "")
    return code.reason


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(cell: object) -> str:
    return str(cell).replace("|", "\\|")


if __name__ == "__main__":
    for page in DOCS.rglob("*.md"):
        before = page.read_text(encoding="utf-8")
        if (after := written_anew(before)) != before:
            page.write_text(after, encoding="utf-8")
