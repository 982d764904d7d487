"""What is counted and measured while a controller runs, as plain data that its snapshot carries.

Everything counts since the process started: a restarted controller begins at nothing. Times that end in `_at_s` are
wall clock, in seconds since 1970, for people. Deliberately unknown here: in which form it is shown, and to whom.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

Counts = Mapping[str, int]

QUICK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds for what takes milliseconds: renewals, probes, the loop's lateness."""
LONG_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0)
"""Bounds for what may take minutes: hooks, strikes, a take-over."""

VERDICTS = ("done", "not_done", "unknown")
HOOKS = ("promote", "demote", "follow", "role", "standing")
"""`standing`: the hooks `position` and `ready`, together."""
HOOK_VERDICTS = (*VERDICTS, "ended")
"""`ended`: what ran was ended, because its attempt was over."""
GROUNDS = ("first", "own", "clean", "fenced", "rebooted", "confirmed")
"""Why S1 allowed a promotion: nobody was active before; this node was; the last active stepped down cleanly, was
fenced, has rebooted, or an operator has confirmed that it is off."""
DEMOTE_CAUSES = ("crash", "health", "role", "promote", "lease", "lock", "order", "demand", "stop", "standby", "other")
"""What led to a demote. `standby`: whoever starts or loses makes sure that its service is not active (S8)."""
MOVES = ("failover", "switchover", "drain")
SWITCHOVER_OUTCOMES = ("done", "failed", "void")
STORE_EVENTS = (
    "session_opened",
    "session_adopted",
    "session_refused",
    "session_ended",
    "connection_lost",
    "connection_restored",
)
RENEWALS = ("done", "gone", "unknown")
ADOPTIONS = ("trusted", "given_back")


@dataclass(frozen=True, slots=True)
class Spread:
    """How durations are spread. `counts[n]`: how many took at most `bounds[n]` seconds, and more than the bound before.

    The last count, one more than there are bounds, is of those that took longer than all of them.
    """

    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = (0,)
    sum_s: float = 0.0


class Spreading:
    """A spread that is still being filled."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        """One more. A clock that was misread must not make a sum that shrinks."""
        seconds = max(0.0, seconds)
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum_s += seconds

    def told(self) -> Spread:
        """As it is now."""
        return Spread(self._bounds, tuple(self._counts), self._sum_s)


@dataclass(frozen=True, slots=True)
class Asked:
    """How often something was asked or done, by what came of it, and how long each took."""

    name: str
    verdicts: Counts
    took: Spread


@dataclass(frozen=True, slots=True)
class ProbeTold:
    """One probe. `health`: its word, after `rise` and `fall`; `failures`: single findings, by health.

    `excused`: failures that were put down to the controller's own starvation, and did not count.
    """

    name: str
    critical: bool
    health: str
    failures: Counts
    excused: int
    took: Spread


@dataclass(frozen=True, slots=True)
class Fitness:
    """How this node stands in the race. `bar`: why it may not campaign, or "". `lag`: behind the freshest, as known.

    `can_take_over`: the other nodes that could, by name. `moves` and `restarts` are counted within `limits.within`.
    """

    bar: str = ""
    position: int | None = None
    lag: int | None = None
    can_take_over: tuple[str, ...] = ()
    moves: int = 0
    moves_limit: int = 0
    braked: bool = False
    restarts: int = 0
    restarts_limit: int = 0


@dataclass(frozen=True, slots=True)
class Measures:
    """Everything that is counted. Every key that there can be is there from the start, with 0."""

    role_since_s: float = 0.0
    roles: Counts = field(default_factory=dict)
    promotions: Counts = field(default_factory=dict)
    demotions: Counts = field(default_factory=dict)
    moves: Counts = field(default_factory=dict)
    moved_at_s: Mapping[str, float] = field(default_factory=dict)
    switchovers: Counts = field(default_factory=dict)
    fences: Counts = field(default_factory=dict)
    store: Counts = field(default_factory=dict)
    adoptions: Counts = field(default_factory=dict)
    takeover: Spread = field(default_factory=Spread)
    hooks: tuple[Asked, ...] = ()
    renewals: Counts = field(default_factory=dict)
    renewal: Spread = field(default_factory=Spread)
    loop_lag: Spread = field(default_factory=Spread)
    stalls: int = 0
    stalled_s: float = 0.0
    clock_jumps: int = 0
    probes: tuple[ProbeTold, ...] = ()
