"""Colours and shapes for a terminal; plain text anywhere else."""

import os
import sys
from collections.abc import Sequence
from typing import Final, TextIO

BOLD: Final = "1"
DIM: Final = "2"
RED: Final = "31"
GREEN: Final = "32"
YELLOW: Final = "33"
CYAN: Final = "36"


def coloured(stream: TextIO | None = None) -> bool:
    """Whether colours are wanted on `stream` (standard output): on a terminal without NO_COLOR."""
    out = stream or sys.stdout
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, *codes: str) -> str:
    """The text with these codes, where colours are wanted."""
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if coloured() else text


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as they need to be; numbers to the right."""
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    to_right = [all(_is_number(row[index]) for row in rows) for index in range(len(heads))]
    head = styled(_line(heads, widths, to_right), DIM)
    return "\n".join([head, *(_line(line, widths, to_right) for line in lines)])


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float)


def _line(cells: Sequence[str], widths: Sequence[int], to_right: Sequence[bool]) -> str:
    shown = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, to_right, strict=True)
    ]
    return "  ".join(shown).rstrip()
