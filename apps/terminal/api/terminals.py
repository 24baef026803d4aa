"""A project's terminals, and the commands in them."""

from msgspec import Struct
from starlette.responses import Response

from apps.terminal.api.answers import answer, body
from apps.terminal.api.visit import ProjectVisit, shared
from apps.terminal.command import Signal, Terminal, TerminalState, terminal_channel
from apps.terminal.commands import NewCommand
from apps.terminal.completion import completed
from apps.terminal.errors import RefusedError
from apps.terminal.users.user import Role

LONGEST_LINE = 8192


class Kill(Struct, forbid_unknown_fields=True):
    """How hard to end what runs; INT is ctrl-C, the others end it within two seconds."""

    signal: Signal = "KILL"


class ShownTerminal(Struct):
    """A terminal as the page sees it; `running` is the job that has it."""

    id: str
    title: str
    cwd: str
    running: str | None
    last_exit: int | None
    cols: int
    rows: int


async def of_project(visit: ProjectVisit) -> Response:
    """The terminals of a project, the oldest first."""
    services, project = visit.services, visit.project.id
    terminals = await services.terminals.of(project)
    states = await services.terminals.states(project)
    shown = [
        await _shown(visit, terminal, states.get(terminal.id, TerminalState()))
        for terminal in terminals
    ]
    return answer({"terminals": shown})


async def create(visit: ProjectVisit) -> Response:
    """A new terminal."""
    terminal = await visit.services.terminals.create(visit.project.id)
    return answer(await _shown(visit, terminal, TerminalState()), 201)


async def delete(visit: ProjectVisit) -> Response:
    """Close a terminal; what runs in it is ended."""
    terminal = await _terminal(visit)
    await visit.services.commands.kill(visit.project.id, terminal, "KILL")
    await visit.services.terminals.delete(visit.project.id, terminal.id)
    return Response(status_code=204)


async def run(visit: ProjectVisit) -> Response:
    """Put a command in the terminal's line."""
    terminal = await _terminal(visit)
    new = await body(visit.request, NewCommand)
    job = await visit.services.commands.run(visit.project.id, terminal, new)
    return answer({"job": job, "channel": terminal_channel(visit.project.id, terminal.id)}, 202)


async def kill(visit: ProjectVisit) -> Response:
    """End what runs in the terminal, and take back what waits."""
    wanted = await body(visit.request, Kill)
    terminal = await _terminal(visit)
    reached = await visit.services.commands.kill(visit.project.id, terminal, wanted.signal)
    return answer({"commands": reached}, 202)


async def history(visit: ProjectVisit) -> Response:
    """What was typed, the oldest first."""
    terminal = await _terminal(visit)
    return answer({"commands": [line.command for line in terminal.typed]})


async def complete(visit: ProjectVisit) -> Response:
    """What the word before the cursor may become."""
    asked = visit.request.query_params
    line, cursor = asked.get("line", ""), asked.get("cursor", "")
    if len(line) > LONGEST_LINE or not (cursor.isascii() and cursor.isdigit()):
        raise RefusedError(f"expected line, at most {LONGEST_LINE} long, and cursor, a number")
    terminal = await _terminal(visit)
    state = await visit.services.terminals.state(visit.project.id, terminal.id)
    tree = (await visit.services.shelf.of(visit.project.id).newest()).tree
    paths = [*tree.files, *(f"{folder}/" for folder in tree.folders)]
    return answer(completed(line, int(cursor), cwd=state.carried.cwd, paths=paths))


async def _terminal(visit: ProjectVisit) -> Terminal:
    return await visit.services.terminals.get(visit.project.id, visit.parameter("terminal"))


async def _shown(visit: ProjectVisit, terminal: Terminal, state: TerminalState) -> ShownTerminal:
    active = await visit.services.commands.active(terminal)
    return ShownTerminal(
        id=terminal.id,
        title=terminal.title,
        cwd=state.carried.cwd,
        running=active[0].id if active else None,
        last_exit=state.last_exit,
        cols=terminal.columns,
        rows=terminal.rows,
    )


ROUTES = [
    shared("GET", "/terminals", Role.VIEWER, of_project),
    shared("POST", "/terminals", Role.EDITOR, create),
    shared("DELETE", "/terminals/{terminal}", Role.EDITOR, delete),
    shared("POST", "/terminals/{terminal}/commands", Role.EDITOR, run),
    shared("POST", "/terminals/{terminal}/kill", Role.EDITOR, kill),
    shared("GET", "/terminals/{terminal}/history", Role.VIEWER, history),
    shared("GET", "/terminals/{terminal}/complete", Role.VIEWER, complete),
]
