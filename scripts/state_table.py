"""Writes docs/reference/state-machine.md from the core's table; with --check it only says if it has fallen behind.

Run it from a development venv: `.venv/bin/python scripts/state_table.py`. A test holds page and table equal.
Decides nothing: roles, events, reasons and ends are the table's; only the roles' descriptions are written here.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from failover.core.events import Event
from failover.core.rows import ROWS
from failover.core.table import Row
from failover.core.values import Role

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "state-machine.md"

INTRO = """# The state machine

Generated from the table in `failover/core` by `scripts/state_table.py`; do not edit.

A controller is in one of nine roles. What happens to it is an event; the row for its role and that event says what it
does, why, and in which roles it may end. The reason is what the log, the history and `failoverctl why` say, unless the
row knows it more exactly. A pair of role and event that has no row cannot happen; if it does, the controller ends
itself and its supervisor starts it anew (S10). After every step the safety rules S1-S5, S7 and S8 are checked.

Answers to questions of an attempt that is over, and news of a session that is over, are dropped before the table is
asked (S4)."""

ROLES = {
    Role.STARTING: "the store has not answered yet; the service is left as it is",
    Role.OUT: "not a candidate, and why not is told: no session, ill, drained, pausing after a failure, stopping",
    Role.STANDBY: "a candidate whose service is certainly not active; somebody else holds the lock, or goes first",
    Role.CAMPAIGNING: "has asked for the lock; or was active, lost its session, and takes its lock again",
    Role.FENCING: "holds the lock, and makes certain that the last active is not active any more",
    Role.CLAIMING: "holds the lock, and writes the breadcrumb with its new epoch",
    Role.PROMOTING: "holds the lock and the epoch; the promote hook runs",
    Role.ACTIVE: "holds the lock, and its service is the active one",
    Role.DEMOTING: "the demote hook runs, or the lock is being handed over after it",
}


def in_words(event: type[Event]) -> str:
    """`LockSeen` as `lock seen`."""
    return " ".join(re.findall("[A-Z][a-z]+", event.__name__)).lower()


def roles() -> Iterator[str]:
    """The roles and what they mean."""
    yield "| role | meaning |"
    yield "| --- | --- |"
    for role in Role:
        yield f"| `{role.value}` | {ROLES[role]} |"


def diagram() -> Iterator[str]:
    """Every way from one role to another, with the events that lead there."""
    ways: dict[tuple[Role, Role], list[str]] = {}
    for row in in_order():
        for end in Role:
            if end in row.to and end is not row.role:
                ways.setdefault((row.role, end), []).append(in_words(row.event))
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {Role.STARTING.value}"
    for (start, end), events in ways.items():
        yield f"    {start.value} --> {end.value}: {'<br/>'.join(events)}"
    yield "```"


def table() -> Iterator[str]:
    """Every row."""
    yield "| role | event | reason | may end in |"
    yield "| --- | --- | --- | --- |"
    for row in in_order():
        ends = ", ".join(f"`{role.value}`" for role in Role if role in row.to)
        yield f"| `{row.role.value}` | {in_words(row.event)} | {row.reason} | {ends} |"


def in_order() -> list[Row]:
    """The rows by role, then by event."""
    places = list(Role)
    return sorted(ROWS.values(), key=lambda row: (places.index(row.role), row.event.__name__))


def page() -> str:
    """The whole page."""
    parts = [
        INTRO,
        "## Roles",
        "\n".join(roles()),
        "## Diagram",
        "From role to role; what keeps a role is in the table only.",
        "\n".join(diagram()),
        "## Table",
        "\n".join(table()),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Write the page, or compare it; 1: it has fallen behind."""
    parser = argparse.ArgumentParser(description="Write docs/reference/state-machine.md from the core's table.")
    parser.add_argument("--check", action="store_true", help="only say whether the page has fallen behind")
    if not parser.parse_args().check:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page())
        return 0
    if PAGE.exists() and PAGE.read_text() == page():
        return 0
    sys.stderr.write("docs/reference/state-machine.md has fallen behind the table: run scripts/state_table.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
