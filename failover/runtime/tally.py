"""Counts what happens in a running controller, where it happens, as plain numbers for its snapshot.

Decides nothing, and nothing is decided by what it counts. Every key that there can be is counted from the start, so
that whoever looks now and then sees the first one come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from failover.core.events import Event, Fenced, Promoted, SessionAdopted
from failover.core.limits import kind_of_move
from failover.core.state import State
from failover.core.step import Step
from failover.core.values import Role
from failover.ports.measures import (
    ADOPTIONS,
    DEMOTE_CAUSES,
    GROUNDS,
    HOOK_VERDICTS,
    HOOKS,
    LONG_S,
    MOVES,
    QUICK_S,
    RENEWALS,
    STORE_EVENTS,
    SWITCHOVER_OUTCOMES,
    VERDICTS,
    Asked,
    Measures,
    ProbeTold,
    Spreading,
)
from failover.ports.store import Renewal
from failover.runtime.causes import cause_of, grounds_of, store_event


class Tally:
    """One controller's counts. `now_s`: CLOCK_BOOTTIME, `wall_s`: since 1970, both in seconds."""

    def __init__(self, now_s: Callable[[], float], wall_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self._wall_s = wall_s
        self._began_s: float | None = None  # when the campaign under way began
        self._grounds = GROUNDS[0]
        self._ended: frozenset[str] | None = None  # switchovers that had ended before
        self._role_since_s = wall_s()
        self._roles = _zeros(role.value for role in Role)
        self._promotions = _zeros(GROUNDS)
        self._demotions = _zeros(DEMOTE_CAUSES)
        self._moves = _zeros(MOVES)
        self._moved_at_s: dict[str, float] = {}
        self._switchovers = _zeros(SWITCHOVER_OUTCOMES)
        self._fences = _zeros(VERDICTS)
        self._store = _zeros(STORE_EVENTS)
        self._adoptions = _zeros(ADOPTIONS)
        self._takeover = Spreading(LONG_S)
        self._hooks = {name: (_zeros(HOOK_VERDICTS), Spreading(LONG_S)) for name in HOOKS}
        self._renewals = _zeros(RENEWALS)
        self._renewal = Spreading(QUICK_S)
        self._loop_lag = Spreading(QUICK_S)
        self.clock_jumps = 0

    # --- what is heard --------------------------------------------------------------------------

    def observe(self, before: State, event: Event, result: Step) -> None:
        """A step was made. On the way of a failover: nothing here takes long."""
        if result.stale:
            return
        after = result.state
        self._note_event(event)
        if after.grounds and after.grounds != before.grounds:
            self._grounds = grounds_of(before, after)
        if after.role is not before.role:
            self._note_role(before, event, after)
        if after.crumb is not before.crumb:
            self._note_move(before, after)
        if after.control is not before.control:
            self._note_ended(after)

    def hook_ended(self, name: str, verdict: str, took_s: float) -> None:
        """The service was told or asked something."""
        verdicts, took = self._hooks[name]
        verdicts[verdict] += 1
        took.add(took_s)

    def renewed(self, renewal: Renewal) -> None:
        """A renewal was answered, and this thread has heard of it."""
        self._renewals[renewal.outcome.value] += 1
        if renewal.proven:
            self._renewal.add(self._now_s() - renewal.sent_s)

    def ticked(self, late_s: float) -> None:
        """The loop turned so much later than it should have."""
        self._loop_lag.add(late_s)

    # --- what comes of a step -------------------------------------------------------------------

    def _note_event(self, event: Event) -> None:
        name = store_event(event)
        if name:
            self._store[name] += 1
        if isinstance(event, Fenced):
            self._fences[event.verdict.value] += 1
        elif isinstance(event, SessionAdopted):
            self._adoptions[ADOPTIONS[0] if event.trusted else ADOPTIONS[1]] += 1

    def _note_role(self, before: State, event: Event, after: State) -> None:
        role = after.role
        self._role_since_s = self._wall_s()
        self._roles[role.value] += 1
        if role is Role.CAMPAIGNING:
            self._began_s = self._now_s()
        elif role is Role.DEMOTING:
            self._demotions[cause_of(before, event)] += 1
        elif role is Role.ACTIVE and isinstance(event, Promoted):
            self._promotions[self._grounds] += 1
            if self._began_s is not None:
                self._takeover.add(self._now_s() - self._began_s)
        if role in (Role.ACTIVE, Role.DEMOTING, Role.OUT, Role.STANDBY):
            self._began_s = None

    def _note_move(self, before: State, after: State) -> None:
        kind = kind_of_move(before, after)
        if kind:
            self._moves[kind] += 1
            self._moved_at_s[kind] = self._wall_s()

    def _note_ended(self, after: State) -> None:
        """Those that the first reading shows had ended before this process came."""
        ended = {one.order.id: one.outcome for one in after.control.ended}
        if self._ended is not None:
            for id_, outcome in ended.items():
                if id_ not in self._ended and outcome in self._switchovers:
                    self._switchovers[outcome] += 1
        self._ended = frozenset(ended)

    # --- what is told ---------------------------------------------------------------------------

    def told(self, probes: tuple[ProbeTold, ...] = (), stalls: int = 0, stalled_s: float = 0.0) -> Measures:
        """Everything, as it is now. Probes and stalls are counted by those who see them."""
        return Measures(
            role_since_s=self._role_since_s,
            roles=dict(self._roles),
            promotions=dict(self._promotions),
            demotions=dict(self._demotions),
            moves=dict(self._moves),
            moved_at_s=dict(self._moved_at_s),
            switchovers=dict(self._switchovers),
            fences=dict(self._fences),
            store=dict(self._store),
            adoptions=dict(self._adoptions),
            takeover=self._takeover.told(),
            hooks=tuple(Asked(name, dict(counts), took.told()) for name, (counts, took) in self._hooks.items()),
            renewals=dict(self._renewals),
            renewal=self._renewal.told(),
            loop_lag=self._loop_lag.told(),
            stalls=stalls,
            stalled_s=stalled_s,
            clock_jumps=self.clock_jumps,
            probes=probes,
        )


def _zeros(names: Iterable[str]) -> dict[str, int]:
    return dict.fromkeys(names, 0)
