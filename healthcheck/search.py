"""Finding a service's process: by its pid file, its program, its command line, or the port it listens on.

All but the pid file mean a walk through every process, which is done in a thread (psutil, imported only then).
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from failover.support.spawner import start_time

if TYPE_CHECKING:
    import psutil

_LARGEST_PIDFILE = 64


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

    def _read(self) -> int | None:
        try:
            with self._path.open("rb") as file:
                first = file.read(_LARGEST_PIDFILE).split()[0]
            pid = int(first)
        except (OSError, ValueError, IndexError):
            return None
        return pid if pid > 0 and start_time(pid) else None


class WalkSearch:
    """The processes that `candidates` gives, but not the children of one of them (a service's workers)."""

    cheap = False

    def __init__(self, words: str, candidates: Callable[[], set[int]]) -> None:
        self.words = words
        self._candidates = candidates
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
        import psutil

        connections = psutil.net_connections(kind="tcp")
        return {c.pid for c in connections if c.pid and c.status == psutil.CONN_LISTEN and c.laddr[1:2] == (port,)}

    return WalkSearch(f"port {port}", listening)


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
