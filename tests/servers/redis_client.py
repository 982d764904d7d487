"""A client of Redis that writes all the while at one address: an application with a driver. It knows no nodes."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from tests.servers.ports import LOOPBACK
from tests.servers.redis import Connection, RedisError
from tests.servers.wait import eventually

_AGAIN_S = 0.01


@dataclass
class Client:
    """Writes, and connects again where it must; as a context manager.

    `taken_s`: when writes were taken (CLOCK_MONOTONIC); `acknowledged`: those that are replicated, too.
    """

    port: int
    host: str = LOOPBACK
    answer_s: float = 2.0
    replicas: int = 1
    taken_s: list[float] = field(default_factory=list)
    acknowledged: dict[str, str] = field(default_factory=dict)
    connections: int = 0

    def __post_init__(self) -> None:
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def goes_on(self, more: int = 20) -> None:
        """Wait until that many more writes have been taken."""
        before = len(self.taken_s)
        eventually(lambda: len(self.taken_s) >= before + more, 15, "the client writes on")

    def gap_s(self, after_s: float) -> float:
        """The longest time without a write that was taken, from `after_s` on."""
        times = [at for at in list(self.taken_s) if at >= after_s]
        return max((later - earlier for earlier, later in zip([after_s, *times], times, strict=False)), default=0.0)

    def _run(self) -> None:
        while not self._done.wait(_AGAIN_S):
            try:
                with Connection(self.port, self.host, self.answer_s) as connection:
                    self.connections += 1
                    self._write(connection)
            except (OSError, RedisError):
                continue  # a demoted Redis refuses writes: a driver closes such a connection, too

    def _write(self, connection: Connection) -> None:
        while not self._done.wait(0.002):
            key = f"key-{len(self.taken_s)}-{time.monotonic_ns()}"
            if connection.ask("SET", key, key) == "OK":
                self.taken_s.append(time.monotonic())
            copies = connection.ask("WAIT", str(self.replicas), "100")
            if isinstance(copies, int) and copies >= self.replicas:
                self.acknowledged[key] = key
