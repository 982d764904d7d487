"""Operators' orders: checked first, then written into the one control record by compare-and-set.

An order changes nothing here by itself: it comes back as `ControlChanged` on every node, and the core acts on it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace

from failover.core.effects import EndSwitchover
from failover.core.events import WriteOutcome
from failover.core.state import State, can_take_over
from failover.core.values import Confirmation, Control, EndedSwitchover, Health, Member, Pause, Role, Switchover
from failover.ports.controller import Operation, OrderRefused
from failover.ports.store import ControlWritten, Store
from failover.runtime.reports import wall_time

TRIES = 5
MOST_ENDED = 10
WRITE_LIMIT_S = 10.0

Edit = Callable[[Control], Control]


def find_active(state: State) -> Member | None:
    """The member that has published itself active under the lock as it is seen."""
    for member in state.members:
        if member.role is Role.ACTIVE and state.holder is not None and member.session == state.holder.session:
            return member
    return None


def is_void(order: Switchover, active: Member | None) -> bool:
    """A record under any other epoch than the active's is void: its end was not written, say."""
    return active is not None and active.epoch != order.epoch


def _named(state: State, name: str) -> Member:
    for member in state.members:
        if member.node.name == name:
            return member
    known = ", ".join(sorted(member.node.name for member in state.members)) or "none"
    raise OrderRefused("target", f"no live member is called {name}; live are: {known}", 404)


def check_switchover(state: State, source: str | None, target: str | None) -> Member:
    """Every pre-flight check; returns the active. Raises OrderRefused with the check that failed."""
    if not state.connected:
        raise OrderRefused("store", "the store does not answer: no order can be written", 503)
    if state.control.error:
        raise OrderRefused("control", f"the control record cannot be read: {state.control.error}", 503)
    if state.paused:
        raise OrderRefused("pause", "the service is paused; resume it first: failoverctl resume")
    active = find_active(state)
    pending = state.control.switchover
    if pending is not None and not is_void(pending, active):
        raise OrderRefused("switchover", f"switchover {pending.id} is under way")
    if active is None:
        raise OrderRefused("active", "no node is active: use failoverctl failover --to NODE --force")
    if source is not None and source != active.node.name:
        raise OrderRefused("from", f"{source} is not the active; {active.node.name} is")
    _check_target(state, active, target)
    return active


def _check_target(state: State, active: Member, target: str | None) -> None:
    if target is None:
        if not any(can_take_over(state, member) for member in state.members):
            raise OrderRefused("target", "there is no healthy standby that could take over")
        return
    member = _named(state, target)
    if member.node == active.node:
        raise OrderRefused("target", f"{target} is the active already")
    if target in state.control.drained:
        raise OrderRefused("drained", f"{target} is drained; failoverctl undrain {target} first")
    if not member.candidate:
        raise OrderRefused("candidate", f"{target} is no candidate now: {member.barred}")
    if member.health is not Health.HEALTHY and not state.settings.standby_stopped:
        raise OrderRefused("health", f"{target} is {member.health.value}: {member.why}")
    if not can_take_over(state, member):
        raise OrderRefused("role", f"{target} is {member.role.value}, not standby: {member.why}")


class Orders:
    """Writes orders."""

    def __init__(self, store: Store, state: Callable[[], State], loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._state = state
        self._loop = loop

    async def switchover(self, source: str | None, target: str | None, reason: str, by: str) -> Operation:
        active = check_switchover(self._state(), source, target)
        order = Switchover(
            id=secrets.token_hex(8),
            source=active.node.name,
            target=target,
            epoch=active.epoch,
            reason=reason,
            by=by,
            requested_at=wall_time(),
        )

        def add(control: Control) -> Control:
            if self._switchover_in_force(control) or control.pause is not None:
                raise OrderRefused("control", "another order was given at the same moment; look and try again")
            return replace(control, switchover=order)

        await self._edit(add)
        return Operation(order.id, "switchover", "pending", f"{order.source} hands over")

    def _switchover_in_force(self, control: Control) -> bool:
        order = control.switchover
        return order is not None and not is_void(order, find_active(self._state()))

    async def pause(self, reason: str, by: str, until: str = "") -> Control:
        def add(control: Control) -> Control:
            if self._switchover_in_force(control):
                raise OrderRefused("switchover", "a switchover is under way: a pause now would leave nobody active")
            return replace(control, pause=Pause(by, reason, wall_time(), until))

        return await self._edit(add)

    async def resume(self) -> Control:
        return await self._edit(lambda control: replace(control, pause=None))

    async def end_pause(self, ended: Pause) -> Control:
        """Take exactly this pause away; another one, given meanwhile, stays."""
        return await self._edit(lambda c: replace(c, pause=None if c.pause == ended else c.pause))

    async def drain(self, node: str, force: bool) -> Control:
        state = self._state()
        active = find_active(state)
        if active is not None and active.node.name == node and not force:
            _check_target(state, active, None)
        if not force:
            _named(state, node)
        return await self._edit(lambda c: replace(c, drained=c.drained | {node}))

    async def undrain(self, node: str) -> Control:
        return await self._edit(lambda c: replace(c, drained=c.drained - {node}))

    async def confirm(self, word: Confirmation) -> Control:
        """An operator's word for exactly one breadcrumb; a newer word replaces an older one."""
        return await self._edit(lambda c: replace(c, confirmed=word))

    async def end_switchover(self, ended: EndSwitchover, phases: dict[str, float]) -> None:
        """Move the record from `switchover` to `ended`, if it is still there."""

        def end(control: Control) -> Control:
            order = control.switchover
            if order is None or order.id != ended.id:
                return control
            closed = EndedSwitchover(order, ended.outcome, ended.detail, phases)
            return replace(control, switchover=None, ended=(*control.ended, closed)[-MOST_ENDED:])

        await self._edit(end)

    def operation(self, id: str) -> Operation | None:  # noqa: A002 - the API's own word
        control = self._state().control
        if control.switchover is not None and control.switchover.id == id:
            return Operation(id, "switchover", "pending", f"{control.switchover.source} hands over")
        for ended in control.ended:
            if ended.order.id == id:
                return Operation(id, "switchover", ended.outcome, ended.detail, ended)
        return None

    async def _edit(self, edit: Edit) -> Control:
        """Compare-and-set, read again on a conflict. Raises OrderRefused when the store does not take it."""
        control = self._state().control
        if control.error:
            raise OrderRefused("control", f"the control record cannot be read: {control.error}", 503)
        for _ in range(TRIES):
            wanted = edit(control)
            if wanted == control:
                return control
            written = await self._write(wanted)
            if written.outcome is WriteOutcome.DONE:
                return written.control or wanted
            if written.outcome is not WriteOutcome.CONFLICT or written.control is None:
                why = written.detail or "the store does not answer"
                raise OrderRefused(
                    "store", f"the order may not have been written: {why}; look before trying again", 503
                )
            control = written.control
        raise OrderRefused("control", "others keep changing the control record; try again", 503)

    async def _write(self, control: Control) -> ControlWritten:
        answered: asyncio.Future[ControlWritten] = self._loop.create_future()

        def heard(written: ControlWritten) -> None:
            if not answered.done():
                answered.set_result(written)

        def from_thread(written: ControlWritten) -> None:
            self._loop.call_soon_threadsafe(heard, written)

        self._store.write_control(control, from_thread)
        try:
            return await asyncio.wait_for(answered, WRITE_LIMIT_S)
        except TimeoutError:
            return ControlWritten(WriteOutcome.UNKNOWN, None, f"no answer in {WRITE_LIMIT_S:.0f} s")
