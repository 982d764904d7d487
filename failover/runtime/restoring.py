"""Gives back what a fence took (power, say), once this node is active: in the background, bounded, never before.

Knows no method: it calls `restore` only where a method's traits say that there is something to give back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from failover.core.values import Verdict
from failover.ports.fences import Restoring
from failover.ports.service import FenceMethod, Prove, Result, Strike

MOST_TRIES = 6
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
MOST_TOLD = 20
LONGEST = 300

log = logging.getLogger("failoverd")


class Restorer:
    """`wall`: wall time for people. `told` hears of each end. `first_pause_s`: before the second try; then doubled."""

    def __init__(
        self,
        wall: Callable[[], str],
        told: Callable[[Restoring], None],
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._wall = wall
        self._told = told
        self._first_pause_s = first_pause_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._restores: dict[tuple[str, str], Restoring] = {}

    def restores(self) -> tuple[Restoring, ...]:
        """What is under way or has ended, the newest last."""
        return tuple(self._restores.values())

    def begin(self, strike: Strike, methods: Sequence[FenceMethod], prove: Prove) -> None:
        """In the background: every method of the level that was done and has something to give back.

        `prove`: that the lock is still held, asked before each try.
        """
        for method in methods:
            if method.traits.restores:
                task = asyncio.get_running_loop().create_task(self._background(strike, method, prove))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def call_off(self, why: str) -> None:
        """This node is not active any more: whoever is, gives back."""
        for task in self._tasks:
            task.cancel()
        for key, one in self._restores.items():
            if one.state == "waiting":
                self._restores[key] = replace(one, state="called_off", detail=why, at=self._wall())

    async def close(self) -> None:
        """End what still runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def restore(self, strike: Strike, method: FenceMethod, prove: Prove | None = None) -> Restoring:
        """Until it is done, has failed MOST_TRIES times, or would say the same again.

        `prove`: as for `begin`. None: a live test, for which the lock does not matter.
        """
        node, pause_s = strike.target.node.name, self._first_pause_s
        self._note(Restoring(node, method.name, "waiting", 0, "", self._wall()))
        result = Result(Verdict.UNKNOWN)
        for number in range(1, MOST_TRIES + 1):
            result = await _once(strike, method, prove)
            if result.verdict is Verdict.DONE:
                return self._end(Restoring(node, method.name, "done", number, result.detail, self._wall()))
            if result.final:
                detail = result.detail[:LONGEST]
                return self._end(Restoring(node, method.name, "given_up", number, detail, self._wall()))
            self._note(Restoring(node, method.name, "waiting", number, result.detail[:LONGEST], self._wall()))
            if number < MOST_TRIES:
                log.warning(
                    "restore of %s by %s: %s (%s), again in %.0f s",
                    node,
                    method.name,
                    result.verdict,
                    result.detail,
                    pause_s,
                )
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        detail = f"tried {MOST_TRIES} times: {result.detail}"[:LONGEST]
        return self._end(Restoring(node, method.name, "given_up", MOST_TRIES, detail, self._wall()))

    async def _background(self, strike: Strike, method: FenceMethod, prove: Prove) -> None:
        await self.restore(strike, method, prove)

    def _end(self, one: Restoring) -> Restoring:
        if one.state == "done":
            log.info("restore of %s by %s: done (%s)", one.node, one.method, one.detail)
        else:
            log.error("restore of %s by %s was given up: %s", one.node, one.method, one.detail)
        self._note(one)
        self._told(one)
        return one

    def _note(self, one: Restoring) -> None:
        self._restores.pop((one.node, one.method), None)
        self._restores[one.node, one.method] = one
        while len(self._restores) > MOST_TOLD:
            del self._restores[next(iter(self._restores))]


async def _once(strike: Strike, method: FenceMethod, prove: Prove | None) -> Result:
    if prove is not None and not await prove():
        return Result(Verdict.UNKNOWN, "not tried: the lock is not proven just now")
    try:
        async with asyncio.timeout(method.timeout_s):
            return await method.restore(strike)
    except TimeoutError:
        return Result(Verdict.UNKNOWN, f"did not end in {method.timeout_s:g} s")
