"""The hooks that ask and tell beside promote and demote: `follow`, `role`, `ready`, `position`.

Every kind of control may have them. Knows nothing of how the service is promoted and demoted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from failover.core.effects import Follow
from failover.core.values import ServiceRole, Verdict
from failover.ports.service import Result, Standing
from failover.support.command import Command, Outcome, hook_environment
from failover.support.launcher import Launcher

FOLLOW = "follow"
ROLE = "role"
READY = "ready"
POSITION = "position"
NUMBER = re.compile(r"[0-9]{1,19}")
PAUSES_S = (0.1, 0.3, 1.0)
"""Between the questions after a demote: a service may need a moment to say `standby`."""
SeenDown = Callable[[float], Awaitable[tuple[bool, str]]]
"""Asks the probes, at most until then: do they agree that the service is not active, and in which words?"""


@dataclass(frozen=True, slots=True)
class Hook:
    """A command and its deadline in seconds."""

    argv: tuple[str, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class AskingHooks:
    """What the configuration says of these hooks, with the names that they are told.

    `addresses`: where the service of each configured node is reached (a host, no port).
    """

    service: str
    node: str
    follow: Hook | None = None
    role: Hook | None = None
    ready: Hook | None = None
    position: Hook | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)


class HookAsker:
    """The part of `ServiceControl` that these hooks answer."""

    def __init__(self, launcher: Launcher, hooks: AskingHooks) -> None:
        self._launcher = launcher
        self._asking = hooks

    async def follow(self, ask: Follow) -> Result:
        """Run `follow`; without one there is nothing to tell: DONE."""
        if self._asking.follow is None:
            return Result(Verdict.DONE, "no follow hook")
        facts = self.facts(ask.epoch, ask.attempt, "")
        api_host = ask.address.rpartition(":")[0].strip("[]")
        address = self._asking.addresses.get(ask.active, api_host)
        facts |= {"FAILOVER_ACTIVE": ask.active, "FAILOVER_ACTIVE_ADDRESS": address}
        return result_of(FOLLOW, await self.run(FOLLOW, self._asking.follow, facts))

    async def role(self) -> ServiceRole:
        """What `role` prints; UNKNOWN without such a hook."""
        if self._asking.role is None:
            return ServiceRole.UNKNOWN
        return await self.ask_role(self._asking.role, self._asking.role.timeout_s)

    async def standing(self) -> Standing:
        """Ask `position`, then `ready`; without such hooks nothing is known, and nothing bars."""
        return Standing(await self._position(), await self._bar())

    async def _position(self) -> int | None:
        if self._asking.position is None:
            return None
        outcome = await self.run(POSITION, self._asking.position, self.facts(None, None, ""))
        word = outcome.output.strip()
        said = NUMBER.fullmatch(word) if outcome.verdict is Verdict.DONE else None
        return int(word) if said else None

    async def _bar(self) -> str:
        if self._asking.ready is None:
            return ""
        outcome = await self.run(READY, self._asking.ready, self.facts(None, None, ""))
        return "" if outcome.verdict is Verdict.DONE else f"ready: {outcome.describe()}"

    async def confirmed(self, role: Hook, until: float, done: str, seen_down: SeenDown | None = None) -> Result:
        """Ask until it says standby, a few times: what says `active` still is not demoted. `done`: what was done.

        One that cannot be asked may be down: then the probes tell, if they can.
        """
        loop = asyncio.get_running_loop()
        said, seen = None, ""
        for pause_s in (*PAUSES_S, 0.0):
            left_s = until - loop.time()
            if left_s <= 0:
                break
            said = await self.ask_role(role, min(role.timeout_s, left_s))
            if said is ServiceRole.STANDBY:
                return Result(Verdict.DONE, f"{done}, and role says standby")
            if said is ServiceRole.UNKNOWN and seen_down is not None:
                down, seen = await seen_down(until)
                if down:
                    return Result(Verdict.DONE, f"{done}; role cannot be asked, and {seen}")
            await asyncio.sleep(max(0.0, min(pause_s, until - loop.time())))
        if said is None:
            return Result(Verdict.UNKNOWN, f"{done}, but its deadline left no time to ask role")
        verdict = Verdict.NOT_DONE if said is ServiceRole.ACTIVE else Verdict.UNKNOWN
        return Result(verdict, f"{done}, but role says {said}" + (f", and {seen}" if seen else ""))

    async def ask_role(self, hook: Hook, timeout_s: float) -> ServiceRole:
        facts = self.facts(None, None, "")
        outcome = await self.run(ROLE, Hook(hook.argv, timeout_s), facts)
        if outcome.verdict is not Verdict.DONE:
            return ServiceRole.UNKNOWN
        word = outcome.output.strip().partition("\n")[0].strip().lower()
        return {"active": ServiceRole.ACTIVE, "standby": ServiceRole.STANDBY}.get(word, ServiceRole.UNKNOWN)

    def facts(self, epoch: int | None, attempt: int | None, reason: str) -> dict[str, str]:
        """Every name is always set, so that a hook under `set -u` works in every case."""
        return {
            "FAILOVER_SERVICE": self._asking.service,
            "FAILOVER_NODE": self._asking.node,
            "FAILOVER_EPOCH": "" if epoch is None else str(epoch),
            "FAILOVER_ATTEMPT": "" if attempt is None else str(attempt),
            "FAILOVER_REASON": reason,
            "FAILOVER_OLD_ACTIVE": "",
            "FAILOVER_ACTIVE": "",
            "FAILOVER_ACTIVE_ADDRESS": "",
        }

    async def run(self, name: str, hook: Hook, facts: Mapping[str, str]) -> Outcome:
        environment = hook_environment(facts)
        return await self._launcher.run(
            Command(hook.argv, environment, hook.timeout_s, name, split=name in (ROLE, POSITION))
        )


def result_of(name: str, outcome: Outcome) -> Result:
    return Result(outcome.verdict, f"{name}: {outcome.describe()}")
