"""Jobs, times and tables as people and programs see them."""

import msgspec
import pytest

from tidegate.cli.show import age, job_page, record_fields
from tidegate.cli.style import styled, table
from tidegate.jobs.job import JobRecord, State

RECORD = JobRecord(
    id="j1",
    queue="videos",
    name="captions.transcribe",
    state=State.DEAD,
    attempt=2,
    crashes=0,
    deliveries=2,
    enqueued_at=1_700_000_000.0,
    channel="job:j1",
    payload=b'{"video":"7.mp4"}',
    errors=[{"type": "ValueError", "message": "too long", "traceback": "line 1\nline 2"}],
)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.4, "0 s"), (59, "59 s"), (200, "3 m 20 s"), (3700, "1 h 1 m"), (90000, "1 d 1 h")],
)
def test_an_age_has_its_two_largest_units(seconds: float, expected: str) -> None:
    assert age(seconds) == expected


def test_a_record_as_json_shows_its_payload_as_what_it_is() -> None:
    fields = msgspec.json.decode(msgspec.json.encode(record_fields(RECORD)))
    assert fields["payload"] == {"video": "7.mp4"}
    assert fields["state"] == "dead"


def test_a_page_about_a_job_ends_with_its_last_traceback() -> None:
    page = job_page(RECORD).splitlines()
    assert page[0].startswith("j1  captions.transcribe  ")
    assert any("ValueError: too long" in line for line in page)
    assert page[-1].strip() == "line 2"


def test_columns_are_as_wide_as_needed_and_numbers_stand_right() -> None:
    assert table(("name", "count"), [("a", 5), ("longer", 12)]).splitlines() == [
        "name    count",
        "a           5",
        "longer     12",
    ]


def test_there_are_no_colours_where_the_output_is_no_terminal() -> None:
    assert styled("text", "31") == "text"


def test_no_color_turns_colours_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert styled("text", "31") == "\x1b[31mtext\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert styled("text", "31") == "text"
