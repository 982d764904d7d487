"""`kind: command`: the service is promoted, demoted and questioned by commands of the operator's own.

Answers with verdicts only. Knows nothing of locks and attempts beyond what it hands to the hooks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from failover.control.hooks import PAUSES_S, AskingHooks, Hook, HookAsker, result_of
from failover.core.effects import Demote, Promote
from failover.core.values import ServiceRole, Verdict
from failover.ports.service import Look, Result
from failover.support.launcher import Launcher

__all__ = ["CommandControl", "CommandHooks", "Ends", "Hook", "never"]

PROMOTE = "promote"
DEMOTE = "demote"
GONE_WAIT_S = 1.0
ENDED = "demote: exit 0, and its process has ended"
Ends = Callable[[], int]
"""How often the probes have told that the service, all of it, has ended."""


def never() -> int:
    """Where no probe can tell."""
    return 0


@dataclass(frozen=True, slots=True)
class CommandHooks(AskingHooks):
    """The hooks that act, too."""

    promote: Hook = field(kw_only=True)
    demote: Hook = field(kw_only=True)


class CommandControl(HookAsker):
    """Implements `ServiceControl`. `look` asks the probes; `standby_stopped`: a standby is not up, so they tell."""

    def __init__(
        self,
        launcher: Launcher,
        hooks: CommandHooks,
        look: Look | None = None,
        standby_stopped: bool = False,
        ends: Ends = never,
    ) -> None:
        super().__init__(launcher, hooks)
        self._hooks = hooks
        self._look = look
        self._standby_stopped = standby_stopped
        self._ends = ends

    async def promote(self, ask: Promote) -> Result:
        """Run `promote`; the active that it is told of is this node."""
        facts = self.facts(ask.epoch, ask.attempt, ask.reason)
        facts |= {
            "FAILOVER_OLD_ACTIVE": ask.old_active,
            "FAILOVER_ACTIVE": self._hooks.node,
            "FAILOVER_ACTIVE_ADDRESS": self._hooks.addresses.get(self._hooks.node, ""),
        }
        return result_of(PROMOTE, await self.run(PROMOTE, self._hooks.promote, facts))

    async def demote(self, ask: Demote) -> Result:
        """Run `demote`, then ask `role`, or else the probes, within the same deadline (S3).

        UNKNOWN at most if a promote was still running when it began (S4).
        """
        until = asyncio.get_running_loop().time() + self._hooks.demote.timeout_s
        before = self._ends()
        promoting = self._launcher.alive(PROMOTE)
        facts = self.facts(ask.epoch, ask.attempt, ask.reason)
        result = result_of(DEMOTE, await self.run(DEMOTE, self._hooks.demote, facts))
        if result.verdict is Verdict.DONE:
            # Workers that outlived a crash, say, have often ended by now: only an end of this very moment counts.
            result = await self._agreed(lambda: ask.gone or self._ends() > before, until)
        if promoting:
            return Result(Verdict.UNKNOWN, f"{result.detail}; but a promote that could not be ended was running")
        return result

    async def _agreed(self, gone: Callable[[], bool], until: float) -> Result:
        """Exit 0 alone is the hook's word only: what says that it is active still is not demoted."""
        role = self._hooks.role
        if gone():
            left_s = min(GONE_WAIT_S, until - asyncio.get_running_loop().time())
            if (
                role is not None
                and left_s > 0
                and await self.ask_role(role, min(role.timeout_s, left_s)) is ServiceRole.ACTIVE
            ):
                return Result(Verdict.NOT_DONE, "demote: exit 0, but role says active although its process has ended")
            return Result(Verdict.DONE, ENDED)
        if role is not None:
            return await self.confirmed(role, until, "demote: exit 0", partial(self._seen_down, gone))
        if self._look is not None and self._standby_stopped:
            return await self._down(gone, until)
        return Result(Verdict.UNKNOWN, "demote: exit 0, but without a role hook nothing can tell whether it worked")

    async def _down(self, gone: Callable[[], bool], until: float) -> Result:
        """A standby is stopped: no probe may find it up."""
        loop = asyncio.get_running_loop()
        for pause_s in (*PAUSES_S, 0.0):
            down, seen = await self._seen_down(gone, until)
            if down:
                return Result(Verdict.DONE, f"demote: exit 0, and {seen}")
            if loop.time() + pause_s >= until:
                break
            await asyncio.sleep(pause_s)
        return Result(Verdict.UNKNOWN, f"demote: exit 0, but {seen}")

    async def _seen_down(self, gone: Callable[[], bool], until: float) -> tuple[bool, str]:
        """Whether the probes agree that the service is not active, and in which words."""
        if gone():
            return True, "its process has ended"
        if self._look is None:
            return False, "no probe can be asked"
        try:
            async with asyncio.timeout_at(until):
                sight = await self._look()
        except TimeoutError:
            return False, "its deadline left no time for the probes"
        if sight.up:
            return False, f"the service is still up ({sight.up})"
        if sight.absent:
            return True, "its process is not there"
        return self._standby_stopped, "no probe finds the service up"
