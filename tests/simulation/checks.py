"""The checkers that look at hosts and controllers from outside, at every step: they know what really is the case.

They never ask the core's own invariants. Exempt from "never two active", and from nothing else: a service that made
itself active (`flipped`), until S8's deadline for demoting it has passed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from failover.core.effects import Claim, Demote, Fence, Follow, Promote
from failover.core.events import Event, Fenced, Promoted
from failover.core.state import State
from failover.core.step import Step
from failover.core.values import Role, Verdict
from failover.ports.fences import FenceReport
from tests.simulation.breach import need
from tests.simulation.fencing import PROVE_S
from tests.simulation.hooks import Hook
from tests.simulation.host import Host
from tests.simulation.monitor import SLOW_ROLE_S
from tests.simulation.service import Mode

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

SLACK_S = 1.5
AGAIN_S = 1.0
PROMPT_S = 0.1


class Checks:
    """Everything about who is active where, and which hook may run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.last_epoch = 0  # of the newest promote hook
        self.floors: dict[str, int] = {}
        self.promoted: dict[str, int] = {}  # the epoch of the last promote that answered done, by host
        self.demoted: dict[str, bool] = {}  # whether the last thing done to the service was a demote that succeeded

    # --- services -------------------------------------------------------------------------------

    def service_changed(self, host: Host, before: Mode) -> None:
        """S1: whenever a service becomes active, no other one is."""
        service = host.service
        if not service.active or before is Mode.ACTIVE:
            return
        if service.flipped:
            host.flips += 1
            self._watch_flip(host, host.flips, self._s8_s())
            return
        for other in self._world.hosts:
            busy = other is not host and other.service.active and not other.service.flipped
            need(not busy, "S1", f"{host.name} became active while {other.name} is active")

    def _s8_s(self) -> float:
        times = self._world.scenario.times
        return times.role_every_s * 1.2 + SLOW_ROLE_S + times.demote_within_s + SLACK_S

    def _watch_flip(self, host: Host, flip: int, after_s: float) -> None:
        self._world.clock.call_later(after_s, lambda: self._flipped_too_long(host, flip))

    def _flipped_too_long(self, host: Host, flip: int) -> None:
        """S8: a service that is active without the lock is demoted at the first answer."""
        if not host.service.flipped or host.flips != flip:
            return
        state = host.process.engine.state if host.process is not None else None
        if state is not None and state.role is Role.ACTIVE and state.lock == self._world.ensemble.records.lock:
            host.service.flipped = False  # an active that had become standby has come to its senses
            return
        now_s = self._world.clock.now_s()
        in_order_for_s = now_s - self._world.in_order_since_s(host)
        need(in_order_for_s <= self._s8_s(), "S8", f"{host.name} has been active without the lock for too long")
        self._watch_flip(host, flip, AGAIN_S)

    # --- hooks ----------------------------------------------------------------------------------

    def forked(self, host: Host, hook: Hook, ask: Promote | Demote | Follow) -> None:
        """S4: one hook at a time. S2: the breadcrumb names the new active before its promote hook is forked."""
        kind = hook.kind
        for other in host.hooks:
            if other is not hook:
                stuck = other.stuck and kind == "demote"
                need(stuck, "S4", f"{kind} was forked on {host.name} while a {other.kind} hook still runs")
        if isinstance(ask, Promote):
            self._promote_forked(host, ask)
        elif isinstance(ask, Demote) and not hook.goes_well(self._world.scenario.times.demote_s):
            host.failed_demote = True

    def _promote_forked(self, host: Host, ask: Promote) -> None:
        crumb = self._world.ensemble.written
        self.demoted[host.name] = False
        named = crumb is not None and crumb.node == host.node and crumb.epoch == ask.epoch and not crumb.clean
        need(named, "S2", f"{host.name} promotes under epoch {ask.epoch}, the breadcrumb says {crumb}")
        need(ask.epoch > self.last_epoch, "S2", f"epoch {ask.epoch} comes after {self.last_epoch}")
        floor = self.floors.get(host.name, 0)
        need(ask.epoch > floor, "S4", f"{host.name} promotes under epoch {ask.epoch}, its floor is {floor}")
        self.last_epoch = ask.epoch

    def answered(self, host: Host, ask: Promote | Demote | Follow, verdict: Verdict) -> None:
        """Remember what the hooks said."""
        done = verdict is Verdict.DONE
        if isinstance(ask, Demote):
            self.demoted[host.name] = done
            host.failed_demote = not done
        elif isinstance(ask, Promote) and done:
            self.promoted[host.name] = ask.epoch
            host.failed_demote = host.service.flipped = False  # whoever made it active, now it rightly is

    def floor_raised(self, host: Host, epoch: int) -> None:
        need(epoch > self.floors.get(host.name, 0), "S4", f"the floor of {host.name} sank to {epoch}")
        self.floors[host.name] = epoch

    # --- strikes --------------------------------------------------------------------------------

    def struck(self, process: Process, ask: Fence) -> None:
        """S7: never oneself, only the node that the breadcrumb names, and only just after the lock was proven."""
        need(ask.target.node != process.host.node, "S7", f"{process.host.name} fences itself")
        ensemble, now_s = self._world.ensemble, process.gate.now_s()
        lost_for_s = now_s - max(ensemble.lost_s.get(ask.lock.czxid, now_s), process.host.hampered_s)
        need(lost_for_s <= PROVE_S + PROMPT_S, "S7", f"{process.host.name} strikes with a lock that it has lost")
        if ask.lock == ensemble.records.lock:
            crumb = ensemble.written
            right = crumb is not None and crumb.node == ask.target.node
            need(right, "S7", f"{process.host.name} fences {ask.target.node.name}, the breadcrumb says {crumb}")

    def struck_by(self, process: Process, target: str, method: str) -> None:
        """S7: a device that lied in a probe is not used."""
        lied = (target, method) in process.host.disk.quarantined
        need(not lied, "S7", f"{process.host.name} strikes {target} by {method}, which has lied in a probe")

    def chain_ended(self, process: Process, ask: Fence, report: FenceReport | None) -> None:
        """S7: done is only what speaks of the whole host, by a device that has said ON for it."""
        name = ask.target.node.name
        if report is None or report.verdict is not Verdict.DONE:
            return
        if not report.methods:
            ended = self._world.host_named(name).identity.boot_id != ask.target.boot_id
            ended = ended or not self._world.host_named(name).powered
            need(ended, "S7", f"{process.host.name} takes {name} for off without a strike")
            return
        need(report.methods != ("stop",), "S7", f"{process.host.name} counts the end of {name}'s service as a fence")
        if "power" in report.methods:
            said = self._world.devices.has_said_on(process.host, name)
            need(said, "S7", f"{process.host.name} believes a device that has never said ON for {name}")

    def _claims(self, process: Process, event: Event, claim: Claim) -> None:
        """S1: nobody claims over another's breadcrumb without a reason that the world knows of, too."""
        crumb, host = self._world.ensemble.records.crumb, process.host
        old = crumb.record
        if crumb.version != claim.version or old is None or old.node == host.node or old.clean:
            return
        if isinstance(event, Fenced):
            need(event.verdict is Verdict.DONE, "S5", f"{host.name} claims after a fence that answered {event.verdict}")
            return
        rebooted = self._world.host_named(old.node.name).identity.boot_id != old.boot_id
        word = (old.node.name, old.epoch, crumb.version) in self._world.operators.words
        need(rebooted or word, "S1", f"{host.name} claims over {old.node.name}, which nobody has fenced or confirmed")

    # --- controllers ----------------------------------------------------------------------------

    def stepped(self, process: Process, before: State, event: Event, step: Step) -> None:
        """S8: who calls itself standby is not active. S5: who calls itself active was promoted."""
        role, host = step.state.role, process.host
        if self._world.scenario.fencing:
            for effect in step.effects:
                if isinstance(effect, Claim):
                    self._claims(process, event, effect)
        if role is Role.STANDBY:
            busy = host.service.active and not host.service.flipped
            need(not busy, "S8", f"{host.name} calls itself standby while its service is active")
        elif role is Role.ACTIVE and isinstance(event, Promoted) and before.role is not Role.ACTIVE:
            epoch = self.promoted.get(host.name, 0)
            need(epoch == step.state.epoch, "S5", f"{host.name} calls itself active after a promote that was not done")

    # --- the lease ------------------------------------------------------------------------------

    def lock_gone(self, host: Host, why: str) -> None:
        """S6: under step_down the service has stopped before the lock can pass on.

        Held against the controller only if it could run and its demote did not fail since its last renewal.
        """
        scenario = self._world.scenario
        times = scenario.times
        window_s = times.session_timeout_s + 3 * times.tick_s
        hampered = host.failed_demote or bool(host.stuck_hooks)
        hampered = hampered or self._world.clock.now_s() - host.hampered_s <= window_s
        if not scenario.settings.step_down or hampered or not host.powered or host.process is None:
            return
        busy = host.service.active and not host.service.flipped
        need(not busy, "S6", f"the lock of {host.name} is gone ({why}) while its service is active")
