"""`step(state, event) -> (state, effects, why)`: the whole of failoverd's judgement, one event at a time.

Stale answers die here and nowhere else (S4). After each step the invariants are checked, also under -O.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from failover.core import rows  # noqa: F401 - fills the table
from failover.core.effects import Effect, OpenSession, PublishMember
from failover.core.events import (
    Answer,
    Event,
    LeaseRanOut,
    LockSeen,
    RoleReported,
    SessionEnded,
    TimerFired,
)
from failover.core.invariants import check
from failover.core.limits import MOVES, count, has_moved, take_back
from failover.core.move import Move
from failover.core.state import BrokenInvariant, State, fresher, member_of
from failover.core.table import ROWS


@dataclass(frozen=True, slots=True)
class Step:
    """What came of an event. `why`: the reason in plain words. `stale`: it was dropped."""

    state: State
    effects: tuple[Effect, ...]
    why: str
    stale: bool = False


def stale(state: State, event: Event) -> str:
    """Why this event belongs to something that is over; "" if it does not."""
    if state.ended:
        return "the process is ending: what is kept stays as it is"
    if isinstance(event, Answer) and event.attempt != state.attempt:
        return f"answer to attempt {event.attempt}, which is over (now {state.attempt})"
    if isinstance(event, RoleReported) and event.asked != state.attempt:
        return f"the service was asked during attempt {event.asked}, which is over"
    if isinstance(event, SessionEnded | LockSeen | LeaseRanOut) and (
        state.session is None or event.session != state.session.id
    ):
        return f"news of session {event.session}, which is over"
    if isinstance(event, LeaseRanOut) and state.lock is None:
        return "the lease of a lock that is over"
    if isinstance(event, TimerFired) and state.timers.get(event.name) != event.turn:
        return f"timer {event.name} was set anew or stopped meanwhile"
    return ""


def step(state: State, event: Event) -> Step:
    """Take one event. Raises BrokenInvariant when nothing can be decided any more (S10)."""
    over = stale(state, event)
    if over:
        return Step(state, (), over, stale=True)
    row = ROWS.get((state.role, type(event)))
    if row is None:
        raise BrokenInvariant(f"no row for {state.role.value} on {type(event).__name__}: {event}")
    move = Move(_taken(state, event))
    row.handler(move, event)
    if has_moved(state, move.state):
        count(move, MOVES)
    if move.state.members is not state.members:
        move.set(freshest=fresher(move.state))
    move.effects = [
        replace(effect, member=member_of(move.state)) if isinstance(effect, OpenSession) else effect
        for effect in move.effects
    ]
    if move.state.session is not None and member_of(move.state) != member_of(state):
        move.do(PublishMember(member_of(move.state)))
    after = Step(move.state, tuple(move.effects), move.why or row.reason)
    check(state, event, after.state, after.effects, row)
    return after


def _taken(state: State, event: Event) -> State:
    """The state in which the event's own bookkeeping is done: answered, or run down."""
    move = Move(state)
    if isinstance(event, Answer):
        move.set(pending=False)
    elif isinstance(event, TimerFired):
        left = {name: turn for name, turn in state.timers.items() if name != event.name}
        move.set(timers=left)
        take_back(move, event.name)
    return move.state
