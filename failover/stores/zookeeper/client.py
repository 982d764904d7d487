"""One kazoo client for one session: when that session is over, so is the client.

kazoo opens a new session by itself after the old one expired, queues calls while it is not connected, keeps the
negotiated time-out to itself, and hands every answer through two threads. This client does none of that: it stops
when its session ends, tells the negotiated time-out, and runs callbacks at once on the connection's own thread, with
the gate held, in the order in which the server sent them. Callbacks must therefore never block.
Deliberately unknown here: which records there are.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from kazoo.client import KazooClient
from kazoo.protocol.serialization import CloseInstance
from kazoo.protocol.states import KeeperState
from kazoo.retry import KazooRetry
from kazoo.security import make_digest_acl

from failover.ports.store import SavedSession
from failover.stores.zookeeper.connection import Connection
from failover.stores.zookeeper.dialling import Dialler
from failover.stores.zookeeper.handler import InlineHandler, Quiet, log
from failover.stores.zookeeper.paths import session_name, session_number
from failover.stores.zookeeper.patience import Patience
from failover.stores.zookeeper.troubles import Troubles

MOST_PENDING = 200  # calls under way; kazoo itself would queue without end

_ENDED = (KeeperState.EXPIRED_SESSION, KeeperState.AUTH_FAILED, KeeperState.CLOSED)


class Owner(Protocol):
    """Whoever uses a client; told on the connection's thread, with the gate held."""

    def connected(self, client: SessionClient) -> None:
        """The session lives and the server answers (again)."""

    def suspended(self, client: SessionClient) -> None:
        """The connection is gone; every call under way has been answered with ConnectionLoss."""

    def ended(self, client: SessionClient, state: str) -> None:
        """The client is over. `state`: EXPIRED_SESSION, AUTH_FAILED, or CLOSED for whatever else."""


class SessionClient(KazooClient):  # type: ignore[misc]
    """A KazooClient that lives as long as one session. All calls to it are made with `gate` held.

    `gate` also covers every change of the connection's state: a call made while `connected` is certain to be
    answered, by the server or, when the connection drops, by ConnectionLoss.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        timeout_s: float,
        auth: tuple[str, str] | None,
        gate: threading.RLock,
        owner: Owner,
        dialler: Dialler,
        troubles: Troubles,
        patience: Patience,
        saved: SavedSession | None = None,
    ) -> None:
        """`saved`: the session to have; without one a new session is opened."""
        self.gate = gate
        self.dialler = dialler
        self.troubles = troubles
        self.patience = patience
        self.negotiated_s = timeout_s
        self.close_acknowledged = False
        self.closing = False
        self.session_number = 0
        self.expired = False
        self._give_up_at: float | None = None
        self._owner = owner
        self.over = False
        handler = InlineHandler(gate, dialler.dial)
        super().__init__(
            hosts=",".join(hosts),
            timeout=timeout_s,
            client_id=(session_number(saved.id), bytes.fromhex(saved.secret)) if saved else None,
            handler=handler,
            auth_data=[("digest", f"{auth[0]}:{auth[1]}")] if auth else None,
            default_acl=[make_digest_acl(*auth, all=True)] if auth else None,
            logger=Quiet(log, {}),
            connection_retry=KazooRetry(max_tries=-1, delay=0.05, backoff=1.5, max_jitter=0.5, max_delay=1.0),
        )
        retry = self._conn_retry.copy()
        retry.interrupt = self._interrupted
        self._connection = Connection(self, retry, logger=self.logger)

    @property
    def session(self) -> str:
        """The session's id in hex."""
        return session_name(self.session_number)

    @property
    def secret(self) -> str:
        """The session's password in hex: with its id, all that is needed to have it."""
        return bytes(self._session_passwd).hex()

    @property
    def stopping(self) -> bool:
        """No further attempt is to be made."""
        return bool(self._stopped.is_set())

    @property
    def finished(self) -> bool:
        """Nothing of it runs any more."""
        thread = self._connection._connection_routine
        return self.over and (thread is None or not thread.is_alive())

    @property
    def usable(self) -> bool:
        """Whether a call made now, with the gate held, would be sent."""
        under_way = len(self._queue) + len(self._pending)
        return bool(self.connected) and not self.closing and under_way < MOST_PENDING

    def begin(self) -> None:
        """Connect, for as long as it takes."""
        self.start_async()

    def end_session(self, for_s: float) -> None:
        """Close the session, now or as soon as the store is reached again within `for_s` seconds."""
        if self.session_number == 0:
            self.abandon()  # there never was one
            return
        self.closing = True
        self._give_up_at = time.monotonic() + for_s
        if self.connected:
            self._send_close()

    def abandon(self) -> None:
        """Stop without a word to the server: the session is left to end by itself."""
        self._stopped.set()
        self._drop_socket()

    def join(self, timeout_s: float) -> None:
        """Wait for the connection's thread; never called from it, nor with the gate held."""
        thread = self._connection._connection_routine
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _send_close(self) -> None:
        self._queue.append((CloseInstance, None))
        self._connection._write_sock.send(b"\0")

    def _drop_socket(self) -> None:
        connected = self._connection._socket
        if connected is not None:
            try:
                socket.socket.shutdown(connected, socket.SHUT_RDWR)  # TLS's own would go on reading in the clear
            except OSError:
                return  # not connected any more, which is what was wanted

    def tell_ended(self, state: str) -> None:
        """The owner hears of the end once, whatever else kazoo says on the way."""
        if not self.over:
            self.over = True
            self._owner.ended(self, state)

    def _interrupted(self) -> bool:
        late = self._give_up_at is not None and time.monotonic() > self._give_up_at
        return self.stopping or late

    def _session_callback(self, state: str) -> None:
        """kazoo's own change of state, and then ours; a new session is never opened in place of the old."""
        with self.gate:
            if state == self._state:
                return
            was_connected = self.connected
            if state in _ENDED:
                self._stopped.set()
                self.expired = self.expired or state == KeeperState.EXPIRED_SESSION
            elif state == KeeperState.CONNECTED:
                self.session_number = self._session_id
            super()._session_callback(state)
            self._tell(state, was_connected)

    def _tell(self, state: str, was_connected: bool) -> None:
        if state == KeeperState.CONNECTED:
            if self.stopping:
                self._drop_socket()
            elif self.closing:
                self._send_close()
            else:
                self._owner.connected(self)
        elif state in _ENDED:
            self.tell_ended(state)
        elif was_connected:
            self._owner.suspended(self)
