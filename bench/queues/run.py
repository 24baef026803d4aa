"""Runs the contenders in turn and prints medians: `python -m bench queues`."""

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.queues.contender import FOLDER, PEERS, TIDEGATE, Contender
from bench.server import CLIENT_CORE, end, pinned, valkey, wait_for_file

JOBS = 10_000
TIDEGATE_JOBS = 100_000  # its drain of 20,000 would be over before the clocks are warm
LATENCY_JOBS = 200


@dataclass
class Figures:
    """What was measured of one contender; a list holds a value per round."""

    name: str
    drain: list[float] = field(default_factory=list)
    enqueue: list[float] = field(default_factory=list)
    bulk: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    failure: str = ""


def measure(contender: Contender, *, append_only: bool, rounds: int, latency: bool) -> Figures:
    """The figures of one contender over some rounds."""
    contender.install()
    figures = Figures(contender.name + (" (append-only)" if append_only else ""))
    try:
        for _ in range(rounds):
            with valkey(append_only=append_only) as url:
                _throughput(contender, url, figures)
            if latency:
                with valkey(append_only=append_only) as url:
                    _latency(contender, url, figures)
    except (TimeoutError, RuntimeError, subprocess.CalledProcessError) as error:
        figures.failure = str(error)
    return figures


def _throughput(contender: Contender, url: str, figures: Figures) -> None:
    jobs = TIDEGATE_JOBS if contender is TIDEGATE else JOBS
    if contender is TIDEGATE or contender.name == "streaq":
        figures.bulk.append(jobs / _produce(contender, "bulk", url, jobs)["seconds"])
    else:
        figures.enqueue.append(jobs / _produce(contender, "enqueue", url, jobs)["seconds"])
    seen = _work(contender, url, jobs, lambda: None)
    figures.drain.append((jobs - 1) / (seen["last"] - seen["first"]))
    if not figures.enqueue:
        few = 5000
        figures.enqueue.append(few / _produce(contender, "enqueue", url, few)["seconds"])


def _latency(contender: Contender, url: str, figures: Figures) -> None:
    def send() -> None:
        # The producer shares the server's core: the worker has its own, as it was idle.
        subprocess.run(
            contender.producer_command("paced"),
            cwd=FOLDER,
            env=_environment(url, LATENCY_JOBS, Path("/dev/null")),
            check=True,
            stdout=subprocess.DEVNULL,
        )

    delays = sorted(_work(contender, url, LATENCY_JOBS, send)["delays"])
    figures.p50.append(delays[len(delays) // 2] * 1000)
    figures.p99.append(delays[int(len(delays) * 0.99)] * 1000)


def _produce(contender: Contender, verb: str, url: str, jobs: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        subprocess.run(
            pinned(contender.producer_command(verb), CLIENT_CORE),
            cwd=FOLDER,
            env=_environment(url, jobs, out),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        answer: dict[str, float] = json.loads(out.read_bytes())
        return answer


def _work(
    contender: Contender, url: str, jobs: int, meanwhile: Callable[[], None]
) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        with (Path(folder) / "log").open("wb") as log:
            worker = subprocess.Popen(
                pinned(contender.worker_command(), CLIENT_CORE),
                cwd=FOLDER,
                env=_environment(url, jobs, out),
                stdout=log,
                stderr=log,
            )
        try:
            meanwhile()
            answer: dict[str, list[float]] = json.loads(wait_for_file(out, 180, worker))
        except (TimeoutError, RuntimeError) as error:
            tail = (Path(folder) / "log").read_text(errors="replace")[-500:]
            raise RuntimeError(f"{error}: {tail}") from error
        finally:
            end(worker)
        return answer


def _environment(url: str, jobs: int, out: Path) -> dict[str, str]:
    return {
        **os.environ,
        "BENCH_URL": url,
        "BENCH_JOBS": str(jobs),
        "BENCH_OUT": str(out),
        "RQ_REDIS_URL": url,
        "TIDEGATE_VALKEY_URL": url,
        "PYTHONPATH": str(FOLDER),
        "PYTHONWARNINGS": "ignore",
    }


def table(all_figures: list[Figures]) -> str:
    """A Markdown table of medians."""
    lines = [
        "| contender | drain, 1 worker /s | enqueue one by one /s | bulk /s | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|",
    ]
    for figures in all_figures:
        if figures.failure:
            lines.append(f"| {figures.name} | failed: {figures.failure[:80]!r} | | | | |")
            continue
        lines.append(
            f"| {figures.name} | {_rate(figures.drain)} | {_rate(figures.enqueue)} | "
            f"{_rate(figures.bulk)} | {_ms(figures.p50)} | {_ms(figures.p99)} |"
        )
    return "\n".join(lines)


def _rate(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f}" if values else "-"


def _ms(values: list[float]) -> str:
    return f"{statistics.median(values):.2f}" if values else "-"


def run(*, rounds: int = 3, only: tuple[str, ...] = ()) -> str:
    """Measure everyone; the Markdown of what was seen."""
    figures: list[Figures] = []
    for contender in (TIDEGATE, *PEERS):
        if not only or contender.name in only:
            figures.append(measure(contender, append_only=False, rounds=rounds, latency=True))
            print(table(figures[-1:]).splitlines()[-1], flush=True)
    if not only or "tidegate" in only:
        figures.append(measure(TIDEGATE, append_only=True, rounds=rounds, latency=True))
        print(table(figures[-1:]).splitlines()[-1], flush=True)
    return table(figures)
