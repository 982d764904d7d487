"""Rows for who holds the lock and who is there: seen, asked for, won or not, lost; and the members.

A lock that was won is judged by `claim_rows`.
"""

from __future__ import annotations

from failover.core.claim_rows import judge
from failover.core.effects import StartLease
from failover.core.events import LockSeen, LockTaken, MembersChanged, TakeOutcome
from failover.core.move import Move, answered
from failover.core.state import obstacle, pause_in_words
from failover.core.table import CAMPAIGN, FROM_OUT, FROM_STANDBY, on
from failover.core.values import Role, ServiceRole


def _see(move: Move, event: LockSeen) -> None:
    was = move.state.holder
    move.set(holder=event.holder, holder_known=True, crumb=event.crumb)
    if event.holder is None and was is not None:
        move.set(freed=was.session)
    if event.holder is not None:
        move.stop_timer("race")
        move.set(waiting="", waited=frozenset())


def lock_seen(move: Move, event: LockSeen) -> None:
    _see(move, event)
    if not _ours(move, event):
        move.lose_lock()
        if event.holder is not None and event.holder.session == event.session:
            move.close_session()  # S4: a request that was given up has won late
    move.reconsider()


def lock_seen_busy(move: Move, event: LockSeen) -> None:
    """While a lock request is under way its answer decides, not the watch; between two requests the watch does."""
    move.set(holder=event.holder, holder_known=True)
    if event.holder is not None and not move.state.pending:
        _not_won(move, f"{event.holder.node} holds the lock")


def _ours(move: Move, event: LockSeen) -> bool:
    lock = move.state.lock
    return event.holder is not None and lock is not None and event.holder.czxid == lock.czxid


def lock_seen_winning(move: Move, event: LockSeen) -> None:
    if not _ours(move, event):
        move.lose_lock()
        move.set(holder=event.holder)  # else a demoted standby takes its own lost lock for the holder's, for ever
        move.give_up("the lock is gone although the session lives: somebody deleted it")


def lock_seen_active(move: Move, event: LockSeen) -> None:
    if not _ours(move, event):
        move.lose_lock()
        move.set(holder=event.holder)
        left_alone = move.state.paused and not move.state.settings.step_down  # S6 goes before a pause
        if event.holder is None and left_alone and move.state.role is Role.ACTIVE:
            move.campaign(f"{pause_in_words(move.state)}: the active takes its own lock again, which somebody deleted")
        else:
            move.demote("the lock is gone although the session lives: somebody deleted it")


def lock_seen_demoting(move: Move, event: LockSeen) -> None:
    if _ours(move, event):
        return
    move.lose_lock()
    _see(move, event)


def lock_taken(move: Move, event: LockTaken) -> None:
    outcome = event.outcome
    if event.control is not None:
        move.set(control=event.control)
    if outcome is TakeOutcome.WON:
        _won(move, event)
    elif outcome is TakeOutcome.HELD:
        move.set(holder=event.lock, holder_known=True)
        _not_won(move, f"{event.lock.node if event.lock else 'another node'} holds the lock")
    elif outcome is TakeOutcome.CONTROL:
        _orders_changed(move, event)
    elif move.state.retaking:
        _ask_again_later(move, event, "in a new session")
        move.close_session()  # S4: what was asked for in the old one goes with it
    elif outcome is TakeOutcome.GONE:
        said = f": {event.detail}" if event.detail else ""
        move.give_up(f"the session was gone when the lock was asked for{said}", failed=False)
    else:
        said = answered("the lock request", outcome, event.detail)
        move.give_up(f"{said}; it may still land, so the session ends")


def _ask_again_later(move: Move, event: LockTaken, how: str) -> None:
    """An active takes its lock again after a pause, its service untouched."""
    cause = answered("the lock request", event.outcome, event.detail)
    move.rest(cause)
    move.begin_attempt()
    move.become(Role.CAMPAIGNING, f"{cause}; asking again {how}")


def _orders_changed(move: Move, event: LockTaken) -> None:
    if move.state.retaking and move.state.control.error:
        _ask_again_later(move, event, "after a pause, or when the record can be read")
    elif move.state.retaking:
        move.campaign("an order was given meanwhile; asking again")
    else:
        move.become(Role.STANDBY, "an order was given meanwhile")
        move.reconsider()


def _not_won(move: Move, why: str) -> None:
    if move.state.service is ServiceRole.ACTIVE:
        move.demote(f"{why}; this node was active and must stop now")
    else:
        move.become(Role.STANDBY, why)
        move.reconsider()


def _won(move: Move, event: LockTaken) -> None:
    move.set(lock=event.lock, holder=event.lock, holder_known=True)
    session, lock = move.state.held()
    move.do(StartLease(session.id, lock))
    judge(move, event.crumb)


def members_changed(move: Move, event: MembersChanged) -> None:
    state = move.state
    barred = obstacle(state)
    move.set(members=event.members)
    if obstacle(move.state) != barred and state.service is ServiceRole.STANDBY and state.session is not None:
        move.reconsider()  # max_lag looks at the others' positions
        return
    move.race()
    move.follow()


def members_noted(move: Move, event: MembersChanged) -> None:
    move.set(members=event.members)


on(Role.OUT, LockSeen, lock_seen, "the lock was read", FROM_OUT)
on(Role.STANDBY, LockSeen, lock_seen, "the lock was read", FROM_STANDBY)
on(
    Role.CAMPAIGNING,
    LockSeen,
    lock_seen_busy,
    "the answer to the lock request decides",
    (Role.CAMPAIGNING, Role.DEMOTING),
)
on(Role.FENCING, LockSeen, lock_seen_winning, "the lock was read", (Role.FENCING, Role.OUT))
on(Role.CLAIMING, LockSeen, lock_seen_winning, "the lock was read", (Role.CLAIMING, Role.OUT, Role.DEMOTING))
on(Role.PROMOTING, LockSeen, lock_seen_active, "the lock was read", (Role.PROMOTING, Role.DEMOTING))
on(Role.ACTIVE, LockSeen, lock_seen_active, "the lock was read", (Role.ACTIVE, Role.CAMPAIGNING, Role.DEMOTING))
on(Role.DEMOTING, LockSeen, lock_seen_demoting, "the lock was read")
on(
    Role.CAMPAIGNING,
    LockTaken,
    lock_taken,
    "the lock request was answered",
    (*FROM_STANDBY, Role.FENCING, Role.CLAIMING, Role.DEMOTING),
)

on(Role.STANDBY, MembersChanged, members_changed, "the members changed", FROM_STANDBY)
on(Role.OUT, MembersChanged, members_changed, "the members changed", FROM_STANDBY)
on(
    (Role.STARTING, *CAMPAIGN, Role.PROMOTING, Role.DEMOTING),
    MembersChanged,
    members_noted,
    "the members changed",
)
