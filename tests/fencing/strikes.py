"""What tests of fencing share: strikes, and fence methods that answer as a test wants."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from failover.core.values import Breadcrumb, Node, Verdict
from failover.ports.service import Line, Proof, Result, Strike, Traits

OWN = Node("db1", "machine-1")
TARGET = Node("db2", "machine-2")


def strike(node: Node = TARGET, address: str = "10.0.0.12:8300", facts: Mapping[str, str] | None = None) -> Strike:
    """db1 strikes db2, under epoch 42."""
    crumb = Breadcrumb(node, 41, "boot-2", address, facts=facts or {})
    return Strike("orders-db", "db1", crumb, 42, 7, "its session ended")


def with_epoch(told: Strike, epoch: int) -> Strike:
    """The same under another epoch."""
    return replace(told, epoch=epoch)


class Scripted:
    """A fence method that answers with `verdicts` in turn (the last again and again), or hangs."""

    def __init__(
        self,
        name: str,
        *verdicts: Verdict,
        timeout_s: float = 5.0,
        hangs: bool = False,
        traits: Traits | None = None,
        saw_on: bool = False,
    ) -> None:
        self.name = name
        self.traits = traits or Traits()
        self.restored = 0
        self.proof = Proof(Verdict.DONE, "could be fenced", on=True)
        self._saw_on = saw_on
        self.timeout_s = timeout_s
        self.struck = 0
        self.ended = 0
        self._verdicts = verdicts
        self._hangs = hangs

    async def fence(self, told: Strike) -> Result:
        """Notes that it was called, and that it came to an end."""
        self.struck += 1
        try:
            if self._hangs:
                await asyncio.Event().wait()
            return Result(
                self._verdicts[min(self.struck, len(self._verdicts)) - 1], f"{self.name} said so", self._saw_on
            )
        finally:
            self.ended += 1

    async def probe(self, told: Strike) -> Proof:
        return self.proof

    async def restore(self, told: Strike) -> Result:
        self.restored += 1
        return Result(Verdict.DONE, "restored")

    def plan(self, told: Strike) -> list[Line]:
        return [Line("would", f"strike {told.target.node.name}")]
