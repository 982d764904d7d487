"""One relayed connection: two sockets and what is under way between them, each way.

It owns no thread and no clock: it is told when to move, and what time it is.
"""

import errno
import select
import socket
import struct
from collections import deque
from collections.abc import Callable, Set
from enum import Enum

_CHUNK = 65_536
_UNDER_WAY_MAX = 1 << 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Way(Enum):
    TO_SERVER = "to_server"
    TO_CLIENT = "to_client"


class _Flow:
    """What goes one way: read from `source`, held until due, written to `sink`; the end as well."""

    def __init__(self, way: Way, source: socket.socket, sink: socket.socket) -> None:
        self.way = way
        self.source = source
        self.sink = sink
        self.held: deque[tuple[float, bytes]] = deque()
        self.size = 0
        self.ended = False
        self.over = False

    @property
    def wants_more(self) -> bool:
        return not self.ended and self.size < _UNDER_WAY_MAX

    def read(self, due: float, opening: Callable[[bytes], bytes]) -> None:
        while self.wants_more:
            try:
                data = self.source.recv(_CHUNK)
            except BlockingIOError:
                return
            self.ended = not data
            if data:
                self.held.append((due, opening(data)))
                self.size += len(data)

    def write(self, now: float) -> None:
        while self.held and self.held[0][0] <= now:
            due, data = self.held[0]
            try:
                sent = self.sink.send(data)
            except BlockingIOError:
                return
            self.size -= sent
            if sent < len(data):
                self.held[0] = (due, data[sent:])
                return
            self.held.popleft()
        if self.ended and not self.held and not self.over:
            self.over = True
            self.sink.shutdown(socket.SHUT_WR)


class Link:
    """A client's connection and the one made for it to the server."""

    def __init__(
        self,
        client: socket.socket,
        server_address: tuple[str, int],
        opening: Callable[[bytes], bytes] | None,
    ) -> None:
        self.over = False
        self._client = client
        self._server = socket.socket()
        self._opening = opening
        for end in (self._client, self._server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._flows = (
            _Flow(Way.TO_SERVER, self._client, self._server),
            _Flow(Way.TO_CLIENT, self._server, self._client),
        )
        if self._server.connect_ex(server_address) not in (0, errno.EINPROGRESS):
            self.reset()

    def interests(self, now: float, frozen: Set[Way]) -> dict[int, int]:
        """Which descriptors to poll for what.

        A frozen one is not polled at all: poll() tells of a hang-up whether asked to or not.
        """
        masks: dict[int, int] = {}
        for flow in self._moving(frozen):
            if flow.wants_more:
                masks[flow.source.fileno()] = masks.get(flow.source.fileno(), 0) | select.POLLIN
            if flow.held and flow.held[0][0] <= now:
                masks[flow.sink.fileno()] = masks.get(flow.sink.fileno(), 0) | select.POLLOUT
        return masks

    def next_due(self, frozen: Set[Way]) -> float | None:
        """When the next held bytes may go, on the clock of `move`; None when none are held."""
        return min((flow.held[0][0] for flow in self._moving(frozen) if flow.held), default=None)

    def move(self, now: float, frozen: Set[Way], delay_s: float) -> None:
        """Read and write what can be without blocking; if one end broke, break the other."""
        try:
            for flow in self._moving(frozen):
                flow.read(now + delay_s, self._open if flow.way is Way.TO_SERVER else bytes)
                flow.write(now)
        except OSError:
            self.reset()
        if not self.over and all(flow.over for flow in self._flows):
            self._close()

    def reset(self) -> None:
        """RST to both ends."""
        for end in (self._client, self._server):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._close()

    def _moving(self, frozen: Set[Way]) -> list[_Flow]:
        return [] if self.over else [flow for flow in self._flows if flow.way not in frozen]

    def _open(self, data: bytes) -> bytes:
        opening, self._opening = self._opening, None
        return opening(data) if opening else data

    def _close(self) -> None:
        self.over = True
        self._client.close()
        self._server.close()
