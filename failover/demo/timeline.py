"""The phases of a failover, put together from what the controllers, the hooks and the client each noted.

Pure: lines of the controllers' own histories and times come in, phases go out. All wall-clock seconds of one host.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from failover.support.wall_time import at_s

Line = Mapping[str, Any]
CLOCK_GRAIN_S = 0.001  # the histories tell milliseconds


@dataclass(frozen=True, slots=True)
class Phase:
    """Something happened on `node`, so many milliseconds after the beginning."""

    name: str
    node: str
    ms: float

    @property
    def key(self) -> str:
        """The name for programs."""
        return self.name.replace(" ", "_")


@dataclass(frozen=True, slots=True)
class Noted:
    """What is known of one move. Times are wall-clock seconds; None where nobody noted it."""

    beginning: str  # what began it: `service killed`, say
    seen: str  # and what the old active's controller saw of it: `death seen`
    began_at: float
    source: str
    target: str
    lines: tuple[Line, ...]
    demote_ended_at: float | None
    promote_began_at: float | None
    first_write_at: float


def phases(noted: Noted) -> list[Phase]:
    """The phases in the order in which they happened; what did not happen, or was not noted, is left out."""
    old, new = _told_by(noted, noted.source), _told_by(noted, noted.target)
    claimed = _first(new, event=("Claimed",), to=("promoting",))
    seen, released = _first(old, **{"from": ("active",)}), _first(old, event=("HandedOver",))
    marks = {
        noted.seen: (noted.source, seen),
        "demoted": (noted.source, _between(seen, noted.demote_ended_at, released)),
        "lock released": (noted.source, released),
        "lock seen free": (noted.target, _first(new, to=("campaigning",))),
        "lock won": (noted.target, _first(new, event=("LockTaken",), to=("claiming", "fencing"))),
        "fenced": (noted.target, _first(new, event=("Fenced",), to=("claiming",))),
        "breadcrumb claimed": (noted.target, claimed),
        "promote started": (noted.target, _between(claimed, noted.promote_began_at, None)),
        "active": (noted.target, _first(new, to=("active",))),
        "first write accepted": (noted.target, noted.first_write_at),
    }
    found = [Phase(noted.beginning, noted.source, 0.0)]
    found += [
        Phase(name, node, round(max(0.0, at - noted.began_at) * 1000, 1))
        for name, (node, at) in marks.items()
        if at is not None and at >= noted.began_at - CLOCK_GRAIN_S
    ]
    return sorted(found, key=lambda phase: phase.ms)


def _told_by(noted: Noted, node: str) -> list[Line]:
    since = noted.began_at - CLOCK_GRAIN_S
    return [line for line in noted.lines if line.get("node") == node and _at(line) >= since]


def _first(lines: Iterable[Line], **wanted: tuple[str, ...]) -> float | None:
    """When the first change of role was, among those whose fields are as wanted."""
    for line in lines:
        if line.get("from") != line.get("to") and all(line.get(name) in values for name, values in wanted.items()):
            return _at(line)
    return None


def _at(line: Line) -> float:
    return at_s(str(line.get("at", ""))) or 0.0


def _between(earliest: float | None, noted: float | None, latest: float | None) -> float | None:
    """The time of a file is that of the kernel's last tick: up to some milliseconds too early."""
    if noted is None:
        return None
    return min(max(noted, earliest or noted), latest or math.inf)
