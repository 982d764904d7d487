"""How what is watched is shown: as a picture on a terminal, as lines where there is none, as JSON for programs.

Everything that comes from elsewhere is shown as plain text. Asks nobody and decides nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from failover.cli import printing
from failover.cli.watching.sight import Seen, Sight, View

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

HEAD = ("NODE", "ROLE", "EPOCH", "HEALTH", "HEARD", "WHY")


class Screen(Protocol):
    """Where it is shown. `event` is for each piece of news, `show` for the whole, whenever it may have changed."""

    def __enter__(self) -> Screen: ...
    def __exit__(self, *_: object) -> None: ...
    def event(self, at: str, node: str, event: str, data: View) -> None: ...
    def show(self, sight: Sight, now_s: float) -> None: ...


class JsonLines:
    """One object in a line for each piece of news."""

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to take back."""

    def event(self, at: str, node: str, event: str, data: View) -> None:
        told = {"status": data} if event == "status" else data
        _write(json.dumps({"at": at, "node": node, "event": event, **told}))

    def show(self, sight: Sight, now_s: float) -> None:
        """Nothing but news is told."""


class Lines(JsonLines):
    """The same in words."""

    def event(self, at: str, node: str, event: str, data: View) -> None:
        _write(printing.plain(f"{at}  {node}  {_in_words(event, data)}"))


def _in_words(event: str, data: View) -> str:
    if event == "status":
        return f"{data['role']} epoch={data['epoch']} {data['health']}: {data['why']}"
    if event == "stale":
        return "its controller has stopped looking: nothing is known of it"
    return f"watched at {data.get('address')}" if event == "found" else str(data.get("why"))


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Picture:
    """Redrawn in place; the last one stays."""

    def __init__(self) -> None:
        from rich.live import Live

        self._live = Live(console=printing.console(), auto_refresh=False, vertical_overflow="ellipsis")

    def __enter__(self) -> Picture:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def event(self, at: str, node: str, event: str, data: View) -> None:
        """It is in the picture."""

    def show(self, sight: Sight, now_s: float) -> None:
        self._live.update(picture(sight, now_s), refresh=True)


def picture(sight: Sight, now_s: float) -> Group:
    """The whole view."""
    from rich.console import Group
    from rich.text import Text

    rows = (row(seen, sight, now_s) for seen in sight.nodes.values())
    parts: list[RenderableType] = [*map(Text, head(sight, now_s)), "", printing.made_table(HEAD, rows), ""]
    parts += [Text(printing.plain(line)) for line in problems(sight, now_s)]
    parts += [Text(printing.plain(_line(line)), style="dim") for line in sight.recent(now_s)]
    return Group(*parts, Text("Ctrl-C ends it.", style="dim"))


def head(sight: Sight, now_s: float) -> Iterator[str]:
    """Who is active, as the controller that was asked last said it; nothing of it when that was too long ago (S11)."""
    if not sight.cluster_known(now_s):
        yield f"{printing.plain(sight.cluster['service'])}: NO CONTROLLER ANSWERS, so nothing is known of it"
        return
    yield from map(printing.plain, printing.headlines(sight.cluster))


def row(seen: Seen, sight: Sight, now_s: float) -> tuple[object, ...]:
    """One node."""
    status = seen.known(now_s)
    if status is None:
        return seen.name, "?", "", "", "", seen.silence(now_s) + _as_others_see(seen.name, sight, now_s)
    heard = f"{seen.quiet_for_s(now_s) or 0.0:.0f} s ago"
    return seen.name, status["role"], status["epoch"] or "", status["health"], heard, status["why"]


def _as_others_see(name: str, sight: Sight, now_s: float) -> str:
    """A node that only we cannot reach is there all the same."""
    if not sight.cluster_known(now_s) or sight.cluster["seen_by"] == name:
        return ""
    member = next((each for each in sight.cluster["members"] if each["node"] == name), None)
    seen_by = sight.cluster["seen_by"]
    return f" ({seen_by} sees it as {member['role']})" if member else f" ({seen_by} does not see it either)"


def problems(sight: Sight, now_s: float) -> Iterator[str]:
    """What is wrong and what to do, as the controller that was asked last said it."""
    if sight.cluster_known(now_s):
        for entry in sight.cluster["to_do"]:
            yield f"! {entry['problem']}"
            yield f"  next: {entry['next']}"


def _line(line: View) -> str:
    at = str(line.get("at", ""))[11:23]
    return f"{at}  {line.get('node')}  {line.get('from')} -> {line.get('to')}: {line.get('why')}"
