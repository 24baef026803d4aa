"""Fan-out, latency and memory of the gateway beside its peers: `python -m bench gateway`."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.queues.contender import VENVS
from bench.server import CLIENT_CORE, SERVER_CORE, end, free_port, pinned, valkey, wait_for_port

HERE = Path(__file__).parent
SUBSCRIBERS = 500
IDLE = 4000
SECRET = "0" * 64  # signs tokens of a server that lives for seconds on loopback
OFFERED = {"50 k/s": 100.0, "100 k/s": 200.0, "all it can": 400.0}


@dataclass
class Running:
    """A contender that listens.

    Attributes:
        start: What makes it publish; the process started, if that is one.
    """

    port: int
    pids: list[int]
    publisher: list[str]
    token: str = ""


@contextmanager
def tidegate(_rate: float) -> Iterator[Running]:
    """The control process on the server's core; Valkey beside it, as in one small task."""
    from tidegate.gateway.auth import Cap, Keyring

    port = free_port()
    with valkey(append_only=False) as url, tempfile.TemporaryDirectory() as data:
        environment = {
            **os.environ,
            "TIDEGATE_VALKEY_URL": url,
            "TIDEGATE_SECRET_KEY": SECRET,
            "TIDEGATE_DATA": data,
        }
        command = [sys.executable, "-m", "tidegate.runtime.control", "bench.gateway.app:app"]
        server = subprocess.Popen(
            pinned([*command, "--port", str(port)], SERVER_CORE), env=environment
        )
        caps = [Cap(channels=("bench",), allow=frozenset({"subscribe"}))]
        token = Keyring.parse(SECRET).issue(sub="bench", now=time.time(), ttl=3600, caps=caps)
        try:
            wait_for_port(port)
            yield Running(
                port,
                [server.pid],
                [sys.executable, str(HERE / "publish.py"), "tidegate", url],
                token,
            )
        finally:
            end(server)


@contextmanager
def nchan(_rate: float) -> Iterator[Running]:
    """nginx with nchan, one worker process."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = (HERE / "contenders/nchan.conf").read_text()
        path = Path(folder) / "nginx.conf"
        path.write_text(config.replace("@PORT@", str(port)).replace("@FOLDER@", folder))
        server = subprocess.Popen(pinned(["nginx", "-c", str(path)], SERVER_CORE))
        try:
            wait_for_port(port)
            publisher = [sys.executable, str(HERE / "publish.py"), "nchan", str(port)]
            yield Running(port, [server.pid, *_children(server.pid)], publisher)
        finally:
            end(server)


@contextmanager
def socketio(rate: float) -> Iterator[Running]:
    """npm Socket.IO; publishes by itself when told by a signal."""
    script = str(HERE / "contenders/socketio.cjs")
    with _self_publishing(
        ["node", script], rate, {"NODE_PATH": str(VENVS / "node/node_modules")}
    ) as it:
        yield it


@contextmanager
def socketio_python(rate: float) -> Iterator[Running]:
    """python-socketio; publishes by itself when told by a signal."""
    python = str(VENVS / "socketio/bin/python")
    with _self_publishing([python, str(HERE / "contenders/socketio_python.py")], rate, {}) as it:
        yield it


@contextmanager
def _self_publishing(command: list[str], rate: float, extra: dict[str, str]) -> Iterator[Running]:
    port = free_port()
    server = subprocess.Popen(
        pinned([*command, str(port), str(rate)], SERVER_CORE),
        env={**os.environ, **extra},
        stdout=subprocess.PIPE,
    )
    try:
        wait_for_port(port)
        yield Running(port, [server.pid], [])
    finally:
        end(server)


CONTENDERS = {
    "tidegate": tidegate,
    "nchan": nchan,
    "socket.io": socketio,
    "python-socketio": socketio_python,
}


def _load(
    name: str, running: Running, rate: float, subscribers: int, seconds: float
) -> dict[str, float]:
    command = [
        *(sys.executable, str(HERE / "load.py"), name, "--port", str(running.port)),
        *("--token", running.token, "--subscribers", str(subscribers)),
        *("--seconds", str(seconds), "--pids", *map(str, running.pids)),
    ]
    load = subprocess.Popen(pinned(command, CLIENT_CORE), stdout=subprocess.PIPE, text=True)
    assert load.stdout is not None
    publisher = None
    try:
        if not load.stdout.readline():
            raise RuntimeError(f"{name}: the clients could not connect")
        if rate and running.publisher:
            publisher = subprocess.Popen([*running.publisher, str(rate)])
        elif rate:
            os.kill(running.pids[0], signal.SIGUSR1)
        seen: dict[str, float] = json.loads(load.stdout.readline())
        return seen
    finally:
        end(load)
        if publisher is not None:
            end(publisher)


def install() -> None:
    """Make the environments of the peers that need one, once."""
    node = VENVS / "node"
    if not (node / "node_modules").exists():
        node.mkdir(parents=True, exist_ok=True)
        (node / "package.json").write_text('{"private": true}')
        command = ["npm", "i", "--no-audit", "--no-fund", "socket.io@4.8.4"]
        subprocess.run(
            command,
            cwd=node,
            check=True,
        )
    target = VENVS / "socketio"
    if not target.exists():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(target)], check=True)
        packages = ("python-socketio==5.18", "uvicorn", "uvloop", "websockets")
        subprocess.run(
            [uv, "pip", "install", "-q", "--python", str(target / "bin/python"), *packages],
            check=True,
        )


def run(*, only: tuple[str, ...] = (), seconds: float = 5) -> str:
    """Measure everyone; the Markdown of what was seen."""
    install()
    heads = "".join(f" {name}: delivered /s | p50 ms | p99 ms |" for name in OFFERED)
    lines = [f"| server |{heads} KiB per idle connection |", "|---" * (2 + 3 * len(OFFERED)) + "|"]
    for name, contender in CONTENDERS.items():
        if only and name not in only:
            continue
        cells = [name]
        for rate in OFFERED.values():
            with contender(rate) as running:
                seen = _load(name, running, rate, SUBSCRIBERS, seconds)
            cells += [f"{seen['deliveries']:,.0f}", f"{seen['p50']:.1f}", f"{seen['p99']:.1f}"]
        with contender(0) as running:
            cells.append(f"{_load(name, running, 0, IDLE, 1)['idle_kib']:.1f}")
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
