"""Self-fencing, as the runtime sees it: armed before the claim, fed after each proof of the lock, disarmed as standby.

All calls come from the loop's thread, none raises, each ends within about a second. Unknown here: what a watchdog is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

PUBLISHED = "watchdog"
"""The key in the breadcrumb under which an active says what it promises."""


SELF_FENCE_SOCKET = "self-fence.sock"
"""In the state folder, while something holds an armed watchdog for the next controller."""


@dataclass(frozen=True, slots=True)
class Arming:
    """What came of arming. `published`: for the breadcrumb. `bar`: why this node must not become active, or ""."""

    published: Mapping[str, object] = field(default_factory=dict)
    bar: str = ""


class SelfFence(Protocol):
    """Resets this host unless it is fed; feeding needs a lock that was proven a short time ago."""

    @property
    def armed(self) -> bool:
        """Whether the host will be reset if nobody feeds the dog."""

    def arm(self, proven_s: float | None, renew_every_s: float) -> Arming:
        """Be armed. `proven_s`: when the last acknowledged renewal was sent (CLOCK_BOOTTIME)."""

    def carry_on(self, told: object, proven_s: float | None, renew_every_s: float) -> str:
        """A predecessor's lock was adopted: be armed. `told`: what its breadcrumb promises, which stays as it is.

        Why this node cannot keep that promise and must step down, or "".
        """

    def proven(self, sent_s: float) -> str:
        """A renewal sent at `sent_s` was acknowledged just now. Why what is promised cannot be kept, or ""."""

    def stand_down(self) -> None:
        """The service certainly is not active, and nothing is claimed: disarm."""

    def close(self) -> None:
        """The controller ends. What is armed stays armed."""
