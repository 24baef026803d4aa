"""What runs commands: one bench per worker process, made when the first command comes."""

from apps.terminal.worker.bench import Bench, bench

__all__ = ["Bench", "bench"]
