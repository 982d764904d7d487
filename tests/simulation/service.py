"""The simulated service of one host: what is kept available, and what must never be active twice.

Deliberately unknown here: controllers, locks, epochs' meaning. It does what hooks and faults tell it to.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from failover.core.values import Health, ServiceRole


class Mode(StrEnum):
    """DOWN: no process."""

    DOWN = "down"
    STANDBY = "standby"
    ACTIVE = "active"


class SimulatedService:
    """One instance. `flipped`: it became active by its own doing, not by a hook."""

    def __init__(self, standby_stopped: bool, changed: Callable[[Mode, str], None]) -> None:
        self.rest = Mode.DOWN if standby_stopped else Mode.STANDBY
        self.mode = self.rest
        self.epoch = 0
        self.hung = False
        self.ill = False
        self.flipped = False
        self.crashed = False
        self._changed = changed

    @property
    def active(self) -> bool:
        return self.mode is Mode.ACTIVE

    def promote(self, epoch: int) -> None:
        """A promote hook takes effect (it is repeatable)."""
        self.flipped = self.crashed = False
        self.epoch = epoch
        self._become(Mode.ACTIVE, f"promoted under epoch {epoch}")

    def demote(self) -> None:
        """A demote hook takes effect. A service that has crashed stays down."""
        self.flipped = False
        self._become(self.rest if self.mode is Mode.ACTIVE else self.mode, "demoted")

    def crash(self) -> None:
        self.flipped = self.hung = self.ill = False
        self.crashed = self.mode is not Mode.DOWN
        self._become(Mode.DOWN, "crashed")

    def come_back(self) -> None:
        """What supervises the service starts it again; it comes up as a standby (nothing else may make it active)."""
        if self.mode is Mode.DOWN:
            self.crashed = self.hung = self.ill = False
            self._become(self.rest, "came back")

    def flip(self, active: bool) -> None:
        """The service changes its own role."""
        if self.mode is Mode.DOWN:
            return
        if active and self.mode is Mode.STANDBY:
            self.flipped = True
            self._become(Mode.ACTIVE, "became active by itself")
        elif not active and self.mode is Mode.ACTIVE:
            self.flipped = False
            self._become(self.rest, "became standby by itself")

    def recover(self) -> None:
        self.hung = self.ill = False
        self._changed(self.mode, "recovered")

    def hurt(self, hung: bool) -> None:
        if self.mode is Mode.DOWN:
            return
        self.hung, self.ill = hung, not hung
        self._changed(self.mode, "hangs" if hung else "fell ill")

    def says(self) -> ServiceRole:
        """What the `role` hook would print."""
        if self.hung or (self.mode is Mode.DOWN and self.rest is not Mode.DOWN):
            return ServiceRole.UNKNOWN
        return ServiceRole.ACTIVE if self.mode is Mode.ACTIVE else ServiceRole.STANDBY

    def health(self) -> tuple[Health, bool]:
        """What probes would find, and whether the process is known to have ended."""
        if self.mode is Mode.DOWN:
            return Health.NOT_RESPONDING, self.crashed
        if self.hung:
            return Health.NOT_RESPONDING, False
        return (Health.UNHEALTHY if self.ill else Health.HEALTHY), False

    def _become(self, mode: Mode, why: str) -> None:
        before, self.mode = self.mode, mode
        self._changed(before, why)
