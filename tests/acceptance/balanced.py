"""A cluster behind HAProxy with the shipped configuration, and a client that knows nothing but HAProxy's address.

What must hold is said by the tests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.acceptance.cluster import CHECKOUT, Cluster
from tests.servers.haproxy import HAProxy
from tests.servers.ports import free_port
from tests.servers.redis import Connection, RedisError
from tests.servers.wait import eventually

SHIPPED = CHECKOUT / "config" / "examples" / "haproxy.cfg"
PLAIN_CHECKS = {"addr 127.0.0.1 port 8311": "port 8300", "addr 127.0.0.1 port 8312": "port 8300"}
UNPROVEN_IS_ENOUGH = {"/active?proven": "/active"}
_AGAIN_S = 0.01


@dataclass
class Doors:
    """HAProxy's two ports."""

    write: int
    read: int
    log: HAProxy


@contextmanager
def balanced(pair: Cluster, changes: dict[str, str] | None = None) -> Iterator[Doors]:
    """HAProxy in front of nodes a and b. `changes`: what is replaced in the shipped file."""
    write, read = free_port(), free_port()
    with HAProxy(_configuration(pair, write, read, changes or {})) as proxy:
        try:
            yield Doors(write, read, proxy)
        except BaseException:
            print(f"--- haproxy\n{proxy.log}")
            raise


def _configuration(pair: Cluster, write: int, read: int, changes: dict[str, str]) -> str:
    """The shipped file with the addresses of this cluster, `changes` first."""
    text = SHIPPED.read_text("utf-8")
    addresses = {":6379\n": f"127.0.0.1:{write}\n", ":6380\n": f"127.0.0.1:{read}\n"}
    for number, name in ((1, "a"), (2, "b")):
        host, asker = pair[name], f"{free_port()}"
        addresses |= {
            f"10.0.0.1{number}:6379 check port 8300": f"127.0.0.1:{host.port} check port {host.api.split(':')[1]}",
            f"10.0.0.1{number}:6379": f"127.0.0.1:{host.port}",
            f"10.0.0.1{number}:8300": host.api,
            f"port 831{number}": f"port {asker}",
            f":831{number}\n": f":{asker}\n",
        }
    for old, new in (changes | addresses).items():
        text = text.replace(old, new)
    assert "10.0.0." not in text, f"an address of {SHIPPED.name} is not replaced:\n{text}"
    return text


@dataclass
class Client:
    """Writes all the while through one port, and connects again where it must: an application with a driver.

    `taken_s`: when writes were taken (CLOCK_MONOTONIC); `acknowledged`: those that are replicated, too.
    """

    port: int
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
                with Connection(self.port) as connection:
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
