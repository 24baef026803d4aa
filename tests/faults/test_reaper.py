"""Nothing outlives a reaper's program, or the supervisor, whatever kills either."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tidegate.launchers import orders, tree
from tidegate.launchers.orders import Step

LINUX = sys.platform == "linux"
pytestmark = pytest.mark.skipif(not LINUX, reason="detached processes are found on Linux only")


class Reaped:
    """One program under a reaper, and both ends this test holds of its pipes."""

    def __init__(self, script: str, **limits: Any) -> None:
        self.status, status = os.pipe()
        control, self.control = os.pipe()
        argv = orders.command(["sh", "-c", script], status=status, control=control, **limits)
        self.process = subprocess.Popen(argv, pass_fds=(status, control), stdout=subprocess.PIPE)
        os.close(status)
        os.close(control)

    def until(self, line: str) -> None:
        """Wait until the program has printed `line`."""
        assert self.process.stdout is not None
        while (found := self.process.stdout.readline().decode().strip()) != line:
            assert found

    def order(self, order: bytes) -> None:
        os.write(self.control, order)

    def record(self) -> dict[str, Any]:
        with os.fdopen(os.dup(self.status), "rb") as pipe:
            return dict(json.loads(pipe.read()))

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        for descriptor in (self.status, self.control):
            os.close(descriptor)


@pytest.fixture
def reaped() -> Iterator[Any]:
    started: list[Reaped] = []

    def start(script: str, **limits: Any) -> Reaped:
        started.append(Reaped(script, **limits))
        return started[-1]

    yield start
    for each in started:
        each.close()


def sleepers(tag: str) -> list[int]:
    """Living processes whose command line holds `tag`."""
    found = []
    for pid, process in tree.snapshot().items():
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if process.state not in tree.DEAD and tag.encode() in line and pid != os.getpid():
            found.append(pid)
    return found


def test_the_exit_status_is_that_of_the_program(reaped: Any) -> None:
    run = reaped("exit 7")
    assert run.record() | {"peak_bytes": 0} == {
        "code": 7,
        "signal": None,
        "reason": "exited",
        "detail": "",
        "ended": 0,
        "peak_bytes": 0,
    }
    assert run.process.wait() == 7


def test_a_program_that_cannot_start_is_reported_with_the_reason(reaped: Any) -> None:
    run = reaped("exec /nonexistent/program")
    assert run.record()["code"] == 127


def test_a_signal_to_the_reaper_reaches_the_program(reaped: Any) -> None:
    run = reaped("trap 'exit 3' INT; echo ready; while :; do sleep 0.01; done")
    run.until("ready")
    run.process.send_signal(signal.SIGINT)
    assert run.record()["code"] == 3


def test_sigterm_is_followed_by_sigkill_after_the_stop_timeout(reaped: Any) -> None:
    run = reaped("trap '' TERM; echo ready; while :; do sleep 0.01; done", stop_timeout=0.1)
    run.until("ready")
    run.process.send_signal(signal.SIGTERM)
    record = run.record()
    assert (record["signal"], record["reason"]) == ("KILL", "terminated")
    assert run.process.wait() == 137


def test_what_the_program_leaves_behind_is_ended_and_counted(reaped: Any) -> None:
    run = reaped("(setsid sleep 7101 &) ; sleep 7101 & (setsid setsid sleep 7101 &) ; sleep 0.1")
    assert run.record()["ended"] == 3
    assert sleepers("7101") == []


def test_all_of_a_killed_supervisors_processes_end(tmp_path: Path) -> None:
    supervisor = tmp_path / "supervisor.py"
    supervisor.write_text(
        "import os, subprocess, sys, signal\n"
        "from tidegate.launchers import orders\n"
        "status, control = os.pipe(), os.pipe()\n"
        "script = 'trap \"\" TERM HUP; setsid sleep 7102 & sleep 7102 & echo ready; wait; wait'\n"
        "line = orders.command(['sh', '-c', script], status=status[1], control=control[0],\n"
        "    orphan_timeout=0.1)\n"
        "reaper = subprocess.Popen(line, pass_fds=(status[1], control[0]))\n"
        "print(reaper.pid, flush=True)\n"
        "reaper.wait()\n"
    )
    with subprocess.Popen([sys.executable, str(supervisor)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = {process.stdout.readline().strip() for _ in range(2)}
        reaper = int(next(line for line in lines if line != b"ready"))
        with os.fdopen(os.pidfd_open(reaper), "rb") as watch:
            process.kill()
            # The reaper is not our child: its descriptor turns readable when it has ended.
            assert select.select([watch], [], [], 5.0)[0]
    assert sleepers("7102") == []


def test_fifty_detached_processes_are_gone_within_two_seconds_of_an_order(reaped: Any) -> None:
    spawn = "trap '' INT TERM; i=0; while [ $i -lt 50 ]; do (setsid sleep 7103 &); i=$((i+1)); done"
    run = reaped(f"{spawn}; echo ready; while :; do sleep 1; done")
    run.until("ready")
    started = monotonic()
    steps = [Step(number, 0.5, everyone=True) for number in (signal.SIGINT, signal.SIGTERM)]
    run.order(orders.stop_order("killed", *steps))
    record = run.record()
    assert monotonic() - started < 2.0
    assert record["reason"] == "killed"
    assert sleepers("7103") == []


def test_a_fork_bomb_loses_against_freezing(reaped: Any) -> None:
    # A bomb that doubles only when a fork succeeds, bounded so that a defect cannot hurt.
    bomb = "b() { [ $1 -gt 0 ] && { b $(($1-1)) & b $(($1-1)) & }; sleep 7104; }; b 7"
    run = reaped(f"echo ready; {bomb}")
    run.until("ready")
    run.order(orders.stop_order("killed"))
    started = monotonic()
    run.record()
    assert monotonic() - started < 2.0
    assert sleepers("7104") == []


def test_a_tree_over_its_memory_limit_ends_with_the_status_ecs_gives(reaped: Any) -> None:
    hog = f"{sys.executable} -c 'data = bytearray(200 << 20); import time; time.sleep(60)'"
    run = reaped(f"{hog} & {hog} & wait", memory_bytes=100 << 20)
    record = run.record()
    assert (record["code"], record["reason"]) == (137, "memory")
    assert "limit is 100 MiB" in record["detail"]


def test_a_stopped_program_is_ended_too(reaped: Any) -> None:
    run = reaped("echo ready; kill -STOP $$; sleep 7105")
    run.until("ready")
    run.order(orders.stop_order("killed", Step(signal.SIGTERM, 0.2, everyone=True)))
    assert run.record()["reason"] == "killed"
