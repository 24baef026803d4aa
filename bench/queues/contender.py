"""The contenders: what each is installed from and how its worker is started."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "contenders"
VENVS = Path(__file__).parents[2] / ".bench"


@dataclass(frozen=True)
class Contender:
    """One queue library.

    Attributes:
        packages: What is installed beside Python; empty where it runs in our own environment.
        worker: Arguments of the worker's command; the first is a program of its environment.
        kind: `async` where handlers are coroutines.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    worker: tuple[str, ...]
    kind: str

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return VENVS / self.name / "bin" if self.packages else Path(sys.executable).parent

    def install(self) -> None:
        """Make its virtual environment, once."""
        if not self.packages or (self.bin / "python").exists():
            return
        uv = str(Path(sys.executable).parent / "uv")
        target = str(VENVS / self.name)
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, target], check=True)
        python = str(self.bin / "python")
        subprocess.run([uv, "pip", "install", "-q", "--python", python, *self.packages], check=True)

    def worker_command(self) -> list[str]:
        """How its worker is started, from the contenders' folder."""
        return [str(self.bin / self.worker[0]), *self.worker[1:]]

    def producer_command(self, verb: str) -> list[str]:
        """How its producer is started: `bulk`, `enqueue` or `paced`."""
        return [str(self.bin / "python"), f"{self.module}.py", verb]


TIDEGATE = Contender(
    "tidegate",
    "with_tidegate",
    (),
    ("python", "-m", "tidegate", "worker", "with_tidegate:app", "noops"),
    "async",
)

PEERS = (
    Contender(
        "taskiq",
        "with_taskiq",
        ("taskiq==0.13.0", "taskiq-redis==1.2.4", "orjson", "uvloop"),
        (
            *("taskiq", "worker", "with_taskiq:broker", "--workers", "1", "--no-parse"),
            *("--max-async-tasks", "10", "--max-prefetch", "100", "--log-level", "WARNING"),
        ),
        "async",
    ),
    Contender(
        "dramatiq",
        "with_dramatiq",
        ("dramatiq[redis]==2.2.1",),
        ("dramatiq", "with_dramatiq", "--processes", "1", "--threads", "32"),
        "threads",
    ),
    Contender(
        "celery",
        "with_celery",
        ("celery[redis]==5.7.0",),
        (
            *("celery", "-A", "with_celery", "worker", "-P", "threads", "-c", "1"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING"),
        ),
        "threads",
    ),
    Contender(
        "arq", "with_arq", ("arq==0.28.0", "uvloop"), ("arq", "with_arq.WorkerSettings"), "async"
    ),
    Contender(
        "streaq",
        "with_streaq",
        ("streaq==7.2.0", "uvloop"),
        ("streaq", "run", "with_streaq:worker"),
        "async",
    ),
    Contender(
        "rq",
        "with_rq",
        ("rq==3.0.0",),
        ("rq", "worker", "--worker-class", "rq.SimpleWorker", "--quiet"),
        "threads",
    ),
    Contender(
        "docket",
        "with_docket",
        ("pydocket==0.27.0", "uvloop"),
        ("python", "with_docket.py", "worker"),
        "async",
    ),
)
