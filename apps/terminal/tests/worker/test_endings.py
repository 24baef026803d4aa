"""How a command ends when it does not end by itself."""

import asyncio

import msgspec
import psutil
import pytest

from apps.terminal import app as terminal_app
from apps.terminal.tests.worker.conftest import Typist, text_of, working
from apps.terminal.worker.workspaces import HeldWorkspace
from tidegate.jobs.worker import Worker

FORKS = (
    "for i in $(seq 40); do (setsid sh -c 'trap \"\" INT TERM; exec sleep 300.125' &) ; done; "
    "trap '' INT TERM; echo up; sleep 300.125"
)


def sleepers() -> int:
    return sum(
        "300.125" in (process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])
    )


async def test_a_tree_that_ignores_signals_and_leaves_its_session_is_gone_in_two_seconds(
    typist: Typist,
) -> None:
    clock = asyncio.get_running_loop().time
    job = await typist.start(FORKS)
    await typist.events(job, until="output", text="up")
    before = clock()
    await typist.kill()
    end = (await typist.events(job))[-1]
    assert clock() - before < 3  # two for the command, the rest for saving and telling
    assert end["reason"] == "killed"
    assert sleepers() == 0


async def test_ctrl_c_as_a_signal_ends_the_foreground_only(typist: Typist) -> None:
    job = await typist.start("sleep 300; echo after $?")
    await typist.events(job, until="status", text="running")
    await typist.kill("INT")
    end = (await typist.events(job))[-1]
    assert (end["code"], end.get("reason")) == (130, None)


async def test_killing_takes_back_what_waits_in_line(typist: Typist) -> None:
    first = await typist.start("echo up; sleep 300")
    second = await typist.start("echo never > never.txt")
    await typist.events(first, until="output", text="up")
    await typist.kill()
    assert (await typist.events(first))[-1]["reason"] == "killed"
    end = (await typist.events(second))[-1]
    assert (end["code"], end["state"]) == (None, "cancelled")
    assert "never.txt" not in await typist.files()


async def test_a_signal_for_another_command_is_passed_over(typist: Typist) -> None:
    job = await typist.start("read -r line; echo alive")
    await typist.events(job, until="status", text="running")
    await typist.type(type="signal", signal="KILL", job="another")
    await typist.type(type="keys", data="\r")
    assert text_of(await typist.events(job)).endswith("alive\r\n")


async def test_output_beyond_the_cap_is_replaced_by_a_marker(typist: Typist) -> None:
    typist.limit(command_output_mb=1)
    job = await typist.start("head -c 10485760 /dev/zero | tr '\\0' x; echo end")
    events = await typist.events(job)
    output = text_of(events)
    assert 1024 * 1024 <= len(output) < 1024 * 1024 + 200
    assert "is not shown" in output
    assert events[-1]["code"] == 0


async def test_a_command_that_takes_too_long_is_ended_and_told_why(typist: Typist) -> None:
    typist.limit(timeout=0.5)
    end, _ = await typist.run("sleep 300")
    assert "its limit" in end["reason"]


async def test_a_command_that_fills_the_disk_is_ended_and_told_why(typist: Typist) -> None:
    typist.limit(command_disk_mb=8, project_file_mb=4)
    end, _ = await typist.run("cat /dev/zero > big.bin")
    assert end["code"] != 0
    assert "big.bin" not in await typist.files()
    after, _ = await typist.run("rm -f big.bin; echo alive")
    assert after["code"] == 0


async def test_a_file_too_large_for_the_project_is_named_and_the_rest_is_saved(
    typist: Typist,
) -> None:
    typist.limit(project_file_mb=1)
    job = await typist.start("head -c 2000000 /dev/zero > big.bin; echo small > small.txt")
    events = await typist.events(job)
    assert "big.bin was not saved" in str([e for e in events if e["type"] == "notice"])
    assert set(await typist.files()) == {"small.txt"}


async def test_a_project_that_is_full_says_so_at_the_end(typist: Typist) -> None:
    typist.limit(project_files=2)
    end, _ = await typist.run("touch a b c")
    assert "could not be saved" in end["reason"]
    assert end["code"] == 0


async def test_a_drained_worker_tells_its_commands_and_ends_them_in_time(
    typist: Typist, worker: Worker
) -> None:
    job = await typist.start("echo kept > kept.txt; echo up; sleep 300")
    await typist.events(job, until="output", text="up")
    worker.drain.begin()
    events = await typist.events(job)
    assert "the worker is being stopped" in str([e for e in events if e["type"] == "notice"])
    assert events[-1]["reason"] == "the worker is being stopped"
    assert (await typist.files())["kept.txt"] == b"kept\n"
    record = await typist.client.job(job)
    assert record is not None
    assert (record.deliveries, record.state) == (1, "succeeded")


async def test_a_command_that_has_not_begun_when_its_worker_stops_runs_on_another(
    typist: Typist, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch, fetching = HeldWorkspace.renew, asyncio.Event()

    async def fetch_until_drained(self: HeldWorkspace, epoch: int) -> None:
        fetching.set()
        await worker.drain.begun.wait()
        await fetch(self, epoch)

    monkeypatch.setattr(HeldWorkspace, "renew", fetch_until_drained)
    job = await typist.start("echo run >> runs.txt")
    await fetching.wait()
    worker.drain.begin()
    async with working(typist.client):
        assert (await typist.events(job))[-1]["code"] == 0
    assert await typist.files() == {"runs.txt": b"run\n"}
    record = await typist.client.job(job)
    assert record is not None
    assert record.deliveries == 2


async def test_a_command_cancelled_from_outside_saves_what_it_did(typist: Typist) -> None:
    job = await typist.start("echo kept > kept.txt; echo up; sleep 300")
    await typist.events(job, until="output", text="up")
    await typist.client.cancel(job, "by an operator")
    end = (await typist.events(job))[-1]
    assert end["reason"] == "by an operator"
    assert (await typist.files())["kept.txt"] == b"kept\n"


def test_the_declared_budgets_leave_time_to_save() -> None:
    spec = terminal_app.app.spec
    worker = spec.worker("commands")
    assert worker is not None
    job = next(job for queue in spec.queues for job in queue.jobs)
    assert worker.drain > terminal_app.settings.drain - 1
    assert job.policy.on_crash == "fail"
    assert job.policy.attempts == 1
    assert msgspec.json.decode(job.policy.end) == {"type": "exit", "code": None}
