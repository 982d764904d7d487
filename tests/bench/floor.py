"""The floor: what a hand-over costs when nobody decides anything. Two bare kazoo clients and two empty processes.

Start an empty process and wait for its end; mark the breadcrumb and delete the lock in one transaction; the other
client's watch fires; it creates the lock, reads the breadcrumb, writes it by compare-and-set; and an empty process is
started and waited for. No checks, no sessions' records, no watches on anything else, no logging.
"""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType
from typing import Self

from kazoo.client import KazooClient

EMPTY = "/bin/true"
ANSWER_S = 10.0
_OWNER = b'{"machine_id":"0123456789abcdef0123456789abcdef","node":"a","schema":1}'
_CRUMB = b'{"clean":%s,"epoch":1234,"node":"a","address":"127.0.0.1:8300","machine_id":"0123456789abcdef","schema":1}'


def run_empty_process() -> None:
    """posix_spawn and wait."""
    pid = os.posix_spawn(EMPTY, [EMPTY], {})
    os.waitpid(pid, 0)


class Floor:
    """Two clients of one ZooKeeper, which hand lock and breadcrumb over and back."""

    def __init__(self, hosts: str, root: str) -> None:
        self._lock, self._crumb = f"{root}/lock", f"{root}/crumb"
        self._clients = [KazooClient(hosts, timeout=6.0), KazooClient(hosts, timeout=6.0)]

    def __enter__(self) -> Self:
        for client in self._clients:
            client.start(ANSWER_S)
        holder = self._clients[0]
        holder.create(self._crumb, _CRUMB % b"false", makepath=True)
        holder.create(self._lock, _OWNER, ephemeral=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for client in self._clients:
            client.stop()
            client.close()

    def hand_over(self) -> float:
        """Once; how long it took, in milliseconds. The next time it goes the other way."""
        holder, other = self._clients
        self._clients.reverse()
        freed = threading.Event()
        _, stat = holder.get(self._crumb)
        other.exists(self._lock, watch=lambda _event: freed.set())
        began = time.monotonic()
        run_empty_process()
        transaction = holder.transaction()
        transaction.set_data(self._crumb, _CRUMB % b"true", stat.version)
        transaction.delete(self._lock)
        transaction.commit()
        if not freed.wait(ANSWER_S):
            raise TimeoutError("the floor's watch did not fire")
        other.create(self._lock, _OWNER, ephemeral=True)
        _, stat = other.get(self._crumb)
        other.set(self._crumb, _CRUMB % b"false", stat.version)
        run_empty_process()
        return (time.monotonic() - began) * 1000
