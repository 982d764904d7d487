"""`kind: process`: a process is there; its end is heard of at once, through a pidfd, not by a poll.

How it is found is `healthcheck.search`'s matter. Several may be watched at once (an old instance that is still
stopping beside the new one). The service is gone when the last of them is, and nothing of its process tree is left:
an orphaned worker may hold its port, and serve.
"""

from __future__ import annotations

import asyncio
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass

from failover.core.values import Health
from failover.ports.service import Finding
from failover.support.spawner import members, parent_of, read_stat
from healthcheck.asking import AskingProbe
from healthcheck.search import Search
from healthcheck.timing import Timing
from healthcheck.tree import Tree, in_words

STATES = {"T": "stopped", "t": "stopped by a debugger", "Z": "a zombie", "X": "dead"}
MOST_WATCHED = 16
_SUCCESSOR_TICKS = 5
"""A shell loop starts the next instance in the same group and session, before we have heard of the last one's end."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class _End:
    """A main process that has ended: its group and session, by which its orphans are known, and when (ticks).

    `parent`: who had started it. Its orphans have another by now (init, say), and a loop's next instance has the same.
    """

    pid: int
    group: int
    session: int
    parent: int
    at: float


class ProcessProbe(AskingProbe):
    """Watches what `search` finds."""

    def __init__(self, search: Search, timing: Timing) -> None:
        super().__init__(f"process {search.words}", timing)
        self._search = search
        self._tell: Callable[[Finding], None] = lambda _finding: None
        self._watched: dict[int, int] = {}
        self._kin: dict[int, tuple[int, int, int]] = {}  # group, session, parent
        self._tree = Tree()
        self._end: _End | None = None

    def watch(self, tell: Callable[[Finding], None]) -> None:
        """Report the end of the last watched process at once."""
        self._tell = tell

    def close(self) -> None:
        """Watch nothing any more."""
        for pid in list(self._watched):
            self._unwatch(pid)
        self._tree.forget()
        self._end = None

    def forget(self) -> None:
        """What was watched may be an instance of before: find it afresh at the next check."""
        self.close()

    async def check(self) -> Finding:
        """HEALTHY while a watched process runs. Searches where that is cheap, or nothing is watched."""
        try:
            if self._search.cheap or not self._watched:
                self._take(await self._search.find())
            await self._tree.look(list(self._watched))
        except OSError as error:  # no descriptor to be had, say: that tells nothing about the service
            return Finding(Health.UNKNOWN, f"cannot watch it: {error.strerror}")
        return self._finding()

    def _take(self, found: list[int]) -> None:
        """Watch what was found. One that the search names no more, but that lives, is still of the tree."""
        if self._search.cheap:
            for pid in set(self._watched) - set(found):
                if _is_over(self._watched[pid]):  # and nobody has told us yet
                    self._ended(pid)
                else:
                    self._tree.hold(pid)
                    self._unwatch(pid)
        else:
            found = [pid for pid in found if not self._is_orphan(pid)]
        for pid in found[:MOST_WATCHED]:
            if not self._is_remains(pid) and not _has_ended(pid):
                self._watch(pid)

    def _is_remains(self, pid: int) -> bool:
        """Whether it is the zombie of the main process whose end has been told."""
        stat = read_stat(pid)
        return self._end is not None and pid == self._end.pid and (stat is None or stat[0] in "ZX")

    def _is_orphan(self, pid: int) -> bool:
        """Whether it is not the service, but a worker that has outlived it, and may look the same."""
        if self._tree.holds(pid):
            return True
        end, stat = self._end, read_stat(pid)
        if end is None or stat is None or stat[3] > end.at - _SUCCESSOR_TICKS or _is_of_the_same_loop(pid, end):
            return False
        if end.group != stat[1] and end.session != stat[2]:
            return False
        self._tree.hold(pid)
        return True

    def _finding(self) -> Finding:
        if not self._watched:
            return self._without_main()
        states = {pid: stat[0] if (stat := read_stat(pid)) else "X" for pid in self._watched}
        for pid, state in states.items():
            if state not in STATES:
                return Finding(Health.HEALTHY, f"pid {pid}", there=True)
        pid, state = next(iter(states.items()))
        there = state not in "ZX" or bool(self._tree.left())
        return Finding(Health.NOT_RESPONDING, f"pid {pid} is {STATES[state]}", there=there)

    def _without_main(self) -> Finding:
        """Nobody to watch: is anything left of the one that was?"""
        left = self._tree.left()
        if left:
            self._tree.tell_ends(self._orphan_ended)
            return self._orphaned(in_words(left))
        rest = self._search.rest()
        if rest:
            return Finding(Health.NOT_RESPONDING, f"no such process, but {rest}", there=True)
        return Finding(Health.NOT_RESPONDING, "no such process", absent=True)

    def _orphaned(self, words: str) -> Finding:
        main = f"main process {self._end.pid} ended" if self._end else "no main process"
        return Finding(Health.NOT_RESPONDING, f"{main}, {words}", there=True, at_once=self._end is not None)

    def _watch(self, pid: int) -> None:
        """Open a pidfd, and look again whether it is still the process that was found: numbers are recycled."""
        if pid in self._watched:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:  # it ended just now
            return
        if not self._search.is_still(pid):
            os.close(descriptor)
            return
        self._watched[pid] = descriptor
        stat = read_stat(pid)
        self._kin[pid] = (*stat[1:3], parent_of(pid)) if stat else (pid, pid, 0)
        asyncio.get_running_loop().add_reader(descriptor, self._ended, pid)
        self._tree.keep_quiet()
        self._tree.look_soon()

    def _unwatch(self, pid: int) -> None:
        descriptor = self._watched.pop(pid)
        del self._kin[pid]
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)

    def _ended(self, pid: int) -> None:
        """The path that a failover waits for: with no known child, no more than one look at the search's own place."""
        now = time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS_PER_S
        self._end = _End(pid, *self._kin[pid], now)
        self._unwatch(pid)
        if self._watched:
            return
        successor = self._search.successor(pid)
        if successor is not None:
            self._watch(successor)
        if not self._watched:
            self._tell(self._after(self._end))

    def _after(self, end: _End) -> Finding:
        """What the end of the last main process means."""
        left = self._tree.left()
        if left:
            self._tree.tell_ends(self._orphan_ended)
            return self._orphaned(in_words(left))
        if self._tree.doubt:
            return self._orphaned(f"what is left of its tree is not known: {self._tree.doubt}")
        if rest := self._search.rest():
            return self._orphaned(f"but {rest}")
        return Finding(Health.NOT_RESPONDING, f"pid {end.pid} ended", gone=True)

    def _orphan_ended(self) -> None:
        """One of those that had outlived their main process."""
        if not self._watched and self._end is not None and not self._tree.left():
            self._tell(self._after(self._end))


def _is_of_the_same_loop(pid: int, end: _End) -> bool:
    """However late we have heard of the end. Where init itself had started the one before, that tells nothing."""
    return end.parent > 1 and parent_of(pid) == end.parent


def _has_ended(pid: int) -> bool:
    """Whether it is the zombie of a process that is over with all its threads, and nothing of its group is left.

    Whoever started it has not waited for it yet. Only for a zombie the kernel is asked more.
    """
    stat = read_stat(pid)
    if stat is None or stat[0] != "Z" or members(pid, group_only=True):
        return False
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        return _is_over(descriptor)
    finally:
        os.close(descriptor)


def _is_over(descriptor: int) -> bool:
    """Whether the process of a pidfd has ended."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
