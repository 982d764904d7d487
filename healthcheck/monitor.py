"""Asking all probes, each at its own pace, and telling what they say together, when it changes.

Decides nothing. A check never overlaps the next one of its probe; what was asked before a `reset` never counts after
it; and what the controller only missed because it was starved itself is not held against the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

from failover.core.values import Health
from failover.ports.service import Finding, Probe
from healthcheck.word import Word, together

Tell = Callable[[Health, str, bool], None]
MOST_EXCUSES = 3
"""So many failures in a row are put down to our own starvation; then they count (S10 is for a loop that is stuck)."""
LEAST_STARVATION_S = 0.1


@runtime_checkable
class Forgetful(Protocol):
    """A probe that holds on to an instance of the service, and must let it go at a reset."""

    def forget(self) -> None:
        """What is watched may be the instance of before."""


class _Watcher:
    """One probe's findings within one generation: from one reset to the next."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.excuses = 0
        self.restart()

    def restart(self) -> None:
        """Forget what was found; ends of processes count again once a check has met the new one."""
        self.word = Word(self.probe.rise, self.probe.fall)
        self.met = False


class Monitor:
    """`tell(health, detail, gone)` is called on the loop, when the word (or why it is bad) has changed.

    `clock` gives seconds. An exception out of a probe is a bug: it goes to the loop's exception handler.
    """

    def __init__(self, probes: Sequence[Probe], tell: Tell, clock: Callable[[], float] | None = None) -> None:
        self._watchers = [_Watcher(probe) for probe in probes]
        self._tell = tell
        self._clock = clock or asyncio.get_running_loop().time
        self._generation = 0
        self._told: tuple[Health, str, bool] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to ask, on the running loop. Called once."""
        for watcher in self._watchers:
            watcher.probe.watch(partial(self._hear, watcher))
        self._ask_all()
        if not self._watchers:
            self._tell_change()

    def reset(self) -> None:
        """Forget everything: the word is `unknown` (told, if it was another), and every probe is asked at once."""
        self._generation += 1
        for watcher in self._watchers:
            watcher.restart()
            if isinstance(watcher.probe, Forgetful):
                watcher.probe.forget()
        if self._told is not None:
            self._tell_change()
        self._ask_all()

    async def stop(self) -> None:
        """Ask no more, end what is being asked, and let the probes go."""
        self._generation += 1
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for watcher in self._watchers:
            watcher.probe.close()

    def _ask_all(self) -> None:
        before = self._tasks
        self._tasks = []
        for number, watcher in enumerate(self._watchers):
            old = before[number] if before else None
            task = asyncio.create_task(self._ask_on(watcher, self._generation, old))
            task.add_done_callback(_surface)
            self._tasks.append(task)

    async def _ask_on(self, watcher: _Watcher, generation: int, old: asyncio.Task[None] | None) -> None:
        """Ask at every `every_s`, beginning now; a slow check delays the next one, it is never made up for."""
        if old is not None:
            old.cancel()
            await asyncio.wait([old])
            old = None  # else every reset keeps its predecessor's task alive, and that one the one before
        due = self._clock()
        while generation == self._generation:
            late_s = self._clock() - due
            asking = asyncio.create_task(watcher.probe.check())
            try:
                finding, overrun_s = await self._wait_for(asking, watcher.probe.timeout_s)
                if generation == self._generation and not self._excused(watcher, finding, late_s, overrun_s):
                    self._count(watcher, finding)
            finally:
                await _end(asking)
            due = max(due + watcher.probe.every_s, self._clock())
            await asyncio.sleep(due - self._clock())

    async def _wait_for(self, asking: asyncio.Task[Finding], timeout_s: float) -> tuple[Finding, float]:
        """What was found, and by how many seconds we heard of it later than the time-out allows."""
        began = self._clock()
        await asyncio.wait([asking], timeout=timeout_s)
        overrun_s = max(0.0, self._clock() - began - timeout_s)
        if asking.done():
            return asking.result(), overrun_s
        return Finding(Health.NOT_RESPONDING, f"no answer in {timeout_s:g} s"), overrun_s

    def _excused(self, watcher: _Watcher, finding: Finding, late_s: float, overrun_s: float) -> bool:
        """Whether a failure says more of a starved controller than of the service."""
        starved = late_s > watcher.probe.every_s or overrun_s > max(LEAST_STARVATION_S, watcher.probe.timeout_s / 2)
        if not finding.health.bad or not starved or watcher.excuses >= MOST_EXCUSES:
            watcher.excuses = 0
            return False
        watcher.excuses += 1
        return True

    def _hear(self, watcher: _Watcher, finding: Finding) -> None:
        """A probe reports unasked. The end of an instance of before the last reset is not this one's."""
        if finding.gone and not watcher.met:
            return
        self._count(watcher, finding)

    def _count(self, watcher: _Watcher, finding: Finding) -> None:
        watcher.word.count(finding)
        watcher.met = watcher.met or finding.health is Health.HEALTHY
        self._tell_change()

    def _tell_change(self) -> None:
        finding = together((watcher.probe.name, watcher.word.said) for watcher in self._watchers)
        told = (finding.health, finding.detail, finding.gone)
        if told != self._told:
            self._told = told
            self._tell(*told)


async def _end(asking: asyncio.Task[Finding]) -> None:
    """What it started (a command, say) ends with it, before the next check of its probe begins."""
    if not asking.done():
        asking.cancel()
        await asyncio.wait([asking])


def _surface(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        handler = {"message": "a probe failed in an unforeseen way", "exception": error, "task": task}
        asyncio.get_running_loop().call_exception_handler(handler)
