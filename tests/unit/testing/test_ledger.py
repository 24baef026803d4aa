"""A ledger keeps what processes wrote that are gone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.testing.ledger import Ledger

WRITER = """
import sys
from tidegate.testing.ledger import Ledger
ledger, who = Ledger(sys.argv[1]), sys.argv[2]
for number in range(200):
    ledger.note("effect", job=f"{who}.{number}", text="x" * 500)
print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def test_a_ledger_nobody_wrote_is_empty(ledger: Ledger) -> None:
    assert ledger.entries() == []
    assert ledger.times("effect") == {}


def test_entries_come_in_order_with_what_was_noted(ledger: Ledger) -> None:
    ledger.note("started", job="a", fence=1)
    ledger.note("effect", job="a", text="é\n")
    assert [entry["what"] for entry in ledger.entries()] == ["started", "effect"]
    (effect,) = ledger.entries("effect")
    assert (effect["job"], effect["text"], effect["pid"]) == ("a", "é\n", os.getpid())


def test_repeated_effects_are_counted_by_job(ledger: Ledger) -> None:
    for job in ("a", "b", "a"):
        ledger.note("effect", job=job, worker="w")
    ledger.note("started", job="a")
    assert ledger.times("effect") == {"a": 2, "b": 1}
    assert ledger.times("effect", by="worker") == {"w": 3}


def test_lines_of_several_processes_stay_whole_although_they_are_killed(ledger: Ledger) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(ledger.path), f"w{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(3)
    ]
    for writer in writers:
        with writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"written\n"
            writer.send_signal(signal.SIGKILL)
    assert len(ledger.entries("effect")) == 600
    assert set(ledger.times("effect").values()) == {1}
