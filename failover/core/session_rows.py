"""Rows for the session with the store: opened, adopted, refused, ended in every role, and the connection beneath it.

Deliberately unknown here: how a lock is won, and how a node becomes active.
"""

from __future__ import annotations

from failover.core.effects import StartLease, StopProcess
from failover.core.events import (
    ConnectionLost,
    ConnectionRestored,
    SessionAdopted,
    SessionClosed,
    SessionEnded,
    SessionOpened,
    SessionRefused,
)
from failover.core.move import Move
from failover.core.table import BUSY, IDLE, OPENED, on
from failover.core.values import Role, ServiceRole


def _opened(move: Move, event: SessionOpened) -> None:
    move.set(
        session=event.session,
        connected=True,
        opening=False,
        control=event.control,
        members=event.members,
        holder=None,
        holder_known=False,
    )


def session_opened(move: Move, event: SessionOpened) -> None:
    _opened(move, event)
    move.reconsider()


def session_opened_retaking(move: Move, event: SessionOpened) -> None:
    _opened(move, event)
    if not move.state.resting:
        move.campaign("a new session: taking the lock again")


def session_opened_demoting(move: Move, event: SessionOpened) -> None:
    _opened(move, event)


def adopted(move: Move, event: SessionAdopted) -> None:
    """Adoption (design §3): carry on where the predecessor was, or do the safe thing at once."""
    _take_up(move, event)
    move.set(reported=event.reported)
    record = move.state.crumb.record
    same_claim = move.state.owns_crumb and record is not None and record.epoch == event.epoch and not record.clean
    if event.trusted and event.lock is None:
        move.reconsider()
    elif event.trusted and same_claim and event.reported is ServiceRole.ACTIVE:
        move.set(service=ServiceRole.ACTIVE, settled=True)
        move.set_timer("settled", move.state.settings.within_s)
        move.become(Role.ACTIVE, "adopted: the controller was restarted, nothing else changed")
    elif move.state.paused:
        move.reconsider()  # the lock stays ours, the service as it is; a resume looks again
    else:
        move.demote(f"adoption refused: {event.reason or 'role and lock do not agree'}")


def _take_up(move: Move, event: SessionAdopted) -> None:
    """The predecessor's session is ours: its lock, and the breadcrumb if it names this node."""
    _opened(move, SessionOpened(event.session, event.control, event.members))
    record = event.crumb.record
    mine = record is not None and record.node == move.state.identity.node
    move.set(lock=event.lock, crumb=event.crumb, epoch=event.epoch, written=event.crumb.version if mine else -1)
    move.set(holder=event.lock, holder_known=event.lock is not None)
    if event.lock is not None:
        move.do(StartLease(event.session.id, event.lock))


def adopted_demoting(move: Move, event: SessionAdopted) -> None:
    """The store came back too late (S8): the demote goes on, and hands the lock over. The old report is void."""
    _take_up(move, event)


def session_refused(move: Move, event: SessionRefused) -> None:
    """S9: the store was reached, but we may not join; a service that may be active is demoted before we end."""
    move.set(opening=False, stopping=True, stop_code=event.exit_code)
    if move.state.role is Role.DEMOTING:
        move.why = event.reason
    elif move.state.retaking or (move.state.settled and move.state.service is not ServiceRole.STANDBY):
        move.demote(event.reason)
    else:
        move.become(Role.OUT, event.reason)
        move.do(StopProcess(event.exit_code, event.reason))


def session_closed(move: Move, event: SessionClosed) -> None:
    move.set(closing=False)
    if move.state.stopping and move.state.role is not Role.DEMOTING:
        move.do(StopProcess(move.state.stop_code, "stopped"))


def session_ended_idle(move: Move, event: SessionEnded) -> None:
    move.forget_session()
    move.reconsider()


def session_ended_in_campaign(move: Move, event: SessionEnded) -> None:
    move.begin_attempt()
    move.forget_session()
    if move.state.service is ServiceRole.ACTIVE:
        move.campaign("the session ended: taking the lock again at once")
    else:
        move.reconsider()


def session_ended_while_promoting(move: Move, event: SessionEnded) -> None:
    move.forget_session()
    move.demote("the session ended while promoting")
    move.open_session()


def session_ended_active(move: Move, event: SessionEnded) -> None:
    """Take the lock again at once; under `step_down` the promise was made to stop first (S6)."""
    move.forget_session()
    if move.state.settings.step_down:
        move.demote("the session ended, and on_store_loss is step_down")
        move.open_session()
    else:
        move.begin_attempt()
        move.campaign("the session ended: taking the lock again at once")


def session_ended_demoting(move: Move, event: SessionEnded) -> None:
    move.forget_session()
    move.open_session()


def connection_lost(move: Move, event: ConnectionLost) -> None:
    move.set(connected=False)


def connection_lost_fencing(move: Move, event: ConnectionLost) -> None:
    """S7: a running strike is ended when the session is in doubt."""
    move.set(connected=False)
    move.give_up("the store went away while fencing: the strike is ended, the lock is in doubt")


def connection_restored(move: Move, event: ConnectionRestored) -> None:
    """S6: store back and the lock still ours after a step-down: hand over at once, and campaign anew."""
    move.set(connected=True)
    left_alone = move.state.paused and move.state.service is not ServiceRole.STANDBY
    if move.state.lock is not None and not left_alone:
        move.demote("the store is back and the lock still ours: handing over")
    else:
        move.race()


def connection_noted(move: Move, event: ConnectionRestored) -> None:
    move.set(connected=True)


on((Role.STARTING, Role.OUT), SessionOpened, session_opened, "a new session is open", OPENED)
on(Role.CAMPAIGNING, SessionOpened, session_opened_retaking, "a new session: taking the lock again after a pause")
on(Role.DEMOTING, SessionOpened, session_opened_demoting, "a new session; the demote goes on")
on((Role.STARTING, Role.OUT), SessionAdopted, adopted, "the predecessor's session lives", (Role.ACTIVE, *OPENED))
on(Role.DEMOTING, SessionAdopted, adopted_demoting, "the predecessor's session lives; the demote goes on")
on(Role.STARTING, SessionRefused, session_refused, "the store refuses this controller", (Role.OUT,))
on(Role.OUT, SessionRefused, session_refused, "the store refuses this controller", (Role.OUT, Role.DEMOTING))
on(Role.CAMPAIGNING, SessionRefused, session_refused, "the store refuses this controller", (Role.DEMOTING,))
on(Role.DEMOTING, SessionRefused, session_refused, "the store refuses this controller")
on((Role.OUT, Role.CAMPAIGNING, Role.DEMOTING), SessionClosed, session_closed, "the session is closed")

on(Role.OUT, SessionEnded, session_ended_idle, "the session ended", (Role.OUT, Role.DEMOTING))
on(Role.STANDBY, SessionEnded, session_ended_idle, "the session ended", (Role.OUT,))
on(
    Role.CAMPAIGNING,
    SessionEnded,
    session_ended_in_campaign,
    "the session ended: the lock request is void",
    (Role.OUT, Role.CAMPAIGNING),
)
on(Role.FENCING, SessionEnded, session_ended_in_campaign, "the session ended: the campaign is over", (Role.OUT,))
on(
    Role.CLAIMING,
    SessionEnded,
    session_ended_in_campaign,
    "the session ended: the campaign is over",
    (Role.OUT, Role.CAMPAIGNING),
)
on(
    Role.PROMOTING,
    SessionEnded,
    session_ended_while_promoting,
    "the session ended while promoting",
    (Role.DEMOTING,),
)
on(
    Role.ACTIVE,
    SessionEnded,
    session_ended_active,
    "the session ended under the active",
    (Role.CAMPAIGNING, Role.DEMOTING),
)
on(Role.DEMOTING, SessionEnded, session_ended_demoting, "the session ended; the demote goes on")

on(
    (*IDLE, Role.CAMPAIGNING, Role.CLAIMING, Role.PROMOTING, Role.DEMOTING),
    ConnectionLost,
    connection_lost,
    "the store is away",
)
on(Role.ACTIVE, ConnectionLost, connection_lost, "the store is away: nothing moves by itself (S6)")
on(Role.FENCING, ConnectionLost, connection_lost_fencing, "the store is away: the strike is ended", (Role.OUT,))
on(Role.OUT, ConnectionRestored, connection_restored, "the store is back", (Role.OUT, Role.DEMOTING))
on(Role.STANDBY, ConnectionRestored, connection_restored, "the store is back", (Role.STANDBY, Role.CAMPAIGNING))
on((Role.STARTING, *BUSY), ConnectionRestored, connection_noted, "the store is back")
