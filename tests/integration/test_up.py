"""`tidegate up` on real processes: it comes up, works, and goes without a trace."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tidegate.connections.embedded import EmbeddedValkey
from tidegate.connections.valkey import Valkey
from tidegate.testing.up import RunningUp

APPS = Path(__file__).parents[1] / "apps"


def start(data: Path, target: str = "captions:app", *arguments: str) -> RunningUp:
    return RunningUp(target, cwd=APPS, data=data, arguments=arguments)


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own server
        return str(response.read().decode())


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    with start(tmp_path_factory.mktemp("up")) as running:
        yield running


def test_each_service_says_when_it_is_ready_and_the_address_comes_last(up: RunningUp) -> None:
    ready = [told["name"] for told in up.told if told["event"] == "ready"]
    assert set(ready) == {"valkey", "control", "web", "clock", "sidecar"}
    assert up.url.startswith("http://127.0.0.1:")


def test_the_services_answer_at_the_one_address(up: RunningUp) -> None:
    assert int(read(up.url)) > 0


def test_a_job_enqueued_from_the_command_line_starts_a_task_and_returns(up: RunningUp) -> None:
    outcome = up.run("enqueue", "upper", '"tide"', "--wait")
    assert (outcome.stdout, outcome.stderr, outcome.returncode) == ('"TIDE"\n', "", 0)


def test_a_service_enqueues_through_the_apps_client(up: RunningUp) -> None:
    job = read(f"{up.url}/enqueue")
    outcome = up.run("jobs", "watch", job, "--json")
    assert json.loads(outcome.stdout.splitlines()[-1])["state"] == "succeeded"


def test_a_task_sees_what_a_task_on_ecs_would_see(tmp_path: Path) -> None:
    outside = {"CAPTIONS_SECRET": "s3cret", "AWS_PROFILE": "mine", "LD_DEBUG_OUTPUT": "x"}
    with RunningUp("captions:app", cwd=APPS, data=tmp_path, env=outside) as up:
        outcome = up.run("enqueue", "environment", "--wait")
    seen = json.loads(outcome.stdout)
    assert seen["CAPTIONS_LANGUAGE"] == "en"
    assert seen["CAPTIONS_SECRET"] == "s3cret"
    assert not {"AWS_PROFILE", "LD_DEBUG_OUTPUT", "TIDEGATE_ADMIN_TOKEN"} & set(seen)
    assert {"PATH", "TIDEGATE_VALKEY_URL", "TIDEGATE_TASK"} <= set(seen)


def test_its_secrets_are_readable_by_their_owner_alone(up: RunningUp) -> None:
    for name in ("secret_key", "admin_token", "up.json"):
        assert stat.S_IMODE((up.data / name).stat().st_mode) == 0o600


def test_a_second_up_on_the_folder_is_refused_with_the_pid_of_the_first(up: RunningUp) -> None:
    outcome = up.run("up", "captions:app")
    assert outcome.returncode == 1
    assert f"in use by process {up.pid}" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_the_health_command_asks_the_running_app(up: RunningUp) -> None:
    assert up.run("health").returncode == 0
    assert up.run("health", "--ready").returncode == 0


def test_a_service_that_is_killed_is_started_again_and_that_is_said(up: RunningUp) -> None:
    before, said = read(up.url), len(up.told)
    up.process_of("tidegate.runtime.service").send_signal(signal.SIGKILL)
    ended = up.until(lambda told: told["event"] == "ended", since=said)
    assert (ended["name"], ended["how"]) == ("web", "was killed by SIGKILL")
    up.until(lambda told: told["event"] == "ready" and told["name"] == "web", since=said)
    assert read(up.url) != before


def test_killing_control_takes_no_running_job_with_it(up: RunningUp) -> None:
    said = len(up.told)
    job = up.run("enqueue", "slow", "2").stdout.strip()
    assert until_running(up, job)
    up.process_of("tidegate control").send_signal(signal.SIGKILL)
    up.until(lambda told: told["event"] == "ready" and told["name"] == "control", since=said)
    assert up.run("jobs", "watch", job).returncode == 0
    assert json.loads(up.run("jobs", "show", job, "--json").stdout)["deliveries"] == 1


def until_running(up: RunningUp, job: str) -> bool:
    return any('"running"' in up.run("jobs", "show", job, "--json").stdout for _ in range(50))


def test_ctrl_c_ends_everything_and_leaves_no_process(tmp_path: Path) -> None:
    with start(tmp_path) as up:
        up.run("enqueue", "upper", '"tide"', "--wait")
        before = up.processes()
        up.interrupt()
        assert up.wait() == 0
        assert up.left_behind(before, within=1.0) == []
    assert not (tmp_path / "up.json").exists()


def test_ctrl_c_hands_back_a_job_that_is_too_long_to_finish(tmp_path: Path) -> None:
    with start(tmp_path) as up:
        job = up.run("enqueue", "slow", "60").stdout.strip()
        assert until_running(up, job)
        up.interrupt()
        assert up.wait() == 0
    with start(tmp_path) as up:
        record = json.loads(up.run("jobs", "show", job, "--json").stdout)
        assert record["crashes"] == 0
        assert record["state"] in {"ready", "running"}


def test_a_second_ctrl_c_hurries(tmp_path: Path) -> None:
    with start(tmp_path) as up:
        job = up.run("enqueue", "slow", "60").stdout.strip()
        assert until_running(up, job)
        up.interrupt()
        up.until(lambda told: told["event"] == "note" and "draining 1 task" in told["text"])
        up.interrupt()
        assert up.wait(timeout=2.5) == 0


def test_a_port_that_is_taken_is_wrong_usage(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = tidegate("up", "captions:app", "--port", port, "--data", str(tmp_path))
    assert outcome.returncode == 2
    assert re.match(r"tidegate: expected to listen on 127.0.0.1:\d+, found", outcome.stderr)


def test_a_valkey_that_does_not_answer_is_told_at_once(tmp_path: Path) -> None:
    nowhere = {"TIDEGATE_VALKEY_URL": f"unix://{tmp_path}/nowhere.sock"}
    outcome = tidegate("up", "captions:app", "--port", "0", "--data", str(tmp_path), env=nowhere)
    assert outcome.returncode == 1
    assert "nowhere.sock" in outcome.stderr
    assert "Traceback" not in outcome.stderr


async def test_another_valkey_is_used_where_one_is_named(
    tmp_path: Path, server: EmbeddedValkey
) -> None:
    named = {"TIDEGATE_VALKEY_URL": server.url}
    with RunningUp("captions:app", cwd=APPS, data=tmp_path / "data", env=named) as up:
        assert "valkey" not in [told.get("name") for told in up.told]
        assert up.run("enqueue", "upper", '"tide"', "--wait").stdout == '"TIDE"\n'


async def test_a_valkey_that_wants_another_password_is_told_at_once(
    tmp_path: Path, valkey: Valkey
) -> None:
    await valkey.call("CONFIG", "SET", "requirepass", "secret")
    named = {"TIDEGATE_VALKEY_URL": f"unix://{valkey.address.path}"}
    outcome = tidegate("up", "captions:app", "--port", "0", "--data", str(tmp_path), env=named)
    assert outcome.returncode == 1
    assert "NOAUTH" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_ctrl_c_before_everything_is_ready_leaves_no_process(tmp_path: Path) -> None:
    up = start(tmp_path)
    up.until(lambda told: told["event"] == "ready")
    before = up.processes()
    up.interrupt()
    assert up.wait() == 0
    assert up.left_behind(before, within=1.0) == []
    up.__exit__()


async def test_worker_orchestrator_and_control_each_run_alone(
    tmp_path: Path, server: EmbeddedValkey
) -> None:
    env = {
        **os.environ,
        "TIDEGATE_VALKEY_URL": server.url,
        "TIDEGATE_DATA": str(tmp_path),
        "TIDEGATE_SECRET_KEY": "k" * 40,
        "TIDEGATE_APP": "captions:app",
    }
    enqueue = ("enqueue", "upper", '"tide"', "--wait")
    for part in ("worker", "orchestrator", "control --port 0"):
        alone = started_alone(part, env)
        try:
            outcome = await asyncio.to_thread(tidegate, *enqueue, env=env)
            assert outcome.stdout == '"TIDE"\n', part
            below = psutil.Process(alone.pid).children(recursive=True)
        finally:
            alone.terminate()
            assert await asyncio.to_thread(alone.wait, 20) == 0, part
        assert psutil.wait_procs(below, timeout=1.0)[1] == [], part


def started_alone(part: str, env: dict[str, str]) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-m", "tidegate", *part.split()]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(argv, cwd=APPS, env=env, stdout=quiet, stderr=quiet)


def test_an_address_that_others_reach_is_pointed_out(tmp_path: Path) -> None:
    with start(tmp_path, "captions:app", "--host", "0.0.0.0") as up:  # noqa: S104
        note = up.until(lambda told: told["event"] == "note")
        assert "whoever reaches this machine reaches the app" in note["text"]


def test_verbose_shows_what_tasks_write(tmp_path: Path) -> None:
    with start(tmp_path, "captions:app", "--verbose") as up:
        up.run("enqueue", "upper", '"tide"', "--wait")
        shown = up.until(lambda told: "worker_started" in told.get("line", ""))
        assert len(shown["name"]) == 26


def test_an_app_that_cannot_be_imported_leaves_nothing_behind(tmp_path: Path) -> None:
    outcome = tidegate("up", "nowhere:app", "--port", "0", "--data", str(tmp_path))
    assert outcome.returncode == 2
    assert "expected a module to import, found no 'nowhere'" in outcome.stderr


def test_a_service_that_does_not_start_ends_up_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from tidegate import App\n"
        "app = App('broken')\n"
        "app.service('web', 'broken:make')\n"
        "def make():\n"
        "    raise RuntimeError('no database')\n"
    )
    data = tmp_path / "data"
    outcome = tidegate("up", "broken:app", "--port", "0", "--data", str(data), cwd=tmp_path)
    assert outcome.returncode == 1
    assert "no database" in outcome.stdout
    assert "web exited with status 1 before it was ready" in outcome.stderr


def test_a_changed_file_restarts_services_and_broken_code_does_not(tmp_path: Path) -> None:
    source = (APPS / "captions.py").read_text()
    (tmp_path / "captions.py").write_text(source)
    with RunningUp(
        "captions:app", cwd=tmp_path, data=tmp_path / "data", arguments=["--reload"]
    ) as up:
        before, said = read(up.url), len(up.told)
        (tmp_path / "captions.py").write_text(source + "\n(")
        up.until(lambda told: "the old code runs on" in told.get("text", ""), since=said)
        assert read(up.url) == before
        (tmp_path / "captions.py").write_text(source + "\n# better\n")
        up.until(lambda told: told["event"] == "ready" and told["name"] == "web", since=said)
        assert read(up.url) != before


def tidegate(
    *arguments: str, cwd: Path = APPS, env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tidegate", *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
