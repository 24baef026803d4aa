"""`python -m chaos [--kills 200] [--seed N]`: exit status 1 where an invariant did not hold."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from chaos.run import Run


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidegate-chaos-") as folder:
        run = Run(Path(folder), kills=asked.kills, seed=asked.seed)
        findings = asyncio.run(run.run())
    print(findings.report())
    return 1 if findings.violations else 0


if __name__ == "__main__":
    sys.exit(main())
