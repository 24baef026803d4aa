"""Key echo, bulk output, resume and start of the terminal: `python -m bench terminal`."""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from bench.server import free_port
from bench.terminal.browser import Page, Terminal, browser, new_project, until

ECHOES = 200
BUSY = 20
FILES = 200
BULK_MB = 100
AWAY_BYTES = 5_000_000


@dataclass
class App:
    """A running terminal app."""

    base: str
    process: psutil.Process
    http: httpx.AsyncClient
    ready_after: float


@asynccontextmanager
async def terminal_app() -> AsyncIterator[App]:
    """`tidegate up` on the terminal, in a folder of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder:
        environment = {
            **os.environ,
            "TERMINAL_COMMAND_OUTPUT_MB": str(BULK_MB * 4),
            "TERMINAL_WORKSPACES": str(Path(folder) / "workspaces"),
        }
        Path(folder).chmod(0o755)
        start = time.monotonic()
        up = subprocess.Popen(
            [
                *(sys.executable, "-m", "tidegate", "up", "apps.terminal.app:app"),
                *("--port", str(port), "--data", str(Path(folder) / "data")),
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        base = f"http://127.0.0.1:{port}"
        try:
            async with browser(base) as http:
                await _ready(http)
                ready_after = time.monotonic() - start
                yield App(base, psutil.Process(up.pid), http, ready_after)
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(60)


async def _ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                if (await http.get("/api/session")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.01)


async def _opened(app: App, project: str) -> tuple[Page, Terminal]:
    terminal = await Terminal.new(app.http, project)
    page = Page(app.base, app.http)
    await page.open(terminal.channel)
    return page, terminal


async def key_echo(app: App) -> dict[str, float]:
    """From a key pressed to its echo seen, with busy terminals beside it, in ms."""
    project = await new_project(app.http, "echo")
    page, terminal = await _opened(app, project)
    # A project's commands share one worker and its slots, so the busy ones are of several.
    others = [await new_project(app.http, f"busy{n}") for n in range(5)]
    busy = [await Terminal.new(app.http, others[n % 5]) for n in range(BUSY)]
    await terminal.run("cat")
    for each in busy:
        await each.run("while :; do date; sleep 0.1; done")
    await until(page, "status", seconds=60)
    await terminal.type(page, "warm\r")
    await until(page, "output", containing="warm", seconds=60)
    await asyncio.sleep(5)  # the busy ones' tasks start meanwhile
    status = (await app.http.get("/api/status")).json()
    delays = []
    for number in range(ECHOES):
        key = chr(ord("a") + number % 26)
        pressed = time.monotonic()
        await terminal.type(page, key)
        delays.append((await until(page, "output", containing=key) - pressed) * 1000)
        if number % 20 == 19:
            await terminal.type(page, "\r")
            await until(page, "output")
        await asyncio.sleep(0.02)
    await page.close()
    for each in [terminal, *busy]:
        path = f"/api/projects/{each.project}/terminals/{each.terminal}/kill"
        await app.http.post(path, json={})
    return {**_quantiles(delays), "busy": status["queue"]["running"] - 1}


async def bulk(app: App) -> dict[str, float]:
    """Output to one viewer in MB/s, alone and beside a frozen one; growth of the worker in MB."""
    project = await new_project(app.http, "bulk")
    page, terminal = await _opened(app, project)
    alone, growth = await _drained(app, page, terminal)
    frozen = Page(app.base, app.http)
    await frozen.open(terminal.channel)
    frozen.freeze()
    beside, _ = await _drained(app, page, terminal)
    await frozen.close()
    await page.close()
    return {"alone": alone, "beside a frozen viewer": beside, "worker growth MB": growth}


async def _drained(app: App, page: Page, terminal: Terminal) -> tuple[float, float]:
    workers = [each for each in app.process.children(recursive=True) if _is_worker(each)]
    before = sum(each.memory_info().rss for each in workers)
    peak = before
    await terminal.run(f"head -c {BULK_MB}000000 /dev/zero | tr '\\0' x")
    first, size = 0.0, 0
    while True:
        came, event = await page.arrived.get()
        if event["type"] == "output":
            first = first or came
            size += len(event["data"])
            last = came
        elif event["type"] == "exit":
            break
        if page.arrived.empty():
            peak = max(peak, sum(each.memory_info().rss for each in workers))
    return size / 1e6 / (last - first), (peak - before) / 1e6


def _is_worker(process: psutil.Process) -> bool:
    line = " ".join(process.cmdline())
    return " worker " in line and "reaper" not in line


async def resume(app: App, *, kill_control: bool) -> dict[str, float]:
    """From an accepted socket to the last of 5 MB missed, in ms; 0 or 1 for byte-exact."""
    project = await new_project(app.http, "resume")
    page, terminal = await _opened(app, project)
    lines = AWAY_BYTES // 50
    script = f"import sys\nfor n in range({lines}): sys.stdout.write('%049d\\n' % n)"
    await terminal.run(f'sleep 1; python3 -c "{script}"')
    await until(page, "status")
    await page.close()
    if kill_control:
        control = next(
            each
            for each in app.process.children(recursive=True)
            if " control " in " ".join(each.cmdline()) and "reaper" not in " ".join(each.cmdline())
        )
        control.kill()
    await asyncio.sleep(10)  # away, while everything is printed
    while True:
        try:
            answer = await page.open(terminal.channel, recover=True)
            break
        except (OSError, httpx.HTTPError, json.JSONDecodeError, KeyError):
            await asyncio.sleep(0.1)
    if not answer.get("recovered"):
        while await page.history(terminal.channel):
            pass
    seen = []
    while True:
        came, event = await page.arrived.get()
        if event["type"] == "output":
            seen.append(event["data"])
        if event["type"] == "exit":
            break
    await page.close()
    expected = "".join(f"{n:049d}\r\n" for n in range(lines))
    exact = "".join(seen) == expected
    return {"ms": (came - page.accepted) * 1000, "exact": float(exact)}


async def warm_start(app: App) -> dict[str, float]:
    """From the click to the first byte on a warm worker with a 200-file workspace, in ms."""
    project = await new_project(app.http, "warm")
    for number in range(FILES):
        path = f"/api/projects/{project}/files/src/file{number}.txt"
        (await app.http.put(path, content=b"x" * 500)).raise_for_status()
    page, terminal = await _opened(app, project)
    await terminal.run("echo first")
    await until(page, "exit")
    delays = []
    for number in range(20):
        clicked = time.monotonic()
        await terminal.run(f"echo go-{number}")
        delays.append((await until(page, "output", containing=f"go-{number}") - clicked) * 1000)
        await until(page, "exit")
    await page.close()
    return _quantiles(delays)


def _quantiles(values: list[float]) -> dict[str, float]:
    values = sorted(values)
    return {"p50": statistics.median(values), "p99": values[int(len(values) * 0.99)]}


async def measure(only: tuple[str, ...]) -> str:
    """Every figure of the terminal, as Markdown."""
    lines = ["| what | seen |", "|---|---|"]

    def said(what: str, seen: dict[str, float]) -> None:
        if not only or what.split(",", maxsplit=1)[0] in only:
            cells = ", ".join(f"{name} {value:.1f}" for name, value in seen.items())
            lines.append(f"| {what} | {cells} |")
            print(lines[-1], flush=True)

    async with terminal_app() as app:
        said("up, to ready", {"s": app.ready_after})
        if not only or "warm" in only:
            said("warm, click to first byte, ms", await warm_start(app))
        if not only or "bulk" in only:
            said("bulk, MB/s", await bulk(app))
        if not only or "resume" in only:
            said("resume, 5 MB missed", await resume(app, kill_control=False))
            said("resume, control killed", await resume(app, kill_control=True))
        if not only or "echo" in only:
            said("echo, ms", await key_echo(app))
    return "\n".join(lines)


def run(*, only: tuple[str, ...] = ()) -> str:
    """Measure; the Markdown of what was seen."""
    return asyncio.run(measure(only))
