"""What every probe that only asks has in common: its name and timing, and nothing to watch or to close."""

from __future__ import annotations

from collections.abc import Callable

from failover.ports.service import Finding
from healthcheck.timing import Timing


class AskingProbe:
    """The attributes of `failover.ports.service.Probe`; `check` is each probe's own."""

    def __init__(self, name: str, timing: Timing) -> None:
        self.name = name
        self.every_s = timing.every_s
        self.timeout_s = timing.timeout_s
        self.rise = timing.rise
        self.fall = timing.fall
        self.critical = timing.critical
        self.grace_s = timing.grace_s

    def watch(self, tell: Callable[[Finding], None]) -> None:
        """It hears of nothing unasked."""

    def close(self) -> None:
        """It holds nothing."""
