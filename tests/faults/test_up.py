"""`tidegate up` killed without notice, or a part of it: nothing stays, nothing is lost."""

import json
import signal
from pathlib import Path

import pytest

from tidegate.testing.up import RunningUp

APPS = Path(__file__).parents[1] / "apps"
GONE_WITHIN = 10.0
"""Reapers give what they hold five seconds to end in order."""


def start(data: Path) -> RunningUp:
    return RunningUp("captions:app", cwd=APPS, data=data)


def enqueued(up: RunningUp, *arguments: str) -> str:
    return up.run("enqueue", *arguments).stdout.strip()


def record(up: RunningUp, job: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(up.run("jobs", "show", job, "--json").stdout)
    return found


def until_running(up: RunningUp, job: str) -> bool:
    return any(record(up, job)["state"] == "running" for _ in range(50))


def test_kill_9_of_up_leaves_no_process(tmp_path: Path) -> None:
    with start(tmp_path) as up:
        assert until_running(up, enqueued(up, "slow", "60"))
        before = up.processes()
        assert len(before) > 10  # valkey, control, web, clock, sidecar, a task, and their reapers
        up.kill()
        assert up.left_behind(before, within=GONE_WITHIN) == []


def test_after_kill_9_up_recovers_every_job(tmp_path: Path) -> None:
    with start(tmp_path) as up:
        up.run("queues", "pause", "videos")
        waiting = [enqueued(up, "upper", json.dumps(f"job {number}")) for number in range(3)]
        later = enqueued(up, "upper", '"later"', "--delay", "1h")
        up.run("queues", "resume", "videos")
        running = enqueued(up, "slow", "1")
        assert until_running(up, running)
        up.kill()
    with start(tmp_path) as up:
        for job in [*waiting, running]:
            assert up.run("jobs", "watch", job).returncode == 0
        assert record(up, later)["state"] == "scheduled"


def test_a_second_up_may_start_while_a_killed_ones_processes_still_end(tmp_path: Path) -> None:
    with start(tmp_path) as killed:
        job = enqueued(killed, "upper", '"tide"', "--delay", "2s")
        killed.kill()
        with start(tmp_path) as up:
            assert up.run("jobs", "watch", job).returncode == 0


def test_killing_the_embedded_valkey_loses_no_job(tmp_path: Path) -> None:
    with start(tmp_path) as up:
        said = len(up.told)
        jobs = [enqueued(up, "slow", "0.5") for _ in range(3)]
        up.process_of("valkey-server").send_signal(signal.SIGKILL)
        up.until(lambda told: told["event"] == "ready" and told["name"] == "valkey", since=said)
        for job in jobs:
            assert up.run("jobs", "watch", job).returncode == 0


def test_a_killed_task_is_replaced_and_its_job_runs_again(tmp_path: Path) -> None:
    with start(tmp_path) as up:
        job = enqueued(up, "slow", "1")
        assert until_running(up, job)
        up.process_of("tidegate worker").send_signal(signal.SIGKILL)
        ended = up.until(lambda told: told["event"] == "ended")
        assert (ended["name"], ended["how"]) == ("videos task", "was killed by SIGKILL")
        assert up.run("jobs", "watch", job).returncode == 0
        assert record(up, job)["crashes"] == 1


@pytest.mark.parametrize("part", ["tidegate worker", "tidegate control"])
def test_kill_9_of_a_part_leaves_nothing_of_it_behind(tmp_path: Path, part: str) -> None:
    with start(tmp_path) as up:
        assert until_running(up, enqueued(up, "slow", "60"))
        process = up.process_of(part)
        below = [process, *process.children(recursive=True)]
        process.kill()
        assert up.left_behind(below, within=GONE_WITHIN) == []
