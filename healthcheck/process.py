"""`kind: process`: a process is there; its end is heard of at once, through a pidfd, not by a poll.

How it is found is `healthcheck.search`'s matter. Several may be watched at once (an old instance that is still
stopping beside the new one): the service is gone when the last of them is.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable

from failover.core.values import Health
from failover.ports.service import Finding
from failover.support.spawner import read_stat
from healthcheck.asking import AskingProbe
from healthcheck.search import Search
from healthcheck.timing import Timing

_STATES = {"T": "stopped", "t": "stopped by a debugger", "Z": "a zombie", "X": "dead"}
MOST_WATCHED = 16


class ProcessProbe(AskingProbe):
    """Watches what `search` finds."""

    def __init__(self, search: Search, timing: Timing) -> None:
        super().__init__(f"process {search.words}", timing)
        self._search = search
        self._tell: Callable[[Finding], None] = lambda _finding: None
        self._watched: dict[int, int] = {}

    def watch(self, tell: Callable[[Finding], None]) -> None:
        """Report the end of the last watched process at once."""
        self._tell = tell

    def close(self) -> None:
        """Watch nothing any more."""
        for pid in list(self._watched):
            self._unwatch(pid)

    def forget(self) -> None:
        """What was watched may be an instance of before: find it afresh at the next check."""
        self.close()

    async def check(self) -> Finding:
        """HEALTHY while a watched process runs. Searches where that is cheap, or nothing is watched."""
        if self._search.cheap or not self._watched:
            found = await self._search.find()
            if self._search.cheap:
                for pid in set(self._watched) - set(found):
                    self._unwatch(pid)
            try:
                for pid in found[:MOST_WATCHED]:
                    self._watch(pid)
            except OSError as error:  # no descriptor to be had, say: that tells nothing about the service
                return Finding(Health.UNKNOWN, f"cannot watch it: {error.strerror}")
        return self._finding()

    def _finding(self) -> Finding:
        if not self._watched:
            return Finding(Health.NOT_RESPONDING, "no such process", absent=True)
        states = {pid: stat[0] if (stat := read_stat(pid)) else "X" for pid in self._watched}
        for pid, state in states.items():
            if state not in _STATES:
                return Finding(Health.HEALTHY, f"pid {pid}", there=True)
        pid, state = next(iter(states.items()))
        return Finding(Health.NOT_RESPONDING, f"pid {pid} is {_STATES[state]}", there=state not in "ZX")

    def _watch(self, pid: int) -> None:
        """Open a pidfd, and look again whether it is still the process that was found: numbers are recycled."""
        if pid in self._watched:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:  # it ended just now
            return
        if not self._search.is_still(pid) or _has_ended(descriptor):
            os.close(descriptor)
            return
        self._watched[pid] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._ended, pid)

    def _unwatch(self, pid: int) -> None:
        descriptor = self._watched.pop(pid)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)

    def _ended(self, pid: int) -> None:
        self._unwatch(pid)
        if self._watched:
            return
        successor = self._search.successor(pid)
        if successor is not None:
            self._watch(successor)
        if not self._watched:
            self._tell(Finding(Health.NOT_RESPONDING, f"pid {pid} ended", gone=True))


def _has_ended(descriptor: int) -> bool:
    """Whether the pidfd's process is over with all its threads, although its parent has not waited for it yet."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
