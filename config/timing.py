"""The lease: how long a controller may believe in its lock after a renewal (S6).

Pure arithmetic on settings; knows no clock. What is sent and acknowledged is the runtime's matter.
"""

import math
from dataclasses import dataclass

from config.models import Config

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


def longest_demote_s(session_s: float, tick_s: float) -> float:
    """Give the longest demote time-out, rounded down to 100 ms, that is safe and steady; or 0."""
    room_s = session_s - 2 * session_s / RENEWALS_PER_SESSION - tick_s
    return max(0.0, _tenths_below(room_s))


def shortest_session_s(tick_s: float, demote_s: float) -> float:
    """Give the shortest session time-out, in whole seconds, that is safe and steady."""
    least_s = (demote_s + tick_s) / (1 - 2 / RENEWALS_PER_SESSION)
    return float(math.floor(least_s + 1e-9) + 1)


def _tenths_below(seconds: float) -> float:
    return (math.ceil(seconds * 10 - 1e-9) - 1) / 10
