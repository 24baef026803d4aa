"""Logs are bounded, and can be followed over a rotation."""

import os
from pathlib import Path

from tidegate.launchers.logs import Follower, earlier, last_lines, rotate_all


def test_a_log_that_is_too_long_is_moved_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with log.open("ab") as writer:
        writer.write(b"first\n" * 10)
        writer.flush()
        rotate_all(tmp_path, max_bytes=20)
        writer.write(b"second\n")
    assert log.read_bytes() == b"second\n"
    assert earlier(log).read_bytes() == b"first\n" * 10


def test_a_log_within_its_bounds_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_bytes(b"line\n")
    rotate_all(tmp_path, max_bytes=20)
    assert [log.name for log in tmp_path.iterdir()] == ["web.log"]


def test_the_oldest_logs_are_removed(tmp_path: Path) -> None:
    for age in range(5):
        log = tmp_path / f"{age}.log"
        log.touch()
        os.utime(log, (1000 - age, 1000 - age))
    rotate_all(tmp_path, keep=2)
    assert {log.name for log in tmp_path.iterdir()} == {"0.log", "1.log"}


def test_the_last_lines_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    assert last_lines(log, 2) == ["line 998", "line 999"]


def test_a_follower_is_told_whole_lines_from_now_on(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("before\n")
    follower = Follower(log)
    with log.open("a") as writer:
        writer.write("one\nhal")
        writer.flush()
        assert follower.lines() == ["one"]
        writer.write("f\n")
        writer.flush()
        assert follower.lines() == ["half"]


def test_a_follower_goes_on_after_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("before\n")
    follower = Follower(log, from_start=True)
    assert follower.lines() == ["before"]
    rotate_all(tmp_path, max_bytes=1)
    assert follower.lines() == []
    with log.open("a") as writer:
        writer.write("a\n")
    assert follower.lines() == ["a"]


def test_a_log_that_is_gone_has_no_lines(tmp_path: Path) -> None:
    assert Follower(tmp_path / "gone.log", from_start=True).lines() == []
