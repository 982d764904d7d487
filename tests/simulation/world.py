"""A cluster under a simulated clock: hosts, controllers, servers, peers' network, and what befalls them.

Everything is drawn from one seed. The checkers see every step.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from failover.core.events import Event
from failover.core.state import State
from failover.core.step import Step
from failover.core.values import Breadcrumb, Crumb, Role, Settings
from failover.stores.simulated import SimulatedStore
from tests.simulation.checks import Checks
from tests.simulation.clock import HeapClock
from tests.simulation.devices import Devices
from tests.simulation.faults import Faults
from tests.simulation.fencing import PowerSwitches
from tests.simulation.host import Host
from tests.simulation.journal import Journal
from tests.simulation.liveness import Liveness
from tests.simulation.network import Network
from tests.simulation.orders import Operators
from tests.simulation.process import Process
from tests.simulation.scenario import Scenario
from tests.simulation.service import Mode
from tests.simulation.store_checks import WatchedEnsemble
from tests.simulation.tally import Tally


class World:
    """One run of one scenario."""

    def __init__(self, scenario: Scenario, kept: int) -> None:
        self.scenario = scenario
        self.chance = Random(scenario.seed * 8)
        self.clock = HeapClock()
        self.journal = Journal(kept)
        self.tally = Tally(seeds=1)
        self.calm = False
        times = scenario.times
        self.ensemble = WatchedEnsemble(self, times.session_timeout_s, times.tick_s)
        self.checks = Checks(self)
        self.network = Network(self)
        self.power = PowerSwitches(self)
        self.devices = Devices(self)
        stopped = scenario.settings.standby_stopped
        self.hosts = [
            Host(name, index, self.clock, stopped, self._service_changed, self.count)
            for index, name in enumerate(scenario.names)
        ]
        self._by_name = {host.name: host for host in self.hosts}
        self._settings = [self._draw_settings(index) for index in range(len(self.hosts))]
        self._leave_an_old_breadcrumb()
        self.operators = Operators(self)
        self.faults = Faults(self)
        self.liveness = Liveness(self)

    def _draw_settings(self, index: int) -> Settings:
        priority, candidate = self.scenario.settings_of(index)
        return replace(self.scenario.settings, priority=priority, candidate=candidate)

    def _leave_an_old_breadcrumb(self) -> None:
        """As of a service that ran before, perhaps under a store that has been made anew since (its zxids restart)."""
        epoch, last = self.scenario.old_epoch, self.hosts[-1].identity
        if epoch:
            clean = self.chance.random() < 0.5
            record = Breadcrumb(last.node, epoch, "an-old-boot", last.address, clean, last.facts, {"kept": True})
            self.ensemble.records.crumb = Crumb(record, 7)

    def settings_of(self, host: Host) -> Settings:
        return self._settings[host.index]

    def host_named(self, name: str) -> Host:
        return self._by_name[name]

    def new_store(self, host: Host, process: Process) -> SimulatedStore:
        return SimulatedStore(self.ensemble, host.node)

    # --- the run --------------------------------------------------------------------------------

    def run(self) -> None:
        """Until it is over. Raises Breach, or whatever the core raises."""
        for host in self.hosts:
            self.clock.call_later(self.chance.random() * 2.0, lambda host=host: self.start(host))  # type: ignore[misc]
        self.faults.begin()
        self.operators.begin()
        self.clock.call_later(self.scenario.times.calm_s, self._calm_down)
        try:
            self.clock.run_until(self.scenario.times.end_s, self.liveness.enough)
        finally:
            for host in self.hosts:
                if host.process is not None:
                    host.process.loop_dies()
        self.tally.simulated_s = self.clock.now_s()
        self.liveness.ended()

    def _calm_down(self) -> None:
        self.note("world", "the faults stop")
        self.calm = True
        for host in self.hosts:
            host.calm = True
        self.faults.heal()
        self.devices.mend()
        self.operators.leave()
        self.liveness.begin()

    def start(self, host: Host) -> None:
        """Start the controller of a host that has none."""
        if host.powered and host.process is None and not host.gate.stopped:
            host.process = Process(self, host)
            host.process.start()
        elif host.powered and host.process is None:
            self.restart_later(host, 0.5, 2.0)

    def restart_later(self, host: Host, least_s: float, most_s: float) -> None:
        """The supervisor starts it again."""
        self.clock.call_later(self.chance.uniform(least_s, most_s), lambda: self.start(host))

    def lives(self, host: Host) -> bool:
        """Whether a peer that talks to its controller would find it alive now."""
        process = host.process
        return host.powered and process is not None and process.running and host.reachable_s <= self.clock.now_s()

    def power_off(self, host: Host, why: str) -> None:
        """Everything on it ends; it boots again later."""
        if not host.powered:
            return
        self.note(host.name, f"loses power ({why})")
        self.hamper(host)
        host.lose_power()
        again_s = self.chance.uniform(2.0, 4.0) if self.calm else self.chance.uniform(2.0, 20.0)
        self.clock.call_later(again_s, lambda: self.boot(host))

    def boot(self, host: Host) -> None:
        if not host.powered:
            self.note(host.name, "boots")
            host.boot()
            host.calm = self.calm
            self.restart_later(host, 0.2, 1.0)

    # --- what everybody tells -------------------------------------------------------------------

    def note(self, who: str, text: str) -> None:
        self.journal.note(self.clock.now_s(), who, text)

    def count(self, fault: str) -> None:
        self.tally.faults[fault] += 1

    def stepped(self, process: Process, before: State, event: Event, step: Step) -> None:
        """After every step of every controller."""
        tally, host = self.tally, process.host
        tally.steps += 1
        self.journal.step(self.clock.now_s(), host.name, event, step)
        if step.stale:
            tally.stale += 1
            return
        after = step.state
        tally.rows[before.role.value, type(event).__name__] += 1
        if before.role is not after.role:
            tally.edges[before.role.value, after.role.value] += 1
            self.liveness.moved(host)
            host.raced_paused = after.paused if after.role is Role.CAMPAIGNING else host.raced_paused
            self.faults.aim(host, after.role)
        if after.session is None or not after.connected or after.paused or after.role is Role.STARTING:
            host.bad_s = self.clock.now_s()
        self.checks.stepped(process, before, event, step)

    def in_order_since_s(self, host: Host) -> float:
        """Since when this controller has been able to do its duty without a break; now, if it is not."""
        now_s, process = self.clock.now_s(), host.process
        if process is None or not process.running or host.failed_demote or host.stuck_hooks:
            return now_s
        state = process.engine.state
        if state.session is None or not state.connected or state.paused or state.stopping:
            return now_s
        return max(host.bad_s, host.hampered_s, process.started_s)

    def hamper(self, host: Host) -> None:
        """Something befell this host for which its controller cannot be blamed."""
        host.hampered_s = host.bad_s = self.clock.now_s()

    def disturb(self, host: Host) -> None:
        """Something befell this host's store or service: its controller can act, but may not know enough."""
        host.bad_s = self.clock.now_s()

    def _service_changed(self, host: Host, before: Mode, why: str) -> None:
        self.note(host.name, f"service: {before.value} -> {host.service.mode.value}, {why}")
        if host.process is not None and host.process.started:
            host.process.monitor.service_changed()
        self.checks.service_changed(host, before)
