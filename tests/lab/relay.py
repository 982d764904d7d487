"""The cable between a host and the switch: a program that carries each frame, late, or not at all, as it is told.

Run by `tests.lab.network`: `relay.py HOST_PID SWITCH_PID PORT`. It makes `eth0` in the one network namespace and PORT
in the other, and copies between them. On its input one JSON object a line, answered by `ok` once it holds:
{"out": {"delay_s": 0.05, "jitter_s": 0.01, "loss": 0.1, "cut": false, "block": ["10.0.0.2"]}, "in": {…}}; `out` is what
the host sends. It knows Ethernet and the place of an IPv4 address, nothing else. Written on its own: no import of ours.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_TUNSETIFF, _TAP_WITHOUT_INFO = 0x400454CA, 0x1002
_LONGEST_FRAME = 65536
_AT_ONCE = 64
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Way:
    """One direction: where its frames go, and what befalls them."""

    to: int
    peer_at: int  # where in a frame the IPv4 address of the host's peer begins
    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    cut: bool = False
    block: list[str] = field(default_factory=list)
    blocked: frozenset[bytes] = frozenset()

    def set(self, changes: dict[str, object]) -> None:
        for name, value in changes.items():
            setattr(self, name, value)
        self.blocked = frozenset(map(socket.inet_aton, self.block))

    def loses(self, frame: bytes) -> bool:
        if self.cut or (self.loss and random.random() < self.loss):
            return True
        is_ip = frame[12:14] == b"\x08\x00"
        return bool(self.blocked) and is_ip and frame[self.peer_at : self.peer_at + 4] in self.blocked

    def lateness_s(self) -> float:
        return max(0.0, self.delay_s + random.uniform(-self.jitter_s, self.jitter_s))


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


def _end_of_cable(pid: str, name: str) -> int:
    home, there = os.open("/proc/self/ns/net", os.O_RDONLY), os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    _enter(there)
    try:
        end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22s", name.encode(), _TAP_WITHOUT_INFO, b""))
    finally:
        _enter(home)
        os.close(home)
        os.close(there)
    return end


class Relay:
    """Both directions, and the frames that are under way."""

    def __init__(self, host: int, switch: int) -> None:
        self.ways = {host: Way(switch, peer_at=30), switch: Way(host, peer_at=26)}
        self.named = {"out": self.ways[host], "in": self.ways[switch]}
        self._late: list[tuple[float, int, int, bytes]] = []
        self._count = 0

    def wait_s(self) -> float | None:
        return max(0.0, self._late[0][0] - time.monotonic()) if self._late else None

    def carry(self, end: int) -> None:
        """Take what has come in at this end."""
        way = self.ways[end]
        for _ in range(_AT_ONCE):
            try:
                frame = os.read(end, _LONGEST_FRAME)
            except (BlockingIOError, OSError):
                return
            if way.loses(frame):
                continue
            late = way.lateness_s()
            if late or self._late:
                self._count += 1
                heapq.heappush(self._late, (time.monotonic() + late, self._count, way.to, frame))
            else:
                _put(way.to, frame)

    def deliver(self) -> None:
        """Hand over the frames whose time has come."""
        while self._late and self._late[0][0] <= time.monotonic():
            _, _, end, frame = heapq.heappop(self._late)
            _put(end, frame)


def _put(end: int, frame: bytes) -> None:
    with contextlib.suppress(OSError):  # the other end is down, or full: a cable loses it too
        os.write(end, frame)


def main() -> None:
    host_pid, switch_pid, port = sys.argv[1:]
    relay = Relay(_end_of_cable(host_pid, "eth0"), _end_of_cable(switch_pid, port))
    print("ok", flush=True)
    ready = select.epoll()
    for end in (*relay.ways, sys.stdin.fileno()):
        ready.register(end, select.EPOLLIN)
    while True:
        for end, _ in ready.poll(relay.wait_s()):
            if end != sys.stdin.fileno():
                relay.carry(end)
                continue
            line = sys.stdin.readline()
            if not line:
                return
            for name, changes in json.loads(line).items():
                relay.named[name].set(changes)
            print("ok", flush=True)
        relay.deliver()


if __name__ == "__main__":
    main()
