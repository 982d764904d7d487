"""After the faults have stopped: exactly one active within a bound, and quiet from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from failover.core.events import ForceOrdered
from failover.core.state import obstacle
from failover.core.values import Role
from tests.simulation.breach import need
from tests.simulation.host import Host

if TYPE_CHECKING:
    from tests.simulation.world import World

QUIET_S = 9.0
FOLLOW_FAILED = "the last follow failed"
LOOK_EVERY_S = 0.5


class Liveness:
    """Looks twice a second once all is calm; ends the run when it has been quiet for long enough."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._good_since_s: float | None = None
        self._calm_s = 0.0
        self._upset = ""
        self._enough = False
        self._forced = False
        self._confirmed_s = 0.0
        self.broken = 0

    def enough(self) -> bool:
        return self._enough

    def begin(self) -> None:
        self._calm_s = self._world.clock.now_s()
        self._look()

    def bound_s(self) -> float:
        """How long it may take: twice through what can follow one another, retries' pauses included."""
        scenario, times, settings = self._world.scenario, self._world.scenario.times, self._world.scenario.settings
        session_s = times.session_timeout_s * 1.5 + times.tick_s
        fence_s = times.chain_s + times.promote_s + times.demote_within_s
        waits_s = settings.hold_back_s + settings.head_start_s + settings.retry_longest_s * 1.5
        return 2 * (session_s + fence_s + waits_s) + 3 * scenario.times.role_every_s + 10.0

    def moved(self, host: Host) -> None:
        """A controller changed its role: then it is not quiet."""
        if self._good_since_s is not None:
            self._upset = host.name

    def ended(self) -> None:
        """The run is over."""
        why = self.complaint() or "one is active, but something keeps moving"
        need(self._enough, "liveness", f"there was never quiet: {why}")

    def _look(self) -> None:
        now_s = self._world.clock.now_s()
        complaint = self.complaint()
        if complaint or self._upset:
            lasted_s = now_s - self._good_since_s if self._good_since_s is not None else 0.0
            self.broken += lasted_s > LOOK_EVERY_S
            self._good_since_s, self._upset = None, ""
            need(now_s - self._calm_s <= self.bound_s(), "liveness", f"{self.bound_s():.0f} s of calm: {complaint}")
            need(self.broken <= 3, "liveness", f"it was quiet {self.broken} times, and each time it moved again")
        elif self._good_since_s is None:
            self._good_since_s = now_s
        if self._good_since_s is not None and now_s - self._good_since_s >= QUIET_S:
            self._enough = True
            return
        self._force_if_a_follow_failed()
        self._confirm_if_no_fence_helps()
        self._world.clock.call_later(LOOK_EVERY_S, self._look)

    def _force_if_a_follow_failed(self) -> None:
        """With nobody active to follow, only an operator can say that a standby may go on (design §3.1)."""
        world = self._world
        if self._forced or world.clock.now_s() - self._calm_s < self.bound_s() / 3:
            return
        if any(host.service.active for host in world.hosts):
            return
        for host in world.hosts:
            process = host.process
            if process is not None and process.running and obstacle(process.engine.state) == FOLLOW_FAILED:
                self._forced = True
                world.count("order: force, as the last follow had failed")
                process.post(ForceOrdered("operator"))
                return

    def _confirm_if_no_fence_helps(self) -> None:
        """Where the chain can never be done, an operator must say that the old active is off (S1)."""
        world, now_s = self._world, self._world.clock.now_s()
        if world.scenario.fencing is None or now_s - max(self._calm_s, self._confirmed_s) < self.bound_s() / 4:
            return
        if any(host.service.active for host in world.hosts):
            return
        for host in world.hosts:
            process = host.process
            fails = process is not None and process.engine.state.cause.startswith("fencing ")
            if fails and world.operators.confirm(host):
                self._confirmed_s = now_s
                world.count("order: confirm, as no fence helped")
                return

    def complaint(self) -> str:
        """What is not as it should be once all is calm; "" if everything is."""
        hosts = self._world.hosts
        active = [host for host in hosts if host.service.active]
        if len(active) != 1:
            return f"{len(active)} services are active ({', '.join(host.name for host in active)})"
        process = active[0].process
        lock = self._world.ensemble.records.lock
        if process is None or process.engine.state.role is not Role.ACTIVE:
            return f"the service of {active[0].name} is active, its controller is not"
        if lock is None or process.engine.state.lock != lock:
            return f"{active[0].name} is active without the lock"
        if active[0].name in self._world.ensemble.records.control.drained:
            return f"{active[0].name} is drained and still active"
        return self._others(active[0])

    def _others(self, active: Host) -> str:
        for host in self._world.hosts:
            if host is active:
                continue
            state = host.process.engine.state if host.process is not None else None
            if state is None or state.session is None:
                return f"{host.name} has no session"
            wanted = Role.STANDBY
            if not state.settings.candidate or state.drained:
                wanted = Role.OUT
            if state.role is not wanted:
                return f"{host.name} is {state.role.value}: {state.why}"
        return ""
