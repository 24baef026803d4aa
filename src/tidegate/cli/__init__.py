"""The command line: one file per verb, imported when it is used."""

import sys


def main() -> None:
    """Run `tidegate` with the arguments of this process, and exit."""
    from tidegate.cli.group import run  # noqa: PLC0415 - `python -m tidegate.…` needs no click

    sys.exit(run(sys.argv[1:]))
