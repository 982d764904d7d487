"""Looking at this host's processes and ports, and ending them, by the kernel's own files.

Knows nothing of units, services or controllers. Sees its own network namespace only: a service in a container of its
own has ports that are not here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from failover.support.spawner import read_stat

_LISTENS = "0A"
_SOCKET_TABLES = ("tcp", "tcp6")
_TICKS = os.sysconf("SC_CLK_TCK")


def lives(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    stat = read_stat(pid)
    return stat is not None and stat[0] not in "ZX"


def started_at(pid: int) -> float:
    """Wall time in seconds at which it was started; 0.0: there is none."""
    stat = read_stat(pid)
    if stat is None:
        return 0.0
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + stat[3] / _TICKS


def listening(ports: Iterable[int]) -> dict[int, set[int]]:
    """The inodes of the sockets that listen, for each of those ports that any does. Raises OSError."""
    wanted = set(ports)
    found: dict[int, set[int]] = {}
    for table in _SOCKET_TABLES:
        try:
            lines = Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]
        except FileNotFoundError:
            if table == "tcp":
                raise
            continue  # a kernel without IPv6
        for line in lines:
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == _LISTENS and port in wanted:
                found.setdefault(port, set()).add(int(fields[9]))
    return found


def owners_of_sockets(inodes: set[int]) -> set[int]:
    """Who has one of those sockets open, as far as this user may see."""
    names = {f"socket:[{inode}]" for inode in inodes}
    return set(_with_open(lambda link, _: link in names)) if names else set()


def owners_of_file(path: Path) -> set[int]:
    """Who has that very file open; nobody if there is none."""
    try:
        sought = path.stat()
    except FileNotFoundError:
        return set()

    def same(_: str, descriptor: str) -> bool:
        found = os.stat(descriptor)
        return (found.st_dev, found.st_ino) == (sought.st_dev, sought.st_ino)

    return set(_with_open(same))


def _with_open(wanted: Callable[[str, str], bool]) -> Iterator[int]:
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended, or is somebody else's
            if any(_is_wanted(f"/proc/{entry}/fd/{fd}", wanted) for fd in os.listdir(f"/proc/{entry}/fd")):
                yield int(entry)


def _is_wanted(descriptor: str, wanted: Callable[[str, str], bool]) -> bool:
    try:
        return wanted(os.readlink(descriptor), descriptor)
    except OSError:  # closed meanwhile
        return False


def kill_with_descendants(pids: Iterable[int]) -> set[int]:
    """SIGKILL to those and all that descends from them; whom it was sent to.

    All are stopped first, from the top down: none can start another, or see a parent's end and act on it.
    """
    stopped: list[int] = []
    waiting = [pid for pid in pids if pid > 1 and pid != os.getpid()]
    while waiting:
        pid = waiting.pop()
        if pid in stopped or pid == os.getpid():
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
            waiting += _children(pid)
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return set(stopped)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text("ascii").split())
    return found
