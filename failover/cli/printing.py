"""How answers look on a terminal. Everything that comes from elsewhere is shown as plain text.

Asks nobody and decides nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDTH = 120  # where there is no terminal to ask
_COLOURS = {"active": "green", "standby": "green", "healthy": "green", "unhealthy": "red", "not responding": "red"}
View = dict[str, Any]


def as_json(told: Any) -> None:
    """Print for programs."""
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


def say(line: str = "") -> None:
    """Print one line."""
    sys.stdout.write(plain(line) + "\n")


def note(line: str) -> None:
    """Print progress, where it does not mix with the answer."""
    sys.stderr.write(plain(line) + "\n")
    sys.stderr.flush()


def plain(text: object) -> str:
    """Without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))


def console() -> Console:
    """Rich's console: as wide as the terminal, without markup."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH
    return Console(markup=False, highlight=False, emoji=False, width=width)


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table."""
    console().print(made_table(head, rows))


def made_table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """A table, to be shown."""
    from rich.table import Table
    from rich.text import Text

    made = Table(*head, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        words = [plain(cell).replace("_", " ") if cell in _WORDS else plain(cell) for cell in row]
        made.add_row(*(Text(word, style=_COLOURS.get(word, "")) for word in words))
    return made


def service(cluster: View) -> None:
    """Print the service in a few lines: who is active, what is wrong."""
    for line in headlines(cluster):
        say(line)


def headlines(cluster: View) -> Iterator[str]:
    """The service in a few lines."""
    yield f"{cluster['service']}: {_active(cluster)}"
    yield _lock(cluster)
    if cluster["pause"]:
        pause = cluster["pause"]
        span = f"since {pause['since'] or '?'}" + (f", until {pause['until']}" if pause.get("until") else "")
        yield f"PAUSED: automatic moves are off: {pause['reason']} (by {pause['by']}, {span})"
    if cluster["switchover"]:
        order = cluster["switchover"]
        yield f"Switchover from {order['from']} to {order['to'] or 'the best candidate'}: {order['reason']}"


def _active(cluster: View) -> str:
    active = cluster["active"]
    if active is not None:
        since = f" since {active['since']}" if active["since"] else ""
        return f"{active['node']} is active under epoch {active['epoch']}{since}"
    if not cluster["store"]["connected"]:
        return "the store does not answer: who is active is not known here"
    return "NOBODY IS ACTIVE"


def _lock(cluster: View) -> str:
    lock = cluster["lock"]
    if not lock["held"]:
        holder = lock["holder"]
        return f"Lock: held by {holder['node']}" if holder else "Lock: nobody is seen to hold it"
    age = "never" if lock["proven_age_s"] is None else f"{lock['proven_age_s']:.1f} s ago"
    return f"Lock: held by {cluster['seen_by']}, {'proven' if lock['proven'] else 'NOT PROVEN'}, last renewal {age}"


def members(cluster: View) -> None:
    """Print the nodes."""
    table(("NODE", "ROLE", "HEALTH", "LAG", "NOTE", "WHY"), map(_member(cluster), cluster["members"]))


def _member(cluster: View) -> Any:
    known = [each["position"] for each in cluster["members"] if each["position"] is not None]
    freshest = max(known, default=None)

    def row(each: View) -> tuple[object, ...]:
        lag = "" if each["position"] is None or freshest is None else freshest - each["position"]
        notes = [word for word in ("drained",) if each[word]] + ([] if each["candidate"] else ["no candidate"])
        notes += [f"impaired {each['impaired']}"] if each.get("impaired") else []
        return each["node"], each["role"], each["health"], lag, ", ".join(notes), each["why"]

    return row


def to_do(cluster: View) -> None:
    """Print what is wrong and what to do."""
    for entry in cluster["to_do"]:
        say(f"! {entry['problem']}")
        say(f"  next: {entry['next']}")


def history(lines: Iterable[View]) -> None:
    """Print the history."""
    table(
        ("WHEN", "NODE", "FROM", "TO", "EPOCH", "WHY"),
        ([line.get(key, "") for key in ("at", "node", "from", "to", "epoch", "why")] for line in lines),
    )


_WORDS = frozenset({"not_responding"})
