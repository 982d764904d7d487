"""The port `Store` on ZooKeeper: one client per session, one gate over all of it.

The gate is one re-entrant lock: calls hold it, and so does every change of a connection's state. Answers and events
are given with it held, on the connection's thread mostly: whoever takes them must neither block nor wait for another
thread that calls the store (`loop.call_soon_threadsafe` is what they are made for).
Deliberately unknown here: what any record means to the election.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

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
from failover.stores.zookeeper.client import Owner, SessionClient
from failover.stores.zookeeper.control import write_control
from failover.stores.zookeeper.dialling import Dialler
from failover.stores.zookeeper.errand import Errand
from failover.stores.zookeeper.history import HistoryReading, HistoryWriter
from failover.stores.zookeeper.neighbours import read_neighbours
from failover.stores.zookeeper.paths import Paths
from failover.stores.zookeeper.patience import Patience, Room
from failover.stores.zookeeper.questions import Questions
from failover.stores.zookeeper.session import StoreSession
from failover.stores.zookeeper.troubles import Troubles
from failover.stores.zookeeper.view import read_view
from failover.support.tls import TlsFiles

Answer = Callable[[Event], None]

_AWAY = "ZooKeeper is not connected just now"
_NOT_THIS_SESSION = "the session is over"
_MOST_CLOSING = 4  # old clients that still try to close their sessions
_MOST_ERRANDS = 4
_SHUT_DOWN_S = 1.5


class ZooKeeperStore:
    """See `failover.ports.store.Store`. `hosts` are `host:port`; time-outs are in seconds."""

    traits = StoreTraits(kind="zookeeper", survives_restart=True)

    def __init__(
        self,
        hosts: Sequence[str],
        service: str,
        root: str,
        session_timeout_s: float,
        user: str | None = None,
        password: str | None = None,
        tls: TlsFiles | None = None,
        room: Room | None = None,
    ) -> None:
        """`room`: how soon a session must go from a silent server to another; None: whenever it can."""
        self._dialler = Dialler(tls)
        self._troubles = Troubles()
        self.paths = Paths(root, service)
        self._hosts = tuple(hosts)
        self._session_timeout_s = session_timeout_s
        self._room = room
        self._auth = (user, password or "") if user else None
        self._gate = threading.RLock()
        self._listener: Listener | None = None
        self._session: StoreSession | None = None
        self._clients: list[SessionClient] = []
        self._errands: list[Errand] = []
        self._history = HistoryWriter(self.paths)
        self._shut_down = False

    def connect(self, listener: Listener) -> None:
        self._listener = listener

    def trouble(self) -> str:
        return str(self._troubles)

    # --- the session ----------------------------------------------------------------------------

    def open(self, ask: OpenSession, answer: Answer) -> None:
        with self._gate:
            if self._session is not None:
                self._session.close(None)
            if not self._shut_down:
                self._session = StoreSession(self, ask.member, answer)
                self._session.begin()

    def session_secret(self, session: str) -> str | None:
        with self._gate:
            current = self._session
            return current.client.secret if current is not None and current.id == session else None

    def reattach(self, ask: OpenSession, saved: SavedSession, answer: Callable[[Reattached], None]) -> None:
        def told(event: Event) -> None:
            answer(session.reattached(event))

        with self._gate:
            if self._session is not None:
                self._session.close(None)
            if not self._shut_down:
                session = self._session = StoreSession(self, ask.member, told, saved)
                session.begin()

    def close(self, ask: CloseSession, answer: Answer) -> None:
        with self._gate:
            session = self._session
            if session is None or (session.opened and session.id != ask.session):
                answer(SessionClosed(ask.session, done=True))  # it is over already
            elif session.opened:
                session.close(answer)
            else:
                session.close(None)
                answer(SessionClosed(ask.session, done=False))

    def publish(self, session: str, member: Member) -> None:
        with self._gate:
            current = self._session
            if current is not None and current.id == session and current.publishing is not None:
                current.publishing.publish(member)

    # --- the lock -------------------------------------------------------------------------------

    def take(self, ask: TakeLock, answer: Answer) -> None:
        with self._gate:
            questions = self._questions(ask.session)
            if isinstance(questions, Questions):
                questions.take(ask, answer)
            else:
                outcome = TakeOutcome(questions.value)
                answer(LockTaken(ask.attempt, outcome, detail=_WHY[questions]))

    def claim(self, ask: Claim, answer: Answer) -> None:
        with self._gate:
            questions = self._questions(ask.session)
            if isinstance(questions, Questions):
                questions.claim(ask, answer)
            else:
                answer(Claimed(ask.attempt, ask.epoch, questions, detail=_WHY[questions]))

    def hand_over(self, ask: HandOver, answer: Answer) -> None:
        with self._gate:
            questions = self._questions(ask.session)
            if isinstance(questions, Questions):
                questions.hand_over(ask, answer)
            else:
                answer(HandedOver(ask.attempt, questions, detail=_WHY[questions]))

    def renew(self, session: str, lock: Lock, answer: Callable[[Renewal], None]) -> None:
        with self._gate:
            questions = self._questions(session)
            if isinstance(questions, Questions):
                questions.renew(lock, answer)
            else:
                sent_s = time.clock_gettime(time.CLOCK_BOOTTIME)
                answer(Renewal(questions, sent_s, _WHY[questions]))

    def _questions(self, session: str) -> Questions | WriteOutcome:
        """Where to ask; or GONE for a session that is not the open one, UNKNOWN while the store is away."""
        current = self._session
        if current is None or not current.opened or current.id != session:
            return WriteOutcome.GONE
        if current.questions is None or not current.client.usable:
            return WriteOutcome.UNKNOWN
        return current.questions

    # --- control, history, view -----------------------------------------------------------------

    def write_control(self, control: Control, answer: Callable[[ControlWritten], None]) -> None:
        self._ask(
            lambda client, told: write_control(client, self.paths, control, told),
            answer,
            ControlWritten(WriteOutcome.UNKNOWN, detail=_AWAY),
        )

    def append_history(self, entries: Sequence[dict[str, Any]]) -> None:
        with self._gate:
            self._history.append(entries)
            if self._session is not None:
                if self._session.opened and self._session.client.usable:
                    self._history.flush(self._session.client)
                return
        self._ask(
            lambda client, told: self._history.flush(client, lambda: told(True)),
            lambda _: None,
            False,
        )

    def read_history(self, answer: Callable[[list[dict[str, Any]] | None], None]) -> None:
        self._ask(lambda client, told: HistoryReading(client, self.paths, told).begin(), answer, None)

    def read_view(self, answer: Callable[[View | None], None]) -> None:
        self._ask(lambda client, told: read_view(client, self.paths, told), answer, None)

    def read_neighbours(self, answer: Callable[[tuple[Neighbour, ...] | None], None]) -> None:
        self._ask(lambda client, told: read_neighbours(client, self.paths, told), answer, None)

    def _ask(
        self,
        work: Callable[[SessionClient, Callable[[Any], None]], None],
        answer: Callable[[Any], None],
        unanswered: object,
    ) -> None:
        """Ask over the session's connection; without a session, over a client made for the question."""
        with self._gate:
            if self._session is not None and self._session.client.usable:
                work(self._session.client, answer)
            elif self._session is not None or self._shut_down:
                answer(unanswered)
            else:
                self._send_errand(work, answer, unanswered)

    def _send_errand(
        self,
        work: Callable[[SessionClient, Callable[[Any], None]], None],
        answer: Callable[[Any], None],
        unanswered: object,
    ) -> None:
        def run(client: SessionClient, finish: Callable[[], None]) -> None:
            def told(value: Any) -> None:
                finish()
                answer(value)

            work(client, told)

        self._errands = [errand for errand in self._errands if not errand.client.over]
        if len(self._errands) >= _MOST_ERRANDS:
            answer(unanswered)
            return
        errand = Errand(self._patient_client, self._gate, run, lambda: answer(unanswered))
        self._errands.append(errand)
        errand.begin()

    # --- the end --------------------------------------------------------------------------------

    def shut_down(self) -> None:
        with self._gate:
            self._shut_down = True
            if self._session is not None:
                self._session.give_up()
            self._session = None
            self._listener = None
            for errand in self._errands:
                errand.abandon()
            for client in self._clients:
                client.abandon()
            clients = tuple(self._clients)
        deadline = time.monotonic() + _SHUT_DOWN_S
        for client in clients:
            client.join(max(0.0, deadline - time.monotonic()))

    def format(self, force_name: str | None = None) -> str:
        """Make the service's paths; says what was done. Blocks; for the operator's command only.

        Refused (FormatError) while a lock is live, or the breadcrumb is not clean: `force_name`, the name of the
        node that it speaks of, then marks it clean.
        """
        from failover.stores.zookeeper.formatting import format_service  # an operator's command, never a controller's

        return format_service(self._patient_client, self._gate, self.paths, force_name)

    # --- what a session needs of us -------------------------------------------------------------

    def new_client(self, owner: Owner, saved: SavedSession | None = None) -> SessionClient:
        return self._client(owner, saved, self._room)

    def _patient_client(self, owner: Owner) -> SessionClient:
        """For a question without a session of the service: it is asked once, and its answer may take its time."""
        return self._client(owner, None, None)

    def _client(self, owner: Owner, saved: SavedSession | None, room: Room | None) -> SessionClient:
        client = SessionClient(
            self._hosts,
            self._session_timeout_s,
            self._auth,
            self._gate,
            owner,
            self._dialler,
            self._troubles,
            Patience(len(self._hosts), self._session_timeout_s, room),
            saved,
        )
        self._clients = [old for old in self._clients if not old.finished] + [client]
        closing = [old for old in self._clients if old.closing]
        for old in closing[:-_MOST_CLOSING]:
            old.abandon()
        return client

    def tell(self, event: Event) -> None:
        if self._listener is not None:
            self._listener(event)

    def reached(self, client: SessionClient) -> None:
        if self._history.waiting:
            self._history.flush(client)

    def left(self, session: StoreSession) -> None:
        if self._session is session:
            self._session = None


_WHY = {WriteOutcome.GONE: _NOT_THIS_SESSION, WriteOutcome.UNKNOWN: _AWAY}
