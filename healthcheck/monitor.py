"""Asking all probes, each at its own pace, and telling what they say together, when it changes.

Decides nothing. A check never overlaps the next one of its probe; what was asked before a `reset`, or before news that
came unasked, never counts after it; while a probe's grace lasts, that the service is not up yet is not held against it;
and neither is what the controller only missed because it was starved itself.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

from failover.core.values import Health
from failover.ports.measures import QUICK_S, ProbeTold, Spreading
from failover.ports.service import Finding, Probe
from healthcheck.word import Together, Word, together

Tell = Callable[[Together], None]
MOST_EXCUSES = 3
"""So many failures in a row are put down to our own starvation; then they count (S10 is for a loop that is stuck)."""
LEAST_STARVATION_S = 0.1
MOST_LATE_S = 1.0
"""A check that begins later than this was kept waiting by a starved controller, however seldom it is made."""


def boot_clock() -> float:
    """Seconds that go on while the host is suspended: waking up late must look late."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@runtime_checkable
class Forgetful(Protocol):
    """A probe that holds on to an instance of the service, and must let it go at a reset."""

    def forget(self) -> None:
        """What is watched may be the instance of before."""


class _Watcher:
    """One probe's findings within one generation: from one reset to the next."""

    def __init__(self, probe: Probe, now_s: float) -> None:
        self.probe = probe
        self.excuses = 0
        self.excused = 0
        self.heard = 0
        self.failures = {health.value: 0 for health in Health if health.bad}
        self.took = Spreading(QUICK_S)
        self.restart(now_s)

    def restart(self, now_s: float) -> None:
        """Forget what was found; ends of processes count again once a check has met the new one."""
        self.word = Word(self.probe.rise, self.probe.fall)
        self.met = False
        self.grace_until_s = now_s + self.probe.grace_s

    def told(self) -> ProbeTold:
        """Its word, and what was counted of it over all resets."""
        name, critical = self.probe.name, self.probe.critical
        health = self.word.said.health.value
        return ProbeTold(name, critical, health, dict(self.failures), self.excused, self.took.told())

    def says(self, now_s: float) -> tuple[str, Finding, bool]:
        """Its name, its word and its weight. A service that has not come up yet is `unknown` within the grace.

        Failures are counted meanwhile: the first one after the grace is told at once. An end that was seen is no start.
        """
        name, said, left_s = self.probe.name, self.word.said, self.grace_until_s - now_s
        seen_to_end = said.at_once or (said.gone and not said.absent)
        if said.health.bad and not self.met and left_s > 0 and not seen_to_end:
            words = f"{said.detail} (grace ends in {_coarse_s(left_s)} s)"
            return f"starting: {name}", Finding(Health.UNKNOWN, words, there=said.there), self.probe.critical
        return name, said, self.probe.critical


def _coarse_s(left_s: float) -> int:
    """Rounded up, for each new word is told, and goes into the history."""
    step_s = 60 if left_s > 120 else 10 if left_s > 20 else 5
    return math.ceil(left_s / step_s) * step_s


class Monitor:
    """`tell` is called on the loop with what all probes say together, when that (or why) has changed.

    `clock` gives seconds. An exception out of a probe is a bug: it goes to the loop's exception handler.
    `ends`: how often it was told that the service has ended.
    """

    def __init__(self, probes: Sequence[Probe], tell: Tell, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or boot_clock
        self._watchers = [_Watcher(probe, self._clock()) for probe in probes]
        self._tell = tell
        self.ends = 0
        self._generation = 0
        self._told: Together | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to ask, on the running loop. Called once."""
        for watcher in self._watchers:
            watcher.restart(self._clock())
            watcher.probe.watch(partial(self._hear, watcher))
        self._ask_all()
        if not self._watchers:
            self._tell_change()

    def reset(self) -> None:
        """Forget everything: the word is `unknown` (told, if it was another), and every probe is asked at once."""
        self._generation += 1
        for watcher in self._watchers:
            watcher.restart(self._clock())
            if isinstance(watcher.probe, Forgetful):
                watcher.probe.forget()
        if self._told is not None:
            self._tell_change()
        self._ask_all()

    def process_seen(self) -> str:
        """The name of a probe that knows of a process of the service, an orphan too; "" if none does."""
        return next((watcher.probe.name for watcher in self._watchers if watcher.word.said.there), "")

    @property
    def excused(self) -> int:
        """How many failures were put down to our own starvation."""
        return sum(watcher.excused for watcher in self._watchers)

    def probes_told(self) -> tuple[ProbeTold, ...]:
        """Each probe by itself, in the order of the file."""
        return tuple(watcher.told() for watcher in self._watchers)

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
            began_s = self._clock()
            late_s = began_s - due
            heard = watcher.heard
            asking = asyncio.create_task(watcher.probe.check())
            try:
                finding, overrun_s = await self._wait_for(asking, watcher.probe.timeout_s)
                watcher.took.add(self._clock() - began_s)
                stale = generation != self._generation or heard != watcher.heard
                if not stale and not self._excused(watcher, finding, late_s, overrun_s):
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
        probe = watcher.probe
        late = late_s > max(LEAST_STARVATION_S, min(probe.every_s, MOST_LATE_S))
        starved = late or overrun_s > max(LEAST_STARVATION_S, probe.timeout_s / 2)
        if not finding.health.bad or not starved or watcher.excuses >= MOST_EXCUSES:
            watcher.excuses = 0
            return False
        watcher.excuses += 1
        watcher.excused += 1
        return True

    def _hear(self, watcher: _Watcher, finding: Finding) -> None:
        """A probe reports unasked. The end of an instance of before the last reset is not this one's."""
        if (finding.gone or finding.at_once) and not watcher.met:
            return
        watcher.heard += 1
        self._count(watcher, finding)

    def _count(self, watcher: _Watcher, finding: Finding) -> None:
        watcher.word.count(finding)
        if finding.health.bad:
            watcher.failures[finding.health.value] += 1
        watcher.met = watcher.met or finding.health is Health.HEALTHY
        self._tell_change()

    def _tell_change(self) -> None:
        now_s = self._clock()
        said = together(watcher.says(now_s) for watcher in self._watchers)
        if said != self._told:
            if said.gone and (self._told is None or not self._told.gone):
                self.ends += 1
            self._told = said
            self._tell(said)


async def _end(asking: asyncio.Task[Finding]) -> None:
    """What it started (a command, say) ends with it, before the next check of its probe begins."""
    if not asking.done():
        asking.cancel()
        await asyncio.wait([asking])


def _surface(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        handler = {"message": "a probe failed in an unforeseen way", "exception": error, "task": task}
        asyncio.get_running_loop().call_exception_handler(handler)
