"""A client that writes to one node's service all the while, and knows when it was answered."""

from __future__ import annotations

import socket
import threading
import time
from itertools import pairwise

from tests.servers.ports import LOOPBACK

WRITE_EVERY_S = 0.002
ANSWER_S = 5.0


class Writer:
    """One write after the other, each over a connection of its own, until the block is left."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._answered_at: list[float] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._write_on, daemon=True)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def longest_gap_ms(self, since: float, until: float) -> float:
        """The longest time without an answer between two moments (CLOCK_MONOTONIC, seconds)."""
        times = [since, *(at for at in self._answered_at if since < at < until), until]
        return max(later - earlier for earlier, later in pairwise(times)) * 1000

    def _write_on(self) -> None:
        while not self._done.wait(WRITE_EVERY_S):
            try:
                with socket.create_connection((LOOPBACK, self._port), timeout=ANSWER_S) as service:
                    service.sendall(b"a write")
                    answered = service.recv(64)
            except OSError:
                continue
            if answered:
                self._answered_at.append(time.monotonic())
