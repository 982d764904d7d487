"""Why something happened, as one word of a short list: for counting, never for deciding.

The words are in `ports.measures`; what a step says in whole sentences is its reason.
"""

from __future__ import annotations

from failover.core.events import (
    ConnectionLost,
    ConnectionRestored,
    ControlChanged,
    DemoteDemanded,
    Event,
    HealthChanged,
    LeaseRanOut,
    LockTaken,
    MembersChanged,
    Promoted,
    RoleReported,
    SessionAdopted,
    SessionEnded,
    SessionOpened,
    SessionRefused,
    StopRequested,
)
from failover.core.state import State, confirmation
from failover.core.values import Role, Verdict

_CAUSES: dict[type[Event], str] = {
    HealthChanged: "health",
    MembersChanged: "health",  # an ill one that had stayed because nobody could take over
    RoleReported: "role",
    Promoted: "promote",
    LeaseRanOut: "lease",
    SessionEnded: "lock",
    LockTaken: "lock",
    ControlChanged: "order",
    DemoteDemanded: "demand",
    StopRequested: "stop",
}
_STORE_EVENTS: dict[type[Event], str] = {
    SessionOpened: "session_opened",
    SessionAdopted: "session_adopted",
    SessionRefused: "session_refused",
    SessionEnded: "session_ended",
    ConnectionLost: "connection_lost",
    ConnectionRestored: "connection_restored",
}
_NOT_SERVING = (Role.STARTING, Role.OUT, Role.STANDBY)


def grounds_of(before: State, after: State) -> str:
    """Why S1 allows the claim that has just been begun, as one of GROUNDS."""
    record = after.crumb.record
    if before.role is Role.FENCING:
        return "fenced"
    if record is None:
        return "first"
    if record.node == after.identity.node:
        return "own"
    if record.clean:
        return "clean"
    return "confirmed" if confirmation(after, record) is not None else "rebooted"


def cause_of(before: State, event: Event) -> str:
    """What led to a demote, as one of DEMOTE_CAUSES."""
    if before.role in _NOT_SERVING:
        return "standby"
    if isinstance(event, HealthChanged) and event.gone:
        return "crash"
    if isinstance(event, Promoted) and event.verdict is Verdict.DONE:
        return _CAUSES[ControlChanged]  # an order that was given while promote ran
    return _CAUSES.get(type(event), "other")


def store_event(event: Event) -> str:
    """What the store has told, as one of STORE_EVENTS; "" where it is of something else."""
    return _STORE_EVENTS.get(type(event), "")
