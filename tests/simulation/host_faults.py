"""What befalls controllers, hosts and services. Unknown here: when, whom, and what must hold nevertheless."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from failover.core.values import Role
from tests.simulation.host import Host
from tests.simulation.lasting import Fault, Lasting
from tests.simulation.service import Mode

if TYPE_CHECKING:
    from tests.simulation.world import World

AGAIN_S = 0.5


class HostFaults:
    """Each answers whether it could happen."""

    def __init__(self, world: World, lasting: Lasting, chance: Random) -> None:
        self._world = world
        self._lasting = lasting
        self._chance = chance

    def kinds(self) -> dict[Fault, int]:
        """How likely each is."""
        kinds: dict[Fault, int] = {
            self.controller_is_killed: 3,
            self.controller_is_stopped: 4,
            self.host_freezes: 2,
            self.host_loses_power: 2,
            self.peers_are_unreachable: 2,
            self.service_crashes: 3,
            self.service_hangs: 2,
            self.service_falls_ill: 2,
        }
        scenario = self._world.scenario
        if scenario.settings.has_role:  # without a role hook nobody could ever know
            kinds[self.service_becomes_active] = 2
            kinds[self.service_becomes_standby] = 1
        if scenario.settings.step_down and scenario.adoption:
            kinds[self.controller_restarts_without_a_store] = 2
        return kinds

    def controller_is_killed(self, host: Host) -> bool:
        if host.process is None:
            return False
        self._world.hamper(host)
        host.process.killed()
        self._world.restart_later(host, 0.1, 8.0)
        return True

    def controller_restarts_without_a_store(self, host: Host) -> bool:
        """Killed, started again at once, and the store comes back about when the old session ends."""
        world, times = self._world, self._world.scenario.times
        if host.process is None or host.gate.stopped:
            return False
        world.hamper(host)
        host.process.killed()
        world.start(host)
        process = host.process
        process.store.faults.disconnect(0.1)
        self._lasting.begin(host, times.lease_s, times.session_timeout_s + times.tick_s, process.store.faults.reconnect)
        return True

    def controller_is_stopped(self, host: Host) -> bool:
        """SIGSTOP for the controller alone: service and hooks go on."""
        process = host.process
        if process is None or process.gate.stopped:
            return False
        process.freeze()
        self._lasting.begin(host, 0.2, 20.0, process.thaw, hampered=True)
        return True

    def host_freezes(self, host: Host) -> bool:
        """A virtual machine that is stopped for a while: everything on it wakes as it was."""
        if not host.powered or host.gate.stopped:
            return False
        gate, process = host.gate, host.process
        gate.stop()
        if process is not None:
            process.freeze()

        def thaw() -> None:
            gate.go_on()
            if process is not None:
                process.thaw()

        self._lasting.begin(host, 0.5, 20.0, thaw, hampered=True)
        return True

    def host_loses_power(self, host: Host) -> bool:
        if not host.powered:
            return False
        self._world.power_off(host, "fault")
        return True

    def peers_are_unreachable(self, host: Host) -> bool:
        host.reachable_s = self._world.clock.now_s() + self._chance.uniform(1.0, 20.0)
        return True

    def service_crashes(self, host: Host) -> bool:
        if host.service.mode is Mode.DOWN:
            return False
        host.service.crash()
        self._lasting.begin(host, 0.5, 15.0, lambda: self.bring_back(host))
        return True

    def bring_back(self, host: Host) -> None:
        """A service is started again, as a standby.

        Without a `role` hook nobody could tell that an active one came back as a standby behind its controller's back,
        so that is left out: such a configuration must not restart its service by itself.
        """
        if not host.powered or host.service.mode is not Mode.DOWN:
            return
        state = host.process.engine.state if host.process is not None else None
        if state is not None and not state.settings.has_role and state.role in (Role.PROMOTING, Role.ACTIVE):
            self._world.clock.call_later(AGAIN_S, lambda: self.bring_back(host))
        else:
            host.service.come_back()

    def service_hangs(self, host: Host) -> bool:
        host.service.hurt(hung=True)
        self._lasting.begin(host, 1.0, 12.0, host.service.recover)
        return True

    def service_falls_ill(self, host: Host) -> bool:
        host.service.hurt(hung=False)
        self._lasting.begin(host, 1.0, 12.0, host.service.recover)
        return True

    def service_becomes_active(self, host: Host) -> bool:
        before = host.service.mode
        host.service.flip(active=True)
        return host.service.mode is not before

    def service_becomes_standby(self, host: Host) -> bool:
        before = host.service.mode
        host.service.flip(active=False)
        return host.service.mode is not before
