"""When a probe asks, how many findings in a row change its word, and how much that word weighs.

Knows neither probes nor clocks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from one start to the next, seconds until a time-out; `rise`/`fall`: findings in a row.

    `grace_s`: seconds after a start in which failures do not count; `critical`: whether the service is ill by them.
    """

    every_s: float = 1.0
    timeout_s: float = 0.5
    rise: int = 1
    fall: int = 2
    critical: bool = True
    grace_s: float = 0.0
