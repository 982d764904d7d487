"""What the demo shows on a terminal, in colours where there are any; or nothing, when a program is listening.

Decides nothing. `rich` is loaded only when there is something to show.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from failover.demo.layout import Layout
from failover.demo.moves import Move

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 120  # where there is no terminal to ask
BAR_WIDTH = 32
COLOURS = {"n1": "cyan", "n2": "magenta", "n3": "yellow"}
ROLES = {"active": "bold green", "standby": "blue"}
SERVICES = {"redis": "a real redis-server", "tcp": "a little TCP service that comes with the demo"}


class Screen(Protocol):
    """Where the demo tells what it does."""

    def say(self, text: str) -> None:
        """One line."""

    def working(self, text: str) -> AbstractContextManager[Any]:
        """Something that may take longer than a second is under way."""

    def layout(self, layout: Layout) -> None:
        """Who the nodes are and where to look at them."""

    def move(self, move: Move) -> None:
        """The timeline of a move, and what the client saw of it."""

    def cluster(self, states: Sequence[tuple[str, dict[str, Any] | None]], url: str) -> None:
        """Each node's state, by name; None: its controller does not answer."""

    def outcome(self, acknowledged: int, lost: int) -> None:
        """What became of the writes."""


class Silence:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def working(self, text: str) -> AbstractContextManager[Any]:  # noqa: ARG002
        """Nothing."""
        return nullcontext()

    def layout(self, layout: Layout) -> None:
        """Nothing."""

    def move(self, move: Move) -> None:
        """Nothing."""

    def cluster(self, states: Sequence[tuple[str, dict[str, Any] | None]], url: str) -> None:
        """Nothing."""

    def outcome(self, acknowledged: int, lost: int) -> None:
        """Nothing."""


class Terminal:
    """Shows everything on standard output."""

    def __init__(self) -> None:
        from rich.console import Console

        width = None if sys.stdout.isatty() else WIDTH
        self._console: Console = Console(highlight=False, file=sys.stdout, width=width)

    def say(self, text: str) -> None:
        """See Screen."""
        self._console.print(text, markup=False)

    def working(self, text: str) -> AbstractContextManager[Any]:
        """See Screen."""
        if self._console.is_terminal:
            return self._console.status(text)
        self.say(text)
        return nullcontext()

    def layout(self, layout: Layout) -> None:
        """See Screen."""
        self.say(f"Three nodes on this host; the lock in files (kind local); the service: {SERVICES[layout.kind]}.")
        for node in layout.nodes:
            name = f"[{COLOURS[node.name]}]{node.name}[/]"
            self._console.print(f"  {name}  status page {node.url}  service at port {node.service_port}")

    def move(self, move: Move) -> None:
        """See Screen."""
        from rich.table import Table

        title = f"{move.source} -> {move.target}: {move.ms:.1f} ms until the first write"
        table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1))
        table.add_column("ms", justify="right", style="bold")
        table.add_column("+", justify="right", style="dim")
        table.add_column("phase")
        table.add_column("node")
        table.add_column("")
        before = 0.0
        for phase in move.phases:
            colour = COLOURS[phase.node]
            bar = _bar(before, phase.ms, move.ms)
            table.add_row(
                f"{phase.ms:.1f}",
                f"{phase.ms - before:.1f}",
                phase.name,
                f"[{colour}]{phase.node}[/]",
                f"[{colour}]{bar}[/]",
            )
            before = phase.ms
        self._console.print()
        self._console.print(table)
        outage = move.outage
        why = outage.why.split(". ")[0]
        self.say(
            f"The client: no write for {outage.ms:.1f} ms; the first refusal by {outage.source} ({why}), "
            f"the next write accepted by {outage.target}."
        )

    def cluster(self, states: Sequence[tuple[str, dict[str, Any] | None]], url: str) -> None:
        """See Screen."""
        from rich.markup import escape

        for name, told in states:
            shown = f"  [{COLOURS[name]}]{name}[/]  "
            if told is None:
                self._console.print(f"{shown}[red]no answer from its controller[/]")
                continue
            role = str(told.get("role"))
            ill = "" if told.get("health") == "healthy" else f" [red]{escape(str(told.get('health')))}[/]"
            why = escape(str(told.get("why")))
            self._console.print(f"{shown}[{ROLES.get(role, 'red')}]{role:8}[/]{ill} epoch {told.get('epoch')}  {why}")
        if url:
            self.say(f"  more: {url}")

    def outcome(self, acknowledged: int, lost: int) -> None:
        """See Screen."""
        colour = "red" if lost else "green"
        self._console.print(f"{acknowledged} writes were acknowledged; [{colour}]{lost} of them were lost[/].")


def _bar(start_ms: float, end_ms: float, whole_ms: float) -> str:
    scale = BAR_WIDTH / max(whole_ms, end_ms, 0.1)
    offset = min(BAR_WIDTH - 1, int(start_ms * scale))
    return " " * offset + "█" * max(1, round(end_ms * scale) - offset)
