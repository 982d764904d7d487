"""How long a host may live after its last proven renewal, with a watchdog: pure arithmetic on settings, in seconds.

The dog is fed only right after a renewal, and only while that renewal is at most R old. One late pet may slip in (the
thread stood still between look and pet), and the kernel feeds the dog once more when the last holder of the device ends
without a word. So a host is down at R + k*W + epsilon after the last renewal that was sent, k = 2 with a second holder.
"""

import math
from dataclasses import dataclass
from typing import Any

EPSILON_S = 1.0
"""The grain of the dog's timer, the reset, and what the disks still have in their queues."""
DRIFT = 0.001
"""How much two clocks may differ in rate; generous."""
K_GUARDED, K_ALONE = 2, 3


@dataclass(frozen=True, slots=True)
class Promise:
    """watchdog_s: W, as the kernel says it. age_s: R. k: how many W at most after R."""

    watchdog_s: float
    age_s: float
    k: int = K_GUARDED
    epsilon_s: float = EPSILON_S

    @property
    def down_s(self) -> float:
        """From the last proven renewal until the host is down for certain, on the host's own clock."""
        return self.age_s + self.k * self.watchdog_s + self.epsilon_s

    @property
    def wait_s(self) -> float:
        """How long a peer that holds the lock must wait, on its own clock (form B)."""
        return (1 + DRIFT) * self.down_s

    def no_wait(self, session_s: float, every_s: float, tick_s: float) -> bool:
        """Form A: the host is down before the servers give its lock away, if they do so by expiry."""
        return self.wait_s + every_s + tick_s <= session_s

    def longest_watchdog_s(self, session_s: float, every_s: float, tick_s: float) -> int:
        """The longest W, in whole seconds, for which form A holds; or 0."""
        room_s = (session_s - every_s - tick_s) / (1 + DRIFT) - self.age_s - self.epsilon_s
        return max(0, math.floor(room_s / self.k))


def promised(record: object) -> Promise | None:
    """Read what an active has published; None: nothing that could be relied on."""
    if not isinstance(record, dict) or record.get("armed") is not True:
        return None
    numbers = [_number(record.get(key)) for key in ("timeout_s", "lease_max_age_s", "k", "epsilon_s")]
    if any(number is None or not 0 < number < 86_400 for number in numbers):
        return None
    watchdog_s, age_s, k, epsilon_s = (float(number or 0) for number in numbers)
    return Promise(watchdog_s, age_s, math.ceil(k), epsilon_s) if k >= K_GUARDED else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def longest_of(*promises: Promise) -> Promise:
    """The worst of each part."""
    return Promise(
        max(each.watchdog_s for each in promises),
        max(each.age_s for each in promises),
        max(each.k for each in promises),
        max(each.epsilon_s for each in promises),
    )
