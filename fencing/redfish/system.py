"""One system of a BMC, as Redfish describes it: is it the one that was asked for, its power, how it is switched.

Source: DMTF DSP2046, ComputerSystem. Orders nothing.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

from fencing.redfish.client import Account, Bmc, RedfishError

POWER_STATES = frozenset({"On", "Off", "PoweringOn", "PoweringOff", "Paused"})
RESET = "#ComputerSystem.Reset"
MOST_VALUES = 20


@dataclass(frozen=True, slots=True)
class System:
    """What a BMC says. `reset`: where an order goes ("": nowhere). `allowed`: which orders; None: it does not say."""

    power: str
    reset: str
    allowed: tuple[str, ...] | None

    def choice(self, orders: tuple[str, ...]) -> tuple[str, str]:
        """The first of the orders that may be given, and why none may be (or "")."""
        if not self.reset:
            return "", "the BMC offers no ComputerSystem.Reset for this system: it cannot switch its power"
        if self.allowed is None:
            return orders[0], ""
        found = next((order for order in orders if order in self.allowed), "")
        if found:
            return found, ""
        return "", f"the BMC does not allow {orders[0]}; it allows {', '.join(self.allowed) or 'nothing'}"


@dataclass(frozen=True, slots=True)
class Systems:
    """Where one system of one BMC is asked for. `path`: without a slash at its end."""

    account: Account
    trust: ssl.SSLContext
    path: str

    def connection(self) -> Bmc:
        """A fresh one."""
        return Bmc(self.account, self.trust)

    async def fresh(self) -> System:
        """What the BMC says over a fresh connection. Raises RedfishError."""
        async with self.connection() as bmc:
            return await self.read(bmc)

    async def read(self, bmc: Bmc) -> System:
        """What the BMC says. Raises RedfishError, also where it answers for another system."""
        found = await bmc.get(self.path)
        told = found.get("@odata.id")
        own = told.rstrip("/") if isinstance(told, str) else None
        if own is None and isinstance(found.get("Id"), str):
            own = f"{self.path.rpartition('/')[0]}/{found['Id']}"
        if own != self.path:
            said = bmc.tame(own) if own else "nothing that says which it is"
            raise RedfishError(f"asked for {self.path}, the BMC answers for {said}: correct system", certain=True)
        power = found.get("PowerState")
        if not isinstance(power, str) or not power:
            raise RedfishError(f"{self.path} says nothing of its PowerState: this BMC cannot prove that it is off")
        reset, allowed = _reset_of(found, self.path)
        tame = tuple(bmc.tame(value, 40) for value in allowed[:MOST_VALUES]) if allowed is not None else None
        return System(power if power in POWER_STATES else f'"{bmc.tame(power, 40)}"', reset, tame)


def _reset_of(found: dict[str, Any], path: str) -> tuple[str, list[Any] | None]:
    """Where Reset is ordered, and what it allows. Another system's is not taken."""
    actions = found.get("Actions")
    reset = actions.get(RESET) if isinstance(actions, dict) else None
    target = reset.get("target") if isinstance(reset, dict) else None
    if not isinstance(reset, dict) or not isinstance(target, str) or not target.startswith(f"{path}/Actions/"):
        return "", None
    allowed = reset.get("ResetType@Redfish.AllowableValues")
    return target, allowed if isinstance(allowed, list) else None
