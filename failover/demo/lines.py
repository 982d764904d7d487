"""Connections that carry lines, on a selector: nothing here ever blocks.

Knows nothing of what the lines say. Only the standard library, and little of it: the service must start fast.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable

READ_BYTES = 64 * 1024
LONGEST_LINE_BYTES = 4096
MOST_UNSENT_BYTES = 64 * 1024 * 1024


class Peer:
    """One connection: `take_line` is called for each line that comes in, `gone` once when it is over."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        connection: socket.socket,
        take_line: Callable[[Peer, str], None],
        gone: Callable[[Peer], None],
    ) -> None:
        self._selector = selector
        self._connection = connection
        self._take_line = take_line
        self._gone = gone
        self._partial = b""
        self._unsent = bytearray()
        self.open = True
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ, self._ready)

    def send(self, line: str) -> None:
        """Send a line, now or as soon as the other side takes it; one that takes nothing is cut off."""
        if not self.open:
            return
        waiting = bool(self._unsent)
        self._unsent += line.encode() + b"\n"
        if not waiting:
            self._flush()
        if len(self._unsent) > MOST_UNSENT_BYTES:
            self.close()

    def close(self) -> None:
        """End the connection, if it has not ended yet."""
        if self.open:
            self.open = False
            self._selector.unregister(self._connection)
            self._connection.close()
            self._gone(self)

    def _ready(self, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._flush()
        if mask & selectors.EVENT_READ and self.open:
            self._read()

    def _flush(self) -> None:
        try:
            sent = self._connection.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        del self._unsent[:sent]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
        self._selector.modify(self._connection, wanted, self._ready)

    def _read(self) -> None:
        try:
            data = self._connection.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            if self.open:
                self._take_line(self, line.decode("utf-8", "replace").rstrip("\r"))
        if not data or len(self._partial) > LONGEST_LINE_BYTES:
            self.close()
