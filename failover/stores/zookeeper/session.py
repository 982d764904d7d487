"""One session's life: connecting, joining, open, ended or closed.

Deliberately unknown here: whether another session follows; that is the store's caller's to ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kazoo.protocol.states import KeeperState

from failover.core.events import (
    ConnectionLost,
    ConnectionRestored,
    Event,
    SessionClosed,
    SessionEnded,
    SessionOpened,
    SessionRefused,
)
from failover.core.values import Control, Member, Session
from failover.ports.store import Reattached, SavedSession
from failover.stores.zookeeper.client import Owner, SessionClient
from failover.stores.zookeeper.handler import log
from failover.stores.zookeeper.opening import NOT_JOINED, Opening
from failover.stores.zookeeper.paths import Paths
from failover.stores.zookeeper.publishing import Publishing
from failover.stores.zookeeper.questions import Questions
from failover.stores.zookeeper.reattaching import Reattaching
from failover.stores.zookeeper.watching import Readings, Watching

Answer = Callable[[Event], None]


class Surroundings(Protocol):
    """What a session needs of its store."""

    paths: Paths

    def new_client(self, owner: Owner, saved: SavedSession | None = None) -> SessionClient:
        """A client that has not begun yet, for the saved session or a new one."""

    def tell(self, event: Event) -> None:
        """An unasked event for the listener."""

    def reached(self, client: SessionClient) -> None:
        """The session is open, or its connection is back: what waited can be sent."""

    def left(self, session: StoreSession) -> None:
        """This session is over and takes no more questions."""


class StoreSession:
    """Owner of the clients that try to open one session, or to have a saved one.

    All its methods are called with the gate held.
    """

    def __init__(self, store: Surroundings, member: Member, answer: Answer, saved: SavedSession | None = None) -> None:
        self._store = store
        self._member = member
        self._answer: Answer | None = answer
        self._closed: Answer | None = None
        self._saved = saved
        self._opening: Opening | Reattaching | None = None
        self._watching: Watching | None = None
        self.readings = Readings()
        self.questions: Questions | None = None
        self.publishing: Publishing | None = None
        self.opened = False
        self.client = store.new_client(self, saved)

    @property
    def id(self) -> str:
        """The session's id in hex; "" before it is open."""
        return self.client.session if self.opened else ""

    def begin(self) -> None:
        """Connect and join, for as long as it takes."""
        self.client.begin()

    def close(self, answer: Answer | None) -> None:
        """End the session; `answer` hears SessionClosed. A session that is still opening is given up unanswered."""
        client, self._answer, self._closed = self.client, None, answer
        self._store.left(self)
        was_connected = client.connected
        client.end_session(for_s=2 * client.negotiated_s)
        if not was_connected:
            self._tell_closed(done=False)

    def give_up(self) -> None:
        """The store is being shut down: no other session is opened in this one's place."""
        self._answer = None

    # --- told by the client ---------------------------------------------------------------------

    def connected(self, client: SessionClient) -> None:
        if self.opened and self._watching is not None:
            self._store.tell(ConnectionRestored())
            self._watching.read_all()
            self._catch_up()
        elif self._watching is not None:
            self._watching.read_all(self._settled)
        else:
            if self._opening is None:
                kind = Opening if self._saved is None else Reattaching
                self._opening = kind(client, self._store.paths, self._member, self._joined, self._refused)
            self._opening.join()

    def suspended(self, client: SessionClient) -> None:
        if client.closing:
            self._tell_closed(done=False)
        elif self.opened:
            self._store.tell(ConnectionLost())

    def ended(self, client: SessionClient, state: str) -> None:
        if client.closing:
            self._tell_closed(done=client.close_acknowledged or client.expired)
        elif self.opened:
            self._store.left(self)
            self._store.tell(SessionEnded(client.session))
        elif self._answer is not None:
            self._start_over(state)

    # --- opening --------------------------------------------------------------------------------

    def _joined(self) -> None:
        client, paths = self.client, self._store.paths
        self.questions = Questions(client, paths, self._member.node, self.readings)
        self.publishing = Publishing(client, paths, self._member.node.name)
        self._watching = Watching(client, paths, self.readings, self._tell)
        self._watching.read_all(self._settled)

    def _settled(self, control: Control, members: tuple[Member, ...]) -> None:
        answer, self._answer = self._answer, None
        if answer is None:
            return
        self.opened = True
        session = Session(self.client.session, self.client.negotiated_s)
        answer(SessionOpened(session, control, members))
        self._catch_up()

    def reattached(self, event: Event) -> Reattached:
        """The answer to `reattach` that an answer to `open` stands for."""
        if not isinstance(event, SessionOpened):
            return Reattached(None, detail=event.reason if isinstance(event, SessionRefused) else "")
        holder = self.readings.holder
        ours = holder if holder is not None and holder.session == event.session.id else None
        sent_s = self._opening.sent_s if isinstance(self._opening, Reattaching) else 0.0
        return Reattached(event.session, event.control, event.members, ours, self.readings.crumb, sent_s)

    def _refused(self, reason: str, exit_code: int) -> None:
        answer, self._answer = self._answer, None
        self.close(None)
        if answer is not None:
            answer(SessionRefused(reason, exit_code))

    def _start_over(self, state: str) -> None:
        if state == KeeperState.AUTH_FAILED:
            self._refused("ZooKeeper refuses the credentials: correct `auth`", NOT_JOINED)
            return
        if self._saved is not None:
            self._refused(f"ZooKeeper knows no session {self._saved.id} with the saved secret (any more)", NOT_JOINED)
            return
        log.info("the session ended while it was being opened: trying another")
        self._opening = self._watching = None
        self.readings = Readings()
        self.client = self._store.new_client(self)
        self.client.begin()

    def _catch_up(self) -> None:
        self._store.reached(self.client)
        if self.publishing is not None:
            self.publishing.catch_up()

    def _tell(self, event: Event) -> None:
        """Nothing more is told of a session once its end has been asked for."""
        if not self.client.closing:
            self._store.tell(event)

    def _tell_closed(self, done: bool) -> None:
        closed, self._closed = self._closed, None
        if closed is not None:
            closed(SessionClosed(self.client.session, done))
