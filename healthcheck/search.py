"""Finding a service's process: by its pid file, its program, its command line, or the port it listens on.

All but the pid file mean a walk through every process, which is done in a thread (psutil, imported only then).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from failover.support.spawner import members, start_time

if TYPE_CHECKING:
    import psutil

_LARGEST_PIDFILE = 64
_LARGEST_PID = 2**22
_LISTEN = "0A"


class Search(Protocol):
    """One way to find it. `cheap`: `find` may be called at every check. `words` name it in logs."""

    words: str
    cheap: bool

    async def find(self) -> list[int]:
        """Its pids, without those of its own children; the oldest first."""

    def is_still(self, pid: int) -> bool:
        """Whether that number is still the process that was found."""

    def successor(self, pid: int) -> int | None:
        """`pid` has ended: the instance that has already taken its place, where that can be told at once."""

    def rest(self) -> str:
        """With its process ended: what is still there of the service, where that can be told at once; "" if nothing."""


class PidfileSearch:
    """What the pid file names."""

    cheap = True

    def __init__(self, path: Path) -> None:
        self.words = str(path)
        self._path = path

    async def find(self) -> list[int]:
        """The file's pid, if there is such a process."""
        pid = self._read()
        return [pid] if pid is not None else []

    def is_still(self, pid: int) -> bool:
        """Whether the file still names it."""
        return self._read() == pid

    def successor(self, pid: int) -> int | None:
        """Another process that the file names by now."""
        other = self._read()
        return other if other != pid else None

    def rest(self) -> str:
        """Workers in the process group that the ended process led: its number is not given away while one lives.

        Zombies that nobody waits for keep a group alive, too: only then every process is looked at.
        """
        pid = self._number() or 1
        if pid in (1, os.getpgrp()) or start_time(pid):  # 1 would mean every group; a zombie counts itself
            return ""
        if _lives(pid):
            return f"process {pid} is there, though /proc does not show it to this user"
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return ""
        except PermissionError:
            pass
        return f"processes of its group {pid} are left" if members(pid, group_only=True) else ""

    def _read(self) -> int | None:
        pid = self._number()
        return pid if pid is not None and start_time(pid) else None

    def _number(self) -> int | None:
        try:
            with self._path.open("rb") as file:
                first = file.read(_LARGEST_PIDFILE).split()[0]
            pid = int(first)
        except (OSError, ValueError, IndexError):
            return None
        return pid if 0 < pid <= _LARGEST_PID else None


def _lives(pid: int) -> bool:
    """Whether there is such a process, whatever /proc says (it may be mounted with `hidepid`)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class WalkSearch:
    """The processes that `candidates` gives, but not the children of one of them (a service's workers)."""

    cheap = False

    def __init__(self, words: str, candidates: Callable[[], set[int]], rest: Callable[[], str] = lambda: "") -> None:
        self.words = words
        self._candidates = candidates
        self._rest = rest
        self._found: dict[int, int] = {}

    async def find(self) -> list[int]:
        """Walk, in a thread."""
        self._found = await asyncio.to_thread(self._walk)
        return list(self._found)

    def is_still(self, pid: int) -> bool:
        """Whether its start time is the one that was seen in the walk."""
        return self._found.get(pid) == start_time(pid) != 0

    def successor(self, pid: int) -> int | None:  # noqa: ARG002
        """Not told: another walk would take too long, and an orphaned worker could pass for one."""
        return None

    def rest(self) -> str:
        """Whether its port is still held, if it is found by that; no walk."""
        return self._rest()

    def _walk(self) -> dict[int, int]:
        import psutil

        parents: dict[int, int] = {}
        for pid in self._candidates() - _our_own():
            try:
                parents[pid] = psutil.Process(pid).ppid()
            except psutil.Error:  # it has ended
                continue
        started = {pid: start_time(pid) for pid, parent in parents.items() if parent not in parents}
        return dict(sorted(((pid, at) for pid, at in started.items() if at), key=lambda item: item[::-1]))


def by_program(path: Path) -> WalkSearch:
    """Those that run the program `path` (a link is followed)."""

    def runs(process: psutil.Process) -> bool:
        return process.exe() in (str(path), os.path.realpath(path))

    return WalkSearch(str(path), lambda: _all_that(runs))


def by_command_line(pattern: str) -> WalkSearch:
    """Those in whose command line (joined by blanks) the regular expression is found."""
    compiled = re.compile(pattern)

    def fits(process: psutil.Process) -> bool:
        return compiled.search(" ".join(process.cmdline())) is not None

    return WalkSearch(pattern, lambda: _all_that(fits))


def by_port(port: int) -> WalkSearch:
    """Those that listen on the TCP port (other users' are seen by root alone)."""

    def listening() -> set[int]:
        sockets = {f"socket:[{inode}]" for inode in _listeners(port)}
        return _holders(sockets) if sockets else set()

    return WalkSearch(f"port {port}", listening, lambda: f"port {port} is still held" if is_held(port) else "")


def is_held(port: int) -> bool:
    """Whether anyone listens on the TCP port."""
    return next(_listeners(port), None) is not None


def _listeners(port: int) -> Iterator[str]:
    """The sockets that listen on it, by inode. The kernel lists listeners first: what follows them is not read."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                next(file, None)
                for line in file:
                    fields = line.split(maxsplit=10)
                    if fields[3] != _LISTEN:
                        break
                    if int(fields[1].rpartition(":")[2], 16) == port:
                        yield fields[9]
        except OSError:  # no such protocol here
            continue


def _holders(sockets: set[str]) -> set[int]:
    """Every process that has one of them open: a main process and its workers share one."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _holds(entry, sockets):
            found.add(int(entry))
    return found


def _holds(pid: str, sockets: set[str]) -> bool:
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:  # it has ended, or may not be looked at
        return False
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # it was closed just now
            if os.readlink(f"/proc/{pid}/fd/{descriptor}") in sockets:
                return True
    return False


def _all_that(fits: Callable[[psutil.Process], bool]) -> set[int]:
    import psutil

    found = set()
    for process in psutil.process_iter():
        try:
            if fits(process):
                found.add(process.pid)
        except psutil.Error:  # it has ended, or may not be looked at
            continue
    return found


def _our_own() -> set[int]:
    """This controller and its launcher: their command lines may well name the service."""
    import psutil

    own = os.getpid()
    return {own, *(child.pid for child in psutil.Process(own).children() if child.name() == "failoverd-hooks")}
