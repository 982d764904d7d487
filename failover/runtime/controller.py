"""The running controller: the engine, its edge, and everything that watches, asks and tells around them.

Implements `ports.controller.Controller` for the API. Unknown here: configuration, HTTP, processes, signals.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from failover.core.effects import AnswerDemand, CloseSession, EndSwitchover, Lane, StopProcess
from failover.core.events import (
    ConnectionRestored,
    Event,
    HealthChanged,
    RoleReported,
    SessionOpened,
    SettingsChanged,
    Stalled,
    StandingReported,
    Started,
    StopRequested,
)
from failover.core.state import State
from failover.core.step import Step
from failover.core.values import Control, Health, Node, Role, ServiceRole, Settings, Verdict
from failover.ports.controller import DemoteAnswer, Operation, OrderRefused, Snapshot
from failover.ports.measures import Measures, ProbeTold
from failover.ports.service import ServiceControl, Standing
from failover.ports.store import Store
from failover.runtime.adoption import Adoption
from failover.runtime.demands import Demands
from failover.runtime.edge import AsyncEdge, Deadlines
from failover.runtime.engine import Engine
from failover.runtime.fences import FenceParts, Fences
from failover.runtime.forcing import ForcedFailovers
from failover.runtime.orders import Orders
from failover.runtime.pausing import PauseEnds, end_after
from failover.runtime.phases import Phases
from failover.runtime.reports import Journal, log, snapshot_of, wall_time
from failover.runtime.stall import StallWatch
from failover.runtime.tally import Tally
from failover.runtime.timetable import Reckon, Timetable

TICK_S = 1.0
HISTORY_AFTER_S = 0.2
HISTORY_LIMIT_S = 5.0
END_AGAIN_S = 5.0
SETTLED = (Role.ACTIVE, Role.STANDBY, Role.OUT)
NOTHING_MEASURED = Measures()
FROM_CLAIM_ON = (Role.CLAIMING, Role.PROMOTING, Role.ACTIVE)


class HealthMonitor(Protocol):
    """The health monitor, as the runtime steers it."""

    def start(self) -> None: ...
    async def stop(self) -> None: ...
    def reset(self) -> None: ...
    def probes_told(self) -> tuple[ProbeTold, ...]: ...


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload brings. `monitor` None: the probes stay as they are."""

    settings: Settings
    control: ServiceControl
    fences: FenceParts
    deadlines: Deadlines
    role_every_s: float | None
    standing_every_s: float | None
    demand_limit_s: float
    reckon: Reckon
    monitor: HealthMonitor | None = None


class RunningController:
    """One controller at work. All methods run on the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        state: State,
        edge: AsyncEdge,
        store: Store,
        control: ServiceControl,
        *,
        fences: Fences,
        service: str,
        role_every_s: float | None,
        standing_every_s: float | None,
        demand_limit_s: float,
        keep_floor: Callable[[int], None],
        stop: Callable[[int, str], None],
        adoption: Adoption | None = None,
        timetable: Timetable | None = None,
        bar: str = "",
        tally: Tally | None = None,
    ) -> None:
        self._loop = loop
        self._tally = tally if tally is not None else Tally(edge.now_s)
        self._watch = StallWatch(TICK_S, self._stalled, self._jumped, on_tick=self._tally.ticked)
        self._timetable = timetable
        self._edge = edge
        self._store = store
        self._control = control
        self._service = service
        self.fences = fences
        self._role_every_s = role_every_s
        self._standing_every_s = standing_every_s
        self._keep_floor = keep_floor
        self._stop = stop
        self._started_at = wall_time()
        self._journal = Journal()
        self._untold: list[tuple[str, State, Event, Step]] = []
        self._watchers: set[asyncio.Event] = set()
        self._phases = Phases()
        self._background: set[asyncio.Task[None]] = set()
        self._asking: list[asyncio.Task[None]] = []
        self._flush: asyncio.TimerHandle | None = None
        self._has_started = False
        self._standing = Standing()
        self._lease_bar = ""
        self._bar = bar
        self.beats = 0
        self.monitor: HealthMonitor | None = None
        self._adoption = adoption
        self.engine = Engine(state, edge, self._observe, adoption.keep if adoption is not None else None)
        self._orders = Orders(store, lambda: self.engine.state, loop)
        self._pause_ends = PauseEnds(lambda: self.engine.state, self._orders.end_pause, edge.now_s)
        self._forced = ForcedFailovers(loop, lambda: self.engine.state, self.engine.post)
        self._demands = Demands(loop, state.identity.node, self.engine.post, demand_limit_s)
        fences.wire(lambda: self.engine.state, self.engine.post, self._orders, store, edge.now_s, edge.lengthen)
        edge.wire(self, self.engine.post)
        if adoption is not None:
            adoption.wire(self.engine, self._measure_session)
        store.connect(edge.from_thread(self._hear))
        self._snapshot = self._take_snapshot()

    # --- starting and stopping ------------------------------------------------------------------

    async def start(self) -> None:
        """Ask the service what it is, then go to the store; watch health from now on."""
        if self._timetable is not None:
            self._timetable.begin()
        reported = await self._control.role() if self._role_every_s else ServiceRole.UNKNOWN
        self._spawn(self._tick())
        self._begin_asking()
        self._has_started = True
        adopting = self._adoption is not None and self._adoption.waiting
        self.engine.post(Started(reported, self.engine.state.floor, adopting))
        if self._bar:
            self._post_standing()
        if self._adoption is not None and adopting:
            self._adoption.begin()
        if self.monitor is not None:  # without one this controller has come only to stop
            self.monitor.start()
            self._spawn(self.fences.prober.run())

    def _begin_asking(self) -> None:
        """Ask the service from time to time, each question at its own pace."""
        self._asking = []
        if self._role_every_s:
            self._asking.append(self._spawn(self._ask_role(self._role_every_s)))
        if self._standing_every_s:
            self._asking.append(self._spawn(self._ask_standing(self._standing_every_s)))

    async def reload(self, new: Reloaded) -> None:
        """Swap what decides and acts from now on; what runs keeps the old settings to its end."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        self._control = new.control
        self._role_every_s, self._standing_every_s = new.role_every_s, new.standing_every_s
        self._demands.limit_s = new.demand_limit_s
        self.fences.reconfigure(new.fences)
        self._edge.reconfigure(new.control, self.fences, new.deadlines)
        if self._timetable is not None:
            self._timetable.reckon_anew(new.reckon)
        if new.standing_every_s is None and self._standing != Standing():
            self._standing = Standing()
            self._post_standing()
        self._begin_asking()
        self.engine.post(SettingsChanged(new.settings))
        if new.monitor is not None and self.monitor is not None:
            old, self.monitor = self.monitor, new.monitor
            await old.stop()
            new.monitor.start()

    def request_stop(self, keep: bool = False, last: bool = False) -> None:
        """End in good order: hand over, unless `keep`. `last`: no controller will come back."""
        self.engine.post(StopRequested(keep, last))

    def witnessed(self) -> list[Event]:
        """What has happened lately, the latest last."""
        self._tell()
        return [event for _, event in self._journal.steps]

    def dump(self) -> None:
        """Write the last steps to the log before a fail-stop (S10)."""
        self._tell()
        self._journal.dump()

    async def close(self) -> None:
        """Stop watching and asking; what still runs is ended."""
        if self.monitor is not None:
            await self.monitor.stop()
        await self.fences.close()
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._edge.close()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background_ended)
        return task

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._loop.call_exception_handler({"message": "a task broke", "exception": task.exception()})

    # --- what comes in --------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        self.engine.post(event)
        if isinstance(event, ConnectionRestored):
            self._edge.lease.reached()

    def _measure_session(self, timeout_s: float) -> None:
        """The lease is reckoned with what the servers granted; too short a one bars this node, and says so (S6)."""
        self._edge.session_opened(timeout_s)
        if self._timetable is not None:
            self._timetable.granted(timeout_s)
        bar = self._edge.lease_bar(timeout_s)
        if bar != self._lease_bar:
            self._lease_bar = bar
            log.error("%s", bar or "the lease is long enough again")
            self._post_standing()

    def tell_health(self, health: Health, detail: str, gone: bool, impaired: int) -> None:
        """The monitor's word changed."""
        self.engine.post(HealthChanged(health, detail, gone, impaired))

    async def _tick(self) -> None:
        """The heartbeat: the snapshot is fresh only while the loop turns (S11)."""
        while True:
            self._watch.tick()
            self.beats += 1
            self.fences.refresh()
            self._refresh()
            over = self._pause_ends.due()
            if over is not None:
                self._spawn(self._pause_ends.end(over))
            await asyncio.sleep(TICK_S)

    def _stalled(self, seconds: float) -> None:
        log.warning("this controller stood still for %.1f s; others go first for a while", seconds)
        self.engine.post(Stalled(f"this controller stood still for {seconds:.1f} s"))

    def _jumped(self, seconds: float) -> None:
        self._tally.clock_jumps += 1
        log.warning("the wall clock jumped by %+.1f s; others go first for a while", seconds)
        self.engine.post(Stalled(f"the wall clock jumped by {seconds:+.1f} s"))

    async def _ask_role(self, every_s: float) -> None:
        """Ask the service what it is, only while no hook runs; stale answers are dropped by the core."""
        while True:
            await asyncio.sleep(every_s)
            asked = self.engine.state.attempt
            if not self.engine.idle(Lane.SERVICE):
                continue
            said = await self._control.role()
            if self.engine.idle(Lane.SERVICE):
                self.engine.post(RoleReported(said, asked))

    async def _ask_standing(self, every_s: float) -> None:
        """Ask how fit for promotion the service is; tell the core when that changes."""
        while True:
            said = await self._control.standing()
            if said != self._standing:
                self._standing = said
                self._post_standing()
            await asyncio.sleep(every_s)

    def _post_standing(self) -> None:
        bar = "; ".join(filter(None, (self._bar, self._lease_bar, self._standing.bar)))
        self.engine.post(StandingReported(self._standing.position, bar))

    # --- what goes out --------------------------------------------------------------------------

    def _observe(self, before: State, event: Event, result: Step) -> None:
        if isinstance(event, SessionOpened):
            self._measure_session(event.session.timeout_s)
        self._phases.note(before.role, result.state.role)
        self._tally.observe(before, event, result)
        self.fences.observe(before, result.state)
        self._rest_if_standby(result.state)
        self._untold.append((wall_time(), before, event, result))
        if result.state.stopping and any(isinstance(effect, CloseSession) for effect in result.effects):
            self._tell()
            self._store.append_history(self._journal.take())  # later there is no session to write it with
        if len(self._untold) == 1:
            # Two turns of the loop later: a failover does not wait for its own log lines.
            self._loop.call_soon(self._loop.call_soon, self._tell)

    def _rest_if_standby(self, state: State) -> None:
        """Not because a lock or a session was lost: only a service that certainly is not active lets the dog go.

        A lock that is still ours does not matter then: a promote needs another claim. So a store that is away for long
        resets nobody who has stepped down.
        """
        if state.service is ServiceRole.STANDBY and state.role not in FROM_CLAIM_ON:
            self._edge.rest()

    def _tell(self) -> None:
        """Log what has been observed, and show it."""
        untold, self._untold = self._untold, []
        for at, before, event, result in untold:
            if self._journal.note(at, before, event, result) and self._flush is None:
                self._flush = self._loop.call_later(HISTORY_AFTER_S, self._write_history)
        if untold:
            self._refresh()

    def _write_history(self) -> None:
        """Once things have settled: a failover must not wait behind its own history."""
        self._flush = None
        state = self.engine.state
        if state.role not in SETTLED or not state.connected:
            if self._journal.unwritten:
                self._flush = self._loop.call_later(1.0, self._write_history)
            return
        self._store.append_history(self._journal.take())

    def reset_health(self) -> None:
        if self.monitor is not None:
            self.monitor.reset()

    def raise_floor(self, epoch: int) -> None:
        self._keep_floor(epoch)

    def answer_demand(self, answer: AnswerDemand) -> None:
        self._demands.answer(answer)

    def end_switchover(self, ended: EndSwitchover) -> None:
        self._spawn(self._end_switchover(ended))

    async def _end_switchover(self, ended: EndSwitchover) -> None:
        order = self.engine.state.control.switchover
        phases = self._phases.since(order.requested_at) if order is not None else {}
        try:
            await self._orders.end_switchover(ended, phases)
        except OrderRefused as refused:
            log.warning("the end of switchover %s could not be written, it is tried again: %s", ended.id, refused)
            self._edge.call_later(END_AGAIN_S, lambda: self._end_switchover_again(ended))

    def _end_switchover_again(self, ended: EndSwitchover) -> None:
        """Until it is written, or somebody else has: an operator waits for it, and no other news of orders may come."""
        order = self.engine.state.control.switchover
        if order is not None and order.id == ended.id and not self.engine.state.stopping:
            self.end_switchover(ended)

    def stop_process(self, stop: StopProcess) -> None:
        self._stop(stop.exit_code, stop.reason)

    # --- Controller: reading --------------------------------------------------------------------

    def _take_snapshot(self) -> Snapshot:
        lease = self._edge.lease
        return snapshot_of(
            self.engine.state,
            taken_s=self._edge.now_s(),
            service=self._service,
            proven_s=lease.proven_s,
            lease_s=lease.lease_s,
            store_kind=self._store.traits.kind,
            started_at=self._started_at,
            recent=tuple(self._journal.recent)[-20:],
            retry_in_s=self._retry_in_s(),
            timing=self._timetable.figures if self._timetable is not None else {},
            fences=self.fences.sight(),
            step_down_s=lease.ends_s,
            renew_every_s=lease.renew_every_s,
            watchdog_armed=self._edge.watchdog_armed,
            adoptions=self._adoption.lately if self._adoption is not None else 0,
            measures=self._tally.told(
                self.monitor.probes_told() if self.monitor is not None else (),
                self._watch.stalls,
                self._watch.stalled_s,
            ),
            adopting=self._adoption is not None and self._adoption.waiting,
            store_trouble=self._store.trouble(),
        )

    def _retry_in_s(self) -> float | None:
        """Seconds until the pause after a failed try is over; None: no pause."""
        timer = self.engine.timer("rest")
        if not isinstance(timer, asyncio.TimerHandle):
            return None
        return round(max(0.0, timer.when() - self._loop.time()), 1)

    def _refresh(self) -> None:
        changed = self._snapshot
        self._snapshot = self._take_snapshot()
        if self._watchers and _told(changed) != _told(self._snapshot):
            for watcher in self._watchers:
                watcher.set()

    def snapshot(self) -> Snapshot:
        self._tell()  # S11: never older than the last step
        lease = self._edge.lease
        if lease.proven_s != self._snapshot.proven_s:  # a proof is no step; the snapshot's age stays what it is
            self._snapshot = replace(self._snapshot, proven_s=lease.proven_s, step_down_s=lease.ends_s)
        return self._snapshot

    def now_s(self) -> float:
        return self._edge.now_s()

    async def changes(self) -> AsyncIterator[Snapshot]:
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            yield self.snapshot()
            while True:
                await changed.wait()
                changed.clear()
                yield self._snapshot
        finally:
            self._watchers.discard(changed)

    async def history(self) -> list[dict[str, Any]]:
        answered: asyncio.Future[list[dict[str, Any]] | None] = self._loop.create_future()

        def heard(entries: list[dict[str, Any]] | None) -> None:
            if not answered.done():
                answered.set_result(entries)

        self._store.read_history(lambda entries: _hand_on(self._loop, heard, entries))
        try:
            entries = await asyncio.wait_for(answered, HISTORY_LIMIT_S)
        except TimeoutError:
            entries = None
        if entries is None:
            raise OrderRefused("store", "the store does not answer: the history cannot be read now", 503)
        return entries + self._journal.unwritten

    async def operation(self, id: str) -> Operation | None:  # noqa: A002 - the API's own word
        return self._forced.operation(id) or self.fences.operation(id) or self._orders.operation(id)

    # --- Controller: orders ---------------------------------------------------------------------

    async def switchover(self, source: str | None, target: str | None, reason: str, by: str) -> Operation:
        return await self._orders.switchover(source, target, reason, by)

    async def force_failover(self, target: str, reason: str, by: str) -> Operation:
        return await self._forced.order(target, reason, by)

    async def pause(self, reason: str, by: str, for_s: float | None = None) -> Control:
        return await self._orders.pause(reason, by, "" if for_s is None else end_after(for_s))

    async def resume(self, by: str) -> Control:
        log.info("resumed by %s", by)
        return await self._orders.resume()

    async def drain(self, node: str, force: bool, by: str) -> Control:
        log.info("drain of %s by %s", node, by)
        return await self._orders.drain(node, force)

    async def undrain(self, node: str, by: str) -> Control:
        log.info("undrain of %s by %s", node, by)
        return await self._orders.undrain(node)

    async def demand_demote(self, target: Node, epoch: int, by: str) -> DemoteAnswer:
        if not self._has_started:
            me = self.engine.state.identity.node
            return DemoteAnswer(Verdict.UNKNOWN, me, epoch, "this controller has only just started; ask again")
        if self._adoption is not None and epoch <= self._adoption.epoch:  # the core does not know of it yet (S7)
            me = self.engine.state.identity.node
            detail = f"epoch {epoch} is not above {self._adoption.epoch}, under which this node was active last"
            return DemoteAnswer(Verdict.NOT_DONE, me, epoch, detail)
        return await self._demands.make(target, epoch, by)


def _told(snapshot: Snapshot) -> Snapshot:
    """What a watcher wants to hear of: all but what changes with time alone."""
    return replace(snapshot, taken_s=0.0, proven_s=None, step_down_s=None, retry_in_s=None, measures=NOTHING_MEASURED)


def _hand_on(loop: asyncio.AbstractEventLoop, heard: Callable[[Any], None], answer: Any) -> None:
    loop.call_soon_threadsafe(heard, answer)
