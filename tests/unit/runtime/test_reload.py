"""Source files are watched, and nothing else."""

import asyncio
from pathlib import Path

from tidegate.runtime.reload import changes, stamps


def test_only_python_files_outside_hidden_and_package_folders_count(tmp_path: Path) -> None:
    for name in ("app.py", "notes.txt", ".venv/x.py", "node_modules/y.py", "inner/z.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert set(stamps(tmp_path)) == {str(tmp_path / "app.py"), str(tmp_path / "inner/z.py")}


async def test_files_written_made_and_removed_are_told_together(tmp_path: Path) -> None:
    for name in ("kept.py", "written.py", "removed.py"):
        (tmp_path / name).touch()
    told = changes(tmp_path)
    waiting = asyncio.ensure_future(anext(told))
    await asyncio.sleep(0)  # it looks at what is there before anything changes
    (tmp_path / "written.py").write_text("x = 1")
    (tmp_path / "made.py").touch()
    (tmp_path / "removed.py").unlink()
    async with asyncio.timeout(5):
        found = await waiting
    assert [path.name for path in found] == ["made.py", "removed.py", "written.py"]
