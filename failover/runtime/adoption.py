"""Adoption (design §3): what a successor must know is kept before a turn's effects, and a predecessor's is judged.

A controller that was killed, upgraded or restarted takes over its predecessor's session and carries on where that one
had *settled*. What was in the middle of a change is undone. Unknown here: where it is kept, and what a secret is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from failover.core.effects import CloseSession, OpenSession
from failover.core.events import ControlChanged, Event, SessionAdopted, SessionClosed
from failover.core.state import State, member_of
from failover.core.values import Breadcrumb, Crumb, Node, Role, ServiceRole, Session
from failover.ports.store import Reattached, SavedSession, Store

MOST_ADOPTIONS = 2

A = TypeVar("A")

log = logging.getLogger("failoverd")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept for a successor. `role`: ACTIVE or STANDBY; None while neither is settled.

    `czxid`, `version`: of the lock and of the breadcrumb that this node wrote; only an active has them.
    `adoptions`: when sessions were adopted here lately (CLOCK_BOOTTIME, seconds).
    """

    session: SavedSession | None = None
    role: Role | None = None
    epoch: int = 0
    czxid: int = 0
    version: int = -1
    adoptions: tuple[float, ...] = ()


class Engine(Protocol):
    """The engine, as far as adoption needs it."""

    state: State

    def post(self, event: Event) -> None: ...


class Edge(Protocol):
    """The edge, as far as adoption needs it."""

    def now_s(self) -> float: ...
    def from_thread(self, answer: Callable[[A], None]) -> Callable[[A], None]: ...
    def lock_adopted(self, sent_s: float, crumb: Breadcrumb | None) -> None: ...


def settled_role(state: State) -> Role | None:
    """The role in which a successor may carry on; None in the middle of a change."""
    if state.role is Role.ACTIVE:
        return Role.ACTIVE if state.lock is not None and state.owns_crumb else None
    apart = state.service is ServiceRole.STANDBY and state.lock is None
    return Role.STANDBY if apart and state.role in (Role.STANDBY, Role.OUT) else None


def doubt(kept: Kept, answer: Reattached, state: State) -> str:
    """Why the predecessor's session, which lives, must not be carried on with; "" if nothing speaks against it."""
    if kept.role is None:
        return "the last controller was in the middle of a change"
    if kept.role is Role.STANDBY:
        return "it holds the lock, although the last controller was a standby" if answer.lock is not None else ""
    if answer.lock is None or answer.lock.czxid != kept.czxid:
        return "the lock is not the one of which the session file speaks"
    if kept.epoch <= state.floor:
        return f"epoch {kept.epoch} is not above {state.floor}, under which this node was fenced"
    return _doubt_in_crumb(kept, answer.crumb, state.identity.node) or _doubt_in_service(state)


def _doubt_in_crumb(kept: Kept, crumb: Crumb, me: Node) -> str:
    record = crumb.record
    if record is None or record.node != me:
        return crumb.error or "the breadcrumb does not name this node"
    if crumb.version != kept.version or record.epoch != kept.epoch or record.clean:
        return "the breadcrumb is not the version of which the session file speaks"
    return ""


def _doubt_in_service(state: State) -> str:
    if not state.settings.has_role:
        return "without control.role nothing says whether the service still is active"
    if state.reported is not ServiceRole.ACTIVE:
        return f"the service's role is {state.reported.value}, not active"
    return ""


class Adoption:
    """Keeps, and adopts once. `bar`: why nothing may be adopted this time, or "". All on the loop's thread.

    `then` is for whoever only ends what a predecessor has left (last will): no session is opened in place of one that
    is not adopted; `then` is called once the core knows all that there is to know.
    """

    def __init__(
        self,
        store: Store,
        edge: Edge,
        found: Kept,
        write: Callable[[Kept], None],
        within_s: float,
        bar: str = "",
        then: Callable[[], None] | None = None,
    ) -> None:
        self._store = store
        self._edge = edge
        self._kept = found
        self._write = write
        self._within_s = within_s
        self._bar = bar
        self._then = then
        self._waiting = found.session is not None or then is not None
        self.had_session = found.session is not None
        self.answer: Reattached | None = None
        self.closed: bool | None = None
        self._engine: Engine
        self._granted: Callable[[float], None]

    @property
    def waiting(self) -> bool:
        """A predecessor's session was found, and the store has not said yet what became of it."""
        return self._waiting

    @property
    def epoch(self) -> int:
        """Under which the predecessor was active, while nobody knows yet whether this node still is; else 0."""
        return self._kept.epoch if self._waiting and self._kept.role is Role.ACTIVE else 0

    @property
    def lately(self) -> int:
        """How often a predecessor was taken over within `limits.within`."""
        return len(self._lately())

    def wire(self, engine: Engine, granted: Callable[[float], None]) -> None:
        """Say whom to tell. `granted` hears the session time-out in seconds before anything is adopted."""
        self._engine = engine
        self._granted = granted

    # --- keeping --------------------------------------------------------------------------------

    def keep(self, state: State) -> None:
        """Called after each step, before its effects: nobody may demote a service that is on record as active."""
        if not self._waiting:
            self._put(self._worth_keeping(state))
        elif state.role is Role.DEMOTING and self._kept.role is not None:
            self._put(Kept(self._kept.session, adoptions=self._kept.adoptions))

    def _worth_keeping(self, state: State) -> Kept:
        session = self._saved(state.session)
        role = settled_role(state) if session is not None else None
        if role is Role.ACTIVE and state.lock is not None:
            return Kept(session, role, state.epoch, state.lock.czxid, state.written, self._kept.adoptions)
        epoch = state.epoch if role is not None else 0
        return Kept(session, role, epoch, adoptions=self._kept.adoptions)

    def _saved(self, session: Session | None) -> SavedSession | None:
        known = self._kept.session
        if session is None or (known is not None and known.id == session.id):
            return known if session is not None else None
        secret = self._store.session_secret(session.id)
        return SavedSession(session.id, secret) if secret is not None else None

    def _put(self, kept: Kept) -> None:
        if kept != self._kept:
            self._write(kept)
            self._kept = kept

    # --- adopting -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Ask the store for the predecessor's session. `Started(opening=True)` has been posted."""
        if self._kept.session is None:
            self._start_anew()
        else:
            log.info("re-attaching session %s of the last controller", self._kept.session.id)
            ask = OpenSession(member_of(self._engine.state))
            self._store.reattach(ask, self._kept.session, self._edge.from_thread(self._reattached))

    def _reattached(self, answer: Reattached) -> None:
        """Must post in this very turn: what the store tells of the session comes right behind."""
        state = self._engine.state
        self.answer = answer
        if state.ended:
            return  # told to stop meanwhile: the session is the next controller's
        if answer.session is None:
            log.info("nothing to adopt: %s", answer.detail)
            self._start_anew()
            return
        reason = self._bar or doubt(self._kept, answer, state) or self._too_many()
        if reason and answer.lock is None:
            log.warning("not adopted, session %s is closed: %s", answer.session.id, reason)
            closing = CloseSession(answer.session.id)
            self._store.close(closing, self._edge.from_thread(self._closed))
            return
        self._adopt(answer.session, answer, reason)

    def _closed(self, event: Event) -> None:
        self.closed = isinstance(event, SessionClosed) and event.done
        self._start_anew()

    def _start_anew(self) -> None:
        """As at a first start: what the core is told is that a session was opened, or refused."""
        self._waiting = False
        state = self._engine.state
        self.keep(state)
        if self._then is not None:
            self._then()
        elif not state.ended:
            self._store.open(OpenSession(member_of(state)), self._edge.from_thread(self._engine.post))

    def _adopt(self, session: Session, answer: Reattached, reason: str) -> None:
        if not reason:
            self._put(replace(self._kept, adoptions=(*self._lately(), self._edge.now_s())))  # S10, before anything else
        self._waiting = False
        self._granted(session.timeout_s)
        if answer.lock is not None:
            self._edge.lock_adopted(answer.sent_s, answer.crumb.record)
        self._engine.post(self._event(session, answer, reason))
        if self._engine.state.role is Role.ACTIVE:
            self._engine.post(ControlChanged(answer.control))  # an order, or bad health, that came meanwhile
        if self._then is not None:
            self._then()

    def _event(self, session: Session, answer: Reattached, reason: str) -> SessionAdopted:
        state = self._engine.state
        record = answer.crumb.record
        mine = record is not None and record.node == state.identity.node
        return SessionAdopted(
            session=session,
            control=answer.control,
            members=answer.members,
            lock=answer.lock,
            crumb=answer.crumb,
            epoch=record.epoch if record is not None and mine else self._kept.epoch,
            trusted=not reason,
            reported=state.reported,
            reason=reason,
        )

    def _lately(self) -> tuple[float, ...]:
        now_s = self._edge.now_s()
        return tuple(at_s for at_s in self._kept.adoptions if 0 <= now_s - at_s < self._within_s)

    def _too_many(self) -> str:
        """S10: whoever has to be restarted again and again must not keep the service."""
        lately = self.lately
        if lately < MOST_ADOPTIONS:
            return ""
        return f"{lately} adoptions within {self._within_s:g} s (limits.within) are enough"
