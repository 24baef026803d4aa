"""How jobs look in Valkey: arguments of its functions, and back from its answers.

What only Python reads is one msgpack value, the envelope. What the functions read as well is in
fields of its own, absent where it is the default; `valkey.lua` lists them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from tidegate.channels.event import job_channel
from tidegate.connections.link import Argument
from tidegate.jobs.backend import Cancelled, Complete, Crash, Fail, Release, Settlement
from tidegate.jobs.job import Claim, JobPolicy, JobRecord, NewJob, State

_VERSION: Final = 1
# With a run of its own for every job this is 2,400 arguments; a call carries at most 3,900.
_JOBS_PER_CALL: Final = 300
_ERROR_BYTES: Final = 8 * 1024

Fields = Mapping[bytes, bytes]


class _Envelope(Struct, frozen=True, array_like=True):
    version: int
    name: str
    payload: bytes
    payload_ref: str | None = None
    trace: str | None = None


class _Options(Struct, frozen=True, omit_defaults=True):
    """What sets a job apart, as the functions read it; times are milliseconds from enqueuing."""

    key: str | None = None
    affinity: str | None = None
    dedupe: str | None = None
    window: int | None = None
    due: int | None = None
    start: int | None = None
    channel: str | None = None


_encode_envelope = msgspec.msgpack.Encoder().encode
_decode_envelope = msgspec.msgpack.Decoder(_Envelope).decode
_encode = msgspec.json.Encoder().encode
_decode_options = msgspec.json.Decoder(_Options).decode
_PLAIN: Final = _Options()


def milliseconds(seconds: float) -> int:
    """A duration as the functions take it."""
    return round(seconds * 1000)


def enqueue_calls(jobs: Sequence[NewJob]) -> Iterator[list[Argument]]:
    """The arguments of the calls that store these jobs, in order.

    The first call states how many jobs are to come for each queue, so that a queue's bound is
    held against all of them before any is stored.
    """
    coming: dict[str, int] = {}
    for job in jobs:
        coming[job.queue] = coming.get(job.queue, 0) + 1
    for first in range(0, len(jobs), _JOBS_PER_CALL):
        part = jobs[first : first + _JOBS_PER_CALL]
        yield [*_runs(part, coming), *_announced(coming)]
        coming = {}


def _runs(jobs: Sequence[NewJob], coming: dict[str, int]) -> list[Argument]:
    """Jobs, each run of the same queue, lane and policy under one heading."""
    args: list[Argument] = []
    heading: tuple[str, int, JobPolicy] | None = None
    count_at = 0
    for job in jobs:
        if heading is None or heading != (job.queue, job.lane, job.policy):
            heading = (job.queue, job.lane, job.policy)
            count_at = len(args) + 3
            args += (job.queue, job.lane, _policy_text(job.policy), 0, coming.pop(job.queue, 0))
        args[count_at] += 1  # type: ignore[operator]  # it is the integer put there
        args += (job.id, _envelope(job), _options(job))
    return args


def _announced(coming: dict[str, int]) -> list[Argument]:
    """Headings without jobs, for queues whose jobs all come in a later call."""
    return [word for queue, jobs in coming.items() for word in (queue, 0, "", 0, jobs)]


def _policy_text(policy: JobPolicy) -> bytes:
    text = _encode(policy)
    return b"" if text == b"{}" else text


def _envelope(job: NewJob) -> bytes:
    return _encode_envelope((_VERSION, job.name, job.payload, job.payload_ref, job.trace))


def _options(job: NewJob) -> bytes:
    options = _Options(
        job.key,
        job.affinity,
        job.dedupe,
        None if job.dedupe_window is None else milliseconds(job.dedupe_window),
        milliseconds(job.due_in) if job.due_in > 0 else None,
        None if job.start_within is None else milliseconds(job.start_within),
        job.channel,
    )
    return b"" if options == _PLAIN else _encode(options)


def settle_arguments(settlements: Iterable[Settlement]) -> list[Argument]:
    """Five arguments each: verb, job, fence, body, end event."""
    args: list[Argument] = []
    for settled in settlements:
        if isinstance(settled, Complete):
            args += ("C", settled.id, settled.fence, settled.result or b"", settled.end or b"")
        else:
            args += _other(settled)
    return args


def _other(settled: Fail | Release | Cancelled | Crash) -> tuple[Argument, ...]:
    job, fence = settled.id, settled.fence
    if isinstance(settled, Release):
        return (f"R{milliseconds(settled.delay)}", job, fence, settled.reason, b"")
    if isinstance(settled, Crash):
        return ("K", job, fence, settled.reason, b"")
    if isinstance(settled, Cancelled):
        return ("X", job, fence, settled.reason, settled.end or b"")
    retry = "" if settled.retry_in is None else milliseconds(settled.retry_in)
    return (f"F{retry}", job, fence, _bounded(settled.error), settled.end or b"")


def _bounded(error: bytes) -> bytes:
    """An error of at most 8 KiB on one line; what is cut off a traceback is its middle."""
    if len(error) <= _ERROR_BYTES and b"\n" not in error:
        return error
    fields = msgspec.json.decode(error, type=dict[str, Any])
    room = _ERROR_BYTES // 4  # of characters, which JSON may write as up to six bytes each
    bounded = {name: _shortened(value, room) for name, value in fields.items()}
    text = _encode(bounded)
    if len(text) > _ERROR_BYTES:
        text = _encode({name: _shortened(value, 300) for name, value in bounded.items()})
    return text


def _shortened(value: object, room: int) -> object:
    if not isinstance(value, str) or len(value) <= room:
        return value
    return f"{value[: room // 4]}\n[…]\n{value[-(3 * room // 4) :]}"


@lru_cache(maxsize=1024)
def _policy(text: bytes | None) -> JobPolicy:
    return msgspec.json.decode(text, type=JobPolicy) if text else JobPolicy()


def claims(flat: Sequence[Any], queues: Sequence[str]) -> list[Claim]:
    """The jobs an exchange has claimed. `flat` holds eight elements for each."""
    each = iter(flat)
    return [
        _claim(fields, queues)
        for fields in zip(each, each, each, each, each, each, each, each, strict=True)
    ]


def _claim(fields: tuple[Any, ...], queues: Sequence[str]) -> Claim:
    job, envelope, policy, place, fence, enqueued, ready, rare = fields
    told = _decode_envelope(envelope)
    plain = Claim(
        job.decode(),
        queues[place >> 8],
        told.name,
        told.payload,
        int(fence),
        1,
        0,
        int(fence),
        _policy(policy),
        int(enqueued) / 1000,
        int(float(ready)) / 1000,
        told.payload_ref,
        place & 255,
        trace=told.trace,
    )
    return plain if rare is None else _with_history(plain, rare)


def _with_history(claim: Claim, rare: Sequence[Any]) -> Claim:
    options, failures, crashes, checkpoint, fence_before, affinity_epoch = rare
    told = _decode_options(options) if options else _PLAIN
    return msgspec.structs.replace(
        claim,
        attempt=int(failures or 0) + 1,
        crashes=int(crashes or 0),
        deliveries=claim.fence - int(fence_before or 0),
        checkpoint=checkpoint,
        key=told.key,
        affinity=told.affinity,
        affinity_epoch=affinity_epoch,
        channel=told.channel,
    )


class _Lease(NamedTuple):
    """A lease as the functions write it; the last one, or the one it runs under."""

    fence: int = 0
    until: float | None = None
    started_at: float | None = None
    worker: str | None = None

    @classmethod
    def parse(cls, text: bytes) -> "_Lease":
        fence, until, _ready, _queue, _keep, _options, started, worker = text.split(b" ", 7)
        return cls(int(fence), int(until) / 1000, int(started) / 1000, worker.decode())


def record(job: str, flat: Sequence[bytes]) -> JobRecord:
    """A job's record as people read it, from its fields and their values in turn."""
    each = iter(flat)
    fields = dict(zip(each, each, strict=True))
    envelope = _decode_envelope(fields[b"e"])
    options = _decode_options(fields.get(b"o", b"{}"))
    runs = b"lease" in fields
    state = State.RUNNING if runs else State(fields.get(b"s", b"ready").decode())
    last = fields.get(b"lease") or fields.get(b"ls")
    lease = _Lease.parse(last) if last else _Lease()
    fence = lease.fence or _number(fields, b"f")
    enqueued_at = int(fields[b"t"]) / 1000
    return JobRecord(
        id=job,
        queue=fields[b"q"].decode(),
        name=envelope.name,
        state=state,
        attempt=_number(fields, b"a") + (state in {State.RUNNING, State.SUCCEEDED}),
        crashes=_number(fields, b"c"),
        deliveries=fence - _number(fields, b"fb"),
        enqueued_at=enqueued_at,
        channel=options.channel or job_channel(job),
        lane=_number(fields, b"l"),
        key=options.key,
        affinity=options.affinity,
        dedupe=options.dedupe,
        due_at=_seconds(fields, b"du") if state in {State.PENDING, State.SCHEDULED} else None,
        start_by=None if options.start is None else enqueued_at + options.start / 1000,
        started_at=lease.started_at,
        finished_at=_seconds(fields, b"fi"),
        lease_until=lease.until if runs else None,
        worker=lease.worker,
        progress=fields.get(b"pg"),
        checkpoint=fields.get(b"cp"),
        result=fields.get(b"rs"),
        errors=[msgspec.json.decode(line) for line in fields.get(b"er", b"").splitlines()],
        cancel_requested=runs and b"cx" in fields,
        reason=_text(fields, b"re"),
        payload=envelope.payload,
        payload_ref=envelope.payload_ref,
        policy=_policy(fields.get(b"po")),
        trace=envelope.trace,
    )


def _number(fields: Fields, name: bytes) -> int:
    return int(fields.get(name, 0))


def _seconds(fields: Fields, name: bytes) -> float | None:
    value = fields.get(name)
    return None if value is None else float(value) / 1000


def _text(fields: Fields, name: bytes) -> str | None:
    value = fields.get(name)
    return value.decode() if value else None
