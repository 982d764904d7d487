"""Forced failovers: an operator makes this node campaign now. They have no record in the store.

Knows what an operator is told; what is done is the core's.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from failover.core.events import Event, ForceOrdered
from failover.core.state import State
from failover.ports.controller import Operation, OrderRefused
from failover.runtime.orders import find_active
from failover.runtime.reports import log

MOST_FORCED = 9


class ForcedFailovers:
    """Those that this controller has been ordered, the newest MOST_FORCED + 1 of them."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, state: Callable[[], State], post: Callable[[Event], None]
    ) -> None:
        self._loop = loop
        self._state = state
        self._post = post
        self._forced: dict[str, str] = {}

    async def order(self, target: str, reason: str, by: str) -> Operation:
        """Raises OrderRefused with the check that failed."""
        state = self._state()
        active = find_active(state)
        if active is not None:
            raise OrderRefused("active", f"{active.node.name} is active: use a switchover")
        if target != state.identity.node.name:
            where = next((m.address for m in state.members if m.node.name == target), "its own controller")
            raise OrderRefused("target", f"ask {target} itself, at {where}")
        record = state.crumb.record
        dirty = record is not None and not record.clean and record.node != state.identity.node
        must = f"must fence {record.node.name} first" if dirty and record else "nobody needs to be fenced"
        log.warning("forced failover to %s by %s: %s; %s", target, by, reason, must)
        await self._post_and_wait(ForceOrdered(by))
        id_ = secrets.token_hex(8)
        self._forced = {**dict(list(self._forced.items())[-MOST_FORCED:]), id_: must}
        return self._told(id_)

    async def _post_and_wait(self, event: Event) -> None:
        """Post from the loop itself: what breaks in a step is a fail-stop (S10), not one request's error."""
        done = self._loop.create_future()

        def post() -> None:
            self._post(event)
            done.set_result(None)

        self._loop.call_soon(post)
        await done

    def operation(self, id_: str) -> Operation | None:
        """It has ended when this node is active, or another one is."""
        return self._told(id_) if id_ in self._forced else None

    def _told(self, id_: str) -> Operation:
        state = self._state()
        active = find_active(state)
        outcome = "pending" if active is None else "done" if active.node == state.identity.node else "failed"
        now = f"{state.identity.node.name} is {state.role.value}: {state.why}"
        return Operation(id_, "failover", outcome, f"{self._forced[id_]}; {now}")
