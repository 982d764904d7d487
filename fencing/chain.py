"""The fencing chain: levels in order; in a level every method must answer `done`; every wait has a deadline (S7).

It strikes, doubts what is said, and counts verdicts. Whether the lock is proven is asked of `prove` before every
strike; what the devices have said before is the book's knowledge; who may be promoted is the core's decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from failover.core.values import Breadcrumb, Node, Verdict
from failover.ports.fences import FenceReport
from failover.ports.service import FenceMethod, Prove, Result, Strike
from failover.support.knocking import Answer
from fencing.contradiction import Verify, look

LONGEST_DETAIL = 1000
LAST_WORD_S = 0.25
"""Beyond its deadline, for a method that keeps it by itself: it can say best how it ended."""


class OwnNodeStruck(Exception):
    """A broken invariant: this node was to be fenced by itself (S7). The controller must end (S10)."""


@dataclass(frozen=True, slots=True)
class StrikeRecord:
    """One strike and its result, for the history. `level` counts from 1, `took_s` is in seconds, `at` wall time.

    `saw_on`: its device said ON for the target as the strike began.
    """

    target: str
    epoch: int
    level: int
    method: str
    number: int
    verdict: Verdict
    detail: str
    took_s: float
    at: str = ""
    saw_on: bool = False


class Book(Protocol):
    """What is known of devices from before this run, and who takes note of it."""

    def quarantined(self, target: Node, method: str) -> str:
        """Why the method must not be used against that node: it lied in a probe; "" if it may."""

    def seen_on(self, target: Node, method: str) -> bool:
        """Whether its device has said ON for that node while it lived."""

    def off_since(self, target: Breadcrumb) -> str:
        """How it is known that this very boot of the host has ended already; "" if it is not."""

    def struck(self, record: StrikeRecord) -> None:
        """A strike has ended."""

    def ended(self, report: FenceReport) -> None:
        """A run has ended."""


class EmptyBook:
    """Implements `Book` without any memory."""

    def quarantined(self, target: Node, method: str) -> str:
        return ""

    def seen_on(self, target: Node, method: str) -> bool:
        return False

    def off_since(self, target: Breadcrumb) -> str:
        return ""

    def struck(self, record: StrikeRecord) -> None:
        pass

    def ended(self, report: FenceReport) -> None:
        pass


class Chain:
    """`own`: this node, never to be struck. `last`: how the newest run ended, None before the first."""

    def __init__(
        self,
        methods: Mapping[str, FenceMethod],
        levels: Sequence[Sequence[str]],
        timeout_s: float,
        own: Node,
        book: Book | None = None,
        verify: Verify | None = None,
    ) -> None:
        self.methods = methods
        self.levels = levels
        self.timeout_s = timeout_s
        self.last: FenceReport | None = None
        self._own = own
        self._book = book or EmptyBook()
        self._verify = verify or Verify()

    async def run(self, strike: Strike, prove: Prove) -> Result:
        """DONE if a level was done, NOT_DONE if every level ended with a definite not_done, else UNKNOWN.

        Raises OwnNodeStruck. Cancelling it ends the running strike.
        """
        if strike.target.node == self._own:
            raise OwnNodeStruck(f"{self._own.name} was to fence itself, by order of epoch {strike.epoch}")
        if strike.target.node.machine_id == self._own.machine_id:  # renamed: its BMC, say, is ours
            strike = replace(strike, own_machine=True)
        known = self._book.off_since(strike.target)
        if known:
            report = FenceReport(strike.target, strike.epoch, Verdict.DONE, f"no strike is needed: {known}", at=_now())
        else:
            levels = [[self.methods[name] for name in level] for level in self.levels]
            report = await _Run(levels, self.timeout_s, strike, prove, self._book, self._verify).go()
        self.last = report
        self._book.ended(report)
        return Result(report.verdict, report.detail, by=" and ".join(report.methods))


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
        book: Book,
        verify: Verify,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + timeout_s
        self._timeout_s = timeout_s
        self._levels = levels
        self._strike = strike
        self._prove = prove
        self._book = book
        self._verify = verify
        self._said: list[str] = []
        self._seen_on: set[str] = set()

    async def go(self) -> FenceReport:
        """Level by level."""
        verdicts = []
        try:
            for number, level in enumerate(self._levels, 1):
                verdicts.append(await self._level(number, level))
                if verdicts[-1] is Verdict.DONE:
                    return self._report(Verdict.DONE, number, level)
        except _InDoubt as doubt:
            self._said.append(str(doubt))
            return self._report(Verdict.UNKNOWN)
        definite = bool(verdicts) and all(verdict is Verdict.NOT_DONE for verdict in verdicts)
        return self._report(Verdict.NOT_DONE if definite else Verdict.UNKNOWN)

    async def _level(self, number: int, level: Sequence[FenceMethod]) -> Verdict:
        """The first method that is not done ends the level: without it the others cannot make it done."""
        verdict = Verdict.UNKNOWN
        for method in level:
            verdict = await self._method(number, method)
            if verdict is not Verdict.DONE:
                return verdict
        if not any(method.traits.whole for method in level):
            self._said.append("only the service was stopped, not its controller, so this level does not count (S7)")
            return Verdict.UNKNOWN
        if any(method.traits.power for method in level) and await self._contradicted():
            return Verdict.UNKNOWN
        return verdict

    async def _contradicted(self) -> bool:
        """Only once the whole level is done: a host with two power supplies lives on after the first."""
        answers = await look(self._strike.target, self._verify)
        told = [f"{door} {answer}" for door, answer in answers.items() if answer is not Answer.SILENT]
        contradicted = any(self._verify.contradicts(answer) for answer in answers.values())
        if told:
            words = "its power is said to be off, but " + " and ".join(told)
            self._said.append(words + (": not fenced" if contradicted else ": let pass by fencing.verify"))
        return contradicted

    async def _method(self, level: int, method: FenceMethod) -> Verdict:
        verdicts = []
        for number in range(1, method.traits.attempts + 1):
            quarantined = self._book.quarantined(self._strike.target.node, method.name)
            if quarantined:
                self._remember(level, method.name, number, Result(Verdict.UNKNOWN, f"not used: {quarantined}"), 0.0)
                return Verdict.UNKNOWN
            await self._make_sure_of_the_lock()
            began = self._loop.time()
            result = self._believed(method, await self._struck(method))
            self._remember(level, method.name, number, result, self._loop.time() - began)
            verdicts.append(result.verdict)
            if result.verdict is Verdict.DONE:
                return Verdict.DONE
        # One try that may have gone half-way leaves a doubt that a later "not done" does not lift.
        return Verdict.NOT_DONE if set(verdicts) == {Verdict.NOT_DONE} else Verdict.UNKNOWN

    def _believed(self, method: FenceMethod, result: Result) -> Result:
        """S7: that a device says OFF counts only if it has said ON for this node: else it may speak of another's."""
        if result.saw_on:
            self._seen_on.add(method.name)
        if result.verdict is not Verdict.DONE or not method.traits.witnessed:
            return result
        target = self._strike.target.node
        if method.name in self._seen_on or self._book.seen_on(target, method.name):
            return result
        words = f"but its device has never said ON for {target.name}, so it may speak of another one, or of none"
        return Result(Verdict.UNKNOWN, f"{result.detail}; {words}")

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
            await _end(task)

    def _left_s(self) -> float:
        return self._until - self._loop.time()

    def _remember(self, level: int, method: str, number: int, result: Result, took_s: float) -> None:
        target = self._strike.target.node.name
        detail = result.detail[:LONGEST_DETAIL]
        said = f"{method}: {result.verdict}" + (f" ({detail})" if detail else "")
        self._said.append(said)
        took_s = round(took_s, 3)
        record = StrikeRecord(
            target, self._strike.epoch, level, method, number, result.verdict, detail, took_s, _now(), result.saw_on
        )
        self._book.struck(record)

    def _report(self, verdict: Verdict, number: int = 0, level: Sequence[FenceMethod] = ()) -> FenceReport:
        detail = "; ".join(self._said)[:LONGEST_DETAIL] or "the chain has no levels"
        names = tuple(method.name for method in level)
        power = any(method.traits.power for method in level)
        return FenceReport(self._strike.target, self._strike.epoch, verdict, detail, number, names, power, _now())


async def _end(task: asyncio.Task[Result]) -> None:
    """Cancel it, and wait until it has ended, however often we are cancelled meanwhile (S4)."""
    called_off = False
    if not task.done():
        task.cancel()
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            called_off = True
    if called_off:
        raise asyncio.CancelledError


def _now() -> str:
    """Wall time, for people."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
