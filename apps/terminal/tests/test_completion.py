"""What a Tab completes."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.terminal.completion import Completion, completed

PATHS = ["src/main.py", "src/my file.txt", "src/lib/", "src/lib/a.py", "setup.py", ".env", "it's"]


def at_end(line: str, cwd: str = "") -> Completion:
    return completed(line, len(line), cwd=cwd, paths=PATHS)


@pytest.mark.parametrize(
    ("line", "start", "options"),
    [
        ("cat s", 4, ["setup.py", "src/"]),
        ("cat src/m", 4, ["src/main.py", r"src/my\ file.txt"]),
        ("cat src/", 4, ["src/lib/", "src/main.py", r"src/my\ file.txt"]),
        ("cat ", 4, [r"it\'s", "setup.py", "src/"]),
        ("cat .", 4, [".env"]),
        ("cat a;ls sr", 9, ["src/"]),
        ("cat ~/sr", 4, ["~/src/"]),
        ("cat ./sr", 4, ["./src/"]),
        ("cat /etc/pass", 4, []),
        ("cat ../", 4, []),
        ("se", 0, []),
        ("./se", 0, ["./setup.py"]),
        ("ls && se", 6, []),
        ("cat 'src/my", 4, ["'src/my file.txt"]),
        ('cat "src/my', 4, ['"src/my file.txt']),
        (r"cat src/my\ f", 4, [r"src/my\ file.txt"]),
        ("FOO=1 cat se", 10, ["setup.py"]),
    ],
)
def test_a_path_is_completed_as_the_shell_needs_it(
    line: str, start: int, options: list[str]
) -> None:
    assert at_end(line) == Completion(start, options)


def test_paths_are_relative_to_where_the_terminal_is() -> None:
    assert at_end("cat ma", cwd="src").options == ["main.py"]
    assert at_end("cat ../se", cwd="src").options == ["../setup.py"]
    assert at_end("cat ../../x", cwd="src").options == []
    assert at_end("cat pass", cwd="/etc").options == []


def test_the_cursor_counts_as_a_browser_does() -> None:
    line = "echo 🙂 && cat se and more"
    cursor = len("echo 🙂 && cat se".encode("utf-16-le")) // 2
    found = completed(line, cursor, cwd="", paths=PATHS)
    assert found.options == ["setup.py"]
    assert line.encode("utf-16-le")[found.start * 2 : cursor * 2].decode("utf-16-le") == "se"


names = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters="/"),
    min_size=1,
    max_size=8,
).filter(lambda name: name not in {".", ".."})


@settings(max_examples=60, deadline=None)
@given(name=names, quote=st.sampled_from(["", "'", '"']))
def test_what_a_completion_spells_is_what_the_shell_reads(name: str, quote: str) -> None:
    path = f"folder/{name}"
    line = f"cat {quote}folder/{name[0] if name[0].isalnum() else ''}"
    found = completed(line, len(line.encode("utf-16-le")) // 2, cwd="", paths=[path])
    for option in found.options:
        script = f"printf %s {option}{quote}"
        read = subprocess.run(["/bin/bash", "-c", script], capture_output=True, check=True)
        assert read.stdout.decode() == path
    assert found.options or name.startswith(".")
