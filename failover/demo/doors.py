"""How the demo's client speaks to an instance of the service: the little one, or a real Redis (RESP 2).

Every wait has a deadline. Knows nothing of who is active: an instance that takes no writes says so (Refused).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from failover.demo.layout import LOOPBACK

ANSWER_S = 1.0
REPLICATED_WITHIN_MS = 100
READ_AT_ONCE = 500


class Refused(Exception):
    """The instance answered, and took no write."""


@dataclass(frozen=True, slots=True)
class Written:
    """A write that was accepted at that moment (seconds, wall clock). `acknowledged`: every standby has it too."""

    at: float
    acknowledged: bool


class Door(Protocol):
    """A connection to one instance. Everything raises OSError when it cannot be reached, Refused when it says no."""

    def write(self, key: str, value: int) -> Written:
        """Write one value."""

    def read(self, keys: Iterable[str]) -> dict[str, int]:
        """The values of those keys that are there."""

    def standbys(self) -> int | None:
        """How many standbys are connected and up to date; None: this instance is no active."""

    def close(self) -> None:
        """Close the connection."""


class _Connection:
    def __init__(self, port: int, answer_s: float = ANSWER_S) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), answer_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def close(self) -> None:
        """Close the connection."""
        self._answers.close()
        self._socket.close()

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _line(self) -> str:
        line = self._answers.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the service closed the connection")
        return line.rstrip(b"\r\n").decode("utf-8", "replace")


class TcpDoor(_Connection):
    """To the little service: its OK means that every connected standby has the write."""

    def write(self, key: str, value: int) -> Written:
        """See Door."""
        self._send(f"SET {key} {value}\n".encode("ascii"))
        answer = self._line()
        if answer != "OK":
            raise Refused(answer)
        return Written(time.time(), acknowledged=True)

    def read(self, keys: Iterable[str]) -> dict[str, int]:
        """See Door."""
        found = {}
        for some in _portions(keys):
            self._send("".join(f"GET {key}\n" for key in some).encode("ascii"))
            for key in some:
                kind, _, value = self._line().partition(" ")
                if kind == "VALUE":
                    found[key] = int(value)
        return found

    def standbys(self) -> int | None:
        """See Door."""
        self._send(b"STATUS\n")
        match self._line().split():
            case ["STATUS", "active", _, _, count]:
                return int(count)
        return None


class RedisDoor(_Connection):
    """To a Redis. A write is acknowledged only once all replicas that were connected before it have it (WAIT)."""

    def write(self, key: str, value: int) -> Written:
        """See Door."""
        replicas = self.standbys() or 0
        self._send(_encoded("SET", key, value) + _encoded("WAIT", max(1, replicas), REPLICATED_WITHIN_MS))
        stored = self._answer()
        accepted_at = time.time()
        replicated = self._answer()
        if isinstance(stored, Refused):
            raise stored
        return Written(accepted_at, acknowledged=_number(replicated) >= max(1, replicas))

    def read(self, keys: Iterable[str]) -> dict[str, int]:
        """See Door."""
        found = {}
        for some in _portions(keys):
            self._send(_encoded("MGET", *some))
            values = self._reply()
            for key, value in zip(some, values if isinstance(values, list) else [], strict=True):
                if value is not None:
                    found[key] = _number(value)
        return found

    def standbys(self) -> int | None:
        """See Door."""
        self._send(_encoded("INFO", "replication"))
        told = str(self._reply())
        return told.count("state=online") if "role:master" in told else None

    def _reply(self) -> object:
        answer = self._answer()
        if isinstance(answer, Refused):
            raise answer
        return answer

    def _answer(self) -> object:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == "-":
            return Refused(rest)
        if kind == "*":
            return [self._answer() for _ in range(int(rest))]
        if kind != "$":
            return rest
        if rest == "-1":
            return None
        data = self._answers.read(int(rest) + 2)
        if len(data) < int(rest) + 2:
            raise ConnectionError("the service closed the connection")
        return data[:-2].decode("utf-8", "replace")


def _encoded(*words: object) -> bytes:
    parts = [f"*{len(words)}\r\n"]
    parts += [f"${len(str(word).encode())}\r\n{word}\r\n" for word in words]
    return "".join(parts).encode()


def _number(reply: object) -> int:
    text = str(reply)
    return int(text) if text.lstrip("-").isdecimal() else 0


def _portions(keys: Iterable[str]) -> Iterable[list[str]]:
    every = list(keys)
    return [every[start : start + READ_AT_ONCE] for start in range(0, len(every), READ_AT_ONCE)]


DOORS: dict[str, type[TcpDoor] | type[RedisDoor]] = {"tcp": TcpDoor, "redis": RedisDoor}
