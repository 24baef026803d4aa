"""The command line against a running app: what it prints, and how it exits."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import jwt
import psutil
import pytest

from tidegate.testing.up import RunningUp

APPS = Path(__file__).parents[1] / "apps"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    with RunningUp("captions:app", cwd=APPS, data=tmp_path_factory.mktemp("up")) as running:
        yield running


def lines(outcome: "subprocess.CompletedProcess[str]") -> list[dict[str, object]]:
    assert outcome.returncode == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def enqueued(up: RunningUp, *arguments: str) -> str:
    return up.run("enqueue", *arguments).stdout.strip()


def test_enqueue_prints_the_job_and_as_json_its_channel(up: RunningUp) -> None:
    assert len(enqueued(up, "upper", '"tide"')) == 26
    (told,) = lines(up.run("enqueue", "captions.upper", '"tide"', "--json"))
    assert told == {"job": told["job"], "channel": f"job:{told['job']}", "created": True}


def test_enqueuing_an_id_again_says_that_it_was_there(up: RunningUp) -> None:
    enqueued(up, "upper", '"tide"', "--id", "my-job")
    assert "it was enqueued before" in enqueued(up, "upper", '"tide"', "--id", "my-job")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["enqueue", "upper", "5"], "payload of job 'captions.upper': Expected `str`, got `int`"),
        (["enqueue", "upper", "tide"], "payload of job 'captions.upper': JSON is malformed"),
        (["enqueue", "lower", '"x"'], "has no job 'lower'; declared jobs: captions."),
        (["enqueue", "upper", '"x"', "--priority", "first"], "found 'first'"),
        (["enqueue", "upper", '"x"', "--delay", "soon"], "expected a duration"),
        (["jobs", "show", "nothing"], "no job 'nothing'"),
        (["jobs", "watch", "nothing"], "no job 'nothing'"),
        (["jobs", "retry", "nothing"], "no job 'nothing'"),
        (["jobs", "list", "audio"], "unknown queue 'audio'; declared queues: videos"),
        (["queues", "pause", "audio"], "unknown queue 'audio'"),
        (["dead", "redrive"], "expected job ids or --queue"),
        (["logs", "nobody"], "expected the name of a service or task, found 'nobody'"),
        (["token", "--channel", "a b"], "a b"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_status_2(
    up: RunningUp, arguments: list[str], message: str
) -> None:
    outcome = up.run(*arguments)
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("tidegate: ")
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_jobs_are_listed_newest_first_by_queue_and_state(up: RunningUp) -> None:
    first = enqueued(up, "upper", '"first"', "--delay", "1h")
    second = enqueued(up, "upper", '"second"', "--delay", "1h")
    listed = lines(up.run("jobs", "list", "videos", "--state", "scheduled", "--json"))
    assert [job["id"] for job in listed][:2] == [second, first]
    assert listed[0]["payload"] == "second"
    assert first in up.run("jobs", "list").stdout


def test_a_job_that_waits_is_cancelled_at_once(up: RunningUp) -> None:
    job = enqueued(up, "upper", '"tide"', "--delay", "1h")
    (told,) = lines(up.run("jobs", "cancel", job, "--json"))
    assert told == {"job": job, "state": "cancelled"}
    assert "cancelled" in up.run("jobs", "show", job).stdout
    assert up.run("jobs", "cancel", job).returncode == 2


def test_watch_prints_events_as_they_come_and_exits_by_the_outcome(up: RunningUp) -> None:
    job = enqueued(up, "slow", "0.2")
    events = lines(up.run("jobs", "watch", job, "--json"))
    assert [event["type"] for event in events] == ["progress", "end"]
    failed = enqueued(up, "fail", '"no"')
    up.run("jobs", "cancel", failed)
    assert up.run("jobs", "watch", failed).returncode == 1


def test_ctrl_c_ends_a_watch_with_130_and_no_traceback(up: RunningUp) -> None:
    job = enqueued(up, "slow", "30")
    watching = subprocess.Popen(
        [sys.executable, "-m", "tidegate", "jobs", "watch", job, "--data", str(up.data)],
        cwd=APPS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 130
        assert watching.stderr.read().strip() == b""
    up.run("jobs", "cancel", job)


def test_a_job_that_failed_for_good_is_listed_shown_and_redriven(up: RunningUp) -> None:
    job = enqueued(up, "fail", '"no such video"')
    assert up.run("jobs", "watch", job).returncode == 1
    listed = lines(up.run("dead", "list", "videos", "--json"))
    assert job in [each["id"] for each in listed]
    assert "ValueError: no such video" in up.run("jobs", "show", job).stdout
    (told,) = lines(up.run("dead", "redrive", job, "--json"))
    assert told == {"redriven": 1}
    assert up.run("jobs", "watch", job).returncode == 1
    assert "ready again" in up.run("dead", "redrive", "--queue", "videos").stdout


def test_a_paused_queue_says_so_and_is_not_claimed_from(up: RunningUp) -> None:
    assert up.run("queues", "pause", "videos").stdout == "videos is paused\n"
    job = enqueued(up, "upper", '"tide"')
    (stats,) = lines(up.run("queues", "list", "--json"))
    assert (stats["paused"], stats["ready"]) == (True, 1)
    assert "paused" in up.run("queues", "list").stdout
    assert up.run("queues", "resume", "videos").stdout == "videos is open\n"
    assert up.run("jobs", "watch", job).returncode == 0


def test_tasks_are_listed_with_what_they_do(up: RunningUp) -> None:
    job = enqueued(up, "slow", "5")
    up.run("jobs", "watch", enqueued(up, "upper", '"tide"'))
    told = lines(up.run("tasks", "--json"))
    assert [task["worker"] for task in told] == ["videos"]
    assert psutil.pid_exists(int(str(told[0]["pid"])))
    assert "videos: 1 wanted" in up.run("tasks").stdout
    up.run("jobs", "cancel", job)


def test_the_logs_of_services_and_tasks_can_be_read(up: RunningUp) -> None:
    up.run("enqueue", "upper", '"tide"', "--wait")
    assert "Ready to accept connections" in up.run("logs", "valkey").stdout
    assert "worker_started" in up.run("logs", "tasks").stdout
    (task, *_) = [log.stem for log in (up.data / "logs" / "tasks").iterdir()]
    assert {line["name"] for line in lines(up.run("logs", task[:20], "--json"))} == {task}


def test_a_token_grants_what_was_asked_for_as_long_as_was_asked(up: RunningUp) -> None:
    (told,) = lines(
        up.run("token", "--channel", "job:*", "--publish", "--ttl", "1h", "--sub", "eve", "--json")
    )
    secret = (up.data / "secret_key").read_text()
    claims = jwt.decode(str(told["token"]), secret, algorithms=["HS256"])
    assert claims["sub"] == "eve"
    assert claims["exp"] - claims["iat"] == pytest.approx(3600, abs=1)
    (cap,) = claims["caps"]
    assert (cap["channels"], "publish" in cap["allow"]) == (["job:*"], True)


def test_an_app_that_does_not_run_is_a_failure_with_the_way_to_start_it(tmp_path: Path) -> None:
    for arguments in (["jobs", "list"], ["health"], ["queues", "list"], ["tasks"]):
        outcome = tidegate(*arguments, "--data", str(tmp_path), cwd=APPS)
        assert outcome.returncode == 1
        assert "start it with `tidegate up`" in outcome.stderr


def test_check_prints_what_is_declared_or_what_is_wrong(tmp_path: Path) -> None:
    outcome = tidegate("check", "captions:app", "--json", cwd=APPS)
    assert json.loads(outcome.stdout)["queues"][0]["name"] == "videos"
    (tmp_path / "wrong.py").write_text(
        "from tidegate import App, Size\nSize(cpu=300)\napp = App('wrong')\n"
    )
    outcome = tidegate("check", "wrong:app", cwd=tmp_path)
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("tidegate: expected cpu to be one of 256, 512, 1024")
    assert "wrong.py, line 2" in outcome.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    outcome = subprocess.run(  # noqa: S602 - a pipe is what it is about
        f"{sys.executable} -m tidegate check captions:app --json | head -1",
        shell=True,
        cwd=APPS,
        capture_output=True,
        text=True,
        check=True,
    )
    assert outcome.stderr == ""


def test_init_writes_an_app_that_up_runs(tmp_path: Path) -> None:
    project = tmp_path / "words"
    assert tidegate("init", str(project), cwd=tmp_path).returncode == 0
    assert tidegate("init", str(project), cwd=tmp_path).returncode == 2
    app = "app:app"
    assert tidegate("check", cwd=project).returncode == 0
    with RunningUp(app, cwd=project, data=project / ".tidegate") as up:
        with urllib.request.urlopen(up.url, timeout=10) as page:  # noqa: S310 - our own server
            assert b"How many words?" in page.read()
        request = urllib.request.Request(f"{up.url}/count", data=b"one two three")  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            assert json.loads(answer.read())["words"] == 3


def tidegate(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    env = {name: text for name, text in os.environ.items() if not name.startswith("TIDEGATE_")}
    return subprocess.run(
        [sys.executable, "-m", "tidegate", *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
