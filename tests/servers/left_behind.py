"""Finds the processes that a test started and did not end."""

from collections.abc import Callable, Set
from typing import Protocol

import psutil

from tests.servers.guardian import guardian, marked_processes
from tests.servers.wait import eventually

_GRACE_S = 1.0


class Server(Protocol):
    """A server that runs on from test to test; its process may change."""

    @property
    def pid(self) -> int | None: ...


class LeftBehind:
    """The processes below this one, but the guardian and the servers that were allowed to stay."""

    def __init__(self) -> None:
        self._allowed: list[Server] = []

    def allow(self, server: Server) -> None:
        """This server stays until the end of the session."""
        self._allowed.append(server)

    def children(self) -> set[psutil.Process]:
        """The children of this process, those included that ended and were never waited for."""
        return self._without_allowed(psutil.Process().children())

    def descendants(self) -> set[psutil.Process]:
        """Every live process that inherited this run's mark, whoever its parent is now."""
        return self._without_allowed(marked_processes())

    def end_those_not_in(self, before: Set[psutil.Process], now: Callable[[], Set[psutil.Process]]) -> list[str]:
        """Give a second's grace, then kill what was not there before; what it was, in words."""
        try:
            eventually(lambda: not now() - before, _GRACE_S, "the processes have ended")
        except AssertionError:
            return [_ended(process) for process in now() - before]
        return []

    def _without_allowed(self, processes: list[psutil.Process]) -> set[psutil.Process]:
        allowed = {guardian().process.pid, *(server.pid for server in self._allowed)}
        return {process for process in processes if process.pid not in allowed}


def _ended(process: psutil.Process) -> str:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return f"{process.pid}: ended, but never waited for"
        told = f"{process.pid}: {' '.join(process.cmdline())[:200]}"
        process.kill()
    except psutil.Error as gone:
        return f"{process.pid}: {gone}"
    return told
