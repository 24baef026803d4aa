"""How jobs, times and amounts are printed."""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from tidegate.cli.style import BOLD, CYAN, DIM, GREEN, RED, YELLOW, styled, table
from tidegate.clock import SYSTEM, at
from tidegate.jobs.job import JobRecord, State

_COLOURS = {
    State.SUCCEEDED: GREEN,
    State.RUNNING: CYAN,
    State.DEAD: RED,
    State.QUARANTINED: RED,
    State.CANCELLED: YELLOW,
    State.EXPIRED: YELLOW,
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def print_json(value: object) -> None:
    """One line of JSON."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]], nothing: str) -> None:
    """A table, or what to say where there are no rows."""
    print(table(heads, rows) if rows else styled(nothing, DIM))


def record_fields(record: JobRecord) -> dict[str, object]:
    """A record as JSON shows it: payload, result and progress as what they are, not as text."""
    fields: dict[str, Any] = {
        name: getattr(record, name)
        for name in record.__struct_fields__
        if getattr(record, name) not in (None, [], b"")
    }
    for name in ("payload", "result", "progress", "checkpoint"):
        if fields.get(name):
            fields[name] = msgspec.Raw(fields[name])
    return fields


def state_word(state: State) -> str:
    """The state, in its colour."""
    return styled(state.value, _COLOURS[state]) if state in _COLOURS else state.value


def age(seconds: float) -> str:
    """A duration in its two largest units: `3 m 20 s`."""
    whole = max(int(seconds), 0)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} m {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} m"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def ago(time: float | None) -> str:
    """How long a time has passed; a dash for none."""
    return "-" if time is None else age(SYSTEM.now() - time)


def job_page(record: JobRecord) -> str:
    """Everything about a job that a person wants to see."""
    lines = [f"{styled(record.id, BOLD)}  {record.name}  {state_word(record.state)}"]
    facts = {
        "queue": record.queue,
        "key": record.key,
        "affinity": record.affinity,
        "channel": record.channel,
        "attempts": f"{record.attempt} failed or running, {record.crashes} crashed",
        "enqueued": _moment(record.enqueued_at),
        "due": _moment(record.due_at),
        "started": _moment(record.started_at),
        "finished": _moment(record.finished_at),
        "worker": record.worker,
        "reason": record.reason,
        "progress": _text(record.progress),
        "payload": _text(record.payload) or record.payload_ref,
        "result": _text(record.result),
    }
    lines += [f"  {styled(f'{name:<9}', DIM)} {text}" for name, text in facts.items() if text]
    for error in record.errors:
        lines.append(f"  {styled('error', RED)}     {error.get('type')}: {error.get('message')}")
    if record.errors:
        trace = str(record.errors[-1].get("traceback") or "")
        lines += [styled(f"    {line}", DIM) for line in trace.splitlines()]
    return "\n".join(lines)


def _moment(time: float | None) -> str | None:
    if time is None:
        return None
    local = at(time).astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S} ({_relative(time - SYSTEM.now())})"


def _relative(seconds: float) -> str:
    return f"in {age(seconds)}" if seconds > 0 else f"{age(-seconds)} ago"


def _text(data: bytes | None) -> str | None:
    return data.decode(errors="replace") if data else None
