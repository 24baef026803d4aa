"""The crash test of the baseline: `python -m bench crash`.

500 jobs of 50 ms; the whole worker tree is killed with SIGKILL at 100, 220 and 340 done and started
again at once; every setting is the default. Each attempt writes a line before and after its work.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.queues.crash_app import app, work
from bench.server import valkey
from tidegate.client import Client
from tidegate.jobs.job import State
from tidegate.settings import Settings

JOBS = 500
KILLS = (100, 220, 340)
WAIT = 90.0


async def measure() -> str:
    """One run; the Markdown of what was seen."""
    with valkey(append_only=True) as url, tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger"
        ledger.touch()
        environment = {
            **os.environ,
            "TIDEGATE_VALKEY_URL": url,
            "TIDEGATE_DATA": folder,
            "BENCH_LEDGER": str(ledger),
        }
        settings = Settings(valkey_url=url, data=Path(folder))
        async with Client.open(app, settings) as client:
            handles = await client.enqueue_many(work, [(number,) for number in range(JOBS)])
            start = time.monotonic()
            worker = _started(environment)
            for kill in KILLS:
                while len(_lines(ledger, "done")) < kill:  # noqa: ASYNC110 - a file has no event
                    await asyncio.sleep(0.005)
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
                last_kill = time.monotonic()
                worker = _started(environment)
            ended = await _all_ended(client, [handle.id for handle in handles])
            os.killpg(worker.pid, signal.SIGTERM)
            worker.wait()
            records = [await client.job(handle.id) for handle in handles]
        done = Counter(_lines(ledger, "done"))
        lost = sum(record is None or record.state is not State.SUCCEEDED for record in records)
        done_twice = sum(n > 1 for n in done.values())
        last = ended - last_kill
        started_twice = sum(n > 1 for n in Counter(_lines(ledger, "start")).values())
        return "\n".join(
            [
                "| lost | done twice | started twice | all done after s | after the last kill s |",
                "|---|---|---|---|---|",
                f"| {lost} | {done_twice} | {started_twice} | {ended - start:.1f} | {last:.1f} |",
            ]
        )


async def _all_ended(client: Client, jobs: list[str]) -> float:
    waiting = jobs
    deadline = time.monotonic() + WAIT
    while waiting and time.monotonic() < deadline:
        records = [await client.job(job) for job in waiting]
        waiting = [r.id for r in records if r is not None and r.finished_at is None]
        await asyncio.sleep(0.05)
    return time.monotonic()


def _started(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tidegate", "worker", "bench.queues.crash_app:app", "work"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _lines(ledger: Path, kind: str) -> list[str]:
    return [line for line in ledger.read_text().splitlines() if line.startswith(kind)]


def run() -> str:
    """Measure; the Markdown of what was seen."""
    return asyncio.run(measure())
