"""Watches from the client's side: who takes writes, whether two ever do, and what became of each acknowledged write."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from tests.acceptance.cluster import Cluster, Host
from tests.servers.redis import RedisError, ask


@dataclass
class Seen:
    """What a client saw. Times are CLOCK_MONOTONIC in seconds."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    accepted_at: list[tuple[float, str]] = field(default_factory=list)
    both_masters: list[float] = field(default_factory=list)

    def gap_s(self, after_s: float) -> float:
        """The longest time without an accepted write, from `after_s` on."""
        times = [at for at, _ in self.accepted_at if at >= after_s]
        return max((later - earlier for earlier, later in zip([after_s, *times], times, strict=False)), default=0.0)


class Witness:
    """A client that writes all the while (acknowledged: taken *and* replicated), and looks for two masters."""

    def __init__(self, cluster: Cluster, replicas: int = 1) -> None:
        self.seen = Seen()
        self._hosts = list(cluster.hosts.values())
        self._replicas = str(replicas)
        self._done = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._write, self._look)]

    def __enter__(self) -> Witness:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        number = 0
        while not self._done.wait(0.002):
            number += 1
            for host in self._hosts:
                if self._set(host, f"key-{number}", str(number)):
                    break

    def _set(self, host: Host, key: str, value: str) -> bool:
        try:
            taken, copies = ask(host.port, ("SET", key, value), ("WAIT", self._replicas, "100"))
        except (OSError, RedisError):
            return False
        self.seen.accepted_at.append((time.monotonic(), host.name))
        if taken == "OK" and isinstance(copies, int) and copies >= int(self._replicas):
            self.seen.acknowledged[key] = value
        return True

    def _look(self) -> None:
        """Master before and after another one was seen to be master: both were, at one moment."""
        while not self._done.wait(0.002):
            for first in self._hosts:
                others = [host for host in self._hosts if host is not first]
                if first.redis_role() != "master":
                    continue
                if any(other.redis_role() == "master" for other in others) and first.redis_role() == "master":
                    self.seen.both_masters.append(time.monotonic())


def lost(seen: Seen, host: Host) -> list[str]:
    """Acknowledged writes that `host` does not have."""
    return [key for key, value in seen.acknowledged.items() if host.redis("GET", key) != value]
