"""One move of the active from node to node: begun by a strike or an order, watched, and told as a timeline.

The measure is the client's: a move has ended when the new active accepted the first write. Knows no terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from failover.demo.cluster import Cluster, DemoFailed, await_value
from failover.demo.layout import Node
from failover.demo.timeline import Line, Noted, Phase, phases
from failover.demo.writer import Outage, Writer

MOVED_S = 20.0
NOTED_S = 2.0
TICK_S = 0.01  # a file's time may be so much too early


@dataclass(frozen=True, slots=True)
class Move:
    """A move that has ended. `ms`: from its beginning to the first write that the new active accepted."""

    source: str
    target: str
    ms: float
    phases: tuple[Phase, ...]
    outage: Outage


@dataclass(frozen=True, slots=True)
class Cause:
    """What begins a move. `seen`: what the active's controller notices of it. `act` answers with the moment."""

    name: str
    seen: str
    act: Callable[[], float]


def watch(cluster: Cluster, writer: Writer, source: Node, cause: Cause) -> Move:
    """Begin it and see it through. Raises DemoFailed, and whatever the cause does."""
    began_at = cause.act()

    def moved() -> Outage | None:
        return next((each for each in writer.since(began_at) if each.target != source.name), None)

    outage = await_value(moved, MOVED_S)
    if outage is None:
        words = "\n".join(cluster.last_words(node) for node in cluster.layout.nodes)
        raise DemoFailed(f"no other node took over from {source.name} within {MOVED_S:g} s ({cause.name})", words)
    target = cluster.layout.node(outage.target)
    noted = Noted(
        beginning=cause.name,
        seen=cause.seen,
        began_at=began_at,
        source=source.name,
        target=target.name,
        lines=_lines(cluster, target),
        demote_ended_at=_written_at(source.folder / "demote.ended", began_at),
        promote_began_at=_written_at(target.folder / "promote.began", began_at),
        first_write_at=outage.first_accepted_at,
    )
    ms = round((outage.first_accepted_at - began_at) * 1000, 1)
    return Move(source.name, target.name, ms, tuple(phases(noted)), outage)


def _lines(cluster: Cluster, target: Node) -> tuple[Line, ...]:
    """The controllers' lines: the client may hear of the new active before its own controller does."""
    await_value(lambda: True if (cluster.status(target) or {}).get("role") == "active" else None, NOTED_S)
    return tuple(cluster.lines())


def _written_at(path: Path, since: float) -> float | None:
    """When a hook wrote it last; None if that was in an earlier move."""
    try:
        written_at = path.stat().st_mtime
    except OSError:
        return None
    return written_at if written_at >= since - TICK_S else None
