"""`python -m bench [PART …] [--rounds N] [--only NAME …]`: measure, and keep it in RESULTS.md."""

import argparse

from bench import results
from bench.gateway import run as gateway
from bench.queues import crash
from bench.queues import run as queues
from bench.terminal import run as terminal

PARTS = {
    "queues": "Job queues: no-op jobs, one worker process [40,000/s; 25,000/s append-only]",
    "crash": "500 jobs of 50 ms, three kills, default settings [nothing lost, lease + 5 s]",
    "gateway": "Fan-out: 500 subscribers, 100 B [100,000/s; p99 25 ms at 50,000/s; 24 KiB idle]",
    "terminal": "The terminal, as its page uses it",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="some of a part's contenders")
    asked = parser.parse_args()
    unknown = set(asked.parts) - PARTS.keys()
    if unknown:
        parser.error(f"expected parts among {', '.join(PARTS)}, found {', '.join(unknown)}")
    only = tuple(asked.only)
    runs = {
        "queues": lambda: queues.run(rounds=asked.rounds, only=only),
        "crash": crash.run,
        "gateway": lambda: gateway.run(only=only),
        "terminal": lambda: terminal.run(only=only),
    }
    for part in asked.parts or PARTS:
        body = runs[part]()
        print(body)
        if not only:
            results.keep(part, PARTS[part], body)


if __name__ == "__main__":
    main()
