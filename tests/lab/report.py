"""What each fault did, measured: one row a fault, printed when the tests are over, and written where LAB_REPORT says.

It knows rows, not how they came about.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """`writes_s`, `synchronous_s`: the longest time without an acknowledged write, in seconds, seen from outside."""

    fault: str
    happened: str
    writes_s: float
    synchronous_s: float


_rows: list[Row] = []


def add(row: Row) -> None:
    """One fault is over."""
    _rows.append(row)


def table() -> str:
    """All rows so far as Markdown; '' when there are none."""
    if not _rows:
        return ""
    head = "| fault | what happened | writes paused for | synchronous writes paused for |\n| --- | --- | --- | --- |\n"
    return head + "".join(
        f"| {row.fault} | {row.happened} | {row.writes_s:.1f} s | {row.synchronous_s:.1f} s |\n" for row in _rows
    )


def keep() -> None:
    """Write it to the file that LAB_REPORT names."""
    if "LAB_REPORT" in os.environ and _rows:
        Path(os.environ["LAB_REPORT"]).write_text(table(), "utf-8")
