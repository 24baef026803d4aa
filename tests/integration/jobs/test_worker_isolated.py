"""Handlers that run in a child process of their own, and the ways such a process can end."""

import time
from pathlib import Path

import psutil
import pytest

from tidegate import App
from tidegate.errors import JobFailedError
from tidegate.jobs.job import State
from tidegate.runtime.target import load_app
from tidegate.settings import Settings
from tidegate.testing.working import working

SOURCE = """
import os, signal, subprocess, sys, time
from tidegate import App, Fatal, Retry, Snooze

app = App("isolated")
queue = app.queue("children", lease=1.0)
once = Retry(attempts=1)

@queue.job(isolate=True)
def whoami(greeting: str, *, shout: bool = False) -> dict[str, object]:
    print("printed, and no part of the answer")
    return {"pid": os.getpid(), "greeting": greeting.upper() if shout else greeting}

@queue.job(isolate=True, retry=Retry(attempts=2, base=0.01, retry_on=(OSError,)))
def refuse(kind: str) -> None:
    raise {"value": ValueError, "os": OSError, "fatal": Fatal}[kind](f"a {kind} error")

@queue.job(isolate=True, on_crash="fail")
def die(how: str) -> None:
    sys.stdout.flush()
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, how))

@queue.job(isolate=True, timeout=1.5, retry=once)
def sleep_with_child(folder: str) -> None:
    child = subprocess.Popen(["sleep", "60"])
    with open(f"{folder}/pids", "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    time.sleep(60)
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    file = tmp_path / "isolated_app.py"
    file.write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return load_app(str(file))


async def test_it_runs_in_another_process_and_its_output_is_not_its_answer(
    app: App, settings: Settings
) -> None:
    whoami = app.find_job("isolated.whoami")
    async with working(app, settings):
        first = await (await whoami.enqueue("hi")).result(timeout=20)
        second = await (await whoami.enqueue("hi", shout=True)).result(timeout=20)
    assert (first["greeting"], second["greeting"]) == ("hi", "HI")
    assert len({first["pid"], second["pid"], psutil.Process().pid}) == 3


@pytest.mark.parametrize(("kind", "attempts"), [("value", 1), ("os", 2), ("fatal", 1)])
async def test_what_it_raises_is_judged_as_in_the_worker_itself(
    app: App, settings: Settings, kind: str, attempts: int
) -> None:
    refuse = app.find_job("isolated.refuse")
    async with working(app, settings):
        handle = await refuse.enqueue(kind)
        with pytest.raises(JobFailedError, match=f"a {kind} error"):
            await handle.result(timeout=20)
        record = await handle.record()
    assert record.attempt == attempts
    assert "in refuse" in str(record.errors[-1]["traceback"])


@pytest.mark.parametrize(
    ("how", "words"),
    [("exit", "exited with status 3"), ("SIGKILL", "want of memory"), ("SIGSEGV", "by SIGSEGV")],
)
async def test_its_death_counts_as_a_crash_and_says_how_it_died(
    app: App, settings: Settings, how: str, words: str
) -> None:
    die = app.find_job("isolated.die")
    async with working(app, settings):
        record = await (await die.enqueue(how)).ended(timeout=20)
    assert (record.state, record.crashes, record.attempt) == (State.DEAD, 1, 0)
    assert words in (record.reason or "")


@pytest.mark.parametrize("ending", ["timeout", "cancel"])
async def test_stopping_it_kills_it_and_what_it_started(
    app: App, settings: Settings, tmp_path: Path, ending: str
) -> None:
    sleep = app.find_job("isolated.sleep_with_child")
    async with working(app, settings):
        handle = await sleep.enqueue(str(tmp_path))
        pids = tmp_path / "pids"
        deadline = time.monotonic() + 20
        while not (pids.exists() and pids.read_text()):
            assert time.monotonic() < deadline
            await handle.state()
        if ending == "cancel":
            await handle.cancel()
        record = await handle.ended(timeout=20)
    expected = State.CANCELLED if ending == "cancel" else State.DEAD
    assert record.state is expected
    for pid in map(int, pids.read_text().split()):
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
