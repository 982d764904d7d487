"""`kind: resource`: the service's process tree, and its host, stay within limits.

Asks psutil in a thread of its own, never on the loop, and never twice at a time. Decides nothing.
"""

from __future__ import annotations

import asyncio
from functools import partial

from failover.core.values import Health
from failover.ports.service import Finding
from failover.support.spawner import read_stat
from healthcheck.asking import AskingProbe
from healthcheck.errand import Errand, Unanswered
from healthcheck.process import STATES
from healthcheck.search import Search
from healthcheck.timing import Timing
from healthcheck.usage import Limits, Measured, NotMeasurable, Usage

MOST_MAIN = 16
SAME_WORDS_S = 60.0
"""Figures change with every look, and every new word goes into the history: those over a limit are told so often."""


class ResourceProbe(AskingProbe):
    """Measures what `search` finds (None: only the host) against `limits`."""

    def __init__(self, search: Search | None, limits: Limits, timing: Timing) -> None:
        super().__init__(f"resource {search.words if search is not None else _of_host(limits)}", timing)
        self._search = search
        self._usage = Usage(limits)
        self._errand = Errand(f"probe-{self.name}"[:15])
        self._main: list[int] = []
        self._over: frozenset[str] = frozenset()
        self._words = ""
        self._words_until_s = 0.0

    def forget(self) -> None:
        """The service was started or stopped: its process is another."""
        self._main = []

    async def check(self) -> Finding:
        """UNHEALTHY over any limit."""
        if self._search is not None:
            self._main = await self._found(self._search)
            if (without := self._without_main()) is not None:
                return without
        try:
            measured = await self._errand.ask(partial(self._usage.measure, self._main))
        except Unanswered:
            return self._said(Health.NOT_RESPONDING, "what was asked before is not answered yet")
        except NotMeasurable as error:
            return self._said(Health.UNKNOWN, f"cannot be measured: {error}")
        return self._judged(measured)

    async def _found(self, search: Search) -> list[int]:
        """A walk is made only when the process of the last check is gone."""
        if not search.cheap and self._main and all(search.is_still(pid) for pid in self._main):
            return self._main
        return (await search.find())[:MOST_MAIN]

    def _without_main(self) -> Finding | None:
        """There is no main process, or one that runs no more; None: it is well."""
        if not self._main:
            return Finding(Health.NOT_RESPONDING, "no such process")
        states = {pid: stat[0] if (stat := read_stat(pid)) else "X" for pid in self._main}
        if any(state not in STATES for state in states.values()):
            return None
        pid, state = next(iter(states.items()))
        return Finding(Health.NOT_RESPONDING, f"pid {pid} is {STATES[state]}", there=state not in "ZX")

    def _judged(self, measured: list[Measured]) -> Finding:
        over = frozenset(one.what for one in measured if one.over)
        now_s = asyncio.get_running_loop().time()
        if over != self._over or now_s >= self._words_until_s:
            self._over, self._words_until_s = over, now_s + SAME_WORDS_S
            self._words = "; ".join(one.words for one in measured if one.over or not over)
        return self._said(Health.UNHEALTHY if over else Health.HEALTHY, self._words)

    def _said(self, health: Health, detail: str) -> Finding:
        return Finding(health, detail, there=self._search is not None, of_host=self._search is None)


def _of_host(limits: Limits) -> str:
    """Several such probes are told apart by what they look at."""
    parts = [limits.disk[0]] if limits.disk is not None else []
    return ", ".join([*parts, "load"] if limits.load is not None else parts)
