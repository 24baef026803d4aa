"""What a log line looks like, and what is never in one."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tidegate.observability.logs import MASK, Logger, configure, masked


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure(stream=stream, task="t-1")
    yield stream
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_is_an_event_with_fields_as_json(out: io.StringIO) -> None:
    Logger("tidegate.worker").warning("lease_lost", job="j", late_s=4.2)
    line = json.loads(out.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "lease_lost",
        "level": "warning",
        "source": "tidegate.worker",
        "task": "t-1",
        "job": "j",
        "late_s": 4.2,
    }


def test_a_process_that_configures_nothing_is_told_warnings_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = Logger("tidegate.worker")
    log.info("worker_started")
    log.warning("lease_lost", job="j", secret_key="k")
    told = capsys.readouterr()
    assert told.out == ""
    line = json.loads(told.err)
    assert (line["event"], line["source"], line["secret_key"]) == (
        "lease_lost",
        "tidegate.worker",
        MASK,
    )


def test_below_the_level_nothing_is_written(out: io.StringIO) -> None:
    Logger("tidegate.worker").debug("detail")
    assert out.getvalue() == ""


def test_an_exception_is_one_line_too(out: io.StringIO) -> None:
    try:
        int("no")
    except ValueError:
        Logger("tidegate.worker").exception("failed")
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["exception"][0]["exc_type"] == "ValueError"


@pytest.mark.parametrize(
    "name", ["secret_key", "TOKEN", "attempt_token", "password", "Authorization", "api_key"]
)
def test_what_is_named_like_a_secret_is_masked(name: str) -> None:
    assert masked(None, "info", {"event": "x", name: "s3cret"}) == {"event": "x", name: MASK}


@given(password=st.text("abcXYZ019._~-", min_size=1, max_size=20))
def test_a_password_inside_a_url_is_masked(password: str) -> None:
    url = f"cannot reach valkeys://app:pw{password}@cache:6379/0 now"
    shown = masked(None, "info", {"event": url})["event"]
    assert shown == "cannot reach valkeys://app:***@cache:6379/0 now"


def test_a_traceback_does_not_carry_the_values_of_variables(out: io.StringIO) -> None:
    password = "hunter" + "2"
    try:
        int(password[:0])
    except ValueError:
        Logger("tidegate.worker").exception("failed")

    assert "ValueError" in out.getvalue()
    assert password not in out.getvalue()
