"""When this node passed each phase of a hand-over, by the wall clock: for people only.

Decides nothing.
"""

from __future__ import annotations

from datetime import datetime

from failover.core.values import Role
from failover.runtime.reports import wall_time

PHASES = {Role.CAMPAIGNING: "lock_free", Role.PROMOTING: "claimed", Role.ACTIVE: "active"}


class Phases:
    """The newest passing of each."""

    def __init__(self) -> None:
        self._passed: dict[str, str] = {}

    def note(self, before: Role, after: Role) -> None:
        """A step was made."""
        if after in PHASES and before is not after:
            self._passed[PHASES[after]] = wall_time()

    def since(self, requested_at: str) -> dict[str, float]:
        """Milliseconds after the request, in order."""
        try:
            start = datetime.fromisoformat(requested_at)
            return self._after(start)
        except (ValueError, TypeError):  # not a time, or one without a zone: somebody edited the record
            return {}

    def _after(self, start: datetime) -> dict[str, float]:
        passed = {name: datetime.fromisoformat(at) - start for name, at in self._passed.items()}
        in_order = sorted(passed.items(), key=lambda phase: phase[1])
        return {name: round(gap.total_seconds() * 1000, 1) for name, gap in in_order if gap.total_seconds() >= 0}
