"""An operator's word that the last active is off: checked against what can still be seen of it, before it is written.

Knocks at the API's port of the node; strikes nothing. Where the evidence is wrong, an operator may override it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from failover.core.state import State
from failover.core.values import Confirmation
from failover.ports.controller import OrderRefused
from failover.runtime.fence_checks import check_confirm
from failover.runtime.reports import wall_time
from failover.support.knocking import Answer, knock

KNOCK_S = 2.0


async def confirmation_of(
    look: Callable[[], Awaitable[State]], node: str, reason: str, override: bool, by: str
) -> Confirmation:
    """For exactly the breadcrumb as it reads now. Raises OrderRefused with the check that failed.

    `look`: the state as the store says it now; raises OrderRefused, too.
    """
    record = check_confirm(await look(), node, override)
    if not override and await accepts(record.address):
        words = f"{node} lives: its controller's port {record.address} accepts connections"
        raise OrderRefused("alive", f"{words}; if another machine has that address now: --override-evidence")
    state = await look()  # a knock takes its time
    again = check_confirm(state, node, override)
    if again.node != record.node:
        raise OrderRefused("breadcrumb", "the breadcrumb was changed at the same moment; look and try again")
    return Confirmation(again.node, again.epoch, state.crumb.version, by, reason, wall_time())


async def accepts(address: str) -> bool:
    """Whether something accepts connections there. A refusal, silence and no address at all are no answer."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return False
    return await knock(host.strip("[]"), int(port), KNOCK_S) is Answer.ACCEPTED
