"""kazoo's threads and its log, tamed: callbacks at once on the connection's thread, and no warning at every try.

Deliberately unknown here: sessions.
"""

from __future__ import annotations

import logging
import math
import select
import socket
import threading
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from kazoo.handlers.threading import SequentialThreadingHandler

log = logging.getLogger("failoverd.store")

Dial = Callable[[tuple[str, int], str, float], socket.socket]
"""Address, the name that the server's certificate must be for, seconds. Raises ConnectionDropped."""


class Quiet(logging.LoggerAdapter[logging.Logger]):
    """kazoo warns at every try while the store is away; we tell of that once, as events."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if level >= logging.ERROR or self.logger.isEnabledFor(logging.DEBUG):
            super().log(level if level >= logging.ERROR else logging.DEBUG, msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, kwargs


class _AtOnce:
    """In place of kazoo's queues to its worker threads."""

    def __init__(self, gate: threading.RLock) -> None:
        self._gate = gate

    def put(self, work: Callable[[], None]) -> None:
        with self._gate:
            work()


class InlineHandler(SequentialThreadingHandler):  # type: ignore[misc]
    """kazoo's threads, without the two workers that answers and watches would be handed through.

    `attempt_s`: how long the next server is dialled. `alarm`: how long to wait for the network now, inf where that does
    not matter; `alarmed` is called when so much time has passed, with by how much too late it is, and may raise.
    """

    def __init__(self, gate: threading.RLock, dial: Dial) -> None:
        super().__init__()
        self._dial = dial
        self.attempt_s = 0.0
        self.alarm: Callable[[], float] = lambda: math.inf
        self.alarmed: Callable[[float], None] = lambda _: None
        self.callback_queue = self.completion_queue = _AtOnce(gate)

    def start(self) -> None:
        self._running = True

    def stop(self) -> None:
        self._running = False

    def select(
        self, readers: list[Any], writers: list[Any], _: list[Any], timeout: float | None = None
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """poll(2) in place of a fresh epoll for each read, which costs five times as much."""
        poller, found = select.poll(), {}
        for mask, sockets in ((select.POLLIN, readers), (select.POLLOUT, writers)):
            for one in sockets:
                found[one.fileno()] = one
                poller.register(one, mask)
        ready = self._poll(poller, math.inf if timeout is None else time.monotonic() + timeout)
        hit = [found[descriptor] for descriptor, _ in ready]
        return [s for s in hit if s in readers], [s for s in hit if s in writers], []

    def _poll(self, poller: Any, until_s: float) -> list[tuple[int, int]]:
        """What is ready by then; none: nothing is. An alarm between is none of kazoo's business."""
        while True:
            now_s = time.monotonic()
            wake_s = min(until_s, now_s + max(0.0, self.alarm()))
            ready: list[tuple[int, int]] = poller.poll(None if wake_s == math.inf else max(0.0, wake_s - now_s) * 1000)
            if ready or wake_s == until_s:
                return ready
            self.alarmed(time.monotonic() - wake_s)

    def create_socket_pair(self) -> Any:
        """kazoo's wake-up pipe: a byte for each call, so it must hold MOST_PENDING of them and more."""
        ends = super().create_socket_pair()
        for end in ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        return ends

    def create_connection(self, address: tuple[str, int], hostname: str, **_: Any) -> socket.socket:
        """In place of kazoo's own, whose TLS believes any name and whose handshake has a deadline of its own."""
        return self._dial(address, hostname, self.attempt_s)

    def spawn(self, func: Callable[..., None], *args: Any, **kwargs: Any) -> threading.Thread:
        thread = threading.Thread(target=func, args=args, kwargs=kwargs, name="failoverd-zookeeper", daemon=True)
        thread.start()
        return thread
