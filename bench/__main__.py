"""`python -m bench PART [--rounds N] [--only NAME …]`."""

import argparse

from bench.gateway import run as gateway
from bench.queues import crash
from bench.queues import run as queues
from bench.terminal import run as terminal


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("part", choices=["queues", "crash", "gateway", "terminal"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    asked = parser.parse_args()
    only = tuple(asked.only)
    if asked.part == "queues":
        print(queues.run(rounds=asked.rounds, only=only))
    elif asked.part == "crash":
        print(crash.run())
    elif asked.part == "gateway":
        print(gateway.run(only=only))
    else:
        print(terminal.run(only=only))


if __name__ == "__main__":
    main()
