"""uvicorn's HTTP/1.1 protocol with four rules more, for a server inside a process that must not fail.

- Connections are counted and, beyond MOST_CONNECTIONS, ended at once: running out of file descriptors would stop the
  controller, not only the API.
- A connection on which nothing is asked or answered ends.
- Whatever a client sends, it costs no more than its own connection: an exception that reached the event loop would
  count as a fault of the controller (S10).
- On the Unix socket the kernel says who the caller is.

Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from typing import Any

from h11 import LocalProtocolError
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 128
SILENT_S = 10.0
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_log = logging.getLogger("failover.api")


class BoundedProtocol(H11Protocol):
    """One client on the network."""

    _look: asyncio.TimerHandle | None = None
    _seen: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._look = self.loop.call_later(SILENT_S, self._end_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes have come. uvicorn raises where a client breaks the protocol after it has been answered."""
        try:
            super().data_received(data)
        except Exception as error:  # noqa: BLE001 (see the module's docstring, third rule)
            _log.warning("a client's connection is ended: %s: %s", type(error).__name__, error)
            self.transport.abort()

    def timeout_keep_alive_handler(self) -> None:
        """The client has asked nothing more."""
        try:
            super().timeout_keep_alive_handler()
        except LocalProtocolError:
            self.transport.abort()

    def shutdown(self) -> None:
        """The server stops."""
        try:
            super().shutdown()
        except LocalProtocolError:
            self.transport.abort()

    def _end_if_silent(self) -> None:
        """uvicorn bounds only the pause after an answer; who never finishes a request would stay for ever."""
        busy = self.cycle is not None and not self.cycle.response_complete
        if not busy and self.cycle is self._seen:
            self.transport.abort()
            return
        self._seen = self.cycle
        self._look = self.loop.call_later(SILENT_S, self._end_if_silent)


class LocalProtocol(BoundedProtocol):
    """One client on the Unix socket: root or the controller's own user, whose name stands for its address."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come; the kernel says who."""
        super().connection_made(transport)
        pid, uid = _caller(transport.get_extra_info("socket"))
        if uid not in (0, os.geteuid()):
            transport.abort()
        self.client = ("root (local)" if uid == 0 else f"uid {uid} (local)", pid)


def _caller(connection: Any) -> tuple[int, int]:
    """(pid, uid); uid -1 when the kernel does not say."""
    try:
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return 0, -1
    pid, uid, _ = _CREDENTIALS.unpack(packed)
    return pid, uid
