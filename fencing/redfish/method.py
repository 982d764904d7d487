"""`RedfishFence`: takes a host's power through its BMC. Off counts only when fresh connections read it back, twice.

Only the system that is named is struck: what a BMC answers must say that it is that one. Decides nothing: whether a
BMC that never said On is believed is the chain's matter (`Traits.witnessed`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from config.agent_values import MASKED
from config.models.fencing import RedfishMethodSettings
from config.models.fencing.redfish import bmc_url, system_path
from config.placeholders import fill
from failover.core.values import Verdict
from failover.ports.service import Line, Proof, Result, Strike, Traits
from fencing.redfish.client import Account, RedfishError, trust_of
from fencing.redfish.system import Systems
from fencing.target import Facts, facts_of, would_hit_this_host

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 2.0
SWITCHES_ON = ("On", "ForceOn")


class _CannotAsk(Exception):
    """Nothing was sent; the text says why."""


@dataclass(slots=True)
class _Course:
    """How far a switch has come: what its words are when the deadline ends it. `power`: as it was at first."""

    power: str = ""
    ordered: bool = False
    trouble: RedfishError | None = None
    last: str = "the BMC has not answered yet"

    @property
    def saw_on(self) -> bool:
        return self.power == "On"


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
        """Order off, and read Off twice, each time over a fresh connection. Certainly not off: NOT_DONE."""
        course = _Course()
        result = await self._switched(strike, "Off", (self._settings.off,), course)
        if result.verdict is not Verdict.DONE or course.ordered:
            return result
        words = f"the BMC said {course.power} before anything was ordered, so nothing was; it says Off, twice"
        return Result(Verdict.DONE, words)

    async def restore(self, strike: Strike) -> Result:
        """Order on, and read On twice."""
        result = await self._switched(strike, "On", SWITCHES_ON, _Course())
        return Result(result.verdict, result.detail)

    async def probe(self, strike: Strike) -> Proof:
        """DONE if the system says On and may be switched off; Off for a node that lives is a lie."""
        try:
            account, path = self._account(strike)
            async with asyncio.timeout(self.timeout_s):
                system = await (await self._systems(account, path)).fresh()
        except _CannotAsk as why:
            return Proof(Verdict.NOT_DONE, str(why))
        except TimeoutError:
            return Proof(Verdict.UNKNOWN, f"no answer from {account.url} within {self.timeout_s:g}s")
        except RedfishError as error:
            return Proof(Verdict.NOT_DONE if error.certain else Verdict.UNKNOWN, str(error))
        if system.power == "Off":
            return Proof(Verdict.NOT_DONE, f"{path} says Off for a node that lives: it is another's", lies=True)
        if system.power != "On":
            return Proof(Verdict.UNKNOWN, f"{path} says {system.power}, neither On nor Off")
        obstacle = system.choice((self._settings.off,))[1]
        return Proof(Verdict.NOT_DONE if obstacle else Verdict.DONE, obstacle or f"{path} says On", on=True)

    def plan(self, strike: Strike) -> list[Line]:
        """The password is never needed for it."""
        settings = self._settings
        try:
            url, path = self._place(strike)
        except _CannotAsk as why:
            return [Line("cannot be run", str(why))]
        trust = f"signed by {settings.ca}" if settings.ca else "signed by one of the system's trust store"
        return [
            Line("BMC", url),
            Line("system", path),
            Line("orders", settings.off + ("; On, once a peer is active" if settings.restore else "")),
            Line("user", settings.user),
            Line("password", MASKED),
            Line("certificate", "NOT CHECKED: anyone on its network can fake OFF" if settings.insecure else trust),
            Line("each answer", f"within {settings.connect_timeout:g} s"),
        ]

    # --- where

    def _place(self, strike: Strike) -> tuple[str, str]:
        """The BMC's URL and the path of the system. Raises _CannotAsk."""
        texts = (self._settings.address, self._settings.system)
        facts = facts_of(strike, self._nodes)
        try:
            address, system = fill(texts, facts)
            url, path = bmc_url(address), system_path(system)
        except KeyError as missing:
            known = ", ".join(sorted(facts))
            raise _CannotAsk(f"{{{missing.args[0]}}} is not known: known are {known}") from None
        except ValueError as error:
            raise _CannotAsk(str(error)) from None
        obstacle = would_hit_this_host(strike, self._nodes, texts)
        if obstacle:
            raise _CannotAsk(obstacle)
        if url.startswith("http://") and not self._settings.insecure:
            raise _CannotAsk(f"{url} would show the password to the network: write https")
        return url, path

    def _account(self, strike: Strike) -> tuple[Account, str]:
        """Raises _CannotAsk."""
        url, path = self._place(strike)
        try:
            password = self._settings.password.reveal()
        except LookupError as unread:
            raise _CannotAsk(str(unread)) from None
        return Account(url, self._settings.user, password, min(self._settings.connect_timeout, self.timeout_s)), path

    async def _systems(self, account: Account, path: str) -> Systems:
        """The CA's file is read once for each strike or probe, not on the loop. Raises RedfishError."""
        trust = await asyncio.to_thread(trust_of, self._settings.ca, self._settings.insecure)
        return Systems(account, trust, path)

    # --- switching

    async def _switched(self, strike: Strike, wanted: str, orders: tuple[str, ...], course: _Course) -> Result:
        try:
            account, path = self._account(strike)
            async with asyncio.timeout(self.timeout_s):
                return await _switch(await self._systems(account, path), wanted, orders, course)
        except _CannotAsk as why:
            return Result(Verdict.UNKNOWN, str(why))
        except RedfishError as error:
            return Result(Verdict.NOT_DONE if error.certain else Verdict.UNKNOWN, str(error), course.saw_on)
        except TimeoutError:
            words = f"not {wanted.lower()} within {self.timeout_s:g}s: {course.last}"
            return Result(Verdict.UNKNOWN, words, course.saw_on)


async def _switch(systems: Systems, wanted: str, orders: tuple[str, ...], course: _Course) -> Result:
    """Raises RedfishError only as long as nothing was ordered."""
    async with systems.connection() as bmc:
        system = await systems.read(bmc)
        course.power = system.power
        course.last = f"it said {system.power}, and has not answered since"
        if system.power != wanted:
            order, obstacle = system.choice(orders)
            if obstacle:
                return Result(Verdict.NOT_DONE, obstacle, course.saw_on)
            course.ordered = True
            course.last = f"it said {system.power}, and has not answered to {order}"
            try:
                await bmc.post(system.reset, {"ResetType": order})
            except RedfishError as error:
                course.trouble = error
                course.last = f"{order}: {error}"
    return await _awaited(systems, wanted, course)


async def _awaited(systems: Systems, wanted: str, course: _Course) -> Result:
    """Ask, each time over a fresh connection, until two answers in a row say what is wanted.

    An order that was refused for certain leaves no hope for a system that stays where it was; one that is on its way
    already (PoweringOff) is waited for.
    """
    pause_s, agreed, trouble = FIRST_PAUSE_S, False, course.trouble
    while True:
        try:
            power = (await systems.fresh()).power
        except RedfishError as error:
            course.last, agreed = str(error), False
        else:
            if power == wanted and agreed:
                return Result(Verdict.DONE, f"the BMC says {wanted}, twice", course.saw_on)
            if power == wanted:
                agreed = True
                continue
            agreed = False
            if trouble is not None and trouble.certain and power in {"On", "Off"}:
                return Result(Verdict.NOT_DONE, f"it still says {power}: {trouble}", course.saw_on)
            course.last = f"it still says {power}" + (f"; the order: {trouble}" if trouble else "")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
