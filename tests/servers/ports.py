"""Free loopback ports that stay free until their server has bound them.

Port 0 is not used: the kernel's choice lies in the range of outgoing connections, so that any
client of the machine may take it between the choice and the bind, or while a server is restarted.
"""

import os
import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
_LOWEST = 10_000  # five digits, always: a relay may then write one port over another
_RANGE_OF_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")

_given: set[int] = set()
_chance = random.SystemRandom()


def free_port() -> int:
    """A port that nothing listens on, given out once per process; RuntimeError if none is left."""
    highest = _first_outgoing_port()
    ours, of_all = _share()
    for _ in range(1000):
        port = _LOWEST + ours + of_all * _chance.randrange((highest - _LOWEST) // of_all)
        if port not in _given and _can_be_bound(port):
            _given.add(port)
            return port
    raise RuntimeError(f"no free port between {_LOWEST} and {highest}: is something holding them all?")


def _share() -> tuple[int, int]:
    """Which of how many test processes this is: they never draw the same port."""
    name, count = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    return int(name.removeprefix("gw")) % int(count), int(count)


def _first_outgoing_port() -> int:
    try:
        first = int(_RANGE_OF_OUTGOING.read_text(encoding="ascii").split()[0])
    except FileNotFoundError:
        first = 32_768
    return first if first > _LOWEST + 1000 else 32_768


def _can_be_bound(port: int) -> bool:
    return all(_is_free(port, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(type=kind) as trial:
        if kind is socket.SOCK_STREAM:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
