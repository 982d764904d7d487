"""`kind: systemd`: the service is a unit; it is promoted and demoted by jobs of systemd, whose results count.

A stop counts as a demote only when the unit is down *and* nothing is left in its control group, or where the `role`
hook says standby (S3). Hooks that ask (`role`, `follow`, …) are `failover.control.hooks`' matter. Knows nothing of
locks and probes, and nothing of the service beyond its unit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from failover.control.hooks import Hook, HookAsker
from failover.control.rights import Rights
from failover.core.effects import Demote, Follow, Promote
from failover.core.values import ServiceRole, Verdict
from failover.ports.service import Result, Standing
from failover.support.control_groups import ControlGroupError, group_of, processes_in
from failover.support.systemd_bus import ROOT_OBJECT, BusLostError, RefusedError, SystemdBus, UnitState

UP = ("active", "reloading", "refreshing")
UNSETTLED = ("activating", "reloading", "refreshing")
ABANDON_S = 2.0
"""For ending a promote whose attempt is over (S4)."""
_UNKNOWN_RESULTS = {"canceled": "another job took its place", "timeout": "systemd's own time-out passed"}
_WORDS = {
    "failed": "it failed",
    "skipped": "its ExecCondition= (or a Condition…=) said no",
    "dependency": "a unit that it needs failed",
}


@dataclass(frozen=True, slots=True)
class Order:
    """`verb` (start, stop, restart, reload) a unit, in so many seconds."""

    verb: str
    unit: str
    timeout_s: float

    @property
    def words(self) -> str:
        """As in a log line."""
        return f"{self.verb} {self.unit}"


@dataclass(frozen=True, slots=True)
class UnitOrders:
    """What the configuration says. `unit` is the service's own. `role`: the hook, if there is one."""

    unit: str
    standby_stopped: bool
    promote: Order
    demote: Order
    role: Hook | None = None


class SystemdControl:
    """Implements `ServiceControl`. `processes`: the pids in a control group."""

    def __init__(
        self,
        bus: SystemdBus,
        orders: UnitOrders,
        hooks: HookAsker,
        processes: Callable[[str], list[int]] = processes_in,
        rights: Rights | None = None,
    ) -> None:
        self._bus = bus
        self._orders = orders
        self._hooks = hooks
        self._processes = processes
        self._rights = rights or Rights(bus, orders.unit)

    async def promote(self, ask: Promote) -> Result:  # noqa: ARG002 - a unit is told nothing
        """Run the job; DONE if the unit then is up. One that is up already stays as it is."""
        order = self._orders.promote
        until = _now() + order.timeout_s
        try:
            result = await self._job(order, until)
            return await self._came_up(order, result, until) if result.verdict is Verdict.DONE else result
        except asyncio.CancelledError:
            await self._abandon(order)
            raise

    async def demote(self, ask: Demote) -> Result:  # noqa: ARG002
        """End what promotes, run the job, then look what is left. UNKNOWN at most if a promote may still run (S4)."""
        order = self._orders.demote
        until = _now() + order.timeout_s
        promoting = await self._end_promote(_now() + order.timeout_s / 2)  # the other half is the job's in any case
        group = await self._group_if_known(until)
        result = await self._job(order, until, self._instead_of(order))
        if result.verdict is Verdict.DONE:
            result = await self._agreed(result.detail, group, until)
        if promoting and result.verdict is Verdict.DONE:
            return Result(Verdict.UNKNOWN, f"{result.detail}; but {promoting}")
        return result

    async def follow(self, ask: Follow) -> Result:
        """By the hook, if there is one."""
        return await self._hooks.follow(ask)

    async def role(self) -> ServiceRole:
        """By the hook; without one a unit that runs on the active only says it by its state."""
        await self._rights.ask_once()
        if self._orders.role is not None or not self._orders.standby_stopped:
            return await self._hooks.role()
        try:
            state = await self._bus.state(self._orders.unit)
            if state.active in UP:
                return ServiceRole.ACTIVE
            group = await self._group(_now() + ABANDON_S)
        except (BusLostError, RefusedError):
            return ServiceRole.UNKNOWN
        return ServiceRole.UNKNOWN if _not_down(state) or self._left_in(group) else ServiceRole.STANDBY

    async def standing(self) -> Standing:
        """By the hooks; a unit that cannot be started bars, too, and one that this user may not steer."""
        await self._rights.ask_again()
        said = await self._hooks.standing()
        try:
            state = await self._bus.state(self._orders.unit)
        except (BusLostError, RefusedError) as error:
            return Standing(said.position, said.bar or f"systemd cannot be asked: {error}")
        return Standing(said.position, _unusable(state) or self._rights.bar or said.bar)

    # --- jobs -----------------------------------------------------------------------------------

    def _instead_of(self, order: Order) -> Order | None:
        """A host that shuts down takes no job but stops; and a unit that is down is demoted, too."""
        return Order("stop", self._orders.unit, order.timeout_s) if order.verb != "stop" else None

    async def _job(self, order: Order, until: float, instead: Order | None = None) -> Result:
        """`instead`: what is tried where systemd does not take the order."""
        try:
            ended = await self._bus.run_job(order.verb.capitalize(), order.unit, max(0.0, until - _now()))
        except RefusedError as error:
            detail = f"{order.words}: systemd refused: {error}"
            if instead is None:
                return Result(Verdict.NOT_DONE, detail)
            second = await self._job(instead, until)
            return Result(second.verdict, f"{detail}; {second.detail}")
        except BusLostError as error:
            return Result(Verdict.UNKNOWN, f"{order.words}: {error}")
        if ended == "done":
            return Result(Verdict.DONE, order.words)
        if ended in _UNKNOWN_RESULTS:
            return Result(Verdict.UNKNOWN, f"{order.words}: {ended}: {_UNKNOWN_RESULTS[ended]}")
        see = f"see: journalctl -u {order.unit}"
        return Result(Verdict.NOT_DONE, f"{order.words}: {_WORDS.get(ended, f'the job ended as {ended}')}; {see}")

    async def _came_up(self, order: Order, result: Result, until: float) -> Result:
        """A start job is done as soon as a service was forked, be it dead by now."""
        try:
            state = await self._bus.state(order.unit, max(0.0, until - _now()))
            if order.unit != self._orders.unit:
                if state.active not in UP and not await self._has_run(state, until):
                    return Result(Verdict.NOT_DONE, f"{result.detail}: done, but it is {state.words}")
                state = await self._bus.state(self._orders.unit, max(0.0, until - _now()))
        except (BusLostError, RefusedError) as error:
            return Result(Verdict.UNKNOWN, f"{result.detail}: done, but how it stands is not known: {error}")
        if state.active not in UP:
            return Result(Verdict.NOT_DONE, f"{result.detail}: done, but {state.name} is {state.words}")
        return Result(Verdict.DONE, f"{result.detail}: done, {state.name} is {state.words}")

    async def _has_run(self, state: UnitState, until: float) -> bool:
        """A unit of its own that only promotes may be over by now, successfully."""
        ended = await self._bus.read(state.path, "Service", "Result", max(0.0, until - _now()))
        return state.active == "inactive" and ended == "success"

    async def _abandon(self, order: Order) -> None:
        """The attempt is over: what it has started must not make the service active later."""
        if order.verb in ("start", "restart"):
            with contextlib.suppress(BusLostError, RefusedError):  # demote, which follows, tells
                await self._bus.run_job("Stop", order.unit, ABANDON_S)

    async def _end_promote(self, until: float) -> str:
        """End a promote that may still run, a predecessor's too; in words why one may, or ""."""
        promote, demote = self._orders.promote, self._orders.demote
        if (demote.verb, demote.unit) == ("stop", promote.unit):
            return ""
        try:
            state = await self._bus.state(promote.unit, max(0.0, until - _now()))
        except (BusLostError, RefusedError) as error:
            return f"a promote may still run: {error}"
        if promote.unit != self._orders.unit and promote.verb != "reload":
            if state.down and not state.job:
                return ""
            result = await self._job(Order("stop", promote.unit, promote.timeout_s), until)
            return "" if result.verdict is Verdict.DONE else f"a promote may still run ({result.detail})"
        if state.active in UNSETTLED or state.job:
            return f"a promote may still run: {promote.unit} is {state.words}"
        return ""

    # --- what is left ---------------------------------------------------------------------------

    async def _agreed(self, done: str, group: str, until: float) -> Result:
        """That the job is done is systemd's word; that nothing runs any more is a fact."""
        try:
            state = await self._bus.state(self._orders.unit, max(0.0, until - _now()))
        except (BusLostError, RefusedError) as error:
            return Result(Verdict.UNKNOWN, f"{done}: done, but how it stands is not known: {error}")
        why = _not_down(state)
        if not why:
            left = self._left_in(group)
            if left:
                return Result(Verdict.UNKNOWN, f"{done}: done, but {left}")
            return Result(Verdict.DONE, f"{done}: done, and nothing of {self._orders.unit} runs")
        if self._orders.role is not None:
            return await self._hooks.confirmed(self._orders.role, until, f"{done}: done")
        return Result(Verdict.UNKNOWN, f"{done}: done, but {why}")

    async def _group_if_known(self, until: float) -> str:
        """Asked before the stop; that it is not known must not keep the service running."""
        try:
            return await self._group(until)
        except (BusLostError, RefusedError):
            return ""

    async def _group(self, until: float) -> str:
        """The unit's control group; where it has none now, the one in which what is left of it would be."""
        path = (await self._bus.state(self._orders.unit, max(0.0, until - _now()))).path
        group = await self._bus.read(path, "Service", "ControlGroup", max(0.0, until - _now()))
        if group:
            return str(group)
        root = await self._bus.read(ROOT_OBJECT, "Manager", "ControlGroup", max(0.0, until - _now()))
        slice_name = await self._bus.read(path, "Service", "Slice", max(0.0, until - _now()))
        return group_of(self._orders.unit, str(slice_name) or "system.slice", str(root))

    def _left_in(self, group: str) -> str:
        """What runs on in that control group, in words, or ""."""
        try:
            pids = self._processes(group)
        except ControlGroupError as error:
            return f"what is left of it cannot be seen: {error}"
        if not pids:
            return ""
        shown = ", ".join(map(str, pids[:5]))
        return f"{len(pids)} of its processes run on ({shown}): its KillMode= leaves them, or they cannot be ended"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _unusable(state: UnitState) -> str:
    if state.load == "not-found":
        return f"there is no unit {state.name} on this host: is control.unit spelt as systemctl spells it?"
    if state.load != "loaded":
        return f"systemd cannot use {state.name} ({state.load}); see: systemctl status {state.name}"
    return ""


def _not_down(state: UnitState) -> str:
    """Why it does not count as down, or "". Under a name that does not exist anything may run."""
    if state.load == "not-found":
        return _unusable(state)
    if not state.down:
        return f"{state.name} is {state.words}"
    return f"a job waits to {state.job} {state.name}" if state.job not in ("", "stop") else ""
