"""`kind: command`: the service is promoted, demoted and questioned by commands of the operator's own.

Answers with verdicts only. Knows nothing of locks and attempts beyond what it hands to the hooks.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from failover.core.effects import Demote, Follow, Promote
from failover.core.values import ServiceRole, Verdict
from failover.ports.service import Result, Standing
from failover.support.command import Command, Outcome, hook_environment
from failover.support.launcher import Launcher

PROMOTE = "promote"
DEMOTE = "demote"
FOLLOW = "follow"
ROLE = "role"
READY = "ready"
POSITION = "position"
NUMBER = re.compile(r"[0-9]{1,19}")
PAUSES_S = (0.1, 0.3, 1.0)
"""Between the questions after a demote: a service may need a moment to say `standby`."""
GONE_WAIT_S = 1.0
ENDED = "demote: exit 0, and its process has ended"
StillUp = Callable[[], Awaitable[str]]
"""Asks every probe once: the one that finds the service up, or ""."""
Ends = Callable[[], int]
"""How often the probes have told that the service, all of it, has ended."""


def never() -> int:
    """Where no probe can tell."""
    return 0


@dataclass(frozen=True, slots=True)
class Hook:
    """A command and its deadline in seconds."""

    argv: tuple[str, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class CommandHooks:
    """What the configuration says of `control`, with the names that hooks are told.

    `addresses`: where the service of each configured node is reached (a host, no port).
    """

    service: str
    node: str
    promote: Hook
    demote: Hook
    follow: Hook | None = None
    role: Hook | None = None
    ready: Hook | None = None
    position: Hook | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)


class CommandControl:
    """Implements `ServiceControl`. `still_up` asks the probes; None where a standby is up as well as the active."""

    def __init__(
        self, launcher: Launcher, hooks: CommandHooks, still_up: StillUp | None = None, ends: Ends = never
    ) -> None:
        self._launcher = launcher
        self._hooks = hooks
        self._still_up = still_up
        self._ends = ends

    async def promote(self, ask: Promote) -> Result:
        """Run `promote`; the active that it is told of is this node."""
        facts = self._facts(ask.epoch, ask.attempt, ask.reason)
        facts |= {
            "FAILOVER_OLD_ACTIVE": ask.old_active,
            "FAILOVER_ACTIVE": self._hooks.node,
            "FAILOVER_ACTIVE_ADDRESS": self._hooks.addresses.get(self._hooks.node, ""),
        }
        return _result(PROMOTE, await self._run(PROMOTE, self._hooks.promote, facts))

    async def demote(self, ask: Demote) -> Result:
        """Run `demote`, then ask `role`, or else the probes, within the same deadline (S3).

        UNKNOWN at most if a promote was still running when it began (S4).
        """
        until = asyncio.get_running_loop().time() + self._hooks.demote.timeout_s
        before = self._ends()
        promoting = self._launcher.alive(PROMOTE)
        facts = self._facts(ask.epoch, ask.attempt, ask.reason)
        result = _result(DEMOTE, await self._run(DEMOTE, self._hooks.demote, facts))
        if result.verdict is Verdict.DONE:
            # Workers that outlived a crash, say, have often ended by now: only an end of this very moment counts.
            result = await self._agreed(lambda: ask.gone or self._ends() > before, until)
        if promoting:
            return Result(Verdict.UNKNOWN, f"{result.detail}; but a promote that could not be ended was running")
        return result

    async def follow(self, ask: Follow) -> Result:
        """Run `follow`; without one there is nothing to tell: DONE."""
        if self._hooks.follow is None:
            return Result(Verdict.DONE, "no follow hook")
        facts = self._facts(ask.epoch, ask.attempt, "")
        api_host = ask.address.rpartition(":")[0].strip("[]")
        address = self._hooks.addresses.get(ask.active, api_host)
        facts |= {"FAILOVER_ACTIVE": ask.active, "FAILOVER_ACTIVE_ADDRESS": address}
        return _result(FOLLOW, await self._run(FOLLOW, self._hooks.follow, facts))

    async def role(self) -> ServiceRole:
        """What `role` prints; UNKNOWN without such a hook."""
        if self._hooks.role is None:
            return ServiceRole.UNKNOWN
        return await self._role(self._hooks.role, self._hooks.role.timeout_s)

    async def standing(self) -> Standing:
        """Ask `position`, then `ready`; without such hooks nothing is known, and nothing bars."""
        return Standing(await self._position(), await self._bar())

    async def _position(self) -> int | None:
        if self._hooks.position is None:
            return None
        outcome = await self._run(POSITION, self._hooks.position, self._facts(None, None, ""))
        word = outcome.output.strip()
        said = NUMBER.fullmatch(word) if outcome.verdict is Verdict.DONE else None
        return int(word) if said else None

    async def _bar(self) -> str:
        if self._hooks.ready is None:
            return ""
        outcome = await self._run(READY, self._hooks.ready, self._facts(None, None, ""))
        return "" if outcome.verdict is Verdict.DONE else f"ready: {outcome.describe()}"

    async def _agreed(self, gone: Callable[[], bool], until: float) -> Result:
        """Exit 0 alone is the hook's word only: what says that it is active still is not demoted."""
        role = self._hooks.role
        if gone():
            left_s = min(GONE_WAIT_S, until - asyncio.get_running_loop().time())
            if (
                role is not None
                and left_s > 0
                and await self._role(role, min(role.timeout_s, left_s)) is ServiceRole.ACTIVE
            ):
                return Result(Verdict.NOT_DONE, "demote: exit 0, but role says active although its process has ended")
            return Result(Verdict.DONE, ENDED)
        if role is not None:
            return await self._confirmed(role, gone, until)
        if self._still_up is not None:
            return await self._down(self._still_up, until)
        return Result(Verdict.UNKNOWN, "demote: exit 0, but without a role hook nothing can tell whether it worked")

    async def _down(self, still_up: StillUp, until: float) -> Result:
        """A standby is stopped: no probe may find it up."""
        loop = asyncio.get_running_loop()
        for pause_s in (*PAUSES_S, 0.0):
            up = await still_up()
            if not up:
                return Result(Verdict.DONE, "demote: exit 0, and no probe finds the service up")
            if loop.time() + pause_s >= until:
                break
            await asyncio.sleep(pause_s)
        return Result(Verdict.UNKNOWN, f"demote: exit 0, but the service is still up ({up})")

    async def _confirmed(self, role: Hook, gone: Callable[[], bool], until: float) -> Result:
        """Ask until it says standby, a few times: what says `active` still is not demoted."""
        loop = asyncio.get_running_loop()
        said = None
        for pause_s in (*PAUSES_S, 0.0):
            left_s = until - loop.time()
            if left_s <= 0:
                break
            said = await self._role(role, min(role.timeout_s, left_s))
            if said is ServiceRole.STANDBY:
                return Result(Verdict.DONE, "demote: exit 0, and role says standby")
            if said is ServiceRole.UNKNOWN and gone():
                return Result(Verdict.DONE, ENDED)
            await asyncio.sleep(max(0.0, min(pause_s, until - loop.time())))
        if said is None:
            return Result(Verdict.UNKNOWN, "demote: exit 0, but its deadline left no time to ask role")
        verdict = Verdict.NOT_DONE if said is ServiceRole.ACTIVE else Verdict.UNKNOWN
        return Result(verdict, f"demote: exit 0, but role says {said}")

    async def _role(self, hook: Hook, timeout_s: float) -> ServiceRole:
        facts = self._facts(None, None, "")
        outcome = await self._run(ROLE, Hook(hook.argv, timeout_s), facts)
        if outcome.verdict is not Verdict.DONE:
            return ServiceRole.UNKNOWN
        word = outcome.output.strip().partition("\n")[0].strip().lower()
        return {"active": ServiceRole.ACTIVE, "standby": ServiceRole.STANDBY}.get(word, ServiceRole.UNKNOWN)

    def _facts(self, epoch: int | None, attempt: int | None, reason: str) -> dict[str, str]:
        """Every name is always set, so that a hook under `set -u` works in every case."""
        return {
            "FAILOVER_SERVICE": self._hooks.service,
            "FAILOVER_NODE": self._hooks.node,
            "FAILOVER_EPOCH": "" if epoch is None else str(epoch),
            "FAILOVER_ATTEMPT": "" if attempt is None else str(attempt),
            "FAILOVER_REASON": reason,
            "FAILOVER_OLD_ACTIVE": "",
            "FAILOVER_ACTIVE": "",
            "FAILOVER_ACTIVE_ADDRESS": "",
        }

    async def _run(self, name: str, hook: Hook, facts: Mapping[str, str]) -> Outcome:
        environment = hook_environment(facts)
        return await self._launcher.run(
            Command(hook.argv, environment, hook.timeout_s, name, split=name in (ROLE, POSITION))
        )


def _result(name: str, outcome: Outcome) -> Result:
    return Result(outcome.verdict, f"{name}: {outcome.describe()}")
