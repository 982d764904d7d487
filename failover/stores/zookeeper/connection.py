"""kazoo's connection loop: what it keeps to itself is told, a silent server is noticed, and bytes travel together.

Deliberately unknown here: who owns the client.
"""

from __future__ import annotations

import math
import ssl
import time
from typing import Any

from kazoo.exceptions import ConnectionDropped
from kazoo.protocol.connection import CLOSE_RESPONSE, ConnectionHandler
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KeeperState

from failover.stores.zookeeper.dialling import ALERT
from failover.stores.zookeeper.handler import log
from failover.stores.zookeeper.patience import LONGEST_SILENCE, Patience

_READ_AT_ONCE = 65_536

_Way = tuple[str, str, int]  # name, address and port of a server


class Connection(ConnectionHandler):  # type: ignore[misc]
    """Tells its client (a SessionClient) what kazoo keeps to itself: time-out granted, close acknowledged, the end."""

    _silent_since_s = 0.0
    _stood_still_s = 0.0
    _corked: bytearray | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._received = bytearray()
        self._way: _Way = ("", "", 0)  # to the server that is used, or dialled
        self._left: tuple[_Way, float] | None = None  # the silent one, and how long it was that, until another is found
        self._patience: Patience = self.client.patience
        self.handler.alarm, self.handler.alarmed = self._patience_left_s, self._out_of_patience

    def _invoke(self, timeout: float, request: Any, xid: int | None = None) -> Any:
        if self.client.stopping:
            raise ConnectionDropped("the client is being stopped")
        if not isinstance(request, Connect):
            return super()._invoke(timeout, request, xid)
        result = super()._invoke(min(timeout, self.handler.attempt_s), request, xid)
        self.client.negotiated_s = result[0].time_out / 1000.0
        return result

    def _read_header(self, timeout: float) -> Any:
        header, now_s = super()._read_header(timeout), time.monotonic()
        if self.client._pending:
            self._patience.answered(now_s - self._silent_since_s)
        self._silent_since_s = now_s
        return header

    def _patience_left_s(self) -> float:
        """Until the server is left in haste, as things are; nobody waits for a server that is asked nothing."""
        if not self.client._pending:
            return math.inf
        now_s = time.monotonic()
        return max(self._silent_since_s, self._stood_still_s) + self._patience.silence_s(now_s) - now_s

    def _out_of_patience(self, late_s: float) -> None:
        """Nothing has come. Where this thread stood still meanwhile, so may have the host: the silence may be ours."""
        now_s = time.monotonic()
        if late_s > self._patience.silence_s(now_s) / 2:
            self._stood_still_s = now_s
            return
        self._patience.left(now_s)
        self._leave(now_s)

    def _leave(self, now_s: float) -> None:
        silent_s = now_s - self._silent_since_s
        if len(self.client.hosts) > 1:
            self._left = (self._way, silent_s)
            self.client.troubles.note(_server(self._way), f"has answered nothing for {silent_s:.1f} s")
        raise ConnectionDropped(f"the server has answered nothing for {silent_s:.1f} s")

    def _send_request(self, read_timeout: float, connect_timeout: float) -> None:
        """kazoo takes every request for a ping: one that goes on asking would never notice a dead link."""
        now = time.monotonic()
        if not self.client._pending:
            self._silent_since_s = now
        elif now - self._silent_since_s > self.client.negotiated_s * LONGEST_SILENCE:
            self._leave(now)
        self._corked = bytearray()
        try:
            super()._send_request(read_timeout, connect_timeout)
            while self.client._queue:
                super()._send_request(read_timeout, connect_timeout)
        finally:
            together, self._corked = self._corked, None
        super()._write(together, connect_timeout)

    def _write(self, msg: bytes, timeout: float) -> None:
        """What is asked together is sent together."""
        if self._corked is None:
            super()._write(msg, timeout)
        else:
            self._corked += msg

    def _connect(self, host: str, hostip: str, port: int) -> Any:
        self._received.clear()
        self._way, began_s = (host, hostip, port), time.monotonic()
        self.handler.attempt_s = self._patience.attempt_s(self._way)
        try:
            granted = super()._connect(host, hostip, port)
        except (ConnectionDropped, self.handler.timeout_exception) as error:
            if not self.client.stopping:
                self.client.troubles.tell(_server(self._way), self._why(error))
            raise
        self._patience.connected(self.client.negotiated_s, time.monotonic() - began_s)
        self._arrived()
        return granted

    def _arrived(self) -> None:
        self.client.troubles.over()
        if self._left is not None:
            (way, silent_s), self._left = self._left, None
            where = f"went on with {_server(self._way)}" if way != self._way else "is with it again: no other took it"
            log.warning("ZooKeeper %s had answered nothing for %.1f s: the session %s", _server(way), silent_s, where)

    def _why(self, error: Exception) -> str:
        """Words for a server that cannot be used; it may be there all the same."""
        if self._socket is None:
            return str(error)  # of the dialler
        if isinstance(error, self.handler.timeout_exception):
            return f"takes the connection and says nothing for {self.handler.attempt_s:.2g} s"
        if bytes(self._received).startswith(ALERT):
            return "answers in TLS: write store.tls, or the port of the servers without TLS"
        if isinstance(error.__context__, ssl.SSLError) and not isinstance(error.__context__, ssl.SSLEOFError):
            return str(self.client.dialler.explained(error.__context__))
        if self.client.dialler.tls is not None:
            return "hangs up without an answer: it has no quorum just now, or does not accept who we are"
        return "hangs up without an answer: that is its port for TLS (then write store.tls), or it has no quorum"

    def _expand_client_hosts(self) -> Any:
        found = super()._expand_client_hosts()
        known = {host for host, _, _ in found}
        for host, port in self.client.hosts:
            if host.strip() not in known:
                self.client.troubles.tell(f"{host}:{port}", "its name is not known")
        if self._left is not None:
            found.sort(key=self._left[0].__eq__)  # kazoo shuffles them: the silent one would be dialled first at times
        return found

    def _read(self, length: int, timeout: float) -> bytes:
        """As much as is there with one call, in place of four for each message."""
        while len(self._received) < length:
            if not self.handler.select([self._socket], [], [], timeout)[0]:
                raise self.handler.timeout_exception("socket time-out during read")
            self._receive()
        message = bytes(self._received[:length])
        del self._received[:length]
        return message

    def _receive(self) -> None:
        """Take what is there. Under TLS that may be nothing: half a record, or one of TLS's own."""
        with self._socket_error_handling():
            try:
                chunk = self._socket.recv(_READ_AT_ONCE)  # never less than a whole record of TLS: nothing is left there
            except ssl.SSLWantReadError:
                return
        if not chunk:
            raise ConnectionDropped("socket connection broken")
        self._received += chunk

    def _read_socket(self, read_timeout: float) -> Any:
        self._receive()
        response = None
        while self._received and response != CLOSE_RESPONSE:
            response = super()._read_socket(read_timeout)
        return response

    def _read_response(self, header: Any, buffer: Any, offset: int) -> Any:
        response = super()._read_response(header, buffer, offset)
        if response == CLOSE_RESPONSE:
            self.client.close_acknowledged = True
        return response

    def zk_loop(self) -> None:
        """kazoo's loop; afterwards its sockets are closed, since nobody starts it again."""
        try:
            super().zk_loop()
        finally:
            with self.client.gate:
                self.close()
                self.client.tell_ended(KeeperState.CLOSED)


def _server(way: _Way) -> str:
    return f"{way[0]}:{way[2]}"
