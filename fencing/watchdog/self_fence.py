"""Self-fencing (S6): this host is reset unless its controller proves, again and again, that the lock is its own.

Armed before the claim, fed only right after an acknowledged renewal that is at most R old, in one thread; disarmed only
when told that the service certainly is not active. Unknown here: store, election, service.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from config.models.watchdog import WatchdogSettings
from config.self_fencing import DRIFT, EPSILON_S, K_ALONE, K_GUARDED, Promise, promised
from failover.ports.self_fence import SELF_FENCE_SOCKET, Arming
from fencing.watchdog.device import ALARM_ONLY, MAGIC_CLOSE, Device, DeviceError, open_armed
from fencing.watchdog.guardian import GuardError, Guardian
from fencing.watchdog.preflight import doubts, never_lets_go

log = logging.getLogger("failoverd")

MOST_OF_TIMEOUT = 3


class WatchdogSelfFence:
    """Implements `SelfFence`. `promise`: what the configuration would promise; `folder`: the controller's own."""

    def __init__(self, settings: WatchdogSettings, promise: Promise, folder: Path, root: Path = Path("/")) -> None:
        self._settings = settings
        self._root = root
        self._promise = promise
        self._guardian = Guardian(folder / SELF_FENCE_SOCKET)
        self._device: Device | None = None
        self._published: dict[str, object] = {}
        self._starved = False
        self.bar = self._barred() if settings.mode == "required" else ""

    @property
    def armed(self) -> bool:
        return self._device is not None

    @property
    def required(self) -> bool:
        return self._settings.mode == "required"

    def resume(self) -> None:
        """Take over what a predecessor has armed. It is not fed here: only a proof of the lock does that."""
        try:
            taken = self._guardian.take()
            if taken is None:
                if self._settings.mode != "off":
                    self._tell_doubts()
                    self._guardian.ready()
                return
        except GuardError as error:
            log.error("%s", error)
            return
        fd, words = taken
        self.bar = ""  # it is armed: what speaks against arming comes too late
        self._device, self._published = Device(self._settings.device, fd), words
        old = promised(words)
        if old is not None:  # peers go by what was published: whoever carries on must not promise less
            self._promise = Promise(old.watchdog_s, min(old.age_s, self._promise.age_s), old.k, old.epsilon_s)
        log.info("self-fencing: the watchdog that the last controller has armed is taken over")

    def arm(self, proven_s: float | None, renew_every_s: float) -> Arming:
        if proven_s is None or _now_s() - proven_s > self._promise.age_s:
            return self._refused("the lock was not proven lately, so the watchdog is not armed")
        if self._device is None:
            barred = "watchdog: mode: off" if self._settings.mode == "off" else self._barred()
            if barred:
                return self._refused(barred)
            try:
                self._arm(renew_every_s)
            except DeviceError as error:
                self._give_up_arming()
                return self._refused(str(error))
        unkept = self.proven(proven_s)
        if unkept:  # it stays armed: the service may be active (a pause), and `stand_down` comes once it is not
            return self._refused(unkept)
        return Arming(dict(self._published))

    def carry_on(self, told: object, proven_s: float | None, renew_every_s: float) -> str:
        old = promised(told)
        if old is None and not self.required:
            return ""  # nobody counts on anything
        arming = self.arm(proven_s, renew_every_s)
        if arming.bar or old is None:
            return arming.bar
        new = promised(arming.published)
        if new is None:
            return f"the breadcrumb promises a watchdog, and it is not armed: {arming.published.get('why', '')}"
        age_s = min(old.age_s, new.age_s)
        if (
            age_s < renew_every_s
            or max(new.watchdog_s - old.watchdog_s, new.k - old.k, new.epsilon_s - old.epsilon_s) > 0
        ):
            return f"the breadcrumb promises {old}, and this controller can keep only {new}"
        self._promise = replace(self._promise, age_s=min(age_s, self._promise.age_s))
        return ""

    def _arm(self, renew_every_s: float) -> None:
        """Raises DeviceError; the device may be open then."""
        asked_s = int(self._settings.timeout)
        device = self._device = open_armed(self._settings.device)
        support = device.support()
        if support.options & ALARM_ONLY:
            raise DeviceError(f"{device.path} ({support.identity}) only raises an alarm and resets nothing")
        got_s = device.set_timeout(asked_s)
        if got_s > asked_s:
            raise DeviceError(f"{device.path}: the driver has set {got_s} s instead of {asked_s} s")
        if got_s < MOST_OF_TIMEOUT * renew_every_s:
            raise DeviceError(
                f"{device.path}: a time-out of {got_s} s is too short for a renewal every {renew_every_s:.3g} s"
            )
        if not support.options & MAGIC_CLOSE:  # then any close disarms it, that of a killed process too
            raise DeviceError(f"{device.path} ({support.identity}) has no magic close: the end of a process disarms it")
        nowayout = never_lets_go(device.path, self._root)
        self._published = self._record(support.identity, got_s, guard=True, nowayout=nowayout)
        try:
            self._guardian.hold(device.fd, self._published)
        except GuardError as error:
            log.error("self-fencing without a guard, so peers wait longer: %s", error)
            self._published = self._record(support.identity, got_s, guard=False, nowayout=nowayout)
        log.info("self-fencing: %s (%s) is armed, %d s", device.path, support.identity, got_s)

    def _record(self, identity: str, watchdog_s: int, *, guard: bool, nowayout: bool) -> dict[str, object]:
        return {
            "armed": True,
            "identity": identity,
            "timeout_s": watchdog_s,
            "lease_max_age_s": math.ceil(self._promise.age_s * 1000 - 1e-6) / 1000,
            "guard": guard,
            "k": K_GUARDED if guard else K_ALONE,
            "epsilon_s": EPSILON_S,
            "drift": DRIFT,
            "nowayout": nowayout,
        }

    def _refused(self, why: str) -> Arming:
        published: Mapping[str, object] = {"armed": False, "why": why[:200]}
        if self.required:
            return Arming(published, f"watchdog: mode: required, and it cannot be armed: {why}")
        if self._settings.mode != "off":
            log.warning("self-fencing is off for now (mode: automatic): %s", why)
        return Arming(published)

    def proven(self, sent_s: float) -> str:
        device = self._device
        if device is None:
            return ""
        age_s = _now_s() - sent_s
        if age_s > self._promise.age_s:
            if not self._starved:
                log.error("self-fencing: a renewal that is %.1f s old does not feed the watchdog", age_s)
            self._starved = True
            return ""
        self._starved = False
        try:
            device.feed()
            if self._published.get("guard"):
                self._guardian.ready_with(device.fd, self._published)
        except (DeviceError, GuardError) as error:
            return f"self-fencing: {error}"
        return ""

    def stand_down(self) -> None:
        if self._device is None:
            return
        nowayout = bool(self._published.get("nowayout"))
        self._give_up_arming()
        if nowayout:
            log.warning("self-fencing: the watchdog has nowayout and cannot be disarmed: this host will be reset")
        else:
            log.info("self-fencing: the watchdog is let go")

    def _give_up_arming(self) -> None:
        """The `V` counts when the last holder closes: first ours, then the guard's."""
        device, self._device = self._device, None
        self._published = {}
        if device is None:
            return
        try:
            device.disarm()
        except DeviceError as error:
            log.error("self-fencing: not disarmed, this host will be reset: %s", error)
            device.close()
        try:
            self._guardian.release()
        except GuardError as error:
            log.error("self-fencing: %s", error)

    def close(self) -> None:
        if self._device is not None:
            log.warning("self-fencing: the watchdog stays armed for the next controller")
            self._device.close()
            self._device = None
        self._guardian.leave()

    def _barred(self) -> str:
        return "; ".join(f"watchdog: {doubt.message}" for doubt in doubts(self._settings, self._root) if doubt.bars)

    def _tell_doubts(self) -> None:
        for doubt in doubts(self._settings, self._root):
            log.log(logging.ERROR if doubt.bars else logging.WARNING, "watchdog: %s; %s", doubt.message, doubt.hint)


def _now_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
