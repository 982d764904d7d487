"""When a controller passed which phase, from what it tells of its last steps (wall clock, to the millisecond)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

GIVEN_UP = ("active", "demoting")
LOCK_FREE = ("standby", "campaigning")
LOCK_WON = ("campaigning", "claiming")
CLAIMED = ("claiming", "promoting")


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of role, at a wall-clock time in seconds."""

    at: float
    before: str
    after: str


def turns_since(began_at: float, status: dict[str, Any]) -> list[Turn]:
    """The changes of role of which a status tells, from `began_at` on (the record's times are cut off, not rounded)."""
    turns = [Turn(datetime.fromisoformat(one["at"]).timestamp(), one["from"], one["to"]) for one in status["recent"]]
    return [turn for turn in turns if turn.at > began_at - 0.001 and turn.before != turn.after]


def first(turns: list[Turn], before: str, after: str | None = None) -> float:
    """When that change came first. Raises LookupError when it did not; `after` None: whatever followed."""
    for turn in turns:
        if turn.before == before and after in (None, turn.after):
            return turn.at
    raise LookupError(f"the controller tells of no change from {before} to {after or 'another role'}")
