"""Rows for the way from a won lock to promote (design §3, S1, S2): judge the breadcrumb, fence, claim, promote.

Deliberately unknown here: how the lock was won, and what the service makes of the promote.
"""

from __future__ import annotations

from failover.core.effects import Claim, Fence, Promote
from failover.core.events import Claimed, Fenced, WriteOutcome
from failover.core.move import Move, answered
from failover.core.state import confirmation, proven_ended
from failover.core.table import on
from failover.core.values import Breadcrumb, Confirmation, Crumb, Role, ServiceRole, Verdict

MOST_CONFLICTS = 3


def confirmed_in_words(word: Confirmation) -> str:
    """Whose word stands in for a fence."""
    return f"{word.by} confirmed that {word.node.name} is not active: {word.reason}"


def judge(move: Move, crumb: Crumb) -> None:
    """S1: who was active last decides whether we may claim, must fence, or must stop."""
    state, record = move.state, crumb.record
    taken_back = state.retaking
    written_by_us = state.written >= 0 and crumb.version == state.written
    move.set(crumb=crumb)
    if crumb.error:
        move.give_up(f"the breadcrumb cannot be read, so nobody is promoted: {crumb.error}")
    elif taken_back and not written_by_us:
        move.set(written=-1)
        move.demote("the breadcrumb is not the one that this node wrote: it stops before anything else")
    elif record is None:
        claim(move, "no breadcrumb: nobody was active before")
    elif record.node == state.identity.node:
        claim(move, "the last active was this node")
    elif record.clean:
        claim(move, f"{record.node.name} stepped down cleanly")
    elif proven_ended(state, record):
        claim(move, f"{record.node.name} has rebooted since and made its service standby")
    elif (word := confirmation(move.state, record)) is not None:
        claim(move, confirmed_in_words(word))
    else:
        fence(move, record)


def next_epoch(move: Move) -> int:
    """`max(czxid of the lock, breadcrumb's epoch + 1)`: strictly increasing, fixed by the claim.

    Above the floor too: a peer that fenced this node may have gone before it claimed, and in a store that was made
    anew czxids are small; without it, a node that is the only candidate left could never be promoted again.
    """
    record = move.state.crumb.record
    _, lock = move.state.held()
    return max(lock.czxid, record.epoch + 1 if record is not None else 1, move.state.floor + 1)


def fence(move: Move, record: Breadcrumb) -> None:
    state = move.state
    session, lock = state.held()
    why = f"{record.node.name} was active under epoch {record.epoch} and did not step down cleanly"
    move.become(Role.FENCING, why)
    epoch = next_epoch(move)
    version = state.crumb.version
    move.do(Fence(state.attempt, epoch, session.id, lock, record, version, why))


def fenced(move: Move, event: Fenced) -> None:
    record = move.state.crumb.record
    name = record.node.name if record else "?"
    if event.verdict is Verdict.DONE:
        claim(move, f"{name} was fenced" + (f" by {event.method}" if event.method else f": {event.detail}"))
    else:
        move.give_up(answered(f"fencing {name}", event.verdict, event.detail))


def claim(move: Move, grounds: str) -> None:
    """S2: the breadcrumb names this node and its epoch before promote starts."""
    state, epoch = move.state, next_epoch(move)
    session, lock = state.held()
    me, old = state.identity, state.crumb.record
    record = Breadcrumb(me.node, epoch, me.boot_id, me.address, False, me.facts, old.extra if old else {})
    move.set(grounds=grounds)
    move.become(Role.CLAIMING, grounds)
    version = state.crumb.version
    move.do(Claim(state.attempt, session.id, epoch, lock, record, version))


def claimed(move: Move, event: Claimed) -> None:
    if event.outcome is WriteOutcome.DONE:
        _promote(move, event)
    elif event.outcome is WriteOutcome.CONFLICT and move.state.conflicts < MOST_CONFLICTS:
        move.set(conflicts=move.state.conflicts + 1, grounds="", role=Role.CAMPAIGNING)
        judge(move, event.crumb)
    else:
        move.give_up(answered("the claim", event.outcome, event.detail))


def _promote(move: Move, event: Claimed) -> None:
    state = move.state
    me, old = state.identity, state.crumb.record
    record = Breadcrumb(me.node, event.epoch, me.boot_id, me.address, False, me.facts, old.extra if old else {})
    move.set(
        epoch=event.epoch,
        written=event.version,
        crumb=Crumb(record, event.version),
        service=ServiceRole.UNKNOWN,
        reported=ServiceRole.UNKNOWN,
        gone=False,  # what had ended was the instance of before
    )
    move.become(Role.PROMOTING, f"{state.grounds}; claimed epoch {event.epoch}")
    old_active = old.node.name if old is not None else ""
    move.do(Promote(state.attempt, event.epoch, state.grounds, old_active))


on(Role.FENCING, Fenced, fenced, "the fencing chain ended", (Role.CLAIMING, Role.OUT))
on(
    Role.CLAIMING,
    Claimed,
    claimed,
    "the claim was answered",
    (Role.PROMOTING, Role.FENCING, Role.CLAIMING, Role.OUT, Role.DEMOTING),
)
