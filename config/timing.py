"""The lease: how long a controller may believe in its lock after a renewal (S6); and how long a failover may take.

Pure arithmetic on settings; knows no clock. What is sent and acknowledged is the runtime's matter.
"""

import math
from dataclasses import dataclass, fields

from config.models import Config, FencingSettings, MethodSettings, WatchdogSettings, WatchdogWaitMethodSettings
from config.self_fencing import Promise

RENEWALS_PER_SESSION = 6


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """All in seconds; all but `renew_every_s` and `margin_s` from the *send* time of the last
    acknowledged renewal, on CLOCK_BOOTTIME.

    renew_every_s: from one renewal to the next.
    margin_s: kept free before the servers may give the lock away: a renewal interval and a tick.
    lease_s: by then a step-down, the demote's own deadline included, has ended.
    demote_must_start_by_s: the latest start of a demote that uses its whole deadline.
    """

    renew_every_s: float
    lease_s: float
    demote_must_start_by_s: float
    margin_s: float

    @property
    def is_safe(self) -> bool:
        """Tell whether a demote that uses its whole deadline can end inside the lease."""
        return self.demote_must_start_by_s > 0

    @property
    def is_steady(self) -> bool:
        """Tell whether the next renewal goes out before a step-down would have to start."""
        return self.demote_must_start_by_s > self.renew_every_s


def lease_timing(config: Config, negotiated_s: float) -> LeaseTiming:
    """Reckon the lease from the session time-out that the servers granted (S6)."""
    tick_s = config.store.tick_time if config.store.kind == "zookeeper" else 0.0
    return reckon(negotiated_s, tick_s, config.control.demote.timeout)


def reckon(session_s: float, tick_s: float, demote_s: float) -> LeaseTiming:
    """Reckon the lease: the demote ends before send + session - (renewal interval + tick)."""
    renew_every_s = session_s / RENEWALS_PER_SESSION
    margin_s = renew_every_s + tick_s
    lease_s = session_s - margin_s
    return LeaseTiming(renew_every_s, lease_s, lease_s - demote_s, margin_s)


def renewal_room_s(config: Config, negotiated_s: float) -> float:
    """How long a renewal may go unanswered before a step-down begins; under `hold`, before the lock is in doubt."""
    lease = lease_timing(config, negotiated_s)
    end_s = lease.demote_must_start_by_s if config.on_store_loss == "step_down" else lease.lease_s
    return end_s - lease.renew_every_s


def longest_demote_s(session_s: float, tick_s: float) -> float:
    """Give the longest demote time-out, rounded down to 100 ms, that is safe and steady; or 0."""
    room_s = session_s - 2 * session_s / RENEWALS_PER_SESSION - tick_s
    return max(0.0, _tenths_below(room_s))


def longest_tick_s(session_s: float, demote_s: float) -> float:
    """Give the servers' longest tick, rounded down to 100 ms, with which that demote is safe and steady; or 0."""
    return longest_demote_s(session_s, demote_s)  # tick and demote take from the same room


def shortest_session_s(tick_s: float, demote_s: float) -> float:
    """Give the shortest session time-out, in whole seconds, that is safe and steady."""
    least_s = (demote_s + tick_s) / (1 - 2 / RENEWALS_PER_SESSION)
    return float(math.floor(least_s + 1e-9) + 1)


def _tenths_below(seconds: float) -> float:
    return (math.ceil(seconds * 10 - 1e-9) - 1) / 10


METHOD_GRACE_S = 0.25
"""What the fencing chain allows a method beyond its own time-out, to say how it ended."""
EVENT_KINDS = frozenset({"process", "systemd"})
"""Probes that are told of the end of a process; what hangs lives on, and they see nothing."""
LATE_TICKS = 1.5
"""How much later than its time-out a session ends, in ticks: ZooKeeper rounds the end up to the next tick, and a
follower passes the last word of a client on every half tick, which counts from then."""


@dataclass(frozen=True, slots=True)
class FailoverTiming:
    """The longest that each part of a failover may take, in seconds, by the settings (docs/background/timing.md).

    Not in it: round trips to the store, the start of hooks, and the pauses after a failed try.

    session_s: the session time-out.
    expiry_s: how much later the servers may end a session.
    detect_crash_s: from the end of the service's process until the controller knows: 0.0 with a probe that is told.
    detect_hang_s: from when the service answers no more until the slowest probe that asks has said so `fall` times;
        None where no probe asks: a hang is never seen.
    demote_s, promote_s: the hooks' time-outs.
    fence_s: the sum over all levels, at most `fencing.timeout`.
    head_start_s: how long a candidate waits for a better one that does not come.
    step_down_margin_s: how long a renewal may go unanswered before a step-down begins; None under `hold`.
    """

    session_s: float
    expiry_s: float
    detect_crash_s: float
    detect_hang_s: float | None
    demote_s: float
    fence_s: float
    head_start_s: float
    promote_s: float
    step_down_margin_s: float | None

    @property
    def crash_s(self) -> float:
        """The process ends; its controller's demote answers `done` in time, so that nobody fences."""
        return self.detect_crash_s + self.demote_s + self.head_start_s + self.promote_s

    @property
    def hung_s(self) -> float | None:
        """The service hangs, the demote too, and the last level of the chain is the one that works."""
        if self.detect_hang_s is None:
            return None
        return self.detect_hang_s + self.demote_s + self.head_start_s + self.fence_s + self.promote_s

    @property
    def host_lost_s(self) -> float:
        """The host is gone without a word, just after a renewal."""
        return self.session_s + self.expiry_s + self.head_start_s + self.fence_s + self.promote_s

    @property
    def worst_case_s(self) -> float:
        """The longest of the three."""
        return max(self.crash_s, self.hung_s or 0.0, self.host_lost_s)

    def said(self) -> str:
        """One line for people."""
        hung = "a hung service is never seen" if self.hung_s is None else f"service hung {self.hung_s:.1f} s"
        parts = f"service crashed {self.crash_s:.1f} s, {hung}, host lost {self.host_lost_s:.1f} s"
        margin = self.step_down_margin_s
        step_down = "" if margin is None else f"; step-down margin {margin:.1f} s"
        return f"worst-case failover {self.worst_case_s:.1f} s ({parts}){step_down}"

    def figures(self) -> dict[str, float | None]:
        """Everything for programs, in seconds, to the millisecond."""
        whole = {f"worst_case_{name}_s": getattr(self, f"{name}_s") for name in ("crash", "hung", "host_lost")}
        parts = {"worst_case_failover_s": self.worst_case_s, **whole}
        for field in fields(self):
            parts["session_timeout_s" if field.name == "session_s" else field.name] = getattr(self, field.name)
        return {name: None if value is None else round(value, 3) for name, value in parts.items()}


def asked_session_s(config: Config) -> float:
    """Give the session time-out that is asked for; 0.0 for a store without sessions that outlive a controller."""
    return config.store.session_timeout if config.store.kind == "zookeeper" else 0.0


def failover_timing(config: Config, negotiated_s: float) -> FailoverTiming:
    """Reckon the worst cases with the session time-out that the servers granted; 0 for a store without sessions."""
    tick_s = config.store.tick_time if config.store.kind == "zookeeper" else 0.0
    crash_s, hang_s = _detection(config)
    return FailoverTiming(
        session_s=negotiated_s,
        expiry_s=LATE_TICKS * tick_s,
        detect_crash_s=crash_s,
        detect_hang_s=hang_s,
        demote_s=config.control.demote.timeout,
        fence_s=longest_fence_s(config.fencing, own_promise(config)),
        head_start_s=config.limits.head_start,
        promote_s=config.control.promote.timeout,
        step_down_margin_s=renewal_room_s(config, negotiated_s) if config.on_store_loss == "step_down" else None,
    )


def promise_of(settings: WatchdogSettings, session_s: float) -> Promise:
    """What a node with these settings promises. R is two renewal intervals of the session that is asked for."""
    age_s = settings.lease_max_age
    return Promise(settings.timeout, age_s if age_s is not None else 2 * session_s / RENEWALS_PER_SESSION)


def own_promise(config: Config) -> Promise | None:
    """What this node promises while it is active; None without a watchdog."""
    settings = config.watchdog
    if settings is None or settings.mode == "off":
        return None
    return promise_of(settings, asked_session_s(config))


def longest_fence_s(fencing: FencingSettings, promise: Promise | None = None) -> float:
    """Every try of every method uses its whole time, one after the other, unless the chain's own ends it first."""
    each = [longest_method_s(fencing.methods[name], promise) for level in fencing.levels for name in level]
    return min(sum(each), fencing.timeout)


def longest_method_s(method: MethodSettings, promise: Promise | None = None) -> float:
    """Every try uses its whole time; a wait for a watchdog ends when the wait is over, not at its time-out."""
    try_s = method.timeout
    if isinstance(method, WatchdogWaitMethodSettings) and promise is not None:
        try_s = min(method.timeout, max(method.minimum, promise.wait_s))
    return method.attempts * (try_s + METHOD_GRACE_S)


def _detection(config: Config) -> tuple[float, float | None]:
    """A failure just behind a good answer waits for the next question; `fall` bad answers in a row must come."""
    critical = [probe for probe in config.health if probe.critical]
    asking = [probe for probe in critical if probe.kind not in EVENT_KINDS]
    hang_s = max((probe.fall * probe.every + probe.timeout for probe in asking), default=None)
    told = len(asking) < len(critical)
    return 0.0 if told or hang_s is None else hang_s, hang_s
