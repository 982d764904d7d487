"""Live tests: a standby is really struck, by an operator's order, and gets back what was taken.

The same check stands before the order and before the strike. What was struck is given back in any case, also where the
verdict is unknown or a real fence ends the test; what was not struck is left alone. Knows no method's kind.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from failover.core.state import State
from failover.core.values import Member, Verdict
from failover.ports.controller import Operation, OrderRefused
from failover.ports.fence_plans import TrialAsked
from failover.ports.fences import Proofs
from failover.ports.service import FenceMethod, Prove, Result, Strike
from failover.runtime.fence_checks import check_test
from failover.runtime.proving import Prober
from failover.runtime.restoring import Restorer

MOST_REMEMBERED = 10

log = logging.getLogger("failoverd")


class TrialChain(Protocol):
    """A chain of one method: it strikes and verifies as the whole one does."""

    async def run(self, strike: Strike, prove: Prove) -> Result: ...


TrialFor = Callable[[str], TrialChain]


class Trials:
    """One live test at a time. `prober` asks a method first, and gives way to the strike; `told` writes history."""

    def __init__(
        self,
        state: Callable[[], State],
        book: Proofs,
        restorer: Restorer,
        prober: Prober,
        told: Callable[[str, str, str, dict[str, Any]], None],
    ) -> None:
        self._state = state
        self._book = book
        self._restorer = restorer
        self._prober = prober
        self._told = told
        self._operations: dict[str, Operation] = {}
        self._task: asyncio.Task[None] | None = None
        self._strike: asyncio.Task[Result] | None = None

    def operation(self, id_: str) -> Operation | None:
        """A test under way or ended."""
        return self._operations.get(id_)

    def begin(self, ask: TrialAsked, method: FenceMethod, strike: Strike, chain: TrialChain) -> Operation:
        """After every check. Raises OrderRefused."""
        if self._task is not None and not self._task.done():
            raise OrderRefused("test", "another live test is under way: one at a time")
        member = self._checked(ask)
        known = self._book.of(member.node, method.name)
        if known.quarantine:
            raise OrderRefused("quarantine", f"{known.quarantine}. A test would strike that other machine")
        id_ = secrets.token_hex(8)
        words = f"{method.name} is to strike {ask.node}"
        operation = Operation(id_, "fence test", "pending", words)
        self._operations = {**dict(list(self._operations.items())[1 - MOST_REMEMBERED :]), id_: operation}
        log.warning("live test by %s: %s: %s", ask.by, words, ask.reason)
        self._task = asyncio.get_running_loop().create_task(self._go(id_, ask, member, method, strike, chain))
        return operation

    def _checked(self, ask: TrialAsked) -> Member:
        return check_test(self._state(), ask, {one.node for one in self._book.fenced()})

    def end_strike(self) -> None:
        """A real fence begins: no strike of a test may run beside it. What was taken is given back all the same."""
        if self._strike is not None and not self._strike.done():
            self._strike.cancel()

    async def close(self) -> None:
        """End what still runs."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _go(
        self, id_: str, ask: TrialAsked, member: Member, method: FenceMethod, strike: Strike, chain: TrialChain
    ) -> None:
        bar = await self._not_proven(id_, ask, member, method)
        if bar:
            self._close(id_, ask, method, Result(Verdict.NOT_DONE, f"nothing was struck: {bar}"), "", 0.0)
            return
        began = time.monotonic()
        result, begun = await self._struck(id_, ask, method, strike, chain)
        if not begun:
            self._close(id_, ask, method, Result(Verdict.NOT_DONE, f"nothing was struck: {result.detail}"), "", 0.0)
            return
        took_s = time.monotonic() - began
        self._book.tested(member.node, method.name, result.verdict, result.detail)
        restored = ""
        if method.traits.restores:
            self._say(id_, f"{ask.node} was struck: {result.verdict}; {method.name} gives back what it took")
            restored = (await self._restorer.restore(strike, method)).state
        self._close(id_, ask, method, result, restored, took_s)

    async def _not_proven(self, id_: str, ask: TrialAsked, member: Member, method: FenceMethod) -> str:
        """The positive control: the device must say ON for this very node, now, or it may be another one's."""
        if not method.traits.askable:
            return ""
        self._say(id_, f"{method.name} is asked about {ask.node} first")
        found = await self._prober.probe_now(member, [method.name])
        if not found:
            return f"it could not be asked now: {ask.node} has gone, or something more urgent came"
        known = found[0]
        if known.proof is not Verdict.DONE:
            return f"its probe does not say that {ask.node} could be fenced: {known.detail}"
        return ""

    async def _struck(
        self, id_: str, ask: TrialAsked, method: FenceMethod, strike: Strike, chain: TrialChain
    ) -> tuple[Result, bool]:
        """How it ended, and whether a strike was begun at all."""
        begun = False

        async def still() -> bool:
            nonlocal begun
            try:
                self._checked(ask)
            except OrderRefused as refused:
                log.warning("live test of %s: no strike: %s", ask.node, refused)
                return False
            begun = True
            return True

        self._say(id_, f"{method.name} strikes {ask.node}")
        try:
            await self._prober.give_way()
            self._strike = asyncio.get_running_loop().create_task(chain.run(strike, still))
            await asyncio.wait([self._strike])
        finally:
            self._prober.go_on()
            if self._strike is not None and not self._strike.done():
                self._strike.cancel()
        if self._strike.cancelled():
            return Result(Verdict.UNKNOWN, "ended in the middle: a real fence began, or this controller stops"), begun
        return self._strike.result(), begun

    def _say(self, id_: str, detail: str) -> None:
        self._operations[id_] = replace(self._operations[id_], detail=detail)

    def _close(
        self, id_: str, ask: TrialAsked, method: FenceMethod, result: Result, restored: str, took_s: float
    ) -> None:
        node = ask.node
        member = next((one for one in self._state().members if one.node.name == node), None)
        strikes = [one for one in self._book.strikes() if one.target == node and one.method == method.name][-3:]
        good = result.verdict is Verdict.DONE and restored in ("", "done")
        words = f"{method.name} struck {node}: {result.verdict} ({result.detail})" if took_s else result.detail
        if restored:
            words += "; given back" if restored == "done" else f"; giving back: {restored.replace('_', ' ')}"
        if good:
            words += f"; {node} comes back by itself: failoverctl status" if restored else f"; start {node} again"
        extra = {
            "node": node,
            "method": method.name,
            "verdict": result.verdict.value,
            "restored": restored,
            "took_s": round(took_s, 3),
            "alive": member is not None,
            "strikes": [one.detail for one in strikes],
        }
        state = "done" if good else "failed"
        self._operations[id_] = replace(self._operations[id_], state=state, detail=words[:1000], extra=extra)
        self._told("FenceTested", node, f"live test by {ask.by} ({ask.reason}): {words}", extra)
