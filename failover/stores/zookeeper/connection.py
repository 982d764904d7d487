"""kazoo's connection loop: what it keeps to itself is told, a silent server is noticed, and bytes travel together.

Without TLS: its reads would have to look into the TLS buffer as well.
Deliberately unknown here: who owns the client.
"""

from __future__ import annotations

import time
from typing import Any

from kazoo.exceptions import ConnectionDropped
from kazoo.protocol.connection import CLOSE_RESPONSE, ConnectionHandler
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KeeperState

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
        return super()._connect(host, hostip, port)

    def _read(self, length: int, timeout: float) -> bytes:
        """As much as is there with one call, in place of four for each message."""
        while len(self._received) < length:
            if not self.handler.select([self._socket], [], [], timeout)[0]:
                raise self.handler.timeout_exception("socket time-out during read")
            with self._socket_error_handling():
                chunk = self._socket.recv(_READ_AT_ONCE)
            if not chunk:
                raise ConnectionDropped("socket connection broken")
            self._received += chunk
        message = bytes(self._received[:length])
        del self._received[:length]
        return message

    def _read_socket(self, read_timeout: float) -> Any:
        response = super()._read_socket(read_timeout)
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
