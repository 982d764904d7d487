"""`RedfishFence`: takes a host's power through its BMC. Off counts only when a fresh connection reads it back.

Only the system that is named is struck: what a BMC answers must say that it is that one. Knows nothing of the chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from config.models.fencing import RedfishMethodSettings
from config.models.fencing.redfish import bmc_url, system_path
from config.placeholders import fill
from failover.core.values import Verdict
from failover.ports.service import Line, Proof, Result, Strike, Traits
from fencing.redfish.client import Account, Bmc, RedfishError
from fencing.target import Facts, facts_of, same_as_this_host

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 2.0
RESET = "#ComputerSystem.Reset"


@dataclass(frozen=True, slots=True)
class System:
    """What a BMC says of one system."""

    power: str
    reset: str
    allowed: tuple[str, ...] | None


@dataclass(slots=True)
class _Course:
    """How far a strike has come: what its words are when the deadline ends it."""

    saw_on: bool = False
    last: str = "the BMC has not answered yet"


class RedfishFence:
    """Implements `FenceMethod`. `nodes`: the locally configured facts of each node."""

    def __init__(self, name: str, settings: RedfishMethodSettings, nodes: Mapping[str, Facts]) -> None:
        self.name = name
        self.timeout_s = settings.timeout
        self.traits = Traits(
            attempts=settings.attempts,
            whole=True,
            power=True,
            witnessed=True,
            restores=settings.restore,
            askable=True,
        )
        self._settings = settings
        self._nodes = nodes

    async def fence(self, strike: Strike) -> Result:
        """Order off, wait for Off, read it once more over a fresh connection. Nothing struck: NOT_DONE."""
        where = self._where(strike)
        if isinstance(where, str):
            return Result(Verdict.UNKNOWN, where)
        account, path = where
        course = _Course()
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._switch(account, path, "Off", course)
        except TimeoutError:
            return Result(Verdict.UNKNOWN, f"not off within {self.timeout_s:g}s: {course.last}", course.saw_on)

    async def probe(self, strike: Strike) -> Proof:
        """DONE if the system says On; Off for a node that lives is a lie."""
        where = self._where(strike)
        if isinstance(where, str):
            return Proof(Verdict.NOT_DONE, where)
        account, path = where
        try:
            async with asyncio.timeout(self.timeout_s):
                system = await _fresh(account, path)
        except TimeoutError:
            return Proof(Verdict.UNKNOWN, f"{account.url} has not answered within {self.timeout_s:g}s")
        except RedfishError as error:
            return Proof(Verdict.NOT_DONE if error.certain else Verdict.UNKNOWN, str(error))
        if system.power == "Off":
            return Proof(Verdict.NOT_DONE, f"{path} says Off for a node that lives: it is another's", lies=True)
        if system.power != "On":
            return Proof(Verdict.UNKNOWN, f"{path} says {system.power}")
        refused = self._not_allowed(system, self._settings.off)
        return Proof(Verdict.NOT_DONE if refused else Verdict.DONE, refused or f"{path} says On", on=True)

    async def restore(self, strike: Strike) -> Result:
        """Order on, and wait until it says On."""
        where = self._where(strike)
        if isinstance(where, str):
            return Result(Verdict.UNKNOWN, where)
        account, path = where
        course = _Course()
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._switch(account, path, "On", course)
        except TimeoutError:
            return Result(Verdict.UNKNOWN, f"not on within {self.timeout_s:g}s: {course.last}")

    def plan(self, strike: Strike) -> list[Line]:
        where = self._where(strike)
        if isinstance(where, str):
            return [Line("cannot be run", where)]
        account, path = where
        trust = f"CA {account.ca}" if account.ca else "the system's trust store"
        return [
            Line("BMC", account.url),
            Line("system", path),
            Line("orders", self._settings.off + (", On once a peer is active" if self._settings.restore else "")),
            Line("user", account.user),
            Line("password", "******"),
            Line("certificate", "NOT CHECKED: anyone on its network can fake OFF" if account.insecure else trust),
            Line("deadlines", f"{self.timeout_s:g}s in all, {account.wait_s:g}s for each answer"),
        ]

    def _where(self, strike: Strike) -> tuple[Account, str] | str:
        """The BMC and the path of the system, or why nothing may be asked."""
        settings = self._settings
        texts = (settings.address, settings.system)
        facts = facts_of(strike, self._nodes)
        try:
            address, system = fill(texts, facts)
            url, path = bmc_url(address), system_path(system)
        except KeyError as missing:
            return f"{{{missing.args[0]}}} is not known: known are {', '.join(sorted(facts))}"
        except ValueError as error:
            return str(error)
        if same_as_this_host(strike, self._nodes, texts):
            name = strike.target.node.name
            return f"it would strike this host; make sure that {name} is off, then: failoverctl fence confirm {name}"
        if url.startswith("http://") and not settings.insecure:
            return f"{url} would show the password to the network: write https"
        try:
            password = settings.password.reveal()
        except LookupError as error:
            return str(error)
        wait_s = min(settings.connect_timeout, self.timeout_s)
        return Account(url, settings.user, password, settings.ca, settings.insecure, wait_s), path

    async def _switch(self, account: Account, path: str, wanted: str, course: _Course) -> Result:
        order = self._settings.off if wanted == "Off" else "On"
        try:
            async with Bmc(account) as bmc:
                system = await _system(bmc, path)
                course.saw_on = system.power == "On"
                course.last = f"{path} said {system.power}"
                refused = "" if system.power == wanted else self._not_allowed(system, order)
                if refused:
                    return Result(Verdict.NOT_DONE, refused, course.saw_on)
                trouble = None if system.power == wanted else await _ordered(bmc, system.reset, order)
        except RedfishError as error:
            return Result(Verdict.NOT_DONE if error.certain else Verdict.UNKNOWN, str(error), course.saw_on)
        if trouble is not None:
            course.last = str(trouble)
        return await _awaited(lambda: _fresh(account, path), wanted, course, trouble)

    def _not_allowed(self, system: System, order: str) -> str:
        if not system.reset:
            return "the BMC offers no ComputerSystem.Reset for this system: it cannot switch its power"
        if system.allowed is not None and order not in system.allowed:
            return f"the BMC does not allow {order}; it allows {', '.join(system.allowed) or 'nothing'}"
        return ""


async def _ordered(bmc: Bmc, target: str, order: str) -> RedfishError | None:
    try:
        await bmc.post(target, {"ResetType": order})
    except RedfishError as error:
        return error
    return None


async def _awaited(
    fresh: Callable[[], Awaitable[System]], wanted: str, course: _Course, trouble: RedfishError | None
) -> Result:
    """Ask, each time over a fresh connection, until two answers in a row say what is wanted."""
    pause_s, agreed = FIRST_PAUSE_S, False
    while True:
        try:
            power = (await fresh()).power
        except RedfishError as error:
            course.last, agreed = str(error), False
        else:
            if power == wanted and agreed:
                return Result(Verdict.DONE, f"the BMC says {wanted}, and said so twice", course.saw_on)
            if power == wanted:
                agreed = True
                continue
            agreed = False
            if trouble is not None and trouble.certain:
                return Result(Verdict.NOT_DONE, f"it still says {power}: {trouble}", course.saw_on)
            course.last = f"it still says {power}" + (f", and the order: {trouble}" if trouble else "")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)


async def _fresh(account: Account, path: str) -> System:
    async with Bmc(account) as bmc:
        return await _system(bmc, path)


async def _system(bmc: Bmc, path: str) -> System:
    """What the BMC says of the system. Raises RedfishError also where it is another system, or none."""
    found = await bmc.get(path)
    told = found.get("@odata.id")
    own = told.rstrip("/") if isinstance(told, str) else None
    if own is None and isinstance(found.get("Id"), str):
        own = f"{path.rpartition('/')[0]}/{found['Id']}"
    if own != path:
        said = str(own)[:100] if own else "nothing that says which it is"
        raise RedfishError(f"asked for {path}, but the BMC answers for {said}: correct system", certain=True)
    power = found.get("PowerState")
    if not isinstance(power, str):
        raise RedfishError(f"{path} says nothing of its PowerState: this BMC cannot prove that it is off")
    return System(power[:40], *_reset_of(found, path))


def _reset_of(found: dict[str, Any], path: str) -> tuple[str, tuple[str, ...] | None]:
    """Where Reset is ordered ("": nowhere), and what it allows (None: not said). Another system's is not taken."""
    actions = found.get("Actions")
    reset = actions.get(RESET) if isinstance(actions, dict) else None
    target = reset.get("target") if isinstance(reset, dict) else None
    if not isinstance(reset, dict) or not isinstance(target, str) or not target.startswith(f"{path}/Actions/"):
        return "", None
    allowed = reset.get("ResetType@Redfish.AllowableValues")
    return target, tuple(str(value)[:40] for value in allowed) if isinstance(allowed, list) else None
