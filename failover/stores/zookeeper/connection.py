"""kazoo's connection loop: what it keeps to itself is told, a silent server is noticed, and bytes travel together.

Deliberately unknown here: who owns the client.
"""

from __future__ import annotations

import ssl
import time
from typing import Any

from kazoo.exceptions import ConnectionDropped
from kazoo.protocol.connection import CLOSE_RESPONSE, ConnectionHandler
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KeeperState

from failover.stores.zookeeper.dialling import ALERT

_READ_AT_ONCE = 65_536
_LONGEST_SILENCE = 0.5  # of the session's time-out: the rest is for finding another server


class Connection(ConnectionHandler):  # type: ignore[misc]
    """Tells its client (a SessionClient) what kazoo keeps to itself: time-out granted, close acknowledged, the end."""

    _silent_since_s = 0.0
    _corked: bytearray | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._received = bytearray()

    def _invoke(self, timeout: float, request: Any, xid: int | None = None) -> Any:
        if self.client.stopping:
            raise ConnectionDropped("the client is being stopped")
        if not isinstance(request, Connect):
            return super()._invoke(timeout, request, xid)
        result = super()._invoke(min(timeout, self.client.attempt_s), request, xid)
        self.client.negotiated_s = result[0].time_out / 1000.0
        return result

    def _read_header(self, timeout: float) -> Any:
        header = super()._read_header(timeout)
        self._silent_since_s = time.monotonic()
        return header

    def _send_request(self, read_timeout: float, connect_timeout: float) -> None:
        """kazoo takes every request for a ping: one that goes on asking would never notice a dead link."""
        now = time.monotonic()
        if not self.client._pending:
            self._silent_since_s = now
        elif now - self._silent_since_s > self.client.negotiated_s * _LONGEST_SILENCE:
            raise ConnectionDropped("the server does not answer")
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
        try:
            granted = super()._connect(host, hostip, port)
        except (ConnectionDropped, self.handler.timeout_exception) as error:
            if not self.client.stopping:
                self.client.troubles.tell(f"{host}:{port}", self._why(error))
            raise
        self.client.troubles.over()
        return granted

    def _why(self, error: Exception) -> str:
        """Words for a server that cannot be used; it may be there all the same."""
        if self._socket is None:
            return str(error)  # of the dialler
        if isinstance(error, self.handler.timeout_exception):
            return f"takes the connection and says nothing for {self.client.attempt_s:g} s"
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
