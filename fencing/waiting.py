"""`kind: manual` and `kind: epoch`: methods that strike nothing themselves.

What an operator confirms is the core's to judge, which ends this chain then; here nothing is known of it.
"""

from __future__ import annotations

import asyncio

from failover.core.values import Verdict
from failover.ports.service import Line, Proof, Result, Strike, Traits


class ManualFence:
    """Implements `FenceMethod`: gives an operator time to confirm, and says how."""

    def __init__(self, name: str, timeout_s: float, attempts: int) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self.traits = Traits(attempts=attempts)

    async def fence(self, strike: Strike) -> Result:
        """Wait `timeout_s` seconds: a confirmation ends the whole chain before."""
        await asyncio.sleep(self.timeout_s)
        return Result(Verdict.UNKNOWN, f"nobody has confirmed in {self.timeout_s:g} s; {_how(strike)}")

    async def probe(self, strike: Strike) -> Proof:
        """An operator cannot be tried."""
        return Proof(Verdict.UNKNOWN, "needs an operator")

    async def restore(self, strike: Strike) -> Result:
        """Nothing was taken."""
        return Result(Verdict.DONE)

    def plan(self, strike: Strike) -> list[Line]:
        return [Line("waits for", _how(strike))]


def _how(strike: Strike) -> str:
    return f"make sure that {strike.target.node.name} is off, then: failoverctl fence confirm {strike.target.node.name}"


class EpochFence:
    """Implements `FenceMethod`: says `done`, because the service's own storage refuses an older epoch."""

    timeout_s = 0.0
    traits = Traits()

    def __init__(self, name: str, because: str) -> None:
        self.name = name
        self._because = because

    async def fence(self, strike: Strike) -> Result:
        """DONE: the operator's word, repeated."""
        return Result(Verdict.DONE, f"not struck: an older epoch is refused, because {self._because}")

    async def probe(self, strike: Strike) -> Proof:
        """The operator's word cannot be tried."""
        return Proof(Verdict.DONE, f"by the operator's word: {self._because}")

    async def restore(self, strike: Strike) -> Result:
        """Nothing was taken."""
        return Result(Verdict.DONE)

    def plan(self, strike: Strike) -> list[Line]:
        return [Line("strikes nothing, because", self._because)]
