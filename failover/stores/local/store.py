"""The port `Store` on files of one host, for trials and demonstrations.

One thread does all the work: transactions under one mutex file, and looking again whenever a file changed or the
process that held one is gone. It does not sit in a blocking flock: a thread in flock(2) could not be ended. inotify
tells at once when the lock's file is let go; a poll every 100 ms stands in where inotify cannot be had.
Stated limits: no session survives a restart, and a frozen holder blocks the rest.
Deliberately unknown here: what any record means to the election.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from failover.core.effects import Claim, CloseSession, HandOver, OpenSession, TakeLock
from failover.core.events import (
    Claimed,
    Event,
    HandedOver,
    LockTaken,
    SessionClosed,
    TakeOutcome,
    WriteOutcome,
)
from failover.core.values import Control, Lock, Member
from failover.ports.store import (
    ControlWritten,
    Listener,
    Neighbour,
    Reattached,
    Renewal,
    SavedSession,
    StoreTraits,
    View,
)
from failover.stores.codec import RecordError
from failover.stores.local.folder import ServiceFolder
from failover.stores.local.formatting import format_folder
from failover.stores.local.neighbours import neighbours_of
from failover.stores.local.opening import join
from failover.stores.local.session import NOT_OURS, LocalSession
from failover.stores.local.sightings import Sightings
from failover.stores.local.worker import Worker

Answer = Callable[[Event], None]
T = TypeVar("T")

_OVER = "the session is over"


class LocalStore:
    """See `failover.ports.store.Store`. `path` is the folder that all nodes of this host share."""

    traits = StoreTraits(kind="local", one_host=True)

    def __init__(self, path: str, service: str) -> None:
        self._folder = ServiceFolder(path, service)
        self._listener: Listener | None = None
        self._session: LocalSession | None = None
        self._opening: tuple[OpenSession, Answer] | None = None
        self._sightings: Sightings | None = None
        self._worker = Worker(self)

    def connect(self, listener: Listener) -> None:
        self._listener = listener

    def trouble(self) -> str:
        return ""

    # --- the session ----------------------------------------------------------------------------

    def open(self, ask: OpenSession, answer: Answer) -> None:
        def begin(alive: bool) -> None:
            if alive:
                self._end_session()
                self._opening = (ask, answer)

        self._worker.put(begin)

    def session_secret(self, session: str) -> str | None:  # noqa: ARG002 - the port's
        """None: the flocks go with the process."""
        return None

    def reattach(self, ask: OpenSession, saved: SavedSession, answer: Callable[[Reattached], None]) -> None:  # noqa: ARG002
        """Answers without a session at once."""
        answer(Reattached(None, detail="a local store keeps no session through a restart"))

    def close(self, ask: CloseSession, answer: Answer) -> None:
        def end() -> Event:
            over = self._opening is None
            self._opening = None
            if self._session is not None and self._session.id == ask.session:
                self._end_session()
            return SessionClosed(ask.session, over)

        self._do(end, lambda _: SessionClosed(ask.session, done=False), answer)

    def _end_session(self) -> None:
        session, self._session, self._sightings = self._session, None, None
        if session is not None:
            with contextlib.suppress(OSError):  # its flocks are free all the same
                session.end()

    def publish(self, session: str, member: Member) -> None:
        def write() -> None:
            if self._session is not None and self._session.id == session:
                self._folder.write_member(member)

        self._do(write, lambda _: None, lambda _: None)

    # --- the lock -------------------------------------------------------------------------------

    def take(self, ask: TakeLock, answer: Answer) -> None:
        def gone(outcome: TakeOutcome, why: str) -> LockTaken:
            return LockTaken(ask.attempt, outcome, detail=why)

        self._do(
            lambda: self._with(ask.session, lambda s: s.take(ask), lambda: gone(TakeOutcome.GONE, _OVER)),
            lambda why: gone(TakeOutcome.UNKNOWN, why),
            answer,
        )

    def claim(self, ask: Claim, answer: Answer) -> None:
        def gone(outcome: WriteOutcome, why: str) -> Claimed:
            return Claimed(ask.attempt, ask.epoch, outcome, detail=why)

        self._do(
            lambda: self._with(ask.session, lambda s: s.claim(ask), lambda: gone(WriteOutcome.GONE, _OVER)),
            lambda why: gone(WriteOutcome.UNKNOWN, why),
            answer,
        )

    def hand_over(self, ask: HandOver, answer: Answer) -> None:
        def gone(outcome: WriteOutcome, why: str) -> HandedOver:
            return HandedOver(ask.attempt, outcome, detail=why)

        self._do(
            lambda: self._with(ask.session, lambda s: s.hand_over(ask), lambda: gone(WriteOutcome.GONE, _OVER)),
            lambda why: gone(WriteOutcome.UNKNOWN, why),
            answer,
        )

    def renew(self, session: str, lock: Lock, answer: Callable[[Renewal], None]) -> None:
        sent_s = time.clock_gettime(time.CLOCK_BOOTTIME)

        def held(ours: LocalSession) -> Renewal:
            if ours.holds(lock):
                return Renewal(WriteOutcome.DONE, sent_s)
            return Renewal(WriteOutcome.GONE, sent_s, NOT_OURS)

        over = Renewal(WriteOutcome.GONE, sent_s, _OVER)
        self._do(
            lambda: self._with(session, held, lambda: over),
            lambda why: Renewal(WriteOutcome.UNKNOWN, sent_s, why),
            answer,
        )

    def _with(self, session: str, work: Callable[[LocalSession], T], gone: Callable[[], T]) -> T:
        if self._session is None or self._session.id != session:
            return gone()
        return work(self._session)

    # --- control, history, view -----------------------------------------------------------------

    def write_control(self, control: Control, answer: Callable[[ControlWritten], None]) -> None:
        self._do(
            lambda: self._written(control),
            lambda why: ControlWritten(WriteOutcome.UNKNOWN, detail=why),
            answer,
        )

    def _written(self, control: Control) -> ControlWritten:
        found = self._folder.control()
        if found.error or found.version != control.version:
            why = found.error or "the control record was changed meanwhile"
            return ControlWritten(WriteOutcome.CONFLICT, found, why)
        self._folder.write_control(control, found.version + 1)
        return ControlWritten(WriteOutcome.DONE, self._folder.control())

    def append_history(self, entries: Sequence[dict[str, Any]]) -> None:
        copied = [dict(entry) for entry in entries]
        self._do(lambda: self._folder.append_history(copied), lambda _: None, lambda _: None)

    def read_history(self, answer: Callable[[list[dict[str, Any]] | None], None]) -> None:
        def read() -> list[dict[str, Any]] | None:
            return self._folder.history()

        self._do(read, lambda _: None, answer)

    def read_view(self, answer: Callable[[View | None], None]) -> None:
        def read() -> View | None:
            return self._folder.view()

        self._do(read, lambda _: None, answer)

    def read_neighbours(self, answer: Callable[[tuple[Neighbour, ...] | None], None]) -> None:
        def read() -> tuple[Neighbour, ...] | None:
            return neighbours_of(self._folder)

        self._do(read, lambda _: None, answer)

    def format(self, force_name: str | None = None) -> str:
        """Make the service's folder; see `FormattableStore`. Blocks."""
        return format_folder(self._folder, force_name)

    def shut_down(self) -> None:
        self._listener = None
        self._worker.stop()

    # --- on the thread --------------------------------------------------------------------------

    def _do(self, work: Callable[[], T], failed: Callable[[str], T], answer: Callable[[T], None]) -> None:
        """Do it on the thread, under the mutex; what the disk refuses is answered by `failed`."""

        def run(alive: bool) -> None:
            if not alive:
                answer(failed("the store is shut down, or too much is asked of it"))
                return
            try:
                with self._folder.mutex.held():
                    value = work()
            except (OSError, RecordError) as error:
                value = failed(f"the local store failed: {error}")
            answer(value)

        self._worker.put(run)

    def finish(self) -> None:
        if self._session is not None:
            self._session.abandon()

    def look(self) -> None:
        """Join if we are to, and tell of what has changed."""
        try:
            if self._opening is not None:
                self._join()
            if self._sightings is not None:
                with self._folder.mutex.held():
                    view = self._folder.view()
                for event in self._sightings.changes(view):
                    self._tell(event)
        except OSError:
            return  # seen again at the next look

    def _tell(self, event: Event) -> None:
        listener = self._listener
        if listener is not None:
            listener(event)

    def _join(self) -> None:
        opening = self._opening
        if opening is None:
            return
        with contextlib.suppress(OSError):  # `join` says what is wrong with the folder
            if self._folder.formatted():
                self._worker.notices.watch(self._folder.folders())
        joined = join(self._folder, opening[0].member, secrets.token_hex(8))
        if joined is None:
            return
        self._opening = None
        event, session = joined
        if session is not None:
            self._session = session
            self._sightings = Sightings(session.id, event)
        opening[1](event)
