"""The fencing chain: levels in order; in a level every method must answer `done`; every wait has a deadline (S7).

It strikes and counts verdicts. Whether the lock is proven is asked of `prove` before every strike; who may be promoted
is the core's decision.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from failover.core.values import Node, Verdict
from failover.ports.service import FenceMethod, Prove, Result, Strike

MOST_REMEMBERED = 100
LONGEST_DETAIL = 1000
LAST_WORD_S = 0.25
"""Beyond its deadline, for a method that keeps it by itself: it can say best how it ended."""


class OwnNodeStruck(Exception):
    """A broken invariant: this node was to be fenced by itself (S7). The controller must end (S10)."""


@dataclass(frozen=True, slots=True)
class StrikeRecord:
    """One strike and its result, for the history. `level` counts from 1, `took_s` is in seconds."""

    target: str
    epoch: int
    level: int
    method: str
    number: int
    verdict: Verdict
    detail: str
    took_s: float


class Chain:
    """`own`: this node, never to be struck.

    `strikes` remembers the newest MOST_REMEMBERED, of all runs.
    """

    def __init__(
        self,
        methods: Mapping[str, FenceMethod],
        levels: Sequence[Sequence[str]],
        timeout_s: float,
        own: Node,
    ) -> None:
        self._levels = [[methods[name] for name in level] for level in levels]
        self._timeout_s = timeout_s
        self._own = own
        self.strikes: deque[StrikeRecord] = deque(maxlen=MOST_REMEMBERED)

    async def run(self, strike: Strike, prove: Prove) -> Result:
        """DONE if a level was done, NOT_DONE if every level ended with a definite not_done, else UNKNOWN.

        Raises OwnNodeStruck. Cancelling it ends the running strike.
        """
        if strike.target.node == self._own:
            raise OwnNodeStruck(f"{self._own.name} was to fence itself, by order of epoch {strike.epoch}")
        return await _Run(self._levels, self._timeout_s, strike, prove, self.strikes).go()


class _InDoubt(Exception):
    """The run must stop at once; the message says why."""


class _Run:
    """One run of the chain, with its deadline."""

    def __init__(
        self,
        levels: Sequence[Sequence[FenceMethod]],
        timeout_s: float,
        strike: Strike,
        prove: Prove,
        strikes: deque[StrikeRecord],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + timeout_s
        self._timeout_s = timeout_s
        self._levels = levels
        self._strike = strike
        self._prove = prove
        self._strikes = strikes
        self._said: list[str] = []

    async def go(self) -> Result:
        """Level by level."""
        verdicts = []
        try:
            for number, level in enumerate(self._levels, 1):
                verdicts.append(await self._level(number, level))
                if verdicts[-1] is Verdict.DONE:
                    return self._result(Verdict.DONE)
        except _InDoubt as doubt:
            self._said.append(str(doubt))
            return self._result(Verdict.UNKNOWN)
        definite = bool(verdicts) and all(verdict is Verdict.NOT_DONE for verdict in verdicts)
        return self._result(Verdict.NOT_DONE if definite else Verdict.UNKNOWN)

    async def _level(self, number: int, level: Sequence[FenceMethod]) -> Verdict:
        """The first method that is not done ends the level: without it the others cannot make it done."""
        verdict = Verdict.UNKNOWN
        for method in level:
            verdict = await self._method(number, method)
            if verdict is not Verdict.DONE:
                break
        return verdict

    async def _method(self, level: int, method: FenceMethod) -> Verdict:
        verdicts = []
        for number in range(1, method.traits.attempts + 1):
            await self._make_sure_of_the_lock()
            began = self._loop.time()
            result = await self._struck(method)
            self._remember(level, method.name, number, result, self._loop.time() - began)
            verdicts.append(result.verdict)
            if result.verdict is Verdict.DONE:
                return Verdict.DONE
        # One try that may have gone half-way leaves a doubt that a later "not done" does not lift.
        return Verdict.NOT_DONE if set(verdicts) == {Verdict.NOT_DONE} else Verdict.UNKNOWN

    async def _make_sure_of_the_lock(self) -> None:
        overdue = f"the chain's {self._timeout_s:g} s have passed"
        if self._left_s() <= 0:
            raise _InDoubt(overdue)
        try:
            async with asyncio.timeout_at(self._until):
                proven = await self._prove()
        except TimeoutError:
            raise _InDoubt(f"{overdue}, the lock is in doubt") from None
        if not proven:
            raise _InDoubt("the lock is in doubt: no strike")

    async def _struck(self, method: FenceMethod) -> Result:
        """At its deadline a method is cancelled, which ends what it started before this returns."""
        allowed_s = max(0.0, min(method.timeout_s + LAST_WORD_S, self._left_s()))
        task = asyncio.create_task(method.fence(self._strike))
        try:
            await asyncio.wait([task], timeout=allowed_s)
            if task.done():
                return task.result()
            return Result(Verdict.UNKNOWN, f"did not end in {min(allowed_s, method.timeout_s):.3g} s")
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    def _left_s(self) -> float:
        return self._until - self._loop.time()

    def _remember(self, level: int, method: str, number: int, result: Result, took_s: float) -> None:
        target = self._strike.target.node.name
        detail = result.detail[:LONGEST_DETAIL]
        said = f"{method}: {result.verdict}" + (f" ({detail})" if detail else "")
        self._said.append(said)
        record = StrikeRecord(
            target, self._strike.epoch, level, method, number, result.verdict, detail, round(took_s, 3)
        )
        self._strikes.append(record)

    def _result(self, verdict: Verdict) -> Result:
        return Result(verdict, "; ".join(self._said)[:LONGEST_DETAIL] or "the chain has no levels")
