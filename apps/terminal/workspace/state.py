"""What is kept beside a workspace from one process to the next."""

from pathlib import Path

from msgspec import DecodeError, Struct, msgpack

from apps.terminal.workspace.scan import Known
from apps.terminal.workspace.tree import Tree


class State(Struct, frozen=True):
    """What is kept beside the folder between two processes.

    Attributes:
        place: Whose folder it is: the object store, and the project in it.
        commit: The commit it shows.
        base: What it held then: where our changes begin.
        known: Its files as they were seen last.
    """

    place: str
    commit: int = 0
    base: Tree = Tree()
    known: dict[str, Known] = {}


def state_file(folder: Path) -> Path:
    """Where the state of `folder` is kept: beside it, out of its commands' reach."""
    return folder.with_name(f".{folder.name}.state")


def read_state(folder: Path, place: str) -> State:
    """What is known of `folder`, which is made if missing; nothing, if it was not of `place`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A folder that was removed meanwhile must not look as if someone had removed every file.
    if not any(folder.iterdir()):
        return State(place)
    try:
        state = msgpack.decode(state_file(folder).read_bytes(), type=State)
    except (FileNotFoundError, DecodeError):
        return State(place)
    return state if state.place == place else State(place)


def write_state(folder: Path, state: State) -> None:
    """Keep `state` beside `folder`, whole or not at all."""
    file = state_file(folder)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_bytes(msgpack.encode(state))
    unfinished.rename(file)
