"""What is unused for long goes, what is held stays."""

import os
from pathlib import Path

from apps.terminal.sandbox.identity import Locked
from apps.terminal.worker.leftovers import AFTER, remove_leftovers

NOW = 1_800_000_000.0


def place(folder: Path, name: str, used: float) -> None:
    (folder / name).mkdir()
    (folder / name / "file").write_text("x")
    (folder / f".{name}.state").write_text("x")
    for each in (folder / name, folder / f".{name}.state"):
        os.utime(each, (used, used))


def test_only_what_is_unused_and_unheld_is_removed(tmp_path: Path) -> None:
    place(tmp_path, "old", NOW - AFTER - 1)
    place(tmp_path, "recent", NOW - AFTER + 60)
    place(tmp_path, "held", NOW - AFTER - 1)
    held = Locked.try_take(tmp_path / ".held.lock")
    assert held is not None
    os.utime(tmp_path / ".held.lock", (NOW - AFTER - 1, NOW - AFTER - 1))
    assert remove_leftovers(tmp_path, NOW) == ["old"]
    held.close()
    left = {each.name for each in tmp_path.iterdir()}
    assert left == {"recent", ".recent.state", "held", ".held.state", ".held.lock"}
