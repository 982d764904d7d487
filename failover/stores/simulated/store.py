"""The port `Store` on the simulated ensemble: one for each simulated controller.

Every answer and event is delivered by the clock, never within the call. Faults are set on `faults`.
Deliberately unknown here: what is tested with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from failover.core.effects import Claim, CloseSession, HandOver, OpenSession, TakeLock
from failover.core.events import (
    Claimed,
    ConnectionLost,
    ConnectionRestored,
    Event,
    HandedOver,
    LockTaken,
    SessionClosed,
    SessionEnded,
    SessionOpened,
    SessionRefused,
    TakeOutcome,
    WriteOutcome,
)
from failover.core.values import Control, Crumb, Lock, Member, Node, Session
from failover.ports.store import (
    ControlWritten,
    FormatError,
    Listener,
    Neighbour,
    Reattached,
    Renewal,
    SavedSession,
    StoreTraits,
    View,
)
from failover.stores.simulated.ensemble import Records, SimulatedEnsemble
from failover.stores.simulated.watches import Watches
from failover.stores.simulated.wire import Wire

Answer = Callable[[Event], None]

_AWAY = "the store is not connected just now"
_OVER = "the session is over"
_ERRAND_S = 5.0
_EXIT_CODES = {"refused": 1, "unformatted": 3}


class SimulatedStore:
    """See `failover.ports.store.Store`. `faults` is the connection, whose faults can be set at any time."""

    traits = StoreTraits(kind="simulated", survives_restart=True)

    def __init__(self, ensemble: SimulatedEnsemble, node: Node) -> None:
        self.node = node
        self._ensemble = ensemble
        self._clock = ensemble.clock
        self._listener: Listener = _nobody
        self._opening: tuple[OpenSession, Answer] | None = None
        self._reattaching: Callable[[Reattached], None] | None = None
        self._session = ""  # as this side knows it; the library's own may differ (see reopen_silently)
        self._waiting = False
        self._opened_times = 0
        self._unpublished: Member | None = None
        self.faults = Wire(ensemble, self)
        self._watches = Watches(ensemble, self.faults)

    def connect(self, listener: Listener) -> None:
        self._listener = listener

    def trouble(self) -> str:
        return ""

    # --- the session ----------------------------------------------------------------------------

    def open(self, ask: OpenSession, answer: Answer) -> None:
        self.faults.stop()
        self._forget()
        self._opening = (ask, answer)
        self._opened_times += 1
        self._ensemble.join_clients(self)
        self.faults.start()

    def session_secret(self, session: str) -> str | None:
        return self._ensemble.secret(session) if session and session == self._session else None

    def reattach(self, ask: OpenSession, saved: SavedSession, answer: Callable[[Reattached], None]) -> None:  # noqa: ARG002
        self.faults.stop()
        self._forget()
        self._reattaching = answer
        self._opened_times += 1
        self._ensemble.join_clients(self)
        known = saved.secret == self._ensemble.secret(saved.id)
        self.faults.start(saved.id if known else "no such session")

    def close(self, ask: CloseSession, answer: Answer) -> None:
        library = self.faults.session
        if self._session != ask.session:
            opening = self._opening is not None
            if opening:
                self._forget()
                self._leave()
            self._clock.call_later(0.0, lambda: answer(SessionClosed(ask.session, not opening)))
            return
        self._forget()
        opened_times = self._opened_times

        def closed(done: bool) -> None:
            if opened_times == self._opened_times:  # else another has been opened meanwhile
                self._leave()
            answer(SessionClosed(ask.session, done))

        self.faults.closing = True
        self.faults.call(
            lambda: self._ensemble.end_session(library),
            lambda _: closed(True),
            lambda: closed(False),
        )

    def shut_down(self) -> None:
        self._forget()
        self._listener = _nobody
        self._leave()

    def _leave(self) -> None:
        self.faults.stop()
        self._ensemble.leave_clients(self)

    def _forget(self) -> None:
        self._session, self._opening, self._waiting, self._reattaching = "", None, False, None
        self._unpublished = None
        self._watches.end()

    # --- the lock -------------------------------------------------------------------------------

    def take(self, ask: TakeLock, answer: Answer) -> None:
        library = self.faults.session
        if ask.session != self._session:
            gone = LockTaken(ask.attempt, TakeOutcome.GONE, detail=_OVER)
            self._clock.call_later(0.0, lambda: answer(gone))
            return
        self.faults.call(
            lambda: self._ensemble.take(ask, library, self.node),
            answer,
            lambda: answer(LockTaken(ask.attempt, TakeOutcome.UNKNOWN, detail=_AWAY)),
        )

    def claim(self, ask: Claim, answer: Answer) -> None:
        library = self.faults.session
        if ask.session != self._session:
            gone = Claimed(ask.attempt, ask.epoch, WriteOutcome.GONE, detail=_OVER)
            self._clock.call_later(0.0, lambda: answer(gone))
            return
        self.faults.call(
            lambda: self._ensemble.claim(ask, library),
            answer,
            lambda: answer(Claimed(ask.attempt, ask.epoch, WriteOutcome.UNKNOWN, detail=_AWAY)),
        )

    def hand_over(self, ask: HandOver, answer: Answer) -> None:
        library = self.faults.session
        if ask.session != self._session:
            gone = HandedOver(ask.attempt, WriteOutcome.GONE, detail=_OVER)
            self._clock.call_later(0.0, lambda: answer(gone))
            return
        self.faults.call(
            lambda: self._ensemble.hand_over(ask, library),
            answer,
            lambda: answer(HandedOver(ask.attempt, WriteOutcome.UNKNOWN, detail=_AWAY)),
        )

    def renew(self, session: str, lock: Lock, answer: Callable[[Renewal], None]) -> None:
        library, sent_s = self.faults.session, self._clock.now()
        if session != self._session:
            gone = Renewal(WriteOutcome.GONE, sent_s, _OVER)
            self._clock.call_later(0.0, lambda: answer(gone))
            return
        self.faults.call(
            lambda: self._ensemble.renew(session, library, lock),
            lambda result: answer(Renewal(result[0], sent_s, result[1])),
            lambda: answer(Renewal(WriteOutcome.UNKNOWN, sent_s, _AWAY)),
        )

    def publish(self, session: str, member: Member) -> None:
        if session != self._session:
            return
        if not self.faults.up:
            self._unpublished = member
            return

        def failed() -> None:
            if session == self._session:
                self._unpublished = member

        self._unpublished = None
        self.faults.call(lambda: self._ensemble.publish(session, member), lambda _: None, failed)

    # --- control, history, view -----------------------------------------------------------------

    def write_control(self, control: Control, answer: Callable[[ControlWritten], None]) -> None:
        self._ask(
            lambda: self._ensemble.write_control(control),
            answer,
            lambda: answer(ControlWritten(WriteOutcome.UNKNOWN, detail=_AWAY)),
        )

    def append_history(self, entries: Sequence[dict[str, Any]]) -> None:
        copied = [dict(entry) for entry in entries]
        self._ask(lambda: self._ensemble.append_history(copied), lambda _: None, lambda: None)

    def read_history(self, answer: Callable[[list[dict[str, Any]] | None], None]) -> None:
        self._ask(lambda: list(self._ensemble.history), answer, lambda: answer(None))

    def read_view(self, answer: Callable[[View | None], None]) -> None:
        stale = self.faults.stale
        if stale is not None and self.faults.up:
            self.faults.send_down(lambda: answer(stale.view()))
        else:
            self._ask(lambda: self._records().view(), answer, lambda: answer(None))

    def read_neighbours(self, answer: Callable[[tuple[Neighbour, ...] | None], None]) -> None:
        self._ask(self._ensemble.neighbours, answer, lambda: answer(None))

    def _ask(self, work: Callable[[], Any], answer: Callable[[Any], None], failed: Callable[[], None]) -> None:
        """Over the session's connection; without a session, over one made for the question."""
        if self._session or self._opening is not None:
            self.faults.call(work, answer, failed)
            return

        def arrive() -> None:
            if self.faults.cut or self.faults.stale is not None:
                self._clock.call_later(_ERRAND_S, failed)
            else:
                result = work()
                self._clock.call_later(self._ensemble.way_s(), lambda: answer(result))

        self._clock.call_later(self._ensemble.way_s(), arrive)

    def format(self, force_name: str | None = None) -> str:
        """Make the ensemble formatted, at once. Raises FormatError (2) as every store's `format` does."""
        records = self._ensemble.records
        if records.lock is not None:
            raise FormatError("the lock is live: stop the service's controllers first", 2)
        record = records.crumb.record
        if records.crumb.error:
            raise FormatError(f"{records.crumb.error}; it is never overwritten", 2)
        if record is not None and not record.clean:
            if record.node.name != force_name:
                raise FormatError(f"{record.node.name} did not step down cleanly: type its name", 2)
            records.crumb = Crumb(replace(record, clean=True), records.crumb.version + 1)
        self._ensemble.formatted = True
        return "formatted"

    # --- faults that are more than the connection's ---------------------------------------------

    def delay_watches(self, seconds: float) -> None:
        """From now on every watch fires that much later; 0 ends it."""
        self._watches.late_s = seconds

    def reopen_silently(self, told_after_s: float) -> None:
        """The client library gets a new session by itself, and tells only after that time."""
        old = self._session
        if not old or not self.faults.up:
            return
        self.faults.reopen_silently()

        def told() -> None:
            if self._session == old:
                self._end_session()

        self._clock.call_later(told_after_s, lambda: self.faults.at_client(told))

    # --- told by the wire -----------------------------------------------------------------------

    def connected(self) -> None:
        if self._opening is not None:
            self._join()
        elif self._reattaching is not None:
            self._take_over(self._reattaching)
        elif self._session:
            if self._session != self.faults.session:
                self._end_session()  # reopened silently, and told now at the latest
                return
            self._listener(ConnectionRestored())
            self._watches.read_all()
            if self._unpublished is not None:
                self.publish(self._session, self._unpublished)

    def suspended(self) -> None:
        if self._session:
            self._listener(ConnectionLost())

    def expired(self) -> None:
        if self._opening is not None:
            self._waiting = False
            self.faults.start()
        elif self._reattaching is not None:
            self._not_reattached(self._reattaching, "the servers know no such session (any more)")
        elif self._session:
            self._end_session()

    def _end_session(self) -> None:
        session = self._session
        self._forget()
        self._leave()
        self._listener(SessionEnded(session))

    def session_gone(self, session: str) -> None:
        self.faults.session_gone(session)

    def session_moved(self, session: str) -> None:
        self.faults.session_moved(session)

    # --- taking a saved session over ------------------------------------------------------------

    def _take_over(self, answer: Callable[[Reattached], None]) -> None:
        session, sent_s = self.faults.session, self._clock.now()
        self.faults.call(
            lambda: (self._ensemble.renew_session(session, self.node), self._records().copy()),
            lambda result: self._taken_over(answer, session, sent_s, *result),
            lambda: None,
        )

    def _taken_over(
        self, answer: Callable[[Reattached], None], session: str, sent_s: float, refusal: str, records: Records
    ) -> None:
        if self._reattaching is not answer:
            return
        if refusal:
            self._ensemble.end_session(session)
            self._not_reattached(answer, refusal)
            return
        self._reattaching, self._session = None, session
        control, members = records.control, records.present()
        self._watches.begin(session, control, members, self._hear)
        ours = records.lock if records.lock is not None and records.lock.session == session else None
        granted = Session(session, self._ensemble.session_timeout_s)
        answer(Reattached(granted, control, members, ours, records.crumb, sent_s))

    def _not_reattached(self, answer: Callable[[Reattached], None], detail: str) -> None:
        self._forget()
        self._leave()
        answer(Reattached(None, detail=detail))

    # --- opening --------------------------------------------------------------------------------

    def _join(self) -> None:
        if self._opening is None:
            return
        opening, session = self._opening, self.faults.session
        self._waiting = False
        self.faults.call(
            lambda: (*self._ensemble.join(session, opening[0].member), self._records().copy()),
            lambda result: self._joined(opening, session, *result),
            lambda: None,
        )

    def _joined(
        self,
        opening: tuple[OpenSession, Answer],
        session: str,
        outcome: str,
        why: str,
        records: Records,
    ) -> None:
        if self._opening is not opening:
            return
        if outcome == "wait":
            self._await_namesake()
        elif outcome in _EXIT_CODES:
            self._forget()
            self._leave()
            self._ensemble.end_session(session)
            opening[1](SessionRefused(why, _EXIT_CODES[outcome]))
        elif outcome == "joined":
            self._opened(opening[1], session, records)

    def _opened(self, answer: Answer, session: str, records: Records) -> None:
        self._opening, self._session = None, session
        control, members = records.control, records.present()
        self._watches.begin(session, control, members, self._hear)
        answer(SessionOpened(Session(session, self._ensemble.session_timeout_s), control, members))

    def _await_namesake(self) -> None:
        """Our predecessor's member record goes with its session; look whenever the members change."""
        self._waiting = True
        if self._opening is not None:
            name = self._opening[0].member.node.name
            if name not in self._ensemble.records.members:
                self._join()

    def changed(self, kind: str) -> None:
        """At the servers: a watch of ours fires, if they can still reach us."""
        if self.faults.cut or self.faults.stale is not None or not self.faults.up:
            return
        if self._waiting and kind == "members":
            self.faults.send_down(self._join)
        else:
            self._watches.fire(kind)

    def _hear(self, event: Event) -> None:
        self._listener(event)

    def _records(self) -> Records:
        return self.faults.stale or self._ensemble.records


def _nobody(event: Event) -> None:
    """The listener before `connect` and after `shut_down`."""
