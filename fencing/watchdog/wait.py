"""`kind: watchdog_wait`: the old active is down by a deadline that it published before it promoted (form B).

From the moment at which this node holds the lock the old active can prove nothing any more: its last proof was sent
before its lock went. So it is down X = (1 + drift)(R + k*W + epsilon) later, whatever the session's length. Counting
from when this node *learned* that it holds the lock is later, which is safe; so is a suspend of this host.

The wait is never shortened by the session that has passed already (form A). That would hold only if the lock went by
expiry, and ZooKeeper does not tell an expiry from a close or a delete: the ephemeral node is gone either way, perhaps
at once. `plan` only tells whether there would be nothing to wait for.

That the target has booted again since does not matter: who is up again went down before. That its service must not
start by itself is S3. A host that can be paused (a virtual machine) keeps no such promise; it is refused where it arms.
"""

from __future__ import annotations

import asyncio
import time

from config.self_fencing import Promise, longest_of, promised
from failover.core.values import Verdict
from failover.ports.self_fence import PUBLISHED
from failover.ports.service import Line, Proof, Result, Strike, Traits

LONGEST_NAP_S = 1.0


class WatchdogWait:
    """Implements `FenceMethod`. `own`: what this node itself would promise; the longer one counts."""

    def __init__(self, name: str, timeout_s: float, attempts: int, minimum_s: float, own: Promise | None) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self.traits = Traits(attempts=attempts, whole=True, askable=True)
        self._minimum_s = minimum_s
        self._own = own

    async def fence(self, strike: Strike) -> Result:
        promise = promised(strike.target.extra.get(PUBLISHED))
        if promise is None:
            return Result(Verdict.UNKNOWN, _missing(strike))
        if strike.held_s is None:
            return Result(Verdict.UNKNOWN, "this node does not hold the lock, so there is nothing to count from")
        wait_s = self._wait_s(promise)
        until_s = strike.held_s + wait_s
        left_s = until_s - _now_s()
        if left_s > self.timeout_s:
            words = f"{left_s:.1f} s are left to wait, longer than its timeout of {self.timeout_s:g} s: raise it"
            return Result(Verdict.UNKNOWN, words)
        while (left_s := until_s - _now_s()) > 0:
            await asyncio.sleep(min(left_s, LONGEST_NAP_S))
        return Result(Verdict.DONE, f"its watchdog has had {wait_s:.1f} s: {_said(promise)}")

    def _wait_s(self, promise: Promise) -> float:
        longest = longest_of(promise, self._own) if self._own is not None else promise
        return max(self._minimum_s, longest.wait_s)

    async def probe(self, strike: Strike) -> Proof:
        promise = promised(strike.target.extra.get(PUBLISHED))
        if promise is not None:
            return Proof(Verdict.DONE, f"it has armed its watchdog: {_said(promise)}")
        if PUBLISHED in strike.target.extra:
            return Proof(Verdict.NOT_DONE, _missing(strike))
        return Proof(Verdict.UNKNOWN, "whether it arms a watchdog is known only once it is active")

    async def restore(self, strike: Strike) -> Result:
        return Result(Verdict.UNKNOWN, f"nothing was taken from {strike.target.node.name}")

    def plan(self, strike: Strike) -> list[Line]:
        promise = promised(strike.target.extra.get(PUBLISHED))
        if promise is None:
            return [Line("wait", f"none: {_missing(strike)}")]
        lines = [Line("wait", f"{self._wait_s(promise):.1f} s from when this node holds the lock")]
        return [*lines, Line("promise", _said(promise))]


def _said(promise: Promise) -> str:
    return (
        f"R {promise.age_s:.3g} s, W {promise.watchdog_s:g} s, k {promise.k}, epsilon {promise.epsilon_s:g} s: "
        f"down {promise.down_s:.3g} s after its last renewal"
    )


def _missing(strike: Strike) -> str:
    told = strike.target.extra.get(PUBLISHED)
    name = strike.target.node.name
    if not isinstance(told, dict):
        return f"{name} has published no watchdog in its breadcrumb: it has promised nothing"
    if told.get("armed") is not True:
        return f"{name} was active without an armed watchdog ({str(told.get('why', 'it does not say why'))[:200]})"
    return f"what {name} has published of its watchdog cannot be understood"


def _now_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
