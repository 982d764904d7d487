"""What watches the service: its health, by events or by polling, and its `role`, by polling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from failover.core.effects import Lane
from failover.core.events import HealthChanged, RoleReported, StandingReported
from failover.core.values import Health, ServiceRole

if TYPE_CHECKING:
    from tests.simulation.process import Process

POLL_S = 1.0
STANDING_S = 3.0
SLOW_ROLE_S = 5.0


class Monitor:
    """Reports the combined word when it changes. It looks when the service has changed, after a poll's delay."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._told: tuple[Health, bool] | None = None
        self._looking = self._asking = False
        self._standing: StandingReported | None = None

    def begin(self) -> None:
        self.service_changed()
        if self._process.engine.state.settings.has_role:
            self._ask_role_later()
        if self._process.scenario.positions:
            self._ask_standing_later()

    def reset(self) -> None:
        """Forget what was found: the service has just been started or stopped on purpose."""
        self._told = None
        self.service_changed()

    def service_changed(self) -> None:
        process = self._process
        ended = process.host.service.crashed and process.scenario.events
        if ended:
            process.gate.call_later(0.001 + process.chance.random() * 0.01, self._look)
        elif not self._looking:
            self._looking = True
            process.gate.call_later(process.chance.random() * POLL_S, self._poll)

    def _poll(self) -> None:
        self._looking = False
        self._look()

    def _look(self) -> None:
        process = self._process
        health, ended = process.host.service.health()
        found = (health, ended and process.scenario.events)
        if found != self._told:
            self._told = found
            process.post(HealthChanged(health, f"the service is {process.host.service.mode.value}", found[1]))

    # --- role: only while no service effect runs ------------------------------------------------

    def _ask_role_later(self) -> None:
        process = self._process
        every_s = process.scenario.times.role_every_s
        process.gate.call_later(every_s * (0.9 + 0.2 * process.chance.random()), self._ask_role)

    def _ask_role(self) -> None:
        process = self._process
        self._ask_role_later()
        if self._asking or not process.engine.idle(Lane.SERVICE):
            return
        asked = process.engine.state.attempt
        said = process.host.service.says()
        if said is ServiceRole.STANDBY and process.host.stuck_hooks:
            said = ServiceRole.UNKNOWN  # a hook that could not be ended may yet promote
        chance = process.chance
        takes_s = chance.random() * (SLOW_ROLE_S if not process.host.calm and chance.random() < 0.3 else 0.1)
        self._asking = True
        process.gate.call_later(takes_s, lambda: self._role_said(said, asked))

    def _role_said(self, said: ServiceRole, asked: int) -> None:
        self._asking = False
        self._process.post(RoleReported(said, asked))

    # --- standing: how fresh a standby is, and whether it may be promoted ------------------------

    def _ask_standing_later(self) -> None:
        process = self._process
        process.gate.call_later(STANDING_S * (0.5 + process.chance.random()), self._ask_standing)

    def _ask_standing(self) -> None:
        process = self._process
        self._ask_standing_later()
        calm = process.host.calm
        barred = not calm and process.chance.random() < 0.15
        position = None if not calm and process.chance.random() < 0.1 else int(process.gate.now_s()) // 20
        found = StandingReported(position, "it lags too far behind" if barred else "")
        if found != self._standing:
            self._standing = found
            process.post(found)
